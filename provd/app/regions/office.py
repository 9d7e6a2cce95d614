"""What people decide about devices and their regions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from provd.app.regions.ports import Book
from provd.app.regions.turns import Terms, carry_out
from provd.base.errors import ClashError, ConflictError, NotFoundError
from provd.domain.regions import handover
from provd.domain.regions.home import MOVABLE, Home, HomeState, Kind, Outgoing, Tombstone

MOST_MOVED = 1000
"""Devices that are sent elsewhere at a time because their region is closed."""
_ON_ITS_WAY = frozenset({HomeState.REHOMING, HomeState.REGIONAL})


def moved(
    book: Book, device_id: str, to: str, terms: Terms, now: float, transfer: str, tenant: str = ""
) -> Home | Tombstone:
    """Send a device to a region; without one, take back a hand-over. Gives what is known of the device then.

    ``tenant`` is who has it now, where that is another one than it was registered for.

    A device that is at home elsewhere is moved by the instance that has it, which is asked. Raises NotFoundError and
    ConflictError.
    """
    target = book.region(to) if to else None
    if to and target is None and to != terms.name:
        raise NotFoundError(f"there is no region {to[:60]!r}")
    if target is not None and target.draining:
        raise ConflictError(f"{to} is being deleted")
    home, stone = book.home(device_id), book.tombstone(device_id)
    if home is not None and home.state is not HomeState.GONE:
        home = replace(home, tenant=tenant or home.tenant)
        return _moved_from_here(book, home, to, terms, now, transfer)
    if stone is None:
        raise NotFoundError(f"there is no device {device_id[:120]!r}")
    if not to:
        raise ConflictError(f"it has arrived at {stone.region} already: move it from there")
    if to == stone.region:
        raise ConflictError(f"it is at {to} already")
    book.say(
        Outgoing(
            id=f"{device_id}/move",
            device_id=device_id,
            peer=stone.region,
            kind=Kind.MOVE.value,
            transfer="",
            epoch=stone.epoch,
            body={"region": to},
            created=now,
            due=now,
        )
    )
    return stone


def _moved_from_here(book: Book, home: Home, to: str, terms: Terms, now: float, transfer: str) -> Home:
    if to == terms.name:
        raise ConflictError("it is here")
    if home.state in MOVABLE:
        if not to:
            raise ConflictError(f"it is {home.state.value}: there is nothing to be taken back")
        turn = handover.begun(home, to, transfer, now)
    elif home.state in _ON_ITS_WAY:
        if to == home.region:
            raise ConflictError(f"it is on its way to {to} already")
        turn = handover.withdrawing(home, to, now)
    else:
        raise ConflictError(f"it is {home.state.value}: it has not come yet")
    carry_out(book, home, turn, delete=terms.delete)
    return home if turn.home is None else turn.home


def closed(book: Book, name: str, to: str, terms: Terms, now: float, fresh: Callable[[], str], *, lost: bool) -> int:
    """Remove a region in which no device has its home. Gives how many have, and are asked for: with ``to`` whoever has
    them hands them over there, and the region stays until they have gone; no other ones are sent to it.

    ``lost`` says that nobody there will ever hear what waits to be said, or let go what comes from there. Raises
    NotFoundError and ConflictError.
    """
    region = book.region(name)
    if region is None:
        raise NotFoundError(f"there is no region {name[:60]!r}")
    if to == name or (to and to != terms.name and book.region(to) is None):
        raise NotFoundError(f"to: there is no other region {to[:60]!r}")
    living = book.living(name, MOST_MOVED)
    if living and not to:
        shown = ", ".join(living[:3])
        raise ConflictError(
            f"{len(living)} devices are at home there, or on their way ({shown}): say where they go (to)"
        )
    for device_id in living:
        home = book.home(device_id)
        under_way = home is not None and home.state in _ON_ITS_WAY
        # What is on its way there and is wanted here comes back.
        moved(book, device_id, "" if under_way and to == terms.name else to, terms, now, fresh())
    if living:
        book.put_region(replace(region, draining=True))
        return len(living)
    # Whoever is just sending a device there has written it before this goes on, and others find no region any more.
    book.hold_region(name, alone=True)
    if book.living(name, 1):
        raise ClashError("a device was just sent there")
    coming = book.coming_from(name)
    if coming and not lost:
        # Until they are here that region may still be the one that serves them.
        raise ConflictError(f"{coming} devices are on their way here from there: once more when they have come")
    waiting = book.owed_to(name)
    if waiting and not lost:
        raise ConflictError(f"{waiting} messages wait to be heard there: retry, or say that it is lost")
    book.drop_region(name, to)
    return 0


def hastened(book: Book, device_id: str, now: float) -> int:
    """Say at once what waits to be said about a device; gives how much that is. Raises NotFoundError."""
    waiting = book.saying(device_id)
    if not waiting:
        raise NotFoundError(f"nothing waits to be said about {device_id[:120]!r}")
    for outgoing in waiting:
        book.say(replace(outgoing, due=now, attempts=0))
    return len(waiting)
