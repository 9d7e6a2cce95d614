"""Given to another tenant: a phone is then, setting by setting, what a phone is that never was anybody else's."""

from __future__ import annotations

import functools

import pytest

from provd.domain.settings import KNOWN, NUMBERED, unnumbered
from provd.plugin.phone import Phone
from provd.simulate.memory import PluggedIn
from tests.conformance.vendors import VENDORS
from tests.e2e.test_life import every_model, name_of
from tests.e2e.world import House, model

OF_OLD = {
    "admin.username": "old-admin",
    "admin.password": "old-admin-pw",
    "user.username": "old-user",
    "user.password": "old-user-pw",
    "web.enabled": "no",
    "web.port": "8071",
    "locale.language": "es",
    "locale.country": "US",
    "locale.time_format": "24h",
    "locale.date_format": "year-month-day",
    "time.zone": "America/New_York",
    "ntp.server": "ntp.old.example",
    "ntp.backup_server": "ntp2.old.example",
    "network.dns": "192.0.2.77",
    "network.backup_dns": "192.0.2.78",
    "network.lldp": "no",
    "network.cdp": "no",
    "vlan.id": "771",
    "vlan.priority": "6",
    "vlan.pc_id": "772",
    "vlan.pc_priority": "2",
    "vlan.dhcp": "no",
    "qos.sip": "27",
    "qos.rtp": "47",
    "syslog.server": "log.old.example",
    "syslog.port": "5515",
    "syslog.level": "debug",
    "tls.verify": "no",
    "tls.ca_url": "http://tls.old.example/ca.pem",
    "tls.certificate_url": "http://tls.old.example/phone.pem",
    "dialing.text": "Old says hello",
    "dialing.server": "dial.old.example",
    "dialing.port": "5075",
    "resync.minutes": "2880",
    "resync.unclaimed_minutes": "9",
    "resync.at": "05:15",
    "files.key": "OldKeyOldKeyOld1",
    "firmware.version": "9.8.7",
    "firmware.url": "http://rom.old.example/new.rom",
    "firmware.step_url": "http://rom.old.example/step.rom",
    "firmware.step_below": "99.1",
    "firmware.handset_url": "http://rom.old.example/handset.rom",
    "sip.server": "sip.old.example",
    "sip.port": "5071",
    "sip.registrar": "registrar.old.example",
    "sip.registrar_port": "5076",
    "sip.backup_server": "sip2.old.example",
    "sip.backup_port": "5072",
    "sip.backup_registrar": "registrar2.old.example",
    "sip.backup_registrar_port": "5077",
    "sip.outbound_proxy": "edge.old.example",
    "sip.outbound_port": "5073",
    "sip.transport": "tcp",
    "sip.register_seconds": "777",
    "sip.keep_alive": "47",
    "sip.dtmf": "info",
    "sip.srtp": "preferred",
    "sip.subscribe_mwi": "yes",
    "audio.codecs": "g729,pcma",
    "audio.ringtone": "3",
    "audio.ringtone_url": "http://ring.old.example/old.wav",
    "call.auto_answer": "yes",
    "call.waiting": "no",
    "dialplan.rules": "0[1-9]xxxxxxx,1xx",
    "dialplan.seconds": "9",
    "feature.pickup": "*81",
    "feature.pickup_group": "*82",
    "feature.park": "*83",
    "feature.unpark": "*84",
    "feature.voicemail": "*85",
    "feature.dnd_on": "*61",
    "feature.dnd_off": "*62",
    "feature.forward_on": "*63",
    "feature.forward_off": "*64",
    "feature.forward_busy_on": "*65",
    "feature.forward_busy_off": "*66",
    "feature.forward_no_answer_on": "*67",
    "feature.forward_no_answer_off": "*68",
    "feature.forward_cancel": "*69",
    "phonebook.url": "http://book.old.example/book.xml",
    "phonebook.name": "Old book",
    "display.wallpaper_url": "http://pictures.old.example/wall.jpg",
    "display.logo_url": "http://pictures.old.example/logo.dob",
    "display.logo_text": "Old logo",
    **{name: f"http://action.old.example/{name}" for name in KNOWN if name.startswith("action.")},
    "keys.1.type": "blf_pickup",
    "keys.1.value": "4711",
    "keys.1.label": "Old friend",
    "keys.1.line": "2",
    "keys.1.pickup": "*86",
    "modules.1.keys.2.type": "blf_pickup",
    "modules.1.keys.2.value": "4712",
    "modules.1.keys.2.label": "Old neighbour",
    "modules.1.keys.2.line": "2",
    "modules.1.keys.2.pickup": "*87",
    "dect.pin": "7717",
    "handsets.1.name": "Old handset",
    "handsets.1.lines": "2,1",
    "handsets.1.dial_lines": "2",
    "handsets.1.default_line": "2",
}
"""A value for everything that there is, other than any default."""

LEVELS = ("tenant", "profile", "group", "device")
"""Where the old tenant may have set something."""


def old(house: House, phone: Phone, lines: int, level: str, plugin: str) -> None:
    """A tenant that has set everything there is at one level, and all lines of the phone."""
    everything = OF_OLD | VENDORS[plugin].free
    house.admin("tenant.add", id="old", settings=everything if level == "tenant" else {})
    if level == "profile":
        house.admin("profile.add", id="of-old", level="tenant", applies_to="old", settings=everything)
    if level == "group":
        house.admin("profile.add", id="reception", settings=everything)
        house.admin("device.set", mac=phone.mac, profile="reception")
    if level == "device":
        house.admin("device.set", mac=phone.mac, settings=everything, description="Old desk")
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
    assert {unnumbered(name) for name in OF_OLD} == {*KNOWN, *NUMBERED}


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
        old(house, phone, model(plugin, name).lines, level, plugin)
        settles(plugged)
        for free in VENDORS[plugin].free:
            assert "old-" in phone.settings[free.split(".", 2)[2]], free
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


KEYED_IN = {"features.hotline_delay": "9", "phone_setting.lock": "1", "voice.ring_vol": "2", "account.1.ptime": "60"}
"""What no file of ours says anything of."""

NEW_FIRMWARE = [("T23P", "44.84.0.140"), ("T48G", "35.83.0.120"), ("W52P", "25.81.0.60"), ("W60B", "77.85.0.25")]


@pytest.mark.parametrize("change", ["transfer", "reset"])
@pytest.mark.parametrize(("name", "version"), NEW_FIRMWARE)
def test_what_the_old_user_has_keyed_in_goes_too(name: str, version: str, change: str) -> None:
    """The boot file is there for a phone that changes hands, and for it alone, until it has its new file."""
    with House("open") as house:
        phone = house.phone("yealink", name, version=version)
        plugged = house.boots(phone)
        old(house, phone, model("yealink", name).lines, "device", "yealink")
        settles(plugged)
        phone.settings |= KEYED_IN
        boot = f"{phone.mac}.boot"
        settles(plugged)
        assert phone.settings.items() >= KEYED_IN.items(), "who keeps a phone keeps what he has keyed in"
        assert not any(f"{boot} 200" in line for line in house.lan.story)
        new(house)
        if change == "transfer":
            house.admin("device.transfer", mac=phone.mac, tenant="new")
        else:
            house.admin("device.reset", mac=phone.mac)
        settles(plugged)
        assert not KEYED_IN.keys() & phone.settings.keys()
        asked = [line.rpartition(" ")[2] for line in house.lan.story if boot in line]
        assert (asked.count("200"), asked[-1]) == (1, "404")


def test_the_boot_file_is_nobody_elses_business() -> None:
    with House("bound") as house:
        phone = house.phone("yealink", "T23P", version="44.84.0.140")
        plugged = house.boots(phone)
        old(house, phone, 3, "device", "yealink")
        settles(plugged)
        new(house)
        house.admin("device.transfer", mac=phone.mac, tenant="new")
        ip = house.device(phone.mac).ip
        assert not house.ask(f"/{phone.mac}.boot", peer="10.20.99.99").found
        assert house.ask(f"/{phone.mac}.boot", peer=ip).found
        assert not house.ask(f"/{phone.mac}.boot", peer="10.20.99.99").found
