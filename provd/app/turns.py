"""Waiting, and not keeping others waiting: pauses that an event ends, and long lists that let phones in between."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from itertools import islice
from typing import TypeVar

T = TypeVar("T")

AT_A_TIME = 200
"""Records that are looked at within one turn of the event loop: a few milliseconds."""


async def in_turns(records: Iterable[T]) -> AsyncIterator[list[T]]:
    """The records in lots, with a turn of the event loop between two of them.

    What ``records`` reads may change meanwhile: let it be a copy, where the original would not bear that.
    """
    left = iter(records)
    while lot := list(islice(left, AT_A_TIME)):
        yield lot
        if len(lot) < AT_A_TIME:
            return
        await asyncio.sleep(0)


async def pause_for(event: asyncio.Event, seconds: float) -> None:
    """Wait until the event, but no longer than this."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


AGAIN = 30.0
"""Seconds after a defect until the work is begun anew."""


async def persevere(work: Callable[[], Awaitable[object]], tell: Callable[[Exception], None]) -> None:
    """Do what is to go on for as long as the daemon lives: a defect is told, and a while later it is begun anew.

    A task that an exception has ended is missed by nobody until something has not been done for weeks.
    """
    while True:
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - whatever it is, the work has to go on
            tell(error)
        else:
            return
        await asyncio.sleep(AGAIN)
