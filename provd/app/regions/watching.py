"""Hears which devices have another home than before: once that is durable, with what is known of them then."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

from provd.app.regions.ports import Book, Ledger, Reading
from provd.base.dataclass import dataclass
from provd.domain.regions.home import Home, Region, Tombstone

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What is known of a device."""

    device_id: str
    home: Home | None
    stone: Tombstone | None


Hear = Callable[[Sequence[Seen], Sequence[Region]], None]
"""Takes the devices that were moved, and every region when one of them was written."""


def _nobody(_seen: Sequence[Seen], _regions: Sequence[Region]) -> None:
    pass


class Watching:
    """The regions' :class:`~provd.app.regions.ports.Ledger`, with somebody who listens. Only devices that ``concerns``
    are told of: they are looked at once more, in the same transaction."""

    def __init__(self, ledger: Ledger, concerns: Callable[[str], bool]) -> None:
        self._ledger = ledger
        self._concerns = concerns
        self.hear: Hear = _nobody

    async def change(self, key: tuple[str, ...], work: Callable[[Book], T], weight: int = 1) -> T:
        """As the ledger behind it."""

        def noted(book: Book) -> tuple[T, list[Seen], Sequence[Region]]:
            notes = _Notes(book)
            given = work(cast(Book, notes))
            seen = [
                Seen(device_id=name, home=book.home(name), stone=book.tombstone(name))
                for name in notes.moved
                if self._concerns(name)
            ]
            book.announce([*(each.device_id for each in seen), *([""] if notes.neighbours else [])])
            return given, seen, book.regions() if notes.neighbours else ()

        given, seen, regions = await self._ledger.change(key, noted, weight)
        if seen or regions:
            self.hear(seen, regions)
        return given

    async def read(self, work: Callable[[Reading], T]) -> T:
        """As the ledger behind it."""
        return await self._ledger.read(work)


class _Notes:
    """A book that remembers what was written to it."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self.moved: dict[str, None] = {}
        self.neighbours = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._book, name)

    def save(self, before: Home | None, after: Home) -> None:
        self._book.save(before, after)
        self.moved[after.device_id] = None

    def drop(self, home: Home) -> None:
        self._book.drop(home)
        self.moved[home.device_id] = None

    def bury(self, stone: Tombstone) -> None:
        self._book.bury(stone)
        self.moved[stone.device_id] = None

    def dig(self, device_id: str) -> None:
        self._book.dig(device_id)
        self.moved[device_id] = None

    def drop_region(self, name: str, then: str) -> None:
        self._book.drop_region(name, then)
        self.neighbours = True

    def put_region(self, region: Region) -> None:
        self._book.put_region(region)
        self.neighbours = True
