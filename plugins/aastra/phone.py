"""A simulated Aastra or Mitel phone: which files it asks for, how it reads them, when it comes back.

From the vendor's administrator guides (releases 3.2.2 and 4.2) and the templates of other provisioning systems.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from provd.plugin.ordinary import OrdinaryPhone, Pairs, Reading, UnreadableError, number
from provd.plugin.phone import NEVER, Account, LeaseGot

from .phone_clock import shown

DAY = 86400.0
_LINE = re.compile(r"[!^]?(?P<name>[a-z0-9][a-z0-9 \[\]|-]*): *(?P<value>.*)")
_NOWHERE = {"", "0.0.0.0"}
TRANSPORTS = {"1": "udp", "2": "tcp", "4": "tls"}
SERVER, NO_REDIRECTION = 2, 3
"""Sub-options of option 43 (vendor's guide: configuration server, contact the redirection server)."""


class Phone(OrdinaryPhone):
    """One phone and its parameters, by their names in its files."""

    parameter_list = (1, 3, 6, 12, 15, 42, 43, 66)
    usual_version = "4.2.0.181"

    @property
    def option60(self) -> str:
        """The model behind one word."""
        return f"{self._brand}IPPhone{self.model.name}"

    @property
    def user_agent(self) -> str:
        """Model, MAC and firmware."""
        mac = "-".join(self.mac.upper()[i : i + 2] for i in range(0, 12, 2))
        return f"{self._brand}{self.model.name} MAC:{mac} V:{self.version}-SIP"

    @property
    def sip_user_agent(self) -> str:
        """The header of its SIP requests."""
        return f"{self._brand} {self.model.name}/{self.version}"

    def offered(self, lease: LeaseGot) -> list[str]:
        """Option 43 counts before option 66."""
        inside = lease.suboption(43, SERVER)
        return [text for text in (inside, lease.text(66)) if text]

    def names(self) -> Iterator[str]:
        """One for all, that of its model, its own; what a later one says counts."""
        yield "aastra.cfg"
        yield f"{self.model.name}.cfg"
        yield f"{self.mac.upper()}.cfg"

    @property
    def stored(self) -> str:
        """The server that its files have told it: asked where DHCP names none."""
        get = self.settings.get
        scheme = get("download protocol", "").lower()
        host = get(f"{scheme} server", "")
        return f"{scheme}://{host}:{get(f'{scheme} port', '')}/{get(f'{scheme} path', '')}" if host else ""

    @property
    def pause(self) -> float:
        """Whole days; at which time of the day is not simulated."""
        days = number(self.settings.get("auto resync days", ""))
        return days * DAY if days and self.settings.get("auto resync mode", "0") != "0" else NEVER

    def restarts(self, event: str) -> bool:
        """It starts anew, and finds its files by that."""
        return event.startswith("check-sync")

    def read(self, name: str, body: bytes) -> Reading:
        """``name: value``; "#" begins a comment where the value does not stand between quotes."""
        del name
        pairs: Pairs = []
        for line in body.decode("utf-8").splitlines():
            if not line.strip() or line.startswith("#"):
                continue
            found = _LINE.fullmatch(line)
            if found is None:
                raise UnreadableError(f"no parameter and value: {line[:40]!r}")
            pairs.append((found["name"], _value(found["value"])))
        return Reading(pairs)

    @property
    def keys(self) -> list[str]:
        """What stands beside its keys and beside those of its expansion modules."""
        get, found = self.settings.get, []
        for start in self._places():
            if get(f"{start} type", "none") != "none":
                words = filter(None, (get(f"{start} type"), get(f"{start} value", "")))
                found.append(f"{start}: {get(f'{start} label', '')} [{' '.join(words)}]")
        return found

    def clock(self, at: datetime) -> datetime | None:
        """What its display shows."""
        return shown(self.settings, at)

    def _places(self) -> Iterator[str]:
        count = {name: value for name, value in self.model.traits.items() if isinstance(value, int)}
        for kind, field in (("prgkey", "prg"), ("topsoftkey", "top"), ("softkey", "soft")):
            yield from (f"{kind}{k}" for k in range(1, count.get(field, 0) + 1))
        for module in range(1, count.get("modules", 0) + 1):
            yield from (f"expmod{module} key{k}" for k in range(1, count["module_keys"] + 1))

    @property
    def _brand(self) -> str:
        return "Mitel" if self.model.name.startswith("69") else "Aastra"

    def registering(self) -> Iterator[Account]:
        """The accounts in use."""
        for n in range(1, self.model.lines + 1):
            get = {what: self.settings.get(f"sip line{n} {what}", "") for what in _PARAMETERS}
            if not get["user name"] or get["proxy ip"] in _NOWHERE:
                continue
            backup = get["backup proxy ip"]
            yield Account(
                line=n,
                username=get["user name"],
                password=get["password"],
                server=get["proxy ip"],
                port=number(get["proxy port"]),
                auth_username=get["auth name"],
                display_name=get["display name"],
                label=get["screen name"],
                backup_server="" if backup in _NOWHERE else backup,
                transport=TRANSPORTS.get(self.settings.get("sip transport protocol", "1"), "other"),
            )


_PARAMETERS = (
    "user name",
    "password",
    "auth name",
    "display name",
    "screen name",
    "proxy ip",
    "proxy port",
    "backup proxy ip",
)


def _value(text: str) -> str:
    text = text.strip()
    if len(text) > 1 and text.startswith('"') and text.endswith('"'):
        return text[1:-1]
    return text.partition("#")[0].rstrip()
