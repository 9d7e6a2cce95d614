"""The whole life of a phone, once for every model that has lines: unboxed, claimed, changed, given back, given away."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from provd.domain.records import DeviceState
from provd.plugin.phone import Phone
from provd.simulate.memory import PluggedIn
from tests.e2e.world import SERVER, House, manifest, model

MINUTE = 60
DAY = 86400
RESTART = 30
"""Seconds in which a phone is back after a restart: start-up delay and random delay before the first request."""
ZOE = "Zoë & <Co>"

MISSION = {
    "cisco_spa": ("SPA502G", "SPA504G", "SPA509G", "SPA514G", "SPA525G", "SPA525G2"),
    "yealink": ("T21P", "T21P_E2", "T23P", "T23G", "T27P", "T27G", "T48G", "T48S", "W52P", "W56P"),
}
GENERATIONS = (70, 71, 72, 73, 80, 81, 82, 83, 84, 85, 86, 87)
TURNING_POINTS = (72, 73, 80, 81, 82)

CODES = ("*38123", "1234", "*1234", "*69", "12*34*56*78", "98*7#6")


def every_model() -> Iterator[tuple[str, str, str, str]]:
    """Plugin, model, firmware (empty: the usual one) and option 66 of another DHCP server (empty: our own)."""
    for plugin in MISSION:
        for each in manifest(plugin).models:
            if each.common and each.lines:
                yield plugin, each.name, "", ""
    for plugin, names in MISSION.items():
        for name in names:
            yield plugin, name, "", SERVER
    for name in MISSION["yealink"]:
        family = model("yealink", name).traits["family"]
        for generation in GENERATIONS if name in {"T48G", "W52P"} else TURNING_POINTS:
            yield "yealink", name, f"{family}.{generation}.0.15", ""


def name_of(case: tuple[str, str, str, str]) -> str:
    return "-".join(filter(None, (case[1], case[2], "tftp" if case[3] else "")))


def north(house: House) -> None:
    """A tenant that sets whatever there is to set."""
    settings = {
        "admin.password": "north-admin-pw",
        "user.password": "north-user-pw",
        "locale.language": "es",
        "locale.country": "ES",
        "time.zone": "Europe/Madrid",
        "ntp.server": "ntp.north.example",
        "ntp.backup_server": "ntp2.north.example",
        "syslog.server": "log.north.example",
        "syslog.port": 5515,
        "vlan.id": 771,
        "vlan.pc_id": 772,
        "dialing.text": "North says hello",
    }
    house.admin("tenant.add", id="north", settings=settings)
    house.admin(
        "line.add",
        id="n1",
        tenant="north",
        username="north-user-1",
        auth_username="north-auth-1",
        password="north&secret<1>",
        display_name=ZOE,
        number="+34900771",
        server="pbx.north.example",
        port=5070,
        backup_server="pbx2.north.example",
        voicemail="*977",
    )
    house.admin(
        "line.add",
        id="n2",
        tenant="north",
        username="north-user-2",
        password="north-secret-2",
        server="sip.north.example",
        transport="tcp",
        outbound_proxy="edge.north.example",
        outbound_port=5081,
    )


OF_NORTH = ("north", "North", "Zoë", "34900771", "*977", "771", "772", "5081", "5070", "5515", "Spanish", "Spain")
OF_ITS_LINES = ("north-user-1", "north-auth", "north&secret", "north-secret", "pbx", "sip.north", "edge", "Zoë", "*977")
OF_THE_DEVICE = ("desk of", "device-admin", "log.device")


def left_behind(phone: Phone, words: tuple[str, ...]) -> list[str]:
    """Settings kept by the phone in which one of these words stands."""
    return [f"{name} = {value}" for name, value in phone.settings.items() if any(word in value for word in words)]


def language(phone: Phone) -> str:
    get = phone.settings.get
    return get("lang.gui") or get("custom.handset.language") or get("Language_Selection", "")


def time_zone(phone: Phone) -> str:
    return phone.settings.get("local_time.time_zone") or phone.settings.get("Time_Zone", "")


class Life:
    """One phone in its house."""

    def __init__(self, house: House, case: tuple[str, str, str, str]) -> None:
        plugin, name, version, _ = case
        self.house = house
        self.model = model(plugin, name)
        self.phone = house.phone(plugin, name, version=version)
        self.generation = int(version.split(".")[1]) if version else self.model.traits.get("generation", 0)
        self.two = self.model.lines > 1
        self.spare = plugin == "cisco_spa" and self.model.ports

    @property
    def mac(self) -> str:
        return self.phone.mac

    def is_unclaimed(self) -> None:
        account, *others = self.phone.accounts
        # A code can be dialed on every port of an adapter; handsets of a base share its account.
        ports = range(2, min(self.model.lines, 10) + 1) if self.spare else ()
        assert [other.username for other in others] == [f"ap{self.mac}-{port}" for port in ports]
        assert account.line == 1
        assert account.username == f"ap{self.mac}"
        assert (account.server, account.port, account.transport) == (SERVER, 5060, "udp")
        station = self.house.boot.station
        # Whoever had the phone before knows neither its URL token nor this password any more.
        epoch = station.fleet.tables.devices[self.phone.mac].token_epoch
        assert account.password == station.tokens.account(self.phone.mac, epoch).password.reveal()
        assert self.house.device(self.phone.mac).state is DeviceState.UNCLAIMED

    def any_code_can_be_dialed(self) -> None:
        for code in CODES:
            assert self.phone.dial(code).user.replace("%23", "#") == code

    def has_the_lines_of_north(self) -> None:
        accounts = [account for account in self.phone.accounts if not account.username.startswith("ap")]
        assert len(accounts) == 1 + self.two
        first = accounts[0]
        assert (first.line, first.username, first.password) == (1, "north-user-1", "north&secret<1>")
        assert (first.auth_username, first.display_name) == ("north-auth-1", ZOE)
        assert (first.server, first.port, first.transport) == ("pbx.north.example", 5070, "udp")
        if not 0 < self.generation < 73:
            assert first.backup_server == "pbx2.north.example"
        if self.two:
            second = accounts[1]
            assert (second.line, second.username, second.password) == (2, "north-user-2", "north-secret-2")
            assert (second.server, second.port, second.transport) == ("sip.north.example", 5060, "tcp")
            assert second.auth_username in {"", "north-user-2"}
        assert self.house.device(self.phone.mac).state is DeviceState.PROVISIONED


@pytest.mark.parametrize("case", list(every_model()), ids=name_of)
def test_a_life(case: tuple[str, str, str, str]) -> None:
    with House(option66=case[3]) as house:
        life = Life(house, case)
        phone, mac = life.phone, life.mac
        plugged = house.boots(phone)
        life.is_unclaimed()
        life.any_code_can_be_dialed()
        assert phone.accounts[0].display_name == "Dial your code"

        north(house)
        house.admin("device.assign", mac=mac, line=["n1", "n2"][: 1 + life.two])
        comes_back(house, plugged, MINUTE)
        life.has_the_lines_of_north()
        speaks(life, "es")
        assert time_zone(phone) in {"+1", "GMT+01:00"}
        assert phone.dial("*38123").user == "*38123"

        nothing_new(life, plugged)
        of_the_group(life, plugged)

        house.admin("device.reset", mac=mac)
        comes_back(house, plugged, DAY)
        life.is_unclaimed()
        life.any_code_can_be_dialed()
        assert left_behind(phone, OF_ITS_LINES + OF_THE_DEVICE) == []

        given_to_the_south(life, plugged)
        assert house.lan.complaints == []


def comes_back(house: House, plugged: PluggedIn, promised: float) -> None:
    """The phone polls by itself, in time, and restarts if it has to."""
    began = house.lan.now
    plugged.live()
    assert 0 < house.lan.now - began <= promised + RESTART


def nothing_new(life: Life, plugged: PluggedIn) -> None:
    """The next poll gets the same octets, and the phone applies nothing."""
    house = life.house
    plugged.live()
    before = {url: (bytes(reply.body), reply.etag) for _, url, reply in house.replies[-2:]}
    told = len(house.lan.story)
    plugged.live()
    after = {url: (bytes(reply.body), reply.etag) for _, url, reply in house.replies[-2:]}
    assert before == after
    assert not [line for line in house.lan.story[told:] if line.startswith(("restart", "applied"))]


def of_the_group(life: Life, plugged: PluggedIn) -> None:
    """What a group's profile says reaches the phone, and so does the device's own."""
    house, mac = life.house, life.mac
    house.admin("profile.add", id="desks", settings={"locale.language": "fr"})
    own = {"syslog.server": "log.device.example", "admin.password": "device-admin-pw"}
    house.admin("device.set", mac=mac, profile="desks", settings=own, description="desk of Zoë")
    comes_back(house, plugged, DAY)
    speaks(life, "fr")
    house.admin("profile.set", id="desks", settings={"locale.language": "de"})
    comes_back(house, plugged, DAY)
    speaks(life, "de")
    assert left_behind(life.phone, ("log.device",))
    assert left_behind(life.phone, ("device-admin-pw",))


def given_to_the_south(life: Life, plugged: PluggedIn) -> None:
    """Back to the north for a day, then to another tenant, and on to its line."""
    house, mac, phone = life.house, life.mac, life.phone
    house.admin("device.assign", mac=mac, line=["n1", "n2"][: 1 + life.two])
    comes_back(house, plugged, MINUTE)
    life.has_the_lines_of_north()
    house.admin("tenant.add", id="south", settings={"time.zone": "Asia/Kolkata"})
    house.admin("line.add", id="s1", tenant="south", username="south-1", password="south-secret", server="s.example")
    house.admin("device.transfer", mac=mac, tenant="south")
    comes_back(house, plugged, DAY)
    life.is_unclaimed()
    assert left_behind(phone, OF_NORTH) == []
    assert time_zone(phone) in {"+5:30", "GMT+05:30"}
    house.admin("device.assign", mac=mac, line=["s1"])
    comes_back(house, plugged, MINUTE)
    account = phone.accounts[0]
    assert len(phone.accounts) == (min(life.model.lines, 10) if life.spare else 1)
    assert (account.username, account.password, account.server) == ("south-1", "south-secret", "s.example")
    assert (account.backup_server, account.display_name) == ("", "south-1")
    assert left_behind(phone, OF_NORTH) == []


SPOKEN = {"es": {"Spanish", "6"}, "fr": {"French", "1"}, "de": {"German", "2"}}


def speaks(life: Life, wanted: str) -> None:
    if life.model.traits.get("dictionary") != "":
        assert language(life.phone) in SPOKEN[wanted]
