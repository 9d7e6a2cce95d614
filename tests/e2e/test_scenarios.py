"""What sites ask of SPA phones, one scenario after the other: from settings to the whole file to the phone itself.

``PROVD_UPDATE_GOLDEN=1`` writes the files anew; read the difference before you commit it. What a scenario is about is
said beside it, element by element, as the vendor's guides have it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from provd.base.errors import FaultsError
from provd.domain.records import DeviceState
from tests.conformance.vendors.cisco_spa import flat_profile, pattern
from tests.e2e.world import PLUGINS, House

GOLDEN = Path(__file__).with_name("scenarios")
NAMES = frozenset((PLUGINS / "cisco_spa/names.txt").read_text("ascii").splitlines())
SRV = "pbx.example.org:SRV=pbx.example.org:5060:p=0|pbx2.example.org:5060:p=1"
EU = "start=3/-1/7/2:0:0;end=10/-1/7/3:0:0;save=1"


@dataclass(frozen=True)
class Scenario:
    """Settings of the tenant, fields of its one line, and what the file must say."""

    expected: dict[str, str]
    settings: dict[str, Any] = field(default_factory=dict)
    line: dict[str, Any] = field(default_factory=dict)
    model: str = "SPA502G"
    keys: tuple[str, ...] = ()
    """What somebody in front of the phone sees on its keys."""


def zone(name: str, listed: str, extra: str = "", rule: str = "") -> Scenario:
    expected = {
        "Time_Zone": listed,
        "Time_Offset__HH_mm_": extra,
        "Daylight_Saving_Time_Enable": "Yes" if rule else "No",
        "Daylight_Saving_Time_Rule": rule,
    }
    return Scenario(expected, {"time.zone": name})


SCENARIOS = {
    "minimal": Scenario(
        {
            "User_ID_1_": "101",
            "Password_1_": "pa55word",
            "Proxy_1_": "pbx.example.org:5060",
            "Use_DNS_SRV_1_": "No",
            "SIP_Transport_1_": "UDP",
            "Register_1_": "Yes",
            "Default_Character_Encoding": "UTF-8",
            "Server_Type": "Asterisk",
            "Dial_Plan_1_": "([x*#].)",
            "Call_Return_Code": "",
            "Resync_At__HHmm_": "0300",
        }
    ),
    "backup-proxy": Scenario({"Proxy_1_": SRV, "Use_DNS_SRV_1_": "Yes"}, {"sip.backup_server": "pbx2.example.org"}),
    "tls-and-srtp": Scenario(
        {
            "SIP_Transport_1_": "TLS",
            "Proxy_1_": "pbx.example.org:5061",
            "Secure_Call_Setting": "Yes",
            "SRTP_Method": "s-descriptor",
            "Custom_CA_RULE": "http://10.20.0.1/ca.pem",
        },
        {"sip.transport": "tls", "sip.srtp": "preferred", "tls.ca_url": "http://10.20.0.1/ca.pem"},
    ),
    "url-key": Scenario(
        {
            "Extension_2_": "Disabled",
            "Extended_Function_2_": "fnc=xml;url=http://pbx.example.org/m?a=1%3Bb=2;nme=Menu A",
        },
        {"keys.2.type": "url", "keys.2.value": "http://pbx.example.org/m?a=1;b=2", "keys.2.label": "Menu;A"},
        model="SPA504G",
        keys=("1: 101 [line 1]", "2: Menu A [xml http://pbx.example.org/m?a=1%3Bb=2]"),
    ),
    "dtmf-rfc4733": Scenario({"DTMF_Tx_Method_1_": "AVT"}, {"sip.dtmf": "rfc4733"}),
    "dtmf-inband": Scenario({"DTMF_Tx_Method_1_": "InBand"}, {"sip.dtmf": "inband"}),
    "dtmf-info": Scenario({"DTMF_Tx_Method_1_": "INFO"}, {"sip.dtmf": "info"}),
    "vlan": Scenario(
        {
            "Enable_VLAN": "Yes",
            "VLAN_ID": "20",
            "SIP_CoS_Value_1_": "5",
            "RTP_CoS_Value_1_": "5",
            "Enable_PC_Port_VLAN_Tagging": "Yes",
            "PC_Port_VLAN_ID": "30",
            "Enable_LLDP-MED": "No",
            "Enable_CDP": "No",
        },
        {"vlan.id": 20, "vlan.priority": 5, "vlan.pc_id": 30, "network.lldp": False, "network.cdp": False},
    ),
    "syslog": Scenario(
        {"Syslog_Server": "10.0.0.9:5514", "Debug_Server": "10.0.0.9:5514", "Debug_Level": "3"},
        {"syslog.server": "10.0.0.9", "syslog.port": 5514, "syslog.level": "debug"},
    ),
    "keys-and-modules": Scenario(
        {
            "Extension_1_": "1",
            "Extension_2_": "Disabled",
            "Extended_Function_2_": "fnc=sd+blf+cp;sub=200@$PROXY;vid=1;nme=Anna B C",
            "Extended_Function_3_": "fnc=sd;ext=0034944@$PROXY;nme=Bilbao",
            "Extended_Function_4_": "fnc=sd;ext=*85@$PROXY;nme=*85",
            "Unit_1_Key_7": "fnc=sd+blf;sub=207@$PROXY;nme=Seven",
            "Unit_2_Key_32": "fnc=sd;ext=700@$PROXY;nme=Park",
            "Unit_2_Key_31": "",
            "Call_Pickup_Code": "*8",
            "Attendant_Console_Call_Pickup_Code": "*8",
        },
        {
            "feature.pickup": "*8",
            "feature.park": "700",
            "keys.2.type": "blf_pickup",
            "keys.2.value": "200",
            "keys.2.label": "Anna;B=C",
            "keys.2.line": 1,
            "keys.3.type": "speed_dial",
            "keys.3.value": "0034944",
            "keys.3.label": "Bilbao",
            "keys.4.type": "voicemail",
            "feature.voicemail": "*85",
            "modules.1.keys.7.type": "blf",
            "modules.1.keys.7.value": "207",
            "modules.1.keys.7.label": "Seven",
            "modules.2.keys.32.type": "park",
            "modules.2.keys.32.label": "Park",
        },
        model="SPA504G",
        keys=(
            "1: 101 [line 1]",
            "2: Anna B C [sd+blf+cp 200@$PROXY on line 1]",
            "3: Bilbao [sd 0034944@$PROXY]",
            "4: *85 [sd *85@$PROXY]",
            "1.7: Seven [sd+blf 207@$PROXY]",
            "2.32: Park [sd 700@$PROXY]",
        ),
    ),
    "kolkata": zone("Asia/Kolkata", "GMT+05:30"),
    "kathmandu": zone("Asia/Kathmandu", "GMT+05:45"),
    "adelaide": zone("Australia/Adelaide", "GMT+09:30", rule="start=10/1/7/2:0:0;end=4/1/7/3:0:0;save=1"),
    "st-johns": zone("America/St_Johns", "GMT-03:30", rule="start=3/8/7/2:0:0;end=11/1/7/2:0:0;save=1"),
    "kiritimati": zone("Pacific/Kiritimati", "GMT+13:00", "1/0"),
    "new-york": zone("America/New_York", "GMT-05:00", rule="start=3/8/7/2:0:0;end=11/1/7/2:0:0;save=1"),
    "paris": zone("Europe/Paris", "GMT+01:00", rule=EU),
    "french-with-accents": Scenario(
        {
            "Display_Name_1_": "Zoé Lefèvre — Accueil",
            "Language_Selection": "French",
            "Dial_Tone": "440@-19;10(*/0/1)",
            "Time_Format": "24hr",
        },
        {"locale.language": "fr", "locale.country": "FR"},
        {"display_name": "Zoé Lefèvre — Accueil"},
    ),
    "every-special-character": Scenario(
        {"Display_Name_1_": "<&>\"';= R&D", "Password_1_": "<&>\"';= ]]>"},
        line={"display_name": "<&>\"';= R&D", "password": "<&>\"';= ]]>"},
    ),
}


def house_with(scenario: Scenario) -> tuple[House, Any, Any]:
    house = House("open")
    phone = house.phone("cisco_spa", scenario.model, version="7.5.5")
    plugged = house.boots(phone)
    house.admin("tenant.add", id="acme", settings={"sip.server": "pbx.example.org", **scenario.settings})
    line = {"username": "101", "password": "pa55word", **scenario.line}
    house.admin("line.add", id="101", tenant="acme", **line)
    house.admin("device.assign", mac=phone.mac, line=["101"])
    for _ in range(2):
        plugged.live()
    return house, phone, plugged


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_whole_file_and_the_phone_that_has_it(name: str, tmp_path: Path) -> None:
    scenario = SCENARIOS[name]
    house, phone, _ = house_with(scenario)
    with house:
        text = house.admin("device.render", mac=phone.mac, local="10.20.0.1", reveal=True)["text"]
        golden = GOLDEN / f"{name}.xml"
        if os.environ.get("PROVD_UPDATE_GOLDEN"):
            golden.parent.mkdir(exist_ok=True)
            golden.write_text(text, encoding="utf-8")
        assert text == golden.read_text(encoding="utf-8")

        pairs = flat_profile(text.encode())
        values = dict(pairs)
        assert len(values) == len(pairs)
        assert {element: values[element] for element in scenario.expected} == scenario.expected
        assert {pattern(element) for element in values} <= NAMES
        if shutil.which("xmllint"):
            file = tmp_path / "profile.xml"
            file.write_text(text, encoding="utf-8")
            subprocess.run(["xmllint", "--noout", "--nonet", str(file)], check=True)

        # The phone keeps what it had and takes over what it is told.
        assert house.lan.complaints == []
        assert {element: phone.settings[element] for element in values} == values
        assert house.device(phone.mac).state is DeviceState.PROVISIONED
        (account,) = phone.accounts
        assert (account.username, account.server) == ("101", "pbx.example.org")
        assert account.password == values["Password_1_"]
        if scenario.keys:
            assert tuple(phone.keys) == scenario.keys


def test_no_golden_file_is_left_over() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == set(SCENARIOS)


@pytest.mark.parametrize("field_name", ["display_name", "username", "password", "voicemail"])
def test_a_line_break_in_a_name_is_refused_and_changes_nothing(field_name: str) -> None:
    house, phone, _ = house_with(SCENARIOS["minimal"])
    with house:
        before = house.admin("device.render", mac=phone.mac, reveal=True)["text"]
        with pytest.raises(FaultsError):
            house.admin("line.set", id="101", **{field_name: "Ann\n<Admin_Passwd>mine</Admin_Passwd>"})
        assert house.admin("device.render", mac=phone.mac, reveal=True)["text"] == before


def test_a_phone_without_line_keys_says_so() -> None:
    scenario = SCENARIOS["keys-and-modules"]
    house, phone, _ = house_with(Scenario({}, scenario.settings))
    with house:
        notes = {item["name"]: item.get("note", "") for item in house.admin("device.settings", mac=phone.mac)["items"]}
        assert "SPA502G has no line keys" in notes["keys.2.type"]
        limits = {item["setting"]: item["reason"] for item in house.admin("device.check", mac=phone.mac)["items"]}
        assert limits["keys.2.type"] == notes["keys.2.type"]
        assert phone.keys == ["1.7: Seven [sd+blf 207@$PROXY]", "2.32: Park [sd 700@$PROXY]"]


def test_firmware_goes_by_way_of_the_step_in_between() -> None:
    settings = {
        "firmware.url": "http://10.20.0.1/firmware/spa50x-30x-7-5-5.bin",
        "firmware.step_url": "http://10.20.0.1/firmware/spa50x-30x-7-5-2b.bin?a|b",
    }
    house, phone, _ = house_with(Scenario({}, settings))
    with house:
        assert phone.settings["Upgrade_Enable"] == "Yes"
        rule = phone.settings["Upgrade_Rule"]
        first, last = "http://10.20.0.1/firmware/spa50x-30x-7-5-2b.bin?a%7Cb", settings["firmware.url"]
        assert rule == f"($SWVER lt 7.5.2b)? {first} | {last}"


def test_a_parameter_that_is_written_as_it_is_wins_and_goes_again() -> None:
    settings = {"vendor.cisco_spa.LCD_Contrast": "12", "vendor.cisco_spa.Web_Server_Port": "8080"}
    house, phone, plugged = house_with(Scenario({}, settings))
    with house:
        assert (phone.settings["LCD_Contrast"], phone.settings["Web_Server_Port"]) == ("12", "8080")
        house.admin("tenant.set", id="acme", unset=[*settings])
        for _ in range(2):
            plugged.live()
        assert (phone.settings["LCD_Contrast"], phone.settings["Web_Server_Port"]) == ("", "80")
        assert house.lan.complaints == []
