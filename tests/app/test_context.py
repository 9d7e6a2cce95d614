"""The template context, whole."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provd.app import effective
from provd.app.accounts import NOTHING
from provd.app.context import ContextMaker, Subject, firmware
from provd.app.site import Site
from provd.app.tables import Tables
from provd.app.tokens import Tokens
from provd.base.secrets import Secret
from provd.domain.nesting import nest
from provd.domain.records import FreeParameter, Level, Profile
from provd.plugin import Model
from tests.app.fakes import ACME, KEY, OTHER, PHONE, claimed, line, tenant

MODEL = ACME.models[1]
ZONE = {"name": "Europe/Madrid", "offset_minutes": 60, "dst": None}


def maker(*records: object) -> ContextMaker:
    tables = Tables()
    for record in (tenant(), *records):
        tables.put(record)
    return ContextMaker(tables, Tokens(KEY), lambda name: ZONE if name == "Europe/Madrid" else None)


def subject(**more: object) -> Subject:
    return Subject(**{"vendor": "Acme", "model": MODEL, "local": "10.0.0.1", "secrets": True, **more})


def test_a_claimed_phone():
    first = line("n1", display_name="Ann & Bob", number="12", port=5080, server="own.example", voicemail="*97")
    device = claimed(
        PHONE,
        "n1",
        "n2",
        model="A1G",
        version="52.84.0.15",
        settings={"sip.server": "pbx", "sip.port": 5062, "time.zone": "Europe/Madrid", "admin.password": Secret("adm")},
    )
    context = maker(first, line("n2", transport="tls"), device).make(subject(device=device, token="tok"), Site())
    plain = nest(
        {
            "locale.language": "en",
            "dialing.text": "Dial your code",
            "resync.minutes": 1440,
            "resync.unclaimed_minutes": 1,
            "resync.at": "03:00",
            "sip.transport": "udp",
            "sip.server": "pbx",
            "sip.port": 5062,
            "time.zone": "Europe/Madrid",
            "admin.password": "adm",
        }
    )
    settings = {**plain, "vendor": {}}
    assert context == {
        "model": {"name": "A1G", "lines": 4, "keys": 8, "common": ["acme-a1g.cfg"], "family": "new"},
        "firmware": {"version": "52.84.0.15", "parts": [52, 84, 0, 15]},
        "device": {
            "mac": "02aaaa000001",
            "mac_upper": "02AAAA000001",
            "mac_colon": "02:aa:aa:00:00:01",
            "state": "assigned",
            "label": "Ann & Bob",
            "sealed": False,
        },
        "urls": {
            "base": "http://10.0.0.1:8667",
            "files": "http://10.0.0.1:8667/tok",
            "host": "10.0.0.1",
            "tftp": "10.0.0.1",
            "home": "",
        },
        "claimed": True,
        "account": None,
        "spare": [],
        "lines": [
            {
                **NOTHING,
                "position": 1,
                "username": "user-n1",
                "auth_username": "user-n1",
                "password": "secret-n1",
                "display_name": "Ann & Bob",
                "number": "12",
                "server": "own.example",
                "port": 5080,
                "transport": "udp",
                "voicemail": "*97",
            },
            {
                **NOTHING,
                "position": 2,
                "username": "user-n2",
                "auth_username": "user-n2",
                "password": "secret-n2",
                "display_name": "",
                "number": "",
                "server": "pbx",
                "port": 5062,
                "transport": "tls",
            },
        ],
        "settings": settings,
        "zone": ZONE,
    }


def test_an_unclaimed_phone_gets_the_temporary_account():
    device = claimed(PHONE, description="Lobby", settings={"dialing.text": "Dial 123"})
    context = maker(device).make(subject(device=device), Site(advertise="prov.example", sip_port=5070))
    assert context["account"] == {
        **NOTHING,
        "position": 1,
        "username": "ap02aaaa000001",
        "auth_username": "ap02aaaa000001",
        "password": Tokens(KEY).account(PHONE).password.reveal(),
        "display_name": "Dial 123",
        "server": "prov.example",
        "port": 5070,
        "transport": "udp",
    }
    assert (context["claimed"], context["lines"], context["zone"]) == (False, [], None)
    assert context["device"]["label"] == "Lobby"
    assert context["device"]["state"] == "unclaimed"


def test_a_line_outranks_its_device_in_what_both_may_say():
    own = line("n1", settings={"sip.dtmf": "info", "audio.codecs": "pcma,g722", "call.auto_answer": True})
    values = {"sip.dtmf": "inband", "sip.srtp": "required", "sip.keep_alive": 0, "feature.voicemail": "*99"}
    entry = maker(own, device := claimed(PHONE, "n1", settings=values)).make(subject(device=device), Site())["lines"][0]
    assert (entry["dtmf"], entry["srtp"], entry["keep_alive"]) == ("info", "required", 0)
    assert (entry["codecs"], entry["auto_answer"], entry["voicemail"]) == (["pcma", "g722"], True, "*99")


ROUTES = ("server", "port", "outbound_proxy", "outbound_port", "backup_server", "backup_port", "backup_outbound_proxy")


@pytest.mark.parametrize(
    ("values", "own", "routes"),
    [
        ({"sip.server": "p", "sip.port": 5, "sip.registrar": "r"}, {}, ("r", 0, "p", 5, "", 0, "")),
        ({"sip.server": "p", "sip.port": 5, "sip.registrar": "P"}, {}, ("p", 5, "", 0, "", 0, "")),
        ({"sip.server": "p", "sip.registrar": "p", "sip.registrar_port": 5}, {}, ("p", 5, "p", 0, "", 0, "")),
        (
            {"sip.server": "p", "sip.port": 5, "sip.registrar": "p", "sip.registrar_port": 5},
            {},
            ("p", 5, "", 0, "", 0, ""),
        ),
        (
            {"sip.server": "p", "sip.port": 5, "sip.registrar": "p", "sip.registrar_port": 6},
            {},
            ("p", 6, "p", 5, "", 0, ""),
        ),
        (
            {"sip.server": "p", "sip.backup_server": "b", "sip.backup_registrar": "b"},
            {},
            ("p", 0, "", 0, "b", 0, ""),
        ),
        (
            {"sip.server": "p", "sip.registrar": "r", "sip.registrar_port": 6, "sip.outbound_proxy": "o"},
            {},
            ("r", 6, "o", 0, "", 0, ""),
        ),
        (
            {"sip.backup_server": "b", "sip.backup_port": 7, "sip.backup_registrar": "q"},
            {"server": "s"},
            ("s", 0, "", 0, "q", 0, "b"),
        ),
        ({"sip.registrar": "r", "sip.backup_registrar": "q"}, {"server": "s"}, ("s", 0, "", 0, "", 0, "")),
    ],
)
def test_a_registrar_apart_is_reached_by_way_of_the_server(values, own, routes):
    device = claimed(PHONE, "n1", settings=values)
    entry = maker(line("n1", **own), device).make(subject(device=device), Site())["lines"][0]
    assert tuple(entry[name] for name in ROUTES) == routes


def test_free_parameters_are_those_of_the_plugin_and_in_no_common_file():
    values = {"vendor.acme.b": "2", "vendor.acme.a.password": Secret("x"), "vendor.other.c": "3"}
    device = claimed(PHONE, settings=values)
    made = maker(device).make(subject(device=device, plugin="acme"), Site())["settings"]
    assert made["vendor"] == {"a.password": "x", "b": "2"}
    common = maker(device).make(subject(device=device, plugin="acme", secrets=False), Site())["settings"]
    assert common["vendor"] == {}
    once = maker(device, FreeParameter(id="acme.aa"), FreeParameter(id="other.d"))
    assert once.make(subject(device=device, plugin="acme"), Site())["settings"]["vendor"] == {
        "a.password": "x",
        "aa": None,
        "b": "2",
    }


GATE = Model("G4", lines=4, ports=True)


def test_two_plugins_for_one_model_have_each_its_own_parameters():
    values = {"vendor.acme.b": "2", "vendor.other.c": "3"}
    profile = Profile(id="p", settings=values, level=Level.GROUP)
    device = claimed(PHONE, "n1", profile="p")
    made = maker(line("n1"), profile, device)
    for plugin, own in (("acme", {"b": "2"}), ("other", {"c": "3"}), ("acme", {"b": "2"})):
        context = made.make(subject(device=device, plugin=plugin), Site())
        assert context["settings"]["vendor"] == own


def test_on_a_gateway_each_line_has_its_port_and_the_free_ones_can_dial() -> None:
    box = claimed(PHONE, "n1", "s1", ports=(3, 1), settings={"sip.server": "of.north"})
    records = (line(), line("s1", "south"), tenant("south"), box)
    say = Profile(id="s", level=Level.TENANT, applies_to="south", settings={"sip.server": "of.south"})
    context = maker(*records, say).make(subject(device=box, model=GATE), Site())
    lines = {each["position"]: (each["username"], each["server"]) for each in context["lines"]}
    assert lines == {3: ("user-n1", "of.north"), 1: ("user-s1", "of.south")}
    assert [(each["position"], each["username"]) for each in context["spare"]] == [
        (2, f"ap{PHONE}-2"),
        (4, f"ap{PHONE}-4"),
    ]
    assert context["spare"][0]["password"] == Tokens(KEY).account(PHONE, port=2).password.reveal()
    fresh = claimed(PHONE)
    context = maker(fresh).make(subject(device=fresh, model=GATE), Site())
    assert (context["account"]["position"], [each["position"] for each in context["spare"]]) == (1, [2, 3, 4])
    many = maker(fresh).make(subject(device=fresh, model=replace(GATE, lines=250)), Site())
    assert len(many["spare"]) == 9
    assert maker(fresh).make(subject(device=fresh, model=GATE, secrets=False), Site())["spare"] == []


def test_a_tenant_that_is_switched_off_loses_its_ports_only() -> None:
    box = claimed(PHONE, "n1", "s1", ports=(1, 2))
    for off, left in (("south", [1]), ("north", [2])):
        owner = replace(tenant(off), enabled=False)
        context = maker(line(), line("s1", "south"), tenant("south"), box, owner).make(
            subject(device=box, model=GATE), Site()
        )
        assert [each["position"] for each in context["lines"]] == left


def test_what_another_tenant_changes_makes_its_port_another_file() -> None:
    box = claimed(PHONE, "n1", "s1", ports=(1, 2))
    made = maker(line(), line("s1", "south"), tenant("south"), box)
    before = effective.device_revisions(made._tables, box)
    made._tables.put(replace(tenant("south"), revision=2))
    assert effective.device_revisions(made._tables, box) != before
    assert effective.device_revisions(made._tables, replace(box, ports=())) != before


def test_a_common_file_knows_the_model_and_no_secret():
    everybody = Profile(id="all", level=Level.SITE, settings={"admin.password": Secret("adm"), "ntp.server": "ntp"})
    context = maker(everybody).make(subject(secrets=False), Site())
    assert context["account"] is None
    assert context["lines"] == []
    assert context["settings"]["admin"]["password"] is None
    assert context["settings"]["ntp"]["server"] == "ntp"
    assert not any(context["device"].values())
    assert context["urls"]["files"] == context["urls"]["base"]
    assert context["firmware"] == {"version": "", "parts": []}


def test_a_masked_file_has_stars_where_secrets_are():
    device = claimed(PHONE, "n1", settings={"admin.password": Secret("adm")})
    context = maker(line(), device).make(subject(device=device, masked=True), Site())
    assert context["lines"][0]["password"] == "***"
    assert context["settings"]["admin"]["password"] == "***"
    fresh = claimed(OTHER)
    assert maker(fresh).make(subject(device=fresh, masked=True), Site())["account"]["password"] == "***"


def test_a_lines_own_settings_cover_the_devices():
    own = replace(line(), settings={"sip.server": "line.example", "sip.outbound_proxy": "edge", "sip.outbound_port": 5})
    device = claimed(PHONE, "n1", settings={"sip.server": "pbx"})
    made = maker(own, device).make(subject(device=device), Site())["lines"][0]
    assert (made["server"], made["outbound_proxy"], made["outbound_port"]) == ("line.example", "edge", 5)


def test_a_trait_does_not_hide_the_models_own_values():
    odd = replace(MODEL, traits={"name": "x", "lines": 99})
    assert maker().make(subject(model=odd), Site())["model"]["name"] == "A1G"


def test_a_line_that_is_gone_is_left_out():
    device = claimed(PHONE, "n1")
    context = maker(device).make(subject(device=device), Site())
    assert (context["claimed"], context["lines"], context["device"]["label"]) == (True, [], "")


@pytest.mark.parametrize(
    ("version", "parts"),
    [("52.84.0.15", [52, 84, 0, 15]), ("7.4.8a", [7, 4, 8]), ("7.4a.8", [7, 4]), ("X.1", []), ("", []), ("1..2", [1])],
)
def test_versions(version, parts):
    assert firmware(version) == {"version": version, "parts": parts}


def test_one_kind_of_devices_too_many_takes_the_oldest_ones_place():
    context = maker(*(tenant(f"t{n}") for n in range(257)))

    def settings(n: int) -> object:
        device = replace(claimed(PHONE, model="A1G"), tenant=f"t{n}")
        return context.make(subject(device=device), Site())["settings"]

    first, *others = [settings(n) for n in range(257)]
    assert all(settings(n) is kept for n, kept in enumerate(others, 1))
    assert settings(0) is not first


def test_devices_with_the_same_settings_share_what_is_made_of_them_until_one_of_those_changes():
    site = Profile(id="site", level=Level.SITE, settings={"ntp.server": "one", "admin.password": Secret("adm")})
    first, second = claimed(PHONE, "n1", model="A1G"), claimed("02aaaa000002", "n2", model="A1G")
    own = replace(second, settings={"ntp.server": "own"})
    tables = Tables()
    for record in (tenant(), site, line(), line("n2"), first, second):
        tables.put(record)
    contexts = ContextMaker(tables, Tokens(KEY), lambda _name: None)

    def made(device: object, **more: object) -> dict[str, object]:
        return contexts.make(subject(device=device, **more), Site())

    settings = made(first)["settings"]
    assert made(second)["settings"] is settings
    assert made(second)["model"] is made(first)["model"]
    assert made(second)["lines"] != made(first)["lines"]
    assert made(own)["settings"]["ntp"]["server"] == "own"
    assert made(first, masked=True)["settings"]["admin"]["password"] == "***"
    assert made(first, secrets=False)["settings"]["admin"]["password"] is None
    assert made(first, model=replace(MODEL, keys=99))["model"]["keys"] == 99
    assert made(replace(first, tenant="other"))["lines"] == []
    tables.put(replace(site, settings={"ntp.server": "two"}))
    assert made(first)["settings"]["ntp"]["server"] == "two"
    tables.remove(site)
    assert made(first)["settings"]["ntp"]["server"] is None
    tables.put(replace(tenant(), settings={"ntp.server": "three"}))
    assert made(first)["settings"]["ntp"]["server"] == "three"
