"""From evidence to identity."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from provd.base.types import Mac
from provd.domain.evidence import Evidence, Identity
from provd.domain.identify import DOUBTED, Index, merge
from provd.domain.records import Device
from provd.plugin import FileRule, Manifest, Match, Model, OuiRule

MAC = Mac("aabb01223344")
OTHER = Mac("aabb01ffffff")
AGENT = r"acme (?P<model>[a-z0-9]{1,8}) (?P<version>\d+\.\d+)(?: (?P<mac>[0-9a-f:]{12,17}))?(?: sn(?P<serial>\w{1,9}))?"

ACME = Manifest(
    id="acme",
    version="1.0.0",
    contract=1,
    vendor="Acme",
    license="Apache-2.0",
    description="made up",
    models=(
        Model("A1", aliases=("A-1",), common=("acme1.cfg",)),
        Model("A2P", common=("acme2.cfg",)),
        Model("A2G", common=("acme2.cfg",)),
    ),
    matches=(
        Match("user_agent", ("acme ",), AGENT, 95),
        Match("user_agent", ("acme ",), r"acme \w{1,20} (?P<version>\d+\.\d+)", 50),
        Match("option60", ("acme",), r"acme(?:-(?P<model>\w{1,8}))", 70),
        Match("option60", ("acme",), r"acme.{0,40}", 40),
        Match("file", ("box",), r"box(?P<mac>[0-9a-f]{12})\.bin", 60, model="A1"),
        Match("file", ("acme-",), r"acme-(?P<model>\w{1,8})/(?P<mac>[0-9a-f]{12})\.xml", 60),
    ),
    ouis=(OuiRule(("aabb01",)), OuiRule(("aabb02",), only_without_option60=True, nameless=("tr-069",))),
    files=(FileRule("{common}", "common", "c", secrets=False), FileRule("{mac}.cfg", "device", "d")),
)
INDEX = Index.build((ACME,))


def agent(text: str, name: str = "") -> Identity:
    return INDEX.identify(Evidence("http", user_agent=text, name=name))


def file(name: str) -> Identity:
    return INDEX.identify(Evidence("tftp", name=name))


def dhcp(option60: str, mac: Mac = MAC) -> Identity:
    return INDEX.identify(Evidence("dhcp", mac=mac, option60=option60))


def test_a_user_agent_tells_everything() -> None:
    identity = agent("Acme A2G 4.2 AA:BB:01:22:33:44 snX1")
    assert identity == Identity(
        vendor="Acme",
        model="A2G",
        version="4.2",
        mac=MAC,
        serial="X1",
        plugin="acme",
        confidence=95,
        reasons=(
            "User-Agent 'Acme A2G 4.2 AA:BB:01:22:33:44 snX1' names Acme A2G, firmware 4.2",
            "MAC prefix aa:bb:01 belongs to Acme",
        ),
    )


def test_an_alias_leads_to_the_model() -> None:
    assert INDEX.identify(Evidence("dhcp", option60="ACME-a1\0")).model == "A1"


def test_a_model_nobody_knows_leaves_the_vendor() -> None:
    assert agent("Acme A9 1.0") == replace(agent("Acme A9 1.0"), model="", vendor="Acme", version="1.0", confidence=50)
    assert (dhcp("acme-A9").model, dhcp("acme-A9").confidence) == ("", 40)


def test_nothing_known_is_nothing_said() -> None:
    assert INDEX.identify(Evidence("http", user_agent="Mozilla/5.0", name="index.html")) == Identity()
    assert INDEX.identify(Evidence("http")) == Identity()
    assert Index.build(()).identify(Evidence("dhcp", mac=MAC, option60="acme")) == Identity(mac=MAC)


def test_common_file_names_tell_the_model() -> None:
    assert (file("ACME1.cfg").model, file("ACME1.cfg").confidence) == ("A1", 60)
    assert (file("acme2.cfg").model, file("acme2.cfg").confidence) == ("A2P", 55)


def test_the_user_agent_decides_between_models_that_share_a_file() -> None:
    identity = agent("Acme A2G 1.0", "acme2.cfg")
    assert identity.model == "A2G"
    assert len(identity.reasons) == 2


@pytest.mark.parametrize(
    "name", ["AABB01223344.cfg", "aa:bb:01:22:33:44.cfg", "aa-bb-01-22-33-44.CFG", "aabb01223344-x.y"]
)
def test_a_mac_in_a_name(name: str) -> None:
    assert (file(name).mac, file(name).vendor, file(name).plugin) == (MAC, "Acme", "acme")


def test_a_mac_behind_a_literal_that_could_be_hexadecimal() -> None:
    identity = file("boxAABB01223344.bin")
    assert (identity.mac, identity.model) == (MAC, "A1")


def test_folders_are_looked_at_only_where_an_expression_wants_them() -> None:
    identity = file("some/token/Acme-A1/aabb01223344.xml")
    assert (identity.mac, identity.model) == (MAC, "A1")
    assert file("a/b/c/d/e/f/acme1.cfg").model == "A1"
    assert file("acme-A1/x/y/z/q/aabb01223344.xml").model == ""


def test_the_mac_of_the_frame_is_certain_then_the_one_in_the_name() -> None:
    evidence = Evidence("http", mac=OTHER, user_agent="acme A1 1.0 aabb01223344", name="aabb01223344.cfg")
    assert INDEX.identify(evidence).mac == OTHER
    assert agent("acme A1 1.0 aabb01ffffff", "aabb01223344.cfg").mac == MAC


def test_a_user_agent_of_another_mac_is_doubted() -> None:
    identity = agent("acme A1 1.0 aabb01ffffff snX", "aabb01223344.cfg")
    assert (identity.confidence, identity.serial) == (DOUBTED, "")
    assert "while asking for aa:bb:01:22:33:44" in identity.reasons[0]
    known = Identity(vendor="Acme", model="A2G", plugin="acme", mac=MAC, confidence=95)
    assert merge(known, identity).model == "A2G"


def test_a_shared_prefix_is_believed_only_of_a_client_without_a_class() -> None:
    shared = Mac("aabb02000001")
    assert dhcp("", shared).vendor == "Acme"
    assert dhcp("TR-069\0", shared).vendor == "Acme"
    assert dhcp("MSFT 5.0", shared).vendor == ""
    assert file("aabb02000001.cfg").vendor == ""


def test_the_index_routes_the_same_manifests() -> None:
    (route,) = INDEX.routes.find("acme1.cfg").routes
    assert (route.plugin, route.model) == ("acme", "A1")


def test_evidence_without_end_is_not_looked_at() -> None:
    assert INDEX.candidates("user_agent", "acme A1 1.0" + " " * 300) == ()
    assert agent("acme A1 1.0" + " " * 300) == Identity()
    assert file("aabb01223344.cfg" * 100) == Identity()


def test_text_from_the_network_is_shown_harmlessly() -> None:
    (reason, *_) = dhcp("acme\x1b[2J\n").reasons
    assert reason.isprintable()


def test_work_does_not_grow_with_the_number_of_plugins() -> None:
    def made_up(number: int) -> Manifest:
        word = f"vendor{number:02}"
        return replace(
            ACME,
            id=word,
            vendor=word,
            models=(Model(f"V{number}", common=(f"{word}.cfg",)),),
            matches=(
                Match("user_agent", (f"{word} ",), rf"{word} (?P<model>\w{{1,8}})", 95),
                Match("option60", (word,), rf"{word}.{{0,40}}", 40),
            ),
            ouis=(OuiRule((f"cc00{number:02}",)),),
        )

    few = Index.build((ACME, made_up(98), made_up(99)))
    many = Index.build((ACME, *(made_up(number) for number in range(40))))
    for source, text in (("user_agent", "acme A1 1.0"), ("option60", "acme-a1"), ("file", "boxaabb01223344.bin")):
        assert len(few.candidates(source, text)) == len(many.candidates(source, text)) <= 2
    assert many.candidates("user_agent", "nobody/1.0") == ()
    assert len(many.candidates("user_agent", "vendor07 V7")) == 1


def test_hostile_texts_cost_little() -> None:
    hostile = [
        Evidence("http", user_agent="acme " + "a1" * 125, name="a" * 255),
        Evidence("http", user_agent="acme a1 " + "1" * 247, name=("aa:bb:01:" * 28)[:255]),
        Evidence("dhcp", option60="acme-" + "x" * 250, mac=MAC),
    ]
    started = time.process_time()
    for evidence in hostile * 10:
        INDEX.identify(evidence)
    assert time.process_time() - started < 20.0, "milliseconds; what is tried in every way takes hours"


KNOWN = Identity(vendor="Acme", model="A2P", version="1.0", mac=MAC, serial="S", plugin="acme", confidence=60)


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        pytest.param(Identity(), KNOWN, id="nothing new"),
        pytest.param(Identity(vendor="Acme", plugin="acme", confidence=20), KNOWN, id="vaguer"),
        pytest.param(
            Identity(vendor="Acme", model="A1", version="9", plugin="acme", confidence=55), KNOWN, id="weaker model"
        ),
        pytest.param(
            Identity(vendor="Acme", model="A2G", version="2.0", plugin="acme", confidence=95),
            replace(KNOWN, model="A2G", version="2.0", confidence=95),
            id="more precise model",
        ),
        pytest.param(
            Identity(vendor="Acme", model="A2P", version="2.0", plugin="acme", confidence=95),
            replace(KNOWN, version="2.0", confidence=95),
            id="new firmware",
        ),
        pytest.param(
            Identity(vendor="Acme", version="2.0", plugin="acme", confidence=95),
            replace(KNOWN, version="2.0", confidence=95),
            id="firmware without model",
        ),
        pytest.param(
            Identity(vendor="Bell", model="B1", plugin="bell", confidence=95),
            Identity(vendor="Bell", model="B1", mac=MAC, plugin="bell", confidence=95),
            id="another vendor, surely",
        ),
        pytest.param(Identity(vendor="Bell", plugin="bell", confidence=20), KNOWN, id="another vendor, hardly"),
    ],
)
def test_a_more_precise_source_replaces_a_vaguer_one(new: Identity, expected: Identity) -> None:
    assert replace(merge(KNOWN, new), reasons=()) == expected


def test_a_weaker_claim_completes_a_stronger_one_of_the_same_plugin_only() -> None:
    bell = replace(ACME, id="bell", vendor="Bell", matches=(), ouis=(), models=(Model("B1", common=("bell.cfg",)),))
    index = Index.build((ACME, bell))
    identity = index.identify(Evidence("http", user_agent="acme A9 1.0", name="bell.cfg"))
    assert (identity.vendor, identity.model, identity.version, identity.confidence) == ("Bell", "B1", "", 60)
    identity = index.identify(Evidence("http", user_agent="acme A9 1.0", name="acme1.cfg"))
    assert (identity.vendor, identity.model, identity.version, identity.confidence) == ("Acme", "A1", "1.0", 60)


def test_merge_takes_a_device_record() -> None:
    device = Device(mac=MAC, vendor="Acme", model="", plugin="acme", confidence=20)
    merged = merge(device, Identity(vendor="Acme", model="A1", version="1.0", plugin="acme", confidence=95))
    assert (merged.mac, merged.model, merged.version, merged.confidence) == (MAC, "A1", "1.0", 95)
    assert merge(Device(mac=MAC), Identity(vendor="Acme", plugin="acme", confidence=10)).vendor == "Acme"
