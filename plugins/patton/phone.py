"""A simulated SmartNode gateway: where it looks for its configuration, how it takes it over, what its ports can do.

From the vendor's configuration guide (SmartWare), a factory configuration and another provisioning system's templates.
"""

from __future__ import annotations

from collections.abc import Generator
from datetime import datetime

from provd.plugin.ordinary import NO_ADDRESS, OrdinaryPhone, Reading, number
from provd.plugin.phone import (
    NEVER,
    Account,
    Dhcp,
    Dialed,
    LeaseGot,
    Notified,
    Report,
    Result,
    Script,
    Settled,
    Step,
    Wait,
)

from .phone_clock import shown
from .phone_commands import Command, pairs, read

FACTORY_DELAY, DELAY = 180.0, 60.0
"""Seconds from the start to the first look: as in the factory's configuration, and as in one that says a minute."""
MAC_HERE = "$(system.mac)"
FROM_DHCP = "$(dhcp.66)"


class Phone(OrdinaryPhone):
    """One gateway and its configuration, which the next one replaces as a whole."""

    parameter_list = (1, 3, 6, 15, 42, 66)
    usual_version = "6.9"
    _configuration = Command("", ())

    @property
    def option60(self) -> str:
        """The model."""
        return self.model.name

    @property
    def user_agent(self) -> str:
        """Model, serial number (the MAC) and firmware."""
        return (
            f"SmartNode (Model:{self.model.name}/JS/EUI; Serial:{self.mac.upper()}; "
            f"Software Version:R{self.version} 2016-07-05 H323 SIP FXS FXO; Hardware Version:4.4)"
        )

    @property
    def sip_user_agent(self) -> str:
        """The header of its SIP requests."""
        return f"Patton {self.model.name} R{self.version}"

    def address(self, server: str, name: str) -> str:
        """A server may be named with the file, in which the gateway puts its own address."""
        if MAC_HERE in server:
            return server.replace(MAC_HERE, self.mac)
        return super().address(server, name)

    @property
    def stored(self) -> str:
        """The first place of its own that is not what DHCP says."""
        profile = next(self._configuration.all("profile provisioning"), Command("", ()))
        places = (each.words[1] for each in profile.all("location"))
        return next((place for place in places if not place.startswith(FROM_DHCP)), "")

    @property
    def stored_first(self) -> bool:
        """Places are tried in the order in which they stand."""
        return True

    def run(self) -> Script:
        """Power on, with the configuration that it has; again whenever a new one has come."""
        while True:
            lease = yield Dhcp(self.option60, self.parameter_list)
            if isinstance(lease, LeaseGot):
                yield from self._live(lease)
            else:
                yield Wait(NO_ADDRESS, "no address")

    def read(self, name: str, body: bytes) -> Reading:
        """Commands, in the modes that they belong to."""
        del name
        self._configuration = read(body.decode("utf-8"))
        self.settings.clear()
        return Reading(pairs(self._configuration))

    @property
    def accounts(self) -> tuple[Account, ...]:
        """Those of the sockets that are switched on."""
        sockets = (each for each in self._configuration.all("port fxs") if any(each.all("no shutdown")))
        return tuple(account for each in sockets if (account := self._of_socket(each)) is not None)

    def dial(self, digits: str) -> Dialed:
        """The first key belongs to the number whatever it is; a "#" behind it ends it."""
        if not self.accounts:
            return Dialed("", "no account")
        number_, end, _ = digits[1:].partition("#")
        return Dialed(digits[:1] + number_, 'a "#" ends the number' if end else "")

    def clock(self, at: datetime) -> datetime | None:
        """What it stamps on its log."""
        return shown(self.settings, at)

    def _live(self, lease: LeaseGot) -> Generator[Step, Result, None]:
        """Until it restarts with another configuration."""
        yield Settled(self.accounts)
        yield Report("runs the configuration that it has")
        yield Wait(DELAY if any(self._configuration.all("timer")) else FACTORY_DELAY, "timer of its configuration")
        while True:
            before = dict(self._applied)
            yield from self._provision(lease)
            if self._applied != before:
                yield Report("restarts with another configuration")
                return
            yield Settled(self.accounts)
            woken = yield Wait(NEVER, "no periodic check is configured", wakes=True)
            if isinstance(woken, Notified):
                yield Report(f"asks for its configuration: NOTIFY {woken.event}")

    def _of_socket(self, socket: Command) -> Account | None:
        """The account that the port's calls are made with, found as calls are routed."""
        whole = self._configuration
        switch = next(whole.all("context cs switch"), Command("", ()))
        extension = _named(switch, "interface fxs", socket.words_of("bind interface")[:1])
        (user,) = extension.words_of("subscriber-number") or ("",)
        routes = [words for words in self._routes(switch, extension) if words]
        servers = [_named(switch, "interface sip", words[-1:]).words_of("remote") for words in routes]
        if not user or not servers or len(servers[0]) != 2:
            return None
        host, port = servers[0]
        domain = next((each for each in whole.all("location-service") if each.words_of("domain") == (host,)), None)
        if domain is None:
            return None
        identity = _named(domain, "identity", (user,))
        login = next(identity.all("authentication outbound"), Command("", ())).words_of("authenticate")
        known = next(
            (each for each in whole.all("authentication-service") if each.words == login[2:3]), Command("", ())
        )
        secret = next((each.words for each in known.all("username") if each.words[0] == login[-1]), ("", "", ""))
        outbound = next(identity.all("call outbound"), Command("", ()))
        return Account(
            line=number(socket.words[-1]) + 1,
            username=user,
            password=secret[2],
            server=host,
            port=number(port),
            auth_username=secret[0],
            backup_server=servers[1][0] if len(servers) > 1 else "",
            transport=(outbound.words_of("preferred-transport-protocol") or ("udp",))[0],
        )

    def _routes(self, switch: Command, extension: Command) -> list[tuple[str, ...]]:
        """Where a call from that port may go to: straight on, or by a group of servers that are tried in turn."""
        table = _named(switch, "routing-table", ("called-e164", *extension.words_of("route call")[-1:]))
        way = table.words_of("route")
        if way[1:2] == ("dest-service",):
            return [each.words for each in _named(switch, "service hunt-group", way[-1:]).all("route call")]
        return [way]


def _named(holder: Command, name: str, words: tuple[str, ...]) -> Command:
    """The command of that name with those words; an empty one where there is none."""
    return next((each for each in holder.all(name) if each.words == words), Command("", ()))
