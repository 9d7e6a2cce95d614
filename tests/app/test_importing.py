"""The database of a wazo-provd, as its own wizard and its interface would have made it, taken over."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from provd.app.admin import Caller
from provd.app.importing.wazo import Moved, move
from provd.base.errors import ConflictError, ForbiddenError, UsageError
from provd.base.types import Mac
from provd.domain.records import Device, DeviceState, Level, Line
from provd.plugin import Model
from tests.app.fakes import ACME, BOLTS, OTHER, PHONE, line, tenant
from tests.app.test_admin import Office

UUID = "6345cbbd-3e2e-4a5c-9a58-0ad4d0b9a5a4"
DEVICE = {
    "id": "d1",
    "mac": "02:aa:aa:00:00:01",
    "sn": "SN1",
    "vendor": "Acme",
    "model": "A1",
    "plugin": "acme-plugin-1.2",
    "config": "c1",
    "configured": True,
    "tenant_uuid": UUID,
    "is_new": False,
    "options": {"switchboard": True},
}
BASE = {
    "id": "base",
    "parent_ids": [],
    "deletable": False,
    "raw_config": {
        "ntp_enabled": True,
        "ntp_ip": "10.0.0.2",
        "X_xivo_phonebook_ip": "10.0.0.3",
        "http_base_url": "http://10.0.0.1:8667",
        "exten_dnd": "*25",
        "exten_pickup_call": "*8",
        "sip_dtmf_mode": "RTP-out-of-band",
        "vlan_enabled": True,
        "vlan_id": 40,
    },
}
OWN = {
    "id": "c1",
    "parent_ids": ["base", "defaultconfigdevice"],
    "X_type": "device",
    "raw_config": {
        "protocol": "SIP",
        "locale": "fr_CA",
        "timezone": "America/Montreal",
        "vlan_enabled": False,
        "sip_lines": {
            "1": {
                "username": "abc1",
                "password": "secret-1",
                "display_name": "Zoé",
                "number": "1001",
                "proxy_ip": "10.0.0.5",
                "proxy_port": 5060,
                "backup_proxy_ip": "10.0.0.6",
                "registrar_ip": "10.0.0.7",
                "dtmf_mode": "SIP-INFO",
            }
        },
        "funckeys": {
            "1": {"type": "speeddial", "value": "1002", "label": "Bob"},
            "3": {"type": "blf", "value": "1003", "line": 1},
            "4": {"type": "teleport", "value": "x"},
        },
    },
}
ADMIN = {"admin_username": "admin", "admin_password": "pw"}
DEFAULT = {"id": "defaultconfigdevice", "parent_ids": [], "raw_config": ADMIN}
AUTO = {"id": "autoprov", "parent_ids": ["base"], "role": "autocreate", "raw_config": {"sip_lines": {"1": {}}}}


def moved(*devices: dict[str, Any], configs: tuple[dict[str, Any], ...] = (BASE, OWN, DEFAULT, AUTO)) -> Moved:
    return move(devices or (DEVICE,), configs, (ACME, BOLTS), {UUID: "acme"})


def changed(document: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {**copy.deepcopy(document), **more}


def test_a_phone_with_its_line() -> None:
    result = moved()
    device = result.devices[PHONE]
    assert (device.vendor, device.model, device.plugin, device.serial) == ("Acme", "A1", "acme", "SN1")
    assert (device.tenant, device.state, device.lines) == ("acme", DeviceState.ASSIGNED, ("acme:abc1",))
    own = result.lines["acme:abc1"]
    assert (own.username, own.password.reveal(), own.display_name, own.number) == ("abc1", "secret-1", "Zoé", "1001")
    assert (own.server, own.port, own.backup_server) == ("10.0.0.5", 5060, "10.0.0.6")
    assert own.settings == {"sip.registrar": "10.0.0.7", "sip.dtmf": "info"}
    assert list(result.tenants) == ["acme"]


def test_its_own_settings_and_those_of_its_parents() -> None:
    result = moved()
    assert result.devices[PHONE].settings == {
        "locale.language": "fr",
        "locale.country": "CA",
        "time.zone": "America/Montreal",
        # Its own config switches off what the base has set.
        "vlan.id": None,
        "vlan.priority": None,
        "vlan.pc_id": None,
        "keys.1.type": "speed_dial",
        "keys.1.value": "1002",
        "keys.1.label": "Bob",
        "keys.3.type": "blf",
        "keys.3.value": "1003",
        "keys.3.line": 1,
    }
    assert result.profiles["base"].settings == {
        "ntp.server": "10.0.0.2",
        "feature.dnd_on": "*25",
        "feature.pickup": "*8",
        "sip.dtmf": "rfc4733",
        "vlan.id": 40,
    }
    # Two parents: a profile that has both.
    both = result.profiles[result.devices[PHONE].profile]
    assert (both.parents, both.level) == (("base", "defaultconfigdevice"), Level.GROUP)
    assert "pw" not in repr(result.profiles["defaultconfigdevice"])


def test_what_has_no_equivalent_is_told_with_its_place() -> None:
    assert sorted(moved().notes) == [
        "02:aa:aa:00:00:01: funckeys.4: 'teleport' is no kind of key here",
        "02:aa:aa:00:00:01: options: there is nothing like switchboard here",
        "config base: X_xivo_phonebook_ip: there is nothing like it here",
    ]


def test_phones_that_nobody_has_claimed_get_an_account_of_ours() -> None:
    result = moved(changed(DEVICE, config="autoprov"), changed(DEVICE, mac="02:aa:aa:00:00:02", config=None))
    for mac in (PHONE, OTHER):
        assert (result.devices[mac].lines, result.devices[mac].profile) == ((), "")
        assert result.devices[mac].state is DeviceState.IDENTIFIED
    assert result.lines == {}


def test_the_master_tenant_there_is_the_one_here() -> None:
    new = changed(DEVICE, id="d2", mac="02:aa:aa:00:00:02", config="autoprov", tenant_uuid="m-uuid", is_new=True)
    result = moved(DEVICE, new)
    assert result.devices[OTHER].tenant == "master"
    assert list(result.tenants) == ["acme"], "nobody's phones are not some tenant's"
    told = move([new], (AUTO, BASE), (ACME,), {"m-uuid": "stock"})
    assert told.devices[OTHER].tenant == "stock", "unless it is said which one it is"


def test_two_tenants_that_begin_alike_are_two() -> None:
    uuids = [f"22222222-aaaa-4bbb-8ccc-00000000000{number}" for number in range(2)]
    devices = [
        changed(DEVICE, mac=f"02:aa:aa:00:00:0{number + 1}", config="", tenant_uuid=uuid)
        for number, uuid in enumerate(uuids)
    ]
    result = move(devices, (), (ACME,), {})
    assert [each.tenant for each in result.devices.values()] == ["22222222", uuids[1]]
    assert [each.name for each in result.tenants.values()] == uuids
    taken = move(devices, (), (ACME,), {"another": "22222222"})
    assert [each.tenant for each in taken.devices.values()] == uuids


@pytest.mark.parametrize(
    ("vendor", "plugin"), [("Acme", "acme"), ("ACME", "acme"), ("Acmecom", "acme"), ("Bolt", "bolt")]
)
def test_a_vendor_of_several_names(vendor: str, plugin: str) -> None:
    bolts = replace(BOLTS, vendor="Bolt", models=(Model("A1"), Model("B2"))) if vendor == "Bolt" else BOLTS
    made = move([changed(DEVICE, vendor=vendor)], (), (ACME, bolts), {}).devices[PHONE]
    assert (made.model, made.plugin) == ("A1", plugin)


def test_a_model_that_several_know_is_not_guessed() -> None:
    bolts = replace(BOLTS, models=(Model("A1"),))
    result = move([changed(DEVICE, vendor="Zeta")], (), (ACME, bolts), {})
    assert result.devices[PHONE].plugin == ""
    assert "no plugin here knows the model 'Zeta A1'" in result.notes[-1]


def test_what_is_null_removes_what_a_parent_says() -> None:
    raw = {**OWN["raw_config"], "sip_dtmf_mode": None, "exten_dnd": None}
    device = moved(configs=(BASE, changed(OWN, raw_config=raw), DEFAULT)).devices[PHONE]
    assert {name: device.settings[name] for name in ("sip.dtmf", "feature.dnd_on")} == {
        "sip.dtmf": None,
        "feature.dnd_on": None,
    }


def test_one_account_on_two_phones() -> None:
    result = moved(DEVICE, changed(DEVICE, mac="02:aa:aa:00:00:02"))
    assert result.lines["acme:abc1"].max_devices == 2
    other = changed(OWN, id="c2")
    other["raw_config"]["sip_lines"]["1"]["password"] = "another"
    result = moved(DEVICE, changed(DEVICE, mac="02:aa:aa:00:00:02", config="c2"), configs=(BASE, OWN, DEFAULT, other))
    assert result.devices[OTHER].lines == ()
    assert "two accounts" in "\n".join(result.notes)


@pytest.mark.parametrize(
    ("device", "why"),
    [
        ({"mac": "nonsense"}, "has no MAC address"),
        ({"mac": None}, "d1: has no MAC address"),
        ({"vendor": "Aastra", "model": "6731i"}, "no plugin here knows the model 'Aastra 6731i'"),
    ],
)
def test_devices_that_are_strange(device: dict[str, Any], why: str) -> None:
    assert why in "\n".join(moved(changed(DEVICE, **device)).notes)


def test_the_same_mac_twice() -> None:
    assert "is there twice" in "\n".join(moved(DEVICE, DEVICE).notes)


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        ({"vlan_id": 9999}, "vlan.id: must be between"),
        ({"vlan_id": 0}, "vlan.id: must be between"),
        ({"dns_ip": "not an ip"}, "network.dns"),
        ({"protocol": "SCCP"}, "SCCP is not spoken here"),
        ({"sccp_call_managers": {"1": {"ip": "10.0.0.1"}}}, "sccp_call_managers: there is nothing like it"),
        ({"sip_dtmf_mode": "smoke"}, "'smoke' is none of"),
        ({"sip_lines": {"x": {}}}, "'x' is no number of a line"),
        ({"sip_lines": {"2": {"username": "u", "password": "p"}}}, "its line 2 becomes line 1"),
        ({"sip_lines": {"1": {"username": "u"}}}, "without user or password"),
        ({"funckeys": {"x": {}}}, "'x' is no key"),
        ({"timezone": "Europe/Paris\nevil = 1"}, "time.zone"),
    ],
)
def test_values_that_are_refused_here(raw: dict[str, Any], why: str) -> None:
    own = changed(OWN, raw_config=raw)
    assert why in "\n".join(moved(DEVICE, configs=(BASE, own, DEFAULT)).notes)


def test_parents_that_are_missing_or_go_round() -> None:
    result = moved(DEVICE, configs=(changed(OWN, parent_ids=["nowhere"]),))
    assert "parent 'nowhere', which is not there" in "\n".join(result.notes)
    ring = (changed(OWN, parent_ids=["a"]), {"id": "a", "parent_ids": ["b"]}, {"id": "b", "parent_ids": ["a"]})
    result = moved(DEVICE, configs=ring)
    assert (result.profiles["a"].parents, result.profiles["b"].parents) == (("b",), ())
    assert "config a: descends from itself; that parent is left out" in result.notes


def test_lines_that_several_devices_would_inherit() -> None:
    base = changed(BASE, raw_config={"sip_lines": {"1": {"username": "u", "password": "p"}}})
    result = moved(DEVICE, configs=(base, changed(OWN, parent_ids=["base"], raw_config={})))
    assert "lines for several devices" in "\n".join(result.notes)


async def test_all_of_it_or_nothing() -> None:
    office = Office()
    given = {"devices": [DEVICE], "configs": [BASE, OWN, DEFAULT, AUTO], "tenants": [f"{UUID}=acme"]}
    dry = await office.do("import.wazo", **given, dry_run=True)
    assert (dry["devices"], dry["lines"], dry["tenants"]) == (1, 1, ["acme"])
    assert office.world.fleet.tables.device(PHONE) is None
    done = await office.do("import.wazo", **given)
    assert {**done, "dry_run": True} == dry
    assert office.world.device(PHONE).lines == ("acme:abc1",)
    assert ("import.wazo", "1 devices") in office.audit()
    with pytest.raises(ConflictError, match=r"line acme:abc1, profile base.*device 02:aa:aa:00:00:01 with lines"):
        await office.do("import.wazo", **given)


async def test_what_we_have_seen_of_a_phone_ourselves_stays() -> None:
    seen = Device(mac=PHONE, vendor="Acme", model="A1G", plugin="acme", confidence=95, version="2.1", ip="10.0.0.9")
    office = Office(seen, tenant("acme"))
    await office.do("import.wazo", devices=[DEVICE], configs=[OWN, BASE, DEFAULT], tenants=[f"{UUID}=acme"])
    device = office.world.device(PHONE)
    assert (device.model, device.version, device.ip) == ("A1G", "2.1", "10.0.0.9")
    assert (device.tenant, device.lines) == ("acme", ("acme:abc1",))


async def test_the_new_phone_renders() -> None:
    office = Office()
    await office.do("import.wazo", devices=[DEVICE], configs=[OWN, BASE, DEFAULT])
    shown = await office.do("device.settings", mac=str(Mac(PHONE)))
    values = {row["name"]: row["value"] for row in shown["items"]}
    assert values["ntp.server"] == "10.0.0.2"
    assert "vlan.id" not in {name for name, value in values.items() if value is not None}
    (file,) = [each["name"] for each in (await office.do("device.files", mac=PHONE))["items"] if each["secrets"]]
    assert "secret-1" in (await office.do("device.render", mac=PHONE, name=file, reveal=True))["text"]


async def test_who_may_and_what_is_malformed() -> None:
    office = Office(tenant(), line())
    with pytest.raises(UsageError, match="devices: must be a list of objects"):
        await office.do("import.wazo", devices="x", configs=[])
    with pytest.raises(UsageError, match="is not UUID=ID"):
        await office.do("import.wazo", devices=[], configs=[], tenants=["x"])
    with pytest.raises(ForbiddenError):
        await office.admin.call("import.wazo", {"devices": [], "configs": []}, Caller(name="n", tenant="north"))
    assert isinstance(office.world.fleet.tables.line("n1"), Line)
