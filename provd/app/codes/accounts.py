"""Who is behind a SIP user name: a temporary account of a device, or a line that is on one device only."""

from __future__ import annotations

from provd.app.dialing import KnownAccount
from provd.app.fleet import Fleet
from provd.app.tokens import ACCOUNT, Tokens
from provd.base.types import Mac
from provd.domain.records import Device, Line


class Accounts:
    """Implements the port ``AccountBook``; the passwords are derived, so nothing is stored for an account."""

    def __init__(self, fleet: Fleet, tokens: Tokens) -> None:
        self._tables = fleet.tables
        self._fleet = fleet
        self._tokens = tokens
        self._named: dict[str, list[str]] = {}
        self._as_of = 0

    def find(self, username: str) -> KnownAccount | None:
        """The temporary account with that user name, if it is one of a device that we know, else None."""
        read = ACCOUNT.fullmatch(username)
        if read is None:
            return None
        mac, port = Mac(read["mac"]), int(read["port"] or 1)
        device = self._tables.device(mac)
        if device is None:
            return None
        account = self._tokens.account(mac, device.token_epoch, port)
        return KnownAccount(mac, account, port) if account.username == username else None

    def holder(self, username: str) -> tuple[Device, Line] | None:
        """The device that uses a line with this user name, when there is exactly one; and the line."""
        found = [
            (device, line)
            for key in self._lines_named(username)
            if (line := self._tables.line(key)) is not None
            for mac in self._tables.holders(key)
            if (device := self._tables.device(mac)) is not None
        ]
        return found[0] if len(found) == 1 else None

    def _lines_named(self, username: str) -> list[str]:
        if self._as_of != self._fleet.generation:
            # Lines change rarely; one walk over all of them for each change that is followed by such a dial.
            self._named = {}
            for line in self._tables.lines.values():
                self._named.setdefault(line.username, []).append(line.id)
            self._as_of = self._fleet.generation
        return self._named.get(username, [])
