"""Phones among the devices that go home: a phone asks nothing but its file, and that is enough.

A phone is a device whose ``device_id`` is its MAC. Where one stands is kept in memory, since its file must not wait
for the database. A phone that asks the global instance for its file is sent home by the rules; what leads it there is
its file from then on. It has arrived when it has the whole of its own file from there.

What proves the phone there is a token of that instance for this phone and this hand-over. It is made from a key that
never leaves that instance, given to the former owner in answer to ``register``, passed on with ``moved``, and shown to
the phone alone.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import replace
from functools import partial

from provd.app.elsewhere import Place
from provd.app.regions.ports import Advice, Book, Ledger, Reading, Unreached
from provd.app.regions.querying import REFUSED_FOR, WAITING
from provd.app.regions.turns import Terms, carry_out, told
from provd.app.regions.watching import Seen
from provd.app.tokens import Tokens
from provd.base.dataclass import dataclass
from provd.base.errors import ProvdError
from provd.base.facts import Fact, FactSink
from provd.base.facts.regions import DeviceArrived
from provd.base.secrets import Secret
from provd.base.types import Mac, parse_mac
from provd.domain.regions import handover
from provd.domain.regions.home import HERE, Home, HomeState, Region, Role, Tombstone
from provd.domain.regions.rules import By, Rule, chosen

ASK_AGAIN = 5.0
"""Seconds until a phone that asks for its file once more makes us look again for its home."""
_AT_ONCE = 4
_WEBHOOKS = 8
_FORMER = 8
"""So many hand-overs back a token still tells which phone it is, once that phone has left."""
_LENGTHS = (12, 14, 17)
"""Characters of a MAC in its usual forms."""
_PAGE = 500
_EXPECTED = frozenset({HomeState.PROV_PEN, HomeState.PROV_FAIL})


def phone_in(device_id: str) -> Mac | None:
    """The MAC that a device_id is, None for a device that is no phone."""
    try:
        return parse_mac(device_id)
    except ValueError:
        return None


def is_phone(device_id: str) -> bool:
    """Whether a device_id is a MAC."""
    return phone_in(device_id) is not None


@dataclass(slots=True)
class _Phone:
    """What is known of one of them, and what was made of it."""

    device_id: str
    home: Home | None
    stone: Tombstone | None
    place: Place | None
    tokens: tuple[str, ...]
    looked: float = 0.0


class Phones:
    """The :class:`~provd.app.elsewhere.Elsewhere` of the file service. ``forget`` removes a phone from all others that
    this instance looks after; ``spoke`` is called when something is to be said."""

    def __init__(
        self,
        ledger: Ledger,
        terms: Callable[[], Terms],
        now: Callable[[], float],
        emit: FactSink,
        *,
        fresh: Callable[[], str],
        advice: Advice,
        tokens: Tokens,
        spoke: Callable[[], None],
        forget: Callable[[Mac], Awaitable[None]],
    ) -> None:
        self._ledger = ledger
        self._terms = terms
        self._now = now
        self._emit = emit
        self._fresh = fresh
        self._advice = advice
        self._tokens = tokens
        self._spoke = spoke
        self._forget = forget
        self._phones: dict[Mac, _Phone] = {}
        self._holders: dict[str, Mac] = {}
        self._endpoints: dict[str, str] = {}
        self._busy: dict[Mac, asyncio.Task[None]] = {}
        self._loaded = False

    # --- what is known

    async def load(self) -> None:
        """Take up what an earlier life has left. Raises StorageError; until it has not, nobody knows who is here."""
        self.hear((), await self._ledger.read(lambda book: book.regions()))
        after = ""
        while seen := await self._ledger.read(_page(after)):
            self.hear(seen, ())
            after = seen[-1].device_id
        self._loaded = True

    async def look(self, names: Collection[str]) -> None:
        """Another daemon on the same database has moved these phones; an empty name stands for regions. Raises
        StorageError."""
        regions = await self._ledger.read(lambda book: book.regions()) if "" in names else ()
        self.hear(await self._ledger.read(partial(_seen, [name for name in names if name])), regions)

    def hear(self, seen: Sequence[Seen], regions: Sequence[Region]) -> None:
        """Phones have another home than before, or regions another address."""
        if regions:
            self._endpoints = {region.name: region.endpoint.rstrip("/") for region in regions}
            for phone in self._phones.values():
                phone.place = self._placed(phone.home, phone.stone)
        for each in seen:
            mac = phone_in(each.device_id)
            if mac is not None:
                self._keep(mac, each)

    def _keep(self, mac: Mac, seen: Seen) -> None:
        former = self._phones.pop(mac, None)
        for token in former.tokens if former is not None else ():
            self._holders.pop(token, None)
        if seen.home is None and seen.stone is None:
            return
        tokens = tuple(self._proving(mac, seen.home, seen.stone))
        self._holders.update(dict.fromkeys(tokens, mac))
        place = self._placed(seen.home, seen.stone)
        self._phones[mac] = _Phone(seen.device_id, seen.home, seen.stone, place, tokens)
        left = seen.home is None or seen.home.state is HomeState.GONE
        if left and self._terms().delete and former is not None and former.home is not None:
            self._do(mac, self._forget(mac))

    def _placed(self, home: Home | None, stone: Tombstone | None) -> Place | None:
        """Where a phone is led; None when its own file is given here."""
        if home is not None and home.state is not HomeState.GONE:
            if home.served or (home.state in _EXPECTED and home.agreed):
                return None
            if home.state is HomeState.REGIONAL:
                return Place(self._endpoints.get(home.region, ""), home.way)
            return Place()
        if stone is not None and stone.region != self._terms().name:
            return Place(self._endpoints.get(stone.region, ""), stone.way)
        return None

    def _proving(self, mac: Mac, home: Home | None, stone: Tombstone | None) -> Iterable[str]:
        """The tokens that prove this phone here. Once it has left they lead it on, and open nothing."""
        if home is not None and home.state in HERE:
            yield self._tokens.handed(mac, home.epoch)
            return
        source = home.source if home is not None else "" if stone is None else stone.source
        epoch = home.epoch if home is not None else 0 if stone is None else stone.epoch
        if source:
            for back in range(1, _FORMER + 1):
                if epoch - back > 0:
                    yield self._tokens.handed(mac, epoch - back)

    def way(self, device_id: str, epoch: int) -> Secret:
        """The token that the former owner is given for a phone that it hands over; empty for what is no phone."""
        mac = phone_in(device_id)
        return Secret("" if mac is None else self._tokens.handed(mac, epoch))

    # --- the port of the file service

    def place(self, mac: Mac) -> Place | None:
        """Where the phone is looked after, None for here."""
        if not self._loaded and self._terms().role is not Role.STANDALONE:
            # Whoever it is may be at home elsewhere, and nobody is to have two owners: let them come again.
            return Place()
        phone = self._phones.get(mac)
        return None if phone is None else phone.place

    def holder(self, token: str) -> Mac | None:
        """The phone that this token proves."""
        return self._holders.get(token)

    def asked(self, mac: Mac) -> None:
        """The phone asks for its file: that is its question where its home is."""
        phone = self._phones.get(mac)
        if phone is None or phone.home is None or phone.home.state not in WAITING or mac in self._busy:
            return
        now = self._now()
        if self._terms().role is Role.GLOBAL and now >= phone.looked + ASK_AGAIN and len(self._busy) < _AT_ONCE:
            phone.looked = now
            self._do(mac, self._send_home(phone.device_id))

    def came(self, mac: Mac) -> None:
        """The phone has its own file from here."""
        phone = self._phones.get(mac)
        if phone is None or phone.home is None or phone.home.state not in _EXPECTED or mac in self._busy:
            return
        self._do(mac, self._arrive(phone.device_id))

    # --- what comes of it

    def _do(self, mac: Mac, work: Awaitable[None]) -> None:
        async def done() -> None:
            # What could not be written is tried again when the phone asks once more.
            with contextlib.suppress(ProvdError):
                await work
            if self._busy.get(mac) is asyncio.current_task():
                del self._busy[mac]

        self._busy[mac] = asyncio.ensure_future(done())

    async def close(self) -> None:
        """Let what is in hand end."""
        await asyncio.gather(*self._busy.values(), return_exceptions=True)

    async def _send_home(self, device_id: str) -> None:
        rules = self._terms().rules
        for _ in range(_WEBHOOKS):
            choice = await self._chosen(device_id, rules)
            if choice is None:
                return
            server, home, rest = choice
            try:
                region = await self._advice.ask(server, home)
            except Unreached:
                return
            rules = (*((Rule(by=By.ALL, region=region),) if region else ()), *rest)

    async def _chosen(self, device_id: str, rules: tuple[Rule, ...]) -> tuple[str, Home, tuple[Rule, ...]] | None:
        now, terms, transfer = self._now(), self._terms(), self._fresh()

        def work(book: Book) -> tuple[tuple[str, Home, tuple[Rule, ...]] | None, list[Fact]]:
            home = book.home(device_id)
            if home is None or home.state not in WAITING:
                return None, []
            if home.state is HomeState.QRY_FAIL and now < home.since + REFUSED_FOR:
                return None, []
            known = [region.name for region in book.regions() if region.takes and region.name != terms.name]
            choice = chosen(rules, home, book.listed(device_id), known)
            if choice.webhook:
                return (choice.webhook, home, choice.rest), []
            if not choice.region:
                if home.state is not HomeState.GLOBAL:
                    book.save(home, replace(home, state=HomeState.GLOBAL, since=now, reason=""))
                return None, []
            turn = handover.begun(home, choice.region, transfer, now)
            carry_out(book, home, turn, delete=terms.delete)
            return None, told(home, turn.home, now)

        found, facts = await self._ledger.change((device_id,), work)
        self._tell(facts)
        return found

    async def _arrive(self, device_id: str) -> None:
        now = self._now()

        def work(book: Book) -> list[Fact]:
            home = book.home(device_id)
            if home is None or home.state not in _EXPECTED or not home.agreed:
                return []
            carry_out(book, home, handover.arrived(home, "", now), delete=False)
            # It is here now, and no more where it once was.
            book.dig(device_id)
            return [DeviceArrived(at=now, device=device_id, epoch=home.epoch, units=0, tenant=home.tenant)]

        self._tell(await self._ledger.change((device_id,), work))

    def _tell(self, facts: Iterable[Fact]) -> None:
        told_of = False
        for fact in facts:
            self._emit(fact)
            told_of = True
        if told_of:
            self._spoke()


def _page(after: str) -> Callable[[Reading], list[Seen]]:
    def work(book: Reading) -> list[Seen]:
        ids = book.named(_LENGTHS, after, _PAGE)
        return _seen(ids, book)

    return work


def _seen(names: Iterable[str], book: Reading) -> list[Seen]:
    return [Seen(device_id=each, home=book.home(each), stone=book.tombstone(each)) for each in names]
