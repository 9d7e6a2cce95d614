"""What other instances say to this one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from provd.app.regions.owners import Owners
from provd.app.regions.ports import Book, Ledger
from provd.app.regions.turns import Terms, carry_out, told
from provd.base.errors import PeerError
from provd.base.facts import Fact, FactSink
from provd.base.facts.regions import DeviceExpected
from provd.base.secrets import Secret
from provd.domain.regions import handover, speech
from provd.domain.regions.codes import Code
from provd.domain.regions.handover import Turn
from provd.domain.regions.home import Kind
from provd.domain.regions.speech import Heard, Said


class Neighbour:
    """Hears, decides, answers. ``transfer`` gives ids that nobody has had before."""

    def __init__(
        self,
        ledger: Ledger,
        terms: Callable[[], Terms],
        now: Callable[[], float],
        emit: FactSink,
        transfer: Callable[[], str],
    ) -> None:
        self._ledger = ledger
        self._terms = terms
        self._now = now
        self._emit = emit
        self._transfer = transfer
        self.spoke: Callable[[], None] = _nothing
        """Is called when something is to be said."""
        self.way: Callable[[str, int], Secret] = _no_way
        """What proves a device that was accepted, for who leads it here: by its id and epoch."""
        self.owners: Owners | None = None
        """Who knows which tenants there are; without it all of them are."""

    async def hear(self, said: Said, sender: str) -> Heard:
        """Do what ``sender``, whose signature was right, says. The answer is durable.

        Raises StorageError and PeerError when it cannot be answered now, WireError when it makes no sense.
        """
        now, transfer = self._now(), self._transfer()
        terms = self._terms()

        def work(book: Book) -> tuple[Heard, list[Fact]]:
            return _heard(book, said, sender, terms, now, transfer)

        heard, facts = await self._ledger.change((said.device_id,), work)
        for fact in facts:
            self._emit(fact)
        self.spoke()
        if said.kind is Kind.REGISTER and heard.result == speech.ACCEPTED.result:
            return self._accepted(said, heard)
        return heard

    def _accepted(self, said: Said, heard: Heard) -> Heard:
        """The answer, with the way to here, and with a word where the device is the master's for want of its tenant."""
        tenant, reason = speech.home_of(said).tenant, ""
        if self.owners is not None and self.owners.lacks(said.device_id, tenant):
            reason = f"there is no tenant {tenant[:60]!r} here"
            for fact in self.owners.expected(said.device_id, tenant):
                self._emit(fact)
        return replace(heard, way=self.way(said.device_id, said.epoch), reason=reason)


def _no_way(_device_id: str, _epoch: int) -> Secret:
    return Secret("")


def _nothing() -> None:
    """Nobody says anything here."""


def _heard(book: Book, said: Said, sender: str, terms: Terms, now: float, transfer: str) -> tuple[Heard, list[Fact]]:
    match said.kind:
        case Kind.REGISTER:
            return _register(book, said, sender, now)
        case Kind.RELEASE:
            return _release(book, said), []
        case _:
            return _turned(book, said, sender, terms, now, transfer)


def _turned(book: Book, said: Said, sender: str, terms: Terms, now: float, transfer: str) -> tuple[Heard, list[Fact]]:
    """What moves a device that this instance has, or once had."""
    home, stone = book.home(said.device_id), book.tombstone(said.device_id)
    turn: Turn | Heard | None
    heard = speech.NOTED
    if said.kind is Kind.WITHDRAW:
        turn, heard = handover.withdraw_heard(home, stone, said, sender, now), speech.WITHDRAWN
    elif said.kind is Kind.PROVISIONED:
        turn = handover.provisioned_heard(home, stone, said, sender, now)
    elif said.kind is Kind.MOVED:
        turn = handover.moved_heard(home, stone, said, sender, now)
    else:
        target = book.region(said.region)
        heard = handover.move_heard(home, said, known=target is not None and not target.draining)
        begins = heard is speech.ACCEPTED and home is not None
        turn = handover.begun(home, said.region, transfer, now) if begins and home is not None else heard
    if isinstance(turn, Heard):
        return turn, []
    if turn is not None:
        carry_out(book, home, turn, delete=terms.delete)
        return heard, told(home, turn.home, now)
    return heard, []


def _release(book: Book, said: Said) -> Heard:
    home = book.home(said.device_id)
    changed, heard = handover.release_heard(home, book.tombstone(said.device_id), said)
    if changed is not None:
        book.save(home, changed)
    return heard


def _register(book: Book, said: Said, sender: str, now: float) -> tuple[Heard, list[Fact]]:
    home, stone = book.home(said.device_id), book.tombstone(said.device_id)
    taken, heard = handover.register_heard(home, stone, said, sender, now)
    if heard is None:
        raise PeerError(f"{said.device_id} is on its way from here: later")
    if taken is None:
        return heard, []
    other = book.home_by_key(taken.key_hash) if taken.key_hash else None
    if other is not None and other.device_id != taken.device_id:
        return speech.refused(Code.CREATION, "another device has the same key"), []
    # What it once was here is over: its units and whatever is still to be said of it.
    book.drop_units(said.device_id)
    book.save(home, taken)
    fact = DeviceExpected(at=now, device=taken.device_id, source=sender, epoch=taken.epoch, tenant=taken.tenant)
    return heard, [fact]
