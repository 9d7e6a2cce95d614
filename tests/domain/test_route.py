"""Which file a name asks for, and whose options a device gets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provd.domain.evidence import Identity
from provd.domain.names import NameTable, last_segment, loose_mac, name_for
from provd.domain.prefixes import Prefixes
from provd.domain.route import NOBODYS, Routes, advice_for, ambiguities, choose
from provd.plugin import DhcpAdvice, FileRule, Manifest, Model, OptionValue, OuiRule

COMMON = FileRule("{common}", "common", "common.j2", secrets=False)
DEVICE = FileRule("{mac}.cfg", "device", "device.j2")
BOOT = FileRule("{mac}.boot", "absent")


def plugin(name: str, *files: FileRule, models: tuple[Model, ...] = (), prefixes: tuple[str, ...] = ()) -> Manifest:
    return Manifest(
        id=name,
        version="1.0.0",
        contract=1,
        vendor=name.title(),
        license="Apache-2.0",
        description="made up",
        models=models or (Model(f"{name.upper()}1", common=(f"{name}1.cfg",)),),
        ouis=(OuiRule(prefixes),) if prefixes else (),
        files=files,
    )


ACME = plugin(
    "acme",
    COMMON,
    DEVICE,
    BOOT,
    models=(
        Model("A1", common=("acmeA1.cfg",)),
        Model("A2P", common=("acme2.cfg",)),
        Model("A2G", common=("acme2.cfg",)),
    ),
    prefixes=("aabb01",),
)
BELL = plugin("bell", COMMON, DEVICE, FileRule("cfg{mac}.xml", "device", "d.j2"), prefixes=("aabb02",))
ROUTES = Routes.build((ACME, BELL))


def test_a_common_file_names_its_model_whatever_the_case() -> None:
    for name in ("acmeA1.cfg", "acmea1.cfg", "ACMEA1.CFG"):
        (route,) = ROUTES.find(name).routes
        assert (route.plugin, route.rule, route.model) == ("acme", COMMON, "A1")
        assert ROUTES.find(name).mac is None


def test_a_shared_common_file_assumes_the_first_model_and_names_them_all() -> None:
    (route,) = ROUTES.find("acme2.cfg").routes
    assert (route.model, route.models) == ("A2P", ("A2P", "A2G"))
    chosen = choose(ROUTES.find("acme2.cfg"), Identity(plugin="acme", model="A2G", confidence=95))
    assert chosen is not None
    assert chosen.model == "A2G"


@pytest.mark.parametrize("name", ["AABB01223344.cfg", "aa:bb:01:22:33:44.cfg", "AA-bb-01-22-33-44.CFG"])
def test_a_mac_is_found_in_any_usual_form(name: str) -> None:
    assert [route.plugin for route in ROUTES.find(name).routes] == ["acme", "bell"]
    assert ROUTES.find(name).mac == "aabb01223344"


def test_a_mac_may_stand_behind_a_literal() -> None:
    found = ROUTES.find("cfgAABB02223344.xml")
    assert ([route.plugin for route in found.routes], found.mac) == (["bell"], "aabb02223344")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "aabb01223344",
        "aabb01223344.cfg.bak",
        "xaabb01223344.cfg",
        "aabb01223344-local.cfg",
        "aabb0122334.cfg",
        "aabb012233445.cfg",
        "aa:bb-01:22:33:44.cfg",
        "a" * 5000,
        "aabb01223344.cfg/",
    ],
)
def test_names_are_matched_whole(name: str) -> None:
    assert ROUTES.find(name) == NOBODYS


def test_a_boot_file_is_known_and_absent() -> None:
    (route,) = ROUTES.find("aabb01223344.boot").routes
    assert route.rule.kind == "absent"


def test_the_plugin_of_the_device_decides() -> None:
    routes = ROUTES.find("aabb01223344.cfg")
    chosen = choose(routes, Identity(plugin="bell", confidence=20))
    assert chosen is not None
    assert chosen.plugin == "bell"


def test_without_a_plugin_the_mac_prefix_decides() -> None:
    for name, owner in (("aabb01223344.cfg", "acme"), ("aabb02223344.cfg", "bell")):
        chosen = choose(ROUTES.find(name), Identity())
        assert chosen is not None
        assert chosen.plugin == owner


def test_nothing_is_chosen_by_accident() -> None:
    assert choose(ROUTES.find("ccccccccccc1.cfg"), Identity()) is None
    assert choose(NOBODYS, Identity(plugin="acme")) is None


def test_a_device_that_surely_is_another_plugins_gets_no_device_file() -> None:
    found = ROUTES.find("cfgaabb02223344.xml")
    assert choose(found, Identity(plugin="acme", confidence=95)) is None
    assert choose(found, Identity(plugin="acme", confidence=20)) == found.routes[0]


def test_a_common_file_has_no_owner_to_protect() -> None:
    found = ROUTES.find("bell1.cfg")
    assert choose(found, Identity(plugin="acme", confidence=95)) == found.routes[0]


def test_an_absent_file_is_absent_whoever_asks() -> None:
    both = Routes.build((ACME, plugin("cord", BOOT))).find("ccccccccccc1.boot")
    assert len(both.routes) == 2
    chosen = choose(both, Identity())
    assert chosen is not None
    assert chosen.rule.kind == "absent"


def test_two_rules_for_one_name_are_seen() -> None:
    twice = plugin("twice", DEVICE, FileRule("{MAC}.cfg".replace("MAC", "mac"), "absent"))
    assert ambiguities(twice) == ("{mac}.cfg",)
    assert ambiguities(ACME) == ()
    clash = plugin("clash", COMMON, FileRule("CLASH1.cfg", "absent"))
    assert ambiguities(clash) == ("clash1.cfg",)


def test_one_group_for_all_who_have_the_same_name() -> None:
    many = Routes.build((ACME, BELL, *(plugin(f"p{n}", COMMON, DEVICE, prefixes=(f"aacc{n:02}",)) for n in range(40))))
    first, second = many.find("aabb01223344.cfg"), many.find("aabb02223344.cfg")
    assert first.group is second.group
    assert len(first.routes) == 42
    for name, owner in (("aabb02223344.cfg", "bell"), ("aacc07223344.cfg", "p7")):
        chosen = choose(many.find(name), Identity())
        assert chosen is not None
        assert chosen.plugin == owner
    assert choose(many.find("aaff00223344.cfg"), Identity()) is None


def test_a_prefix_that_two_claim_tells_nothing() -> None:
    twins = Routes.build((ACME, plugin("cord", DEVICE, prefixes=("aabb01",))))
    assert choose(twins.find("aabb01223344.cfg"), Identity()) is None


def test_a_model_without_evidence_stands_back() -> None:
    routes = Routes.build((ACME, plugin("site-1", DEVICE)))
    for known, owner in ((Identity(), "acme"), (Identity(plugin="site-1", confidence=95), "site-1")):
        chosen = choose(routes.find("ccccccccccc1.cfg"), known)
        assert chosen is not None
        assert chosen.plugin == owner


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("aabb01223344.cfg", ("plain", "aabb01223344")),
        ("ccaabb01223344.cfg", ("behind", "aabb01223344")),
        ("aabb01223344aabb01223344.cfg", (None, None)),
        ("aa:bb:01:22:33:44.cfg", ("plain", "aabb01223344")),
        ("fax-aabb01223344.cfg", ("far", "aabb01223344")),
        ("aabb0122334.cfg", (None, None)),
        ("a.cfg", (None, None)),
    ],
)
def test_a_mac_is_looked_for_wherever_one_may_begin(name: str, found: tuple[str | None, str | None]) -> None:
    table = NameTable([("{mac}.cfg", "plain"), ("cc{mac}.cfg", "behind"), ("fax-{mac}.cfg", "far")])
    assert table.find(name) == found


@given(
    starts=st.lists(st.text("ab", max_size=6), max_size=12),
    text=st.text("abAB", max_size=9),
)
def test_the_tree_finds_what_looking_at_each_prefix_would(starts: list[str], text: str) -> None:
    named = list(enumerate(starts))
    fitting = [(place, start) for place, start in named if text.lower().startswith(start)]
    fitting.sort(key=lambda each: -len(each[1]))
    assert Prefixes((start, place) for place, start in named).of(text) == tuple(place for place, _ in fitting)


def test_the_first_block_that_names_the_model_is_the_advice_then_the_default() -> None:
    old, default = OptionValue("text", "{tftp}"), OptionValue("text", "{base}/")
    manifest = Manifest(
        id="acme",
        version="1.0.0",
        contract=1,
        vendor="Acme",
        license="Apache-2.0",
        description="made up",
        models=(Model("A1"), Model("A2")),
        ouis=(OuiRule(("aabb01",), models=("A1",)), OuiRule(("aabb02",))),
        dhcp=(DhcpAdvice({66: default}), DhcpAdvice({66: old}, models=("A1",))),
    )
    said = {
        key: advice.options[66].text
        for key, advice in {
            "named": advice_for(manifest, "A1"),
            "unnamed": advice_for(manifest, "A2"),
            "unknown": advice_for(manifest, ""),
            "prefix": advice_for(manifest, "", parse("aabb01000000")),
            "other prefix": advice_for(manifest, "", parse("aabb02000000")),
            "model beats prefix": advice_for(manifest, "A2", parse("aabb01000000")),
        }.items()
        if advice is not None
    }
    assert said == {
        "named": "{tftp}",
        "unnamed": "{base}/",
        "unknown": "{base}/",
        "prefix": "{tftp}",
        "other prefix": "{base}/",
        "model beats prefix": "{base}/",
    }
    assert advice_for(ACME, "A1") is None


def parse(text: str):
    from provd.base.types import parse_mac

    return parse_mac(text)


def test_a_plain_name_is_not_taken_for_a_mac() -> None:
    table = NameTable([("y000000000000.cfg", "plain"), ("y{mac}.cfg", "mac")])
    assert table.find("y000000000000.cfg") == ("plain", None)
    assert table.find("y000000000001.cfg") == ("mac", "000000000001")
    assert table.find("y00_00_00_00_00_01.cfg") == ("mac", "000000000001")


def test_segments_and_loose_macs() -> None:
    assert last_segment("a/b/c.cfg") == "c.cfg"
    assert last_segment("c.cfg") == "c.cfg"
    assert last_segment("a/") == ""
    assert loose_mac("aabb01223344-x.bin") == "aabb01223344"
    assert loose_mac("fw-aa:bb:01:22:33:44.bin") == "aabb01223344"
    assert loose_mac("fw_aa_bb_01_22_33_44.bin") == "aabb01223344"
    assert loose_mac("fw-aa_bb-01_22-33_44.bin") is None
    assert loose_mac("y000000000035.cfg") is None
    assert loose_mac("000000000000.cfg") is None
    assert loose_mac("aabb012233445566.cfg") is None


def test_a_name_with_the_model_in_it() -> None:
    deed = plugin(
        "deed",
        FileRule("deed{model}-{mac}.htm", "device", "d.j2"),
        models=(Model("D1"), Model("D2", aliases=("2",))),
    )
    routes = Routes.build((ACME, deed))
    for name in ("deedD1-AABB01000001.htm", "deed2-aabb01000001.htm"):
        (route,) = routes.find(name).routes
        assert (route.plugin, routes.find(name).mac) == ("deed", "aabb01000001")
    assert routes.find("deedD3-aabb01000001.htm") == NOBODYS
    assert name_for("deed{model}-{mac}.htm", "aabb01000001", "D1") == "deedD1-aabb01000001.htm"
    assert name_for("deed{model}-{mac}.htm", "aabb01000001", "") == "deed{model}-aabb01000001.htm"
