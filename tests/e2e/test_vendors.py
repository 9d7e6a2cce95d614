"""Phones of further vendors: unboxed, a code dialed, claimed, changed, given to another tenant.

By simulated phones that read each vendor's format.
"""

from __future__ import annotations

import re

import pytest

from provd.domain.capability import shortfall
from provd.domain.records import DeviceState
from provd.plugin.phone import Phone
from provd.simulate.memory import PluggedIn
from tests.conformance.vendors import VENDORS
from tests.e2e.test_life import MISSION
from tests.e2e.test_transfer import new, old, seen, settles
from tests.e2e.world import SERVER, House, manifest, model

OTHERS = [(plugin, name) for plugin in VENDORS if plugin not in MISSION for name in manifest(plugin).showcase]
LEVELS = ("tenant", "profile", "group", "device")
"""Where the old tenant may have set something: each at another one than its vendor's next."""
each_model = pytest.mark.parametrize(("plugin", "name"), OTHERS, ids=lambda each: each)


def told(house: House, phone: Phone, plugged: PluggedIn) -> None:
    """It asks again because it is told to, as after a code was dialed, not because its time has come."""
    advice = manifest(house.device(phone.mac).plugin).resync
    assert advice is not None
    assert plugged.notify(advice.event_claimed or advice.event, "\r\n".join(advice.body)).obeys
    plugged.live()


def lines_of(house: House, names: tuple[str, ...]) -> None:
    house.admin("tenant.add", id="north", settings={"admin.password": "north<&>pw", "time.zone": "Europe/Madrid"})
    for number, name in enumerate(names, 1):
        house.admin(
            "line.add",
            id=name,
            tenant="north",
            username=f"user-{name}",
            auth_username=f"auth-{name}",
            password=f"n&rth<{number}>",
            display_name=f"Zoë & <{name}>",
            server=f"pbx{number}.north.example",
            port=5070 + number,
        )


@each_model
def test_from_the_box_to_its_lines_and_back(plugin: str, name: str) -> None:
    with House() as house:
        phone = house.phone(plugin, name)
        plugged = house.boots(phone)
        first = phone.accounts[0]
        assert (first.line, first.username, first.server, first.port or 5060) == (1, f"ap{phone.mac}", SERVER, 5060)
        device = house.device(phone.mac)
        assert (device.plugin, device.model, device.state) == (plugin, name, DeviceState.UNCLAIMED)
        assert phone.dial("*38123").user.replace("%23", "#") == "*38123"

        names = ("n1", "n2")[: min(model(plugin, name).lines, 2)]
        lines_of(house, names)
        house.admin("device.assign", mac=phone.mac, line=list(names))
        told(house, phone, plugged)
        mine = [account for account in phone.accounts if not account.username.startswith("ap")]
        assert [account.line for account in mine] == list(range(1, len(names) + 1))
        for number, account in enumerate(mine, 1):
            line = f"n{number}"
            assert (account.username, account.password) == (f"user-{line}", f"n&rth<{number}>")
            assert account.auth_username == f"auth-{line}"
            assert (account.server, account.port) == (f"pbx{number}.north.example", 5070 + number)
            assert account.display_name == (f"Zoë & <{line}>" if VENDORS[plugin].names_calls else "")
        assert house.device(phone.mac).state is DeviceState.PROVISIONED

        before = len(house.lan.story)
        told(house, phone, plugged)
        assert not [line for line in house.lan.story[before:] if line.startswith("applied")]

        house.admin("device.reset", mac=phone.mac)
        told(house, phone, plugged)
        assert phone.accounts[0].username == f"ap{phone.mac}"
        assert [account for account in phone.accounts if not account.username.startswith("ap")] == []
        left = [f"{key}={value}" for key, value in phone.settings.items() if "north" in value or "n&rth" in value]
        assert [each for each in left if "north<&>pw" not in each] == []
        assert house.lan.complaints == []


@pytest.mark.parametrize(
    ("plugin", "name", "level"),
    [(plugin, name, LEVELS[manifest(plugin).showcase.index(name) % 4]) for plugin, name in OTHERS],
)
def test_nothing_of_the_old_tenant_is_left_on_the_phone(plugin: str, name: str, level: str) -> None:
    with House("open") as house:
        phone, twin = (house.phone(plugin, name) for _ in range(2))
        plugged, other = house.boots(phone), house.boots(twin)
        old(house, phone, model(plugin, name).lines, level, plugin)
        settles(plugged)
        told(house, phone, plugged)
        # Some keys have a number, but no text beside them.
        assert model(plugin, name).keys == 0 or re.search("Old friend|4711", str(phone.settings))
        new(house)
        for each, box in ((phone, plugged), (twin, other)):
            house.admin("device.transfer", mac=each.mac, tenant="new")
            told(house, each, box)
        assert seen(house, phone, "w1") == seen(house, twin, "w2")
        for each, box, line in ((phone, plugged, "w1"), (twin, other, "w2")):
            house.admin("device.assign", mac=each.mac, line=line)
            told(house, each, box)
        assert seen(house, phone, "w1") == seen(house, twin, "w2")
        assert phone.accounts[0].username == "w1"
        assert not [f"{key}={value}" for key, value in phone.settings.items() if "old" in value.lower()]


@each_model
def test_it_asks_again_as_often_as_it_is_told(plugin: str, name: str) -> None:
    with House() as house:
        phone = house.phone(plugin, name)
        plugged = house.boots(phone)
        minutes = VENDORS[plugin].minutes
        house.admin("tenant.add", id="hourly", settings={"resync.minutes": minutes})
        house.admin("line.add", id="h1", tenant="hourly", password="pw", server="pbx.example")
        house.admin("device.assign", mac=phone.mac, line=["h1"])
        told(house, phone, plugged)
        if not shortfall(manifest(plugin), model(plugin, name), "resync.minutes", minutes):
            assert phone.pause == minutes * 60  # type: ignore[attr-defined] - all of these are ordinary phones
