"""What the interface asks of the daemon beside the operations."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from provd.app.dialing import DialDesk
from provd.base.facts import Fact
from provd.base.types import Mac
from provd.domain.records import AuditEntry


class Daemon(Protocol):
    """The running daemon. Nothing of it carries a secret."""

    def status(self) -> Mapping[str, Any]:
        """How it is, as plain values."""
        ...

    def subnets(self) -> Sequence[Mapping[str, Any]]:
        """The networks of the DHCP server and how full they are."""
        ...

    def reload(self) -> Mapping[str, Any]:
        """Apply the configuration file as it is now. Raises ConfigError and keeps what is in force."""
        ...

    def boots(self, mac: Mac) -> Sequence[tuple[str, Sequence[Fact]]]:
        """What happened to a device lately: boots with their ids, the newest first, their facts oldest first."""
        ...

    def audit(
        self, tenant: str | None, kind: str | None, subject: str | None, before: int | None, limit: int
    ) -> Awaitable[Sequence[AuditEntry]]:
        """The audit, newest first; of one tenant or (None) of all. Raises StorageError."""
        ...

    def watch(self, wanted: Callable[[Fact], bool]) -> AbstractAsyncContextManager[AsyncIterator[str]]:
        """Facts from now on as JSON lines."""
        ...

    @property
    def dial(self) -> DialDesk | None:
        """Who redeems dialed codes, if anybody."""
        ...
