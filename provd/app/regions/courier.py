"""Says what is owed to other instances until it has been heard. Each thing is in the hands of one daemon at a time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace

from provd.app.regions.owners import Owners
from provd.app.regions.ports import Book, Ledger, Peers, Unreached
from provd.app.regions.turns import Terms, carry_out, told
from provd.base.errors import StorageError
from provd.base.facts import Fact, FactSink
from provd.base.facts.regions import RegionContradicted, RegionDistrusted, RegionReached, RegionUnreached
from provd.domain.regions import handover
from provd.domain.regions.home import Home, Kind, Outgoing, Region, pause
from provd.domain.regions.speech import ACCEPTED, Heard, Said

LEASE = 30.0
"""Seconds that something belongs to the daemon that says it; longer than any exchange takes."""
AT_ONCE = 16
_LOOK = 5.0
"""Seconds between two looks when nothing has called: another daemon may have died with something in its hands."""


class Courier:
    """``owner`` tells this daemon from others on the same database."""

    def __init__(
        self,
        ledger: Ledger,
        peers: Peers,
        terms: Callable[[], Terms],
        now: Callable[[], float],
        emit: FactSink,
        *,
        transfer: Callable[[], str],
        owner: str,
    ) -> None:
        self._ledger = ledger
        self._peers = peers
        self._terms = terms
        self._now = now
        self._emit = emit
        self._transfer = transfer
        self._owner = owner
        self._woken = asyncio.Event()
        self._saying: set[asyncio.Task[None]] = set()
        self._silent: dict[str, float] = {}
        self.sent = self.heard = self.failed = 0
        self.owners: Owners | None = None
        """Is told of tenants that other instances lack."""

    async def free(self) -> None:
        """Nobody else can have anything in hand: what an earlier life had is said at once. Raises StorageError."""
        await self._ledger.change((), lambda book: book.free())

    # --- the steps, which a simulation takes one by one

    async def take(self) -> list[tuple[Outgoing, Region, Said]]:
        """What is to be said now; nobody else says it while the lease lasts. Raises StorageError."""
        now = self._now()

        def work(book: Book) -> list[tuple[Outgoing, Region, Said]]:
            found = []
            for outgoing in book.due(now, AT_ONCE):
                region = book.region(outgoing.peer)
                if region is None or not region.enabled:
                    book.say(replace(outgoing, due=now + LEASE, reason="the region is not there, or off"))
                    continue
                taken = replace(outgoing, owner=self._owner, lease=now + LEASE)
                book.say(taken)
                stone = book.tombstone(outgoing.device_id) if outgoing.kind == Kind.MOVED else None
                home = book.home(outgoing.device_id)
                if home is not None and outgoing.kind == Kind.REGISTER:
                    # It may have found its customer since it asked for its home.
                    home = replace(home, tenant=book.claimed(home) or home.tenant)
                found.append((taken, region, handover.said_by(outgoing, home, stone)))
            return found

        return await self._ledger.change((), work)

    async def settle(self, outgoing: Outgoing, heard: Heard) -> None:
        """An answer has come. Raises StorageError; then it is said again when the lease is over."""
        now, transfer, terms, taken = self._now(), self._transfer(), self._terms(), list[Home]()

        def work(book: Book) -> list[Fact]:
            home, waiting = book.home(outgoing.device_id), book.said(outgoing.id)
            if waiting is None or (waiting.kind, waiting.epoch) != (outgoing.kind, outgoing.epoch):
                return []  # it is history
            if outgoing.kind in {Kind.PROVISIONED, Kind.MOVED, Kind.MOVE}:
                book.hush(outgoing.id)
                return [] if heard.result in {"noted", "accepted"} else [_contradicted(outgoing, heard, now)]
            if home is None or home.transfer != outgoing.transfer:
                book.hush(outgoing.id)
                return []
            turn = handover.answered(home, outgoing, heard, now, transfer)
            if turn is None:
                book.say(_later(waiting, f"the answer is {heard.result[:40]!r}", now))
                return []
            carry_out(book, home, turn, delete=terms.delete)
            accepted = outgoing.kind == Kind.REGISTER and heard.result == ACCEPTED.result
            taken[:] = [replace(home, tenant=book.claimed(home) or home.tenant)] if accepted else []
            return told(home, turn.home, now)

        for fact in await self._ledger.change((outgoing.device_id,), work):
            self._emit(fact)
        if self.owners is not None and taken:
            for fact in self.owners.answered(taken[0], outgoing.peer, lacking=bool(heard.reason)):
                self._emit(fact)

    async def postpone(self, outgoing: Outgoing, reason: str) -> None:
        """There was no answer: it is said again after a pause. Raises StorageError."""
        now = self._now()

        def work(book: Book) -> None:
            waiting = book.said(outgoing.id)
            if waiting is not None and (waiting.kind, waiting.epoch) == (outgoing.kind, outgoing.epoch):
                book.say(_later(waiting, reason, now))

        await self._ledger.change((outgoing.device_id,), work)

    # --- the daemon's round

    def wake(self) -> None:
        """Something is to be said."""
        self._woken.set()

    async def run(self, *, alone: bool) -> None:
        """Until it is cancelled. ``alone``: no other daemon can use the database."""
        if alone:
            with contextlib.suppress(StorageError):  # then the leases have to end by themselves
                await self.free()
        try:
            while True:
                self._woken.clear()
                found = await self._taken()
                for outgoing, region, said in found:
                    task = asyncio.create_task(self._say(outgoing, region, said))
                    self._saying.add(task)
                    task.add_done_callback(self._saying.discard)
                if len(self._saying) >= AT_ONCE:
                    await asyncio.wait(self._saying, return_when=asyncio.FIRST_COMPLETED)
                elif len(found) < AT_ONCE:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._woken.wait(), 1.0 if self._saying or found else _LOOK)
        finally:
            for task in self._saying:
                task.cancel()
            await asyncio.gather(*self._saying, return_exceptions=True)

    async def _taken(self) -> Sequence[tuple[Outgoing, Region, Said]]:
        try:
            return await self.take()
        except StorageError:
            return ()  # the store has told of itself

    async def _say(self, outgoing: Outgoing, region: Region, said: Said) -> None:
        self.sent += 1
        try:
            try:
                heard = await self._peers.say(region, said)
            except Unreached as error:
                self.failed += 1
                self._tell_silent(region.name, error)
                await self.postpone(outgoing, str(error))
                return
            self.heard += 1
            self._tell_reached(region.name)
            await self.settle(outgoing, heard)
        except StorageError:
            return  # the lease ends, and it is said again
        self.wake()

    def _tell_silent(self, region: str, error: Unreached) -> None:
        if region not in self._silent:
            self._silent[region] = self._now()
            self._emit(RegionUnreached(at=self._now(), region=region, reason=str(error)))
            if error.trust:
                self._emit(RegionDistrusted(at=self._now(), region=region))

    def _tell_reached(self, region: str) -> None:
        since = self._silent.pop(region, None)
        if since is not None:
            self._emit(RegionReached(at=self._now(), region=region, seconds=round(self._now() - since, 1)))

    @property
    def silent(self) -> Sequence[str]:
        """Instances that do not answer at present."""
        return sorted(self._silent)


def _later(outgoing: Outgoing, reason: str, now: float) -> Outgoing:
    attempts = outgoing.attempts + 1
    return replace(outgoing, attempts=attempts, due=now + pause(attempts), reason=reason, owner="", lease=0.0)


def _contradicted(outgoing: Outgoing, heard: Heard, now: float) -> RegionContradicted:
    return RegionContradicted(
        at=now,
        device=outgoing.device_id,
        region=outgoing.peer,
        kind=outgoing.kind,
        reason=f"{heard.error}: {heard.reason}",
        epoch=outgoing.epoch,
    )
