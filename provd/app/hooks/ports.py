"""What the outbox needs of the store and of the network."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import Protocol

from provd.domain.hooks import DeadLetter, Heard, Letter


class Letters(Protocol):
    """Letters in the database. Look-ups are beside the writer and hold up nobody. All raise StorageError."""

    async def waiting(self, hook: str, after: int, limit: int) -> Sequence[Letter]:
        """The oldest letters of an endpoint behind that number, in their order."""
        ...

    async def dead(self, hook: str, limit: int) -> Sequence[DeadLetter]:
        """The letters of an endpoint (of all without one) that were given up, the newest first."""
        ...

    async def counts(self) -> Mapping[str, tuple[int, int]]:
        """How many letters of each endpoint wait, and how many are dead."""
        ...

    async def forget(self, hooks: Sequence[str]) -> None:
        """Remove what there is of every endpoint but these."""
        ...


class Sender(Protocol):
    """The way to the endpoints."""

    def send(self, hook: str, letter: Letter) -> Awaitable[Heard]:
        """Send a letter and say what was heard. Never raises; gives up by itself within half a minute."""
        ...
