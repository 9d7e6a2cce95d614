"""A code is dialed on a phone, and the phone comes back with the code's line: for every model that has lines."""

from __future__ import annotations

import re

import pytest

from provd.app.dialing import Outcome
from provd.domain.records import DeviceState
from provd.plugin.phone import Phone
from tests.e2e.test_life import MINUTE, RESTART, comes_back, every_model, name_of
from tests.e2e.world import PLUGINS, SERVER, House, manifest

CASES = [case for case in every_model() if not case[2] and not case[3]]
PORTS = [("cisco_spa", "SPA112"), ("cisco_spa", "SPA8000")]


def north(house: House) -> None:
    house.admin("tenant.add", id="north", settings={"sip.server": "pbx.north.example", "locale.language": "es"})
    for name in ("n1", "n2", "n3"):
        house.admin("line.add", id=name, tenant="north", display_name=f"Name of {name}")


def code(house: House, line: str, **more: object) -> str:
    return str(house.admin("code.add", line=line, **more)["code"])


def real(phone: Phone) -> list[tuple[int, str, str]]:
    """The accounts that are not temporary."""
    return [
        (each.line, each.username, each.server)
        for each in phone.accounts
        if not each.username.startswith(f"ap{phone.mac}")
    ]


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_a_phone_that_dials_its_code_comes_back_with_its_line(case: tuple[str, str, str, str]) -> None:
    plugin, name, _, _ = case
    with House() as house:
        phone = house.phone(plugin, name)
        plugged = house.boots(phone)
        north(house)
        answer = house.dials(phone, code(house, "n1"))
        assert (answer.outcome, answer.text, answer.mac) == (Outcome.ACCEPTED, "Welcome Name of n1", phone.mac)
        comes_back(house, plugged, MINUTE)
        assert real(phone) == [(1, "n1", "pbx.north.example")]
        device = house.device(phone.mac)
        assert (device.tenant, device.state) == ("north", DeviceState.PROVISIONED)
        assert house.lan.complaints == []


@pytest.mark.parametrize(("plugin", "name"), [("cisco_spa", "SPA504G"), ("yealink", "T48G")])
def test_two_phones_behind_one_address_are_never_mistaken_for_each_other(plugin: str, name: str) -> None:
    with House("open") as house:
        phones = [house.phone(plugin, name) for _ in range(3)]
        boxes = [house.boots(phone) for phone in phones]
        north(house)
        for number in (2, 0, 1):
            assert house.dials(phones[number], code(house, f"n{number + 1}")).good
        for box in boxes:
            for _ in range(2):
                box.live()
        assert [real(phone)[0][1] for phone in phones] == ["n1", "n2", "n3"]


@pytest.mark.parametrize(("plugin", "name"), [("cisco_spa", "SPA504G"), ("yealink", "T48G")])
def test_a_wrong_code_changes_nothing_on_the_phone_and_a_used_one_neither(plugin: str, name: str) -> None:
    with House("open") as house:
        phone, other = house.phone(plugin, name), house.phone(plugin, name)
        plugged = house.boots(phone)
        house.boots(other)
        north(house)
        digits = code(house, "n1")
        before = dict(phone.settings)
        assert house.dials(phone, "00000000").outcome is Outcome.UNKNOWN
        plugged.live()
        assert phone.settings == before
        assert house.dials(other, digits).good
        house.lan.now += 10.0
        assert house.dials(phone, digits).outcome is Outcome.USED_UP
        plugged.live()
        assert phone.settings == before


@pytest.mark.parametrize(("plugin", "name"), [("cisco_spa", "SPA504G"), ("yealink", "T27P")])
def test_a_second_code_adds_a_line_and_the_reset_number_takes_both(plugin: str, name: str) -> None:
    with House() as house:
        phone = house.phone(plugin, name)
        plugged = house.boots(phone)
        north(house)
        house.dials(phone, code(house, "n1"))
        comes_back(house, plugged, MINUTE)
        # Its calls go to the PBX now, which hands the number on with the account that dialed.
        assert house.dials(phone, code(house, "n2")).good
        comes_back(house, plugged, 86400 + RESTART)
        assert [account[1] for account in real(phone)] == ["n1", "n2"]
        assert house.dials(phone, "*448322254711").outcome is Outcome.RESET
        comes_back(house, plugged, 86400 + RESTART)
        assert real(phone) == []
        assert (phone.accounts[0].username, phone.accounts[0].server) == (f"ap{phone.mac}", SERVER)
        assert house.device(phone.mac).tenant == "north"


@pytest.mark.parametrize(("plugin", "name"), PORTS)
def test_ports_of_an_adapter_go_to_different_tenants(plugin: str, name: str) -> None:
    with House() as house:
        box = house.phone(plugin, name)
        plugged = house.boots(box)
        north(house)
        house.admin("tenant.add", id="south", settings={"sip.server": "pbx.south.example"})
        house.admin("line.add", id="s1", tenant="south")
        assert house.dials(box, code(house, "n1"), line=2).good
        comes_back(house, plugged, MINUTE)
        assert real(box) == [(2, "n1", "pbx.north.example")]
        assert box.accounts[0].username == f"ap{box.mac}", "the first port can still dial"
        assert house.dials(box, code(house, "s1"), line=1).good
        comes_back(house, plugged, 86400)
        assert real(box) == [(1, "s1", "pbx.south.example"), (2, "n1", "pbx.north.example")]
        assert house.device(box.mac).tenant == "north"
        house.admin("tenant.set", id="south", enabled=False)
        comes_back(house, plugged, 86400)
        assert real(box) == [(2, "n1", "pbx.north.example")]
        house.admin("tenant.delete", id="south")
        comes_back(house, plugged, 86400)
        assert box.accounts[0].username == f"ap{box.mac}"


def test_a_phone_of_another_tenant_is_transferred_first() -> None:
    with House() as house:
        phone = house.phone("yealink", "T27P")
        plugged = house.boots(phone)
        north(house)
        house.admin("tenant.add", id="south")
        house.admin("line.add", id="s1", tenant="south", server="pbx.south.example")
        house.dials(phone, code(house, "n1"))
        comes_back(house, plugged, MINUTE)
        digits = code(house, "s1", expires="30d")
        assert house.dials(phone, digits).outcome is Outcome.DEVICE_TAKEN
        house.admin("device.transfer", mac=phone.mac, tenant="south")
        comes_back(house, plugged, 86400)
        assert house.dials(phone, digits).good
        comes_back(house, plugged, MINUTE)
        assert real(phone) == [(1, "s1", "pbx.south.example")]


@pytest.mark.parametrize("plugin", ["cisco_spa", "cisco_mpp"])
def test_star_codes_of_the_manifest_are_those_of_the_simulated_phone(plugin: str) -> None:
    text = (PLUGINS / plugin / "phone_dialing.py").read_text()
    swallowed = set(re.findall(r'_Code": "(\*[0-9]+)"', text))
    assert len(swallowed) > 20
    assert swallowed <= set(manifest(plugin).star_codes)
