"""What sites ask of Yealink phones, one scenario after the other: from settings to the file to the phone itself.

What a scenario is about is said beside it, name by name, as the vendor's administrator guides have it. The whole files
stand in ``plugins/yealink/golden``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from provd.base.errors import FaultsError
from provd.domain.records import DeviceState
from tests.conformance.vendors.yealink import key_value, pattern
from tests.e2e.world import PLUGINS, House

NAMES = frozenset((PLUGINS / "yealink/names.txt").read_text("ascii").splitlines())
SPECIAL = "<&>\"';= R&D"


@dataclass(frozen=True)
class Scenario:
    """Settings of the tenant, fields of its one line, and what the file must say."""

    expected: dict[str, str]
    settings: dict[str, Any] = field(default_factory=dict)
    line: dict[str, Any] = field(default_factory=dict)
    model: str = "T48G"
    version: str = "35.83.0.10"
    keys: tuple[str, ...] = ()
    """What somebody in front of the phone sees on its keys."""


def zone(name: str, offset: str, said: str, start: str = "", end: str = "") -> Scenario:
    """Summer time is by week: month, week (5: the last), weekday (7: Sunday), hour; then the clock is an hour ahead."""
    expected = {
        "local_time.time_zone": offset,
        "local_time.time_zone_name": said,
        "local_time.summer_time": "1" if start else "0",
        "local_time.dst_time_type": "1" if start else "%NULL%",
        "local_time.start_time": start or "%NULL%",
        "local_time.end_time": end or "%NULL%",
        "local_time.offset_time": "60" if start else "%NULL%",
    }
    return Scenario(expected, {"time.zone": name})


def all_the_keys() -> dict[str, Any]:
    """Each of the 29 keys of a T48G and each of the 240 on six EXP40s."""
    places = [f"keys.{key}" for key in range(1, 30)]
    places += [f"modules.{module}.keys.{key}" for module in range(1, 7) for key in range(1, 41)]
    return {
        f"{place}.{name}": value
        for number, place in enumerate(places, 200)
        for name, value in (("type", "blf"), ("value", str(number)), ("label", f"Desk {number}"))
    }


SCENARIOS = {
    "minimal": Scenario(
        {
            "account.1.enable": "1",
            "account.1.user_name": "101",
            "account.1.auth_name": "101",
            "account.1.password": "pa55word",
            "account.1.sip_server.1.address": "pbx.example.org",
            "account.1.sip_server.1.port": "5060",
            "account.1.sip_server.1.transport_type": "0",
            "account.1.sip_server.2.address": "%NULL%",
            "account.2.enable": "0",
            "account.16.enable": "0",
            "account.16.password": "%NULL%",
            "linekey.1.type": "15",
            "linekey.1.line": "1",
            "linekey.2.type": "0",
        },
        keys=("1: 101 [line 1]",),
    ),
    "backup-proxy": Scenario(
        {
            "account.1.sip_server.1.address": "pbx.example.org",
            "account.1.sip_server.2.address": "pbx2.example.org",
            "account.1.sip_server.2.port": "5060",
            "account.1.fallback.redundancy_type": "1",
        },
        {"sip.backup_server": "pbx2.example.org"},
    ),
    "tls-and-srtp": Scenario(
        {
            "account.1.sip_server.1.transport_type": "2",
            "account.1.sip_server.1.port": "5061",
            "account.1.srtp_encryption": "2",
        },
        {"sip.transport": "tls", "sip.srtp": "required"},
    ),
    "tls-before-v80": Scenario(
        {"account.1.transport": "2", "account.1.srtp_encryption": "1"},
        {"sip.transport": "tls", "sip.srtp": "preferred"},
        model="T28P",
        version="2.73.0.50",
    ),
    "dtmf-rfc4733": Scenario({"account.1.dtmf.type": "1"}, {"sip.dtmf": "rfc4733"}),
    "dtmf-inband": Scenario({"account.1.dtmf.type": "0"}, {"sip.dtmf": "inband"}),
    "dtmf-info": Scenario({"account.1.dtmf.type": "2"}, {"sip.dtmf": "info"}),
    "vlan": Scenario(
        {
            "static.network.vlan.internet_port_enable": "1",
            "static.network.vlan.internet_port_vid": "20",
            "static.network.vlan.internet_port_priority": "5",
            "static.network.vlan.pc_port_enable": "1",
            "static.network.vlan.pc_port_vid": "30",
            "static.network.lldp.enable": "0",
        },
        {"vlan.id": 20, "vlan.priority": 5, "vlan.pc_id": 30, "network.lldp": False},
    ),
    "syslog": Scenario(
        {
            "static.syslog.enable": "1",
            "static.syslog.server": "10.0.0.9",
            "static.syslog.server_port": "5514",
            "static.syslog.level": "6",
        },
        {"syslog.server": "10.0.0.9", "syslog.port": 5514, "syslog.level": "debug"},
    ),
    "29-keys-and-six-modules": Scenario(
        {
            "linekey.1.type": "16",
            "linekey.1.value": "200",
            "linekey.29.type": "16",
            "linekey.29.value": "228",
            "linekey.29.label": "Desk 228",
            "expansion_module.1.key.1.type": "16",
            "expansion_module.1.key.1.value": "229",
            "expansion_module.6.key.40.type": "16",
            "expansion_module.6.key.40.value": "468",
            "expansion_module.6.key.40.line": "1",
            "expansion_module.6.key.40.label": "Desk 468",
        },
        all_the_keys(),
        keys=(
            *(f"{key}: Desk {199 + key} [blf {199 + key} on line 1]" for key in range(1, 30)),
            *(
                f"{module}.{key}: Desk {188 + 40 * module + key} [blf {188 + 40 * module + key} on line 1]"
                for module in range(1, 7)
                for key in range(1, 41)
            ),
        ),
    ),
    "kolkata": zone("Asia/Kolkata", "+5:30", "India(Calcutta)"),
    "kathmandu": zone("Asia/Kathmandu", "+5:45", "Nepal(Katmandu)"),
    "adelaide": zone("Australia/Adelaide", "+9:30", "Australia(Adelaide)", "10/1/7/2", "4/1/7/3"),
    "st-johns": zone("America/St_Johns", "-3:30", "Canada-New Foundland(St.Johns)", "3/2/7/2", "11/1/7/2"),
    "kiritimati": zone("Pacific/Kiritimati", "+14", "Kiribati"),
    "new-york": zone("America/New_York", "-5", "United States-Eastern Time", "3/2/7/2", "11/1/7/2"),
    "paris": zone("Europe/Paris", "+1", "France(Paris)", "3/5/7/2", "10/5/7/3"),
    "french-with-accents": Scenario(
        {
            "lang.gui": "French",
            "lang.wui": "French",
            "voice.tone.country": "France",
            "account.1.display_name": "Zoé Lefèvre — Accueil",
            "account.1.label": "Zoé Lefèvre — Accueil",
        },
        {"locale.language": "fr", "locale.country": "FR"},
        {"display_name": "Zoé Lefèvre — Accueil"},
    ),
    "every-special-character": Scenario(
        {
            "account.1.display_name": SPECIAL,
            "account.1.label": SPECIAL,
            "account.1.password": "<&>\"';= #!]]>",
            "linekey.1.label": SPECIAL,
        },
        line={"display_name": SPECIAL, "password": "<&>\"';= #!]]>"},
    ),
}


def house_with(scenario: Scenario) -> tuple[House, Any]:
    house = House("open")
    phone = house.phone("yealink", scenario.model, version=scenario.version)
    plugged = house.boots(phone)
    house.admin("tenant.add", id="acme", settings={"sip.server": "pbx.example.org", **scenario.settings})
    house.admin("line.add", id="101", tenant="acme", **{"username": "101", "password": "pa55word", **scenario.line})
    house.admin("device.assign", mac=phone.mac, line=["101"])
    for _ in range(2):
        plugged.live()
    return house, phone


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_file_and_the_phone_that_has_it(name: str) -> None:
    scenario = SCENARIOS[name]
    house, phone = house_with(scenario)
    with house:
        text = house.admin("device.render", mac=phone.mac, local="10.20.0.1", reveal=True)["text"]
        pairs = key_value(text.encode())
        values = dict(pairs)
        assert {key: values[key] for key in scenario.expected} == scenario.expected
        assert {pattern(key) for key in values} <= NAMES

        assert house.lan.complaints == []
        assert house.device(phone.mac).state is DeviceState.PROVISIONED
        (account,) = phone.accounts
        assert (account.username, account.server) == ("101", "pbx.example.org")
        assert account.password == values["account.1.password"]
        if scenario.keys:
            assert tuple(phone.keys) == scenario.keys


@pytest.mark.parametrize(
    ("model", "firmware"),
    [("T48G", "35.83.0.10"), ("T21P", "34.72.0.75"), ("W52P", "25.81.0.60"), ("SPA504G", "7.5.5"), ("VVX411", "")],
)
def test_a_file_for_a_phone_that_there_is_not(model: str, firmware: str) -> None:
    with House("open") as house:
        house.admin("tenant.add", id="acme", settings={"sip.server": "pbx.example.org"})
        house.admin("line.add", id="101", tenant="acme", username="101", password="pa55word")
        made = house.admin("device.render_as", model=model, firmware=firmware, line=["101"])
        assert "pbx.example.org" in made["text"]
        assert "***" in made["text"]
        assert "pa55word" not in made["text"]
        assert house.admin("device.list")["items"] == []


@pytest.mark.parametrize("field_name", ["display_name", "username", "password", "voicemail"])
def test_a_line_break_in_a_name_is_refused_and_changes_nothing(field_name: str) -> None:
    house, phone = house_with(SCENARIOS["minimal"])
    with house:
        before = house.admin("device.render", mac=phone.mac, reveal=True)["text"]
        with pytest.raises(FaultsError):
            house.admin("line.set", id="101", **{field_name: "Ann\nstatic.security.user_password = admin:mine"})
        assert house.admin("device.render", mac=phone.mac, reveal=True)["text"] == before


@pytest.mark.parametrize(("model", "version"), [("W52P", "25.81.0.60"), ("W60B", "77.85.0.25")])
def test_five_handsets_of_a_base_have_lines_of_three_tenants(model: str, version: str) -> None:
    with House("open") as house:
        base = house.phone("yealink", model, version=version)
        plugged = house.boots(base)
        lines = {1: ("north", "n1"), 2: ("north", "n2"), 3: ("south", "s1"), 4: ("south", "s2"), 5: ("west", "w1")}
        for tenant in ("north", "south", "west"):
            house.admin("tenant.add", id=tenant, settings={"sip.server": f"pbx.{tenant}.example", "sip.dtmf": "info"})
        house.admin("tenant.set", id="west", settings={"sip.transport": "tls"})
        for port, (tenant, line) in lines.items():
            house.admin(
                "line.add", id=line, tenant=tenant, username=line, password=f"pw-{line}", display_name=f"At {line}"
            )
            house.admin("device.assign", mac=base.mac, line=[line], port=port)
        for _ in range(2):
            plugged.live()

        values = dict(
            key_value(house.admin("device.render", mac=base.mac, local="10.20.0.1", reveal=True)["text"].encode())
        )
        for port, (tenant, line) in lines.items():
            account = f"account.{port}"
            assert values[f"{account}.user_name"] == line
            assert values[f"{account}.password"] == f"pw-{line}"
            assert values[f"{account}.sip_server.1.address"] == f"pbx.{tenant}.example"
            assert values[f"{account}.sip_server.1.port"] == ("5061" if tenant == "west" else "5060")
            handset = f"handset.{port}"
            assert values[f"{handset}.name"] == f"At {line}"
            told = ("incoming_lines", "dial_out_lines", "dial_out_default_line")
            assert [values[f"{handset}.{name}"] for name in told] == [str(port)] * 3
        assert {pattern(key) for key in values} <= NAMES
        assert house.lan.complaints == []
        found = [(each.username, each.server, each.password) for each in base.accounts]
        assert found == [(line, f"pbx.{tenant}.example", f"pw-{line}") for tenant, line in lines.values()]
