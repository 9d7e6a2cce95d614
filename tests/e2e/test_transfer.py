"""Given to another tenant: a phone is then, setting by setting, what a phone is that never was anybody else's."""

from __future__ import annotations

import functools

import pytest

from provd.domain.settings import KNOWN
from provd.plugin.phone import Phone
from provd.simulate.memory import PluggedIn
from tests.e2e.test_life import every_model, name_of
from tests.e2e.world import House, model

OF_OLD = {
    "admin.password": "old-admin-pw",
    "user.password": "old-user-pw",
    "locale.language": "es",
    "locale.country": "US",
    "time.zone": "America/New_York",
    "ntp.server": "ntp.old.example",
    "ntp.backup_server": "ntp2.old.example",
    "syslog.server": "log.old.example",
    "syslog.port": "5515",
    "vlan.id": "771",
    "vlan.priority": "6",
    "vlan.pc_id": "772",
    "dialing.text": "Old says hello",
    "dialing.server": "dial.old.example",
    "dialing.port": "5075",
    "resync.minutes": "2880",
    "resync.unclaimed_minutes": "9",
    "resync.at": "05:15",
    "sip.server": "sip.old.example",
    "sip.port": "5071",
    "sip.backup_server": "sip2.old.example",
    "sip.backup_port": "5072",
    "sip.transport": "tcp",
    "sip.outbound_proxy": "edge.old.example",
    "sip.outbound_port": "5073",
}
LEVELS = ("tenant", "profile", "group", "device")
"""Where the old tenant may have set something."""


def old(house: House, phone: Phone, lines: int, level: str) -> None:
    """A tenant that has set everything there is at one level, and all lines of the phone."""
    house.admin("tenant.add", id="old", settings=OF_OLD if level == "tenant" else {})
    if level == "profile":
        house.admin("profile.add", id="of-old", level="tenant", applies_to="old", settings=OF_OLD)
    if level == "group":
        house.admin("profile.add", id="reception", settings=OF_OLD)
        house.admin("device.set", mac=phone.mac, profile="reception")
    if level == "device":
        house.admin("device.set", mac=phone.mac, settings=OF_OLD, description="Old desk")
    names = [f"o{number}" for number in range(1, min(lines, 6) + 1)]
    for number, name in enumerate(names, 1):
        house.admin(
            "line.add",
            id=name,
            tenant="old",
            username=f"old-user-{number}",
            auth_username=f"old-auth-{number}",
            password=f"old-secret-{number}",
            display_name=f"Old {number}",
            number=f"+34900{number}",
            voicemail=f"*97{number}",
            **({"backup_server": "backup.old.example", "backup_port": 5074} if number > 1 else {}),
        )
    house.admin("device.assign", mac=phone.mac, line=names)


def new(house: House) -> None:
    """A tenant that sets nothing but where its lines are."""
    house.admin("tenant.add", id="new")
    for name in ("w1", "w2"):
        house.admin("line.add", id=name, tenant="new", password=f"secret-of-{name}", server="pbx.new.example")


def seen(house: House, phone: Phone, line: str) -> dict[str, str]:
    """What the phone has set, its own names put in general words."""
    station = house.boot.station
    device = station.fleet.tables.device(phone.mac)
    epoch = 0 if device is None else device.token_epoch
    passwords = (station.tokens.account(phone.mac, epoch, port=port).password.reveal() for port in range(1, 11))
    own = {
        str(phone.mac): "<mac>",
        phone.mac.upper(): "<mac>",
        **dict.fromkeys(passwords, "<password>"),
        f"secret-of-{line}": "<secret>",
        line: "<line>",
    }

    def said(value: str) -> str:
        return functools.reduce(lambda text, pair: text.replace(*pair), own.items(), value)

    return {name: said(value) for name, value in phone.settings.items()}


def settles(plugged: PluggedIn) -> None:
    """The phone asks until nothing new comes."""
    for _ in range(3):
        plugged.live()


CASES = [case for case in every_model() if not case[3]]


def test_the_old_tenant_has_set_whatever_can_be_set() -> None:
    assert set(OF_OLD) == set(KNOWN)


@pytest.mark.parametrize(
    ("case", "level"),
    [(case, LEVELS[number % 4]) for number, case in enumerate(CASES)],
    ids=lambda each: name_of(each) if isinstance(each, tuple) else each,
)
def test_nothing_of_the_old_tenant_is_left_on_the_phone(case: tuple[str, str, str, str], level: str) -> None:
    plugin, name, version, _ = case
    # Open: days pass in which neither phone renews its lease.
    with House("open") as house:
        phone, twin = (house.phone(plugin, name, version=version) for _ in range(2))
        plugged, other = house.boots(phone), house.boots(twin)
        old(house, phone, model(plugin, name).lines, level)
        settles(plugged)
        assert "old" in " ".join(phone.settings.values())
        new(house)
        for each, box in ((phone, plugged), (twin, other)):
            house.admin("device.transfer", mac=each.mac, tenant="new")
            settles(box)
        assert seen(house, phone, "w1") == seen(house, twin, "w2")
        for each, box, line in ((phone, plugged, "w1"), (twin, other, "w2")):
            house.admin("device.assign", mac=each.mac, line=line)
            settles(box)
        assert seen(house, phone, "w1") == seen(house, twin, "w2")
        assert phone.accounts[0].username == "w1"
        assert not [f"{key}={value}" for key, value in phone.settings.items() if "old" in value.lower()]
