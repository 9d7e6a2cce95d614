"""A door station: no notification, no display, files over TFTP alone. What is new comes when it is switched on."""

from __future__ import annotations

from provd.domain.records import DeviceState
from tests.e2e.test_transfer import new, old, seen
from tests.e2e.world import SERVER, House


def test_from_the_box_to_its_line_and_back() -> None:
    with House() as house:
        phone = house.phone("zenitel", "IP station")
        plugged = house.boots(phone)
        (account,) = phone.accounts
        assert (account.username, account.server) == (f"ap{phone.mac}", SERVER)
        assert house.device(phone.mac).state is DeviceState.UNCLAIMED
        assert not plugged.notify("check-sync").obeys

        house.admin("tenant.add", id="north", settings={"keys.1.type": "speed_dial", "keys.1.value": "9"})
        house.admin(
            "line.add", id="n1", tenant="north", password="n&rth", server="pbx.north.example", display_name="Door"
        )
        house.admin("device.assign", mac=phone.mac, line=["n1"])
        plugged.pull()
        plugged = house.boots(phone)
        (account,) = phone.accounts
        assert (account.username, account.password, account.server) == ("n1", "n&rth", "pbx.north.example")
        assert (account.display_name, phone.keys) == ("Door", ["1: dials 9"])
        assert house.device(phone.mac).state is DeviceState.PROVISIONED

        house.admin("device.reset", mac=phone.mac)
        plugged.pull()
        house.boots(phone)
        assert phone.accounts[0].username == f"ap{phone.mac}"
        assert "north" not in str(phone.settings)
        assert house.lan.complaints == []


def test_nothing_of_the_old_tenant_is_left_on_it() -> None:
    with House("open") as house:
        phone, twin = (house.phone("zenitel", "IP station") for _ in range(2))
        house.boots(phone).pull()
        house.boots(twin).pull()
        old(house, phone, 1, "tenant", "zenitel")
        house.boots(phone).pull()
        assert phone.accounts[0].username == "old-user-1"
        new(house)
        for each in (phone, twin):
            house.admin("device.transfer", mac=each.mac, tenant="new")
            house.boots(each).pull()
        assert seen(house, phone, "w1") == seen(house, twin, "w2")
        for each, line in ((phone, "w1"), (twin, "w2")):
            house.admin("device.assign", mac=each.mac, line=line)
            house.boots(each).pull()
        assert seen(house, phone, "w1") == seen(house, twin, "w2")
        assert "old" not in str(phone.settings)
