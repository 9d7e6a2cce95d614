"""What devices ask for: their key, once, and later who they are by it."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable
from hashlib import sha256

from provd.app.activation.limits import Failures
from provd.app.activation.ports import Book, Ledger
from provd.base.clock import Clock
from provd.base.dataclass import dataclass
from provd.base.errors import StorageError
from provd.base.facts import Fact, FactSink
from provd.base.facts.activation import (
    ThingActivated,
    ThingExpired,
    ThingKeyUsed,
    ThingRefused,
    ThingReissued,
    ThingSilent,
)
from provd.base.secrets import Secret
from provd.base.types import Mac, thing_key
from provd.domain.activation.form import Ask
from provd.domain.activation.thing import (
    Attempt,
    Origin,
    Outcome,
    Thing,
    ThingState,
    in_ranges,
    is_bound,
    may_reissue,
    moment,
    refusal,
)

SILENT = 600.0
"""Seconds after its activation from when a device that has not shown its key is told of."""
_KEY_OCTETS = 20
_LONGEST_KEY = 200
_TOLD_AT_ONCE = 100
_PRUNED_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Given:
    """The answer to an attempt. ``key`` is there when we made it; ``wait`` is seconds where the asker was not heard."""

    outcome: Outcome | None
    key: Secret | None = None
    wait: int = 0


class ThingDesk:
    """Activation and the keys.

    ``leased`` says to which MAC our DHCP server has leased an address; ``octets`` gives so many random octets.
    """

    def __init__(
        self,
        ledger: Ledger,
        clock: Clock,
        emit: FactSink,
        leased: Callable[[str], str | None] = lambda _ip: None,
        octets: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._ledger = ledger
        self._leased = leased
        self._clock = clock
        self._emit = emit
        self._octets = octets
        self._latest = 0.0
        self._failures = Failures(emit)
        self.outcomes: Counter[str] = Counter()
        """What became of the attempts since the start."""

    def now(self) -> float:
        """The time, which never runs backwards here: who is expired stays expired."""
        self._latest = max(self._latest, self._clock.now())
        return self._latest

    async def activate(self, ask: Ask, peer: str) -> Given:
        """Give this device its key, if it may have one. Raises StorageError; then nothing has happened to it."""
        now, pair = self.now(), (ask.vendor, ask.model)
        wait = self._failures.wait(peer, now, pair)
        if wait:
            self.outcomes["throttled"] += 1
            return Given(None, wait=wait)
        key = None if ask.key_hash else Secret(self._octets(_KEY_OCTETS).hex())
        kept = ask.key_hash if key is None else digest(key.reveal())
        seen = Origin(peer, self._leased(peer) or "")

        def work(book: Book) -> tuple[Outcome, Thing | None]:
            outcome, thing = _decided(book, ask, kept, now, seen)
            if outcome.status in {200, 409}:
                line = Attempt(vendor=ask.vendor, model=ask.model, sn=ask.sn, at=now, peer=peer, outcome=outcome.value)
                book.note(line)
            return outcome, thing

        outcome, thing = await self._ledger.change((ask.vendor, ask.model, ask.sn), work)
        self.outcomes[outcome.value] += 1
        if outcome.guessed:
            self._failures.count(peer, now, pair)
        self._tell(ask, outcome, thing, peer)
        return Given(outcome, key if outcome.won else None)

    def _tell(self, ask: Ask, outcome: Outcome, thing: Thing | None, peer: str) -> None:
        fact: Fact
        if outcome is Outcome.REISSUED and thing is not None:
            fact = ThingReissued(
                at=self.now(),
                mac=_key(thing),
                vendor=ask.vendor,
                model=ask.model,
                sn=ask.sn,
                tenant=thing.tenant,
                peer=peer,
            )
        elif outcome.won and thing is not None:
            fact = ThingActivated(
                at=self.now(),
                mac=_key(thing),
                vendor=ask.vendor,
                model=ask.model,
                sn=ask.sn,
                tenant=thing.tenant,
                peer=peer,
                generation=thing.generation,
                again=outcome is Outcome.AGAIN,
            )
        else:
            fact = ThingRefused(
                at=self.now(),
                # A serial that nobody has is nobody's story: who guesses must not push out those of others.
                mac=None if thing is None else _key(thing),
                outcome=outcome.value,
                vendor=ask.vendor,
                model=ask.model,
                sn=ask.sn,
                peer=peer,
                tenant="" if thing is None else thing.tenant,
            )
        self._emit(fact)

    async def holder(self, key: str, peer: str) -> Thing | None:
        """The activated device that has this key, None when none has. Raises StorageError."""
        if not key or len(key) > _LONGEST_KEY:
            return None
        kept = digest(key)
        # By way of the writer: a key that was ended a moment ago is not found any more.
        thing = await self._ledger.change((), lambda book: book.by_key(kept))
        if thing is None or thing.state is not ThingState.ACTIVATED:
            return None
        if thing.first_used_at or await self._used(thing, peer):
            return thing
        # Another key was given out in this very moment, or somebody else has shown this one: look again.
        return await self._ledger.change((), lambda book: book.by_key(kept))

    async def _used(self, thing: Thing, peer: str) -> bool:
        """Note the first use, before it has any effect: from then on no other key is given out in place of this one."""
        now, vendor, model, sn = self.now(), thing.vendor, thing.model, thing.sn
        try:
            first = await self._ledger.change((vendor, model, sn), lambda book: book.used(thing.key_hash, now))
        except StorageError:
            return True  # the store has told of itself, and the next use is noted
        about = {"vendor": vendor, "model": model, "sn": sn}
        if first:
            self._emit(ThingKeyUsed(at=now, mac=_key(thing), **about, tenant=thing.tenant, peer=peer))
        return first

    async def look_round(self) -> None:
        """Tell of devices that did not come, and of those whose key was never shown. Raises StorageError."""
        now = self.now()
        found = await self._ledger.change((), lambda book: book.overdue(now, now - SILENT, _TOLD_AT_ONCE))
        for thing in found:
            mac, vendor, model, sn, tenant = _key(thing), thing.vendor, thing.model, thing.sn, thing.tenant
            if thing.state is ThingState.PENDING:
                self._emit(ThingExpired(at=now, mac=mac, vendor=vendor, model=model, sn=sn, tenant=tenant))
            else:
                silent = int(now - thing.activated_at)
                self._emit(
                    ThingSilent(at=now, mac=mac, vendor=vendor, model=model, sn=sn, tenant=tenant, seconds=silent)
                )

    async def prune_log(self, keep: int) -> None:
        """Remove all but the newest attempts, a few at a time. Raises StorageError."""
        while await self._ledger.change((), lambda book: book.prune_log(keep, _PRUNED_AT_ONCE)):
            pass


def _key(thing: Thing) -> Mac:
    return thing_key(thing.vendor, thing.model, thing.sn)


def digest(key: str) -> str:
    """What is kept of a key. It has 160 random bits: a slow hash would add nothing."""
    return sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def _decided(book: Book, ask: Ask, kept: str, now: float, seen: Origin) -> tuple[Outcome, Thing | None]:
    # The model is looked at first only where it matters: a serial that is a MAC, and not of this address.
    model = None if is_bound(ask.sn, seen) else book.model(ask.vendor, ask.model)
    stranger = model is not None and bool(model.serial_is_mac)
    thing = None if stranger else book.activate(ask, kept, now, seen)
    if thing is not None:
        return Outcome.ACTIVATED, thing
    found = book.things(ask.vendor, ask.model, [ask.sn]).get(ask.sn)
    if found is None:
        return _unknown(book, ask), None
    if found.state is ThingState.ACTIVATED and found.key_hash == kept:
        # Its own key hash once more; or a hash of ours, when a commit got through whose answer did not.
        return (Outcome.AGAIN if ask.key_hash else Outcome.ACTIVATED), found
    if stranger:
        return refusal(found, now) or Outcome.OTHER_LEASE, found
    return _second_look(book, ask, found, (kept, now, seen))


def _unknown(book: Book, ask: Ask) -> Outcome:
    if book.model(ask.vendor, ask.model) is None:
        return Outcome.UNKNOWN_MODEL
    known = in_ranges(ask.sn, book.ranges(ask.vendor, ask.model))
    return Outcome.UNCLAIMED if known else Outcome.UNKNOWN_SERIAL


def _second_look(book: Book, ask: Ask, found: Thing, given: tuple[str, float, Origin]) -> tuple[Outcome, Thing | None]:
    """Why there is no key for this device; or one all the same."""
    kept, now, seen = given
    why = refusal(found, now)
    if why is None:
        # Our clock is behind that of whoever enabled it.
        thing = book.activate(ask, kept, moment(found, now), seen)
        # It may have its key, and gets none: its home is another instance.
        return (Outcome.ACTIVATED, thing) if thing is not None else (Outcome.ELSEWHERE, found)
    if why is Outcome.ALREADY and not ask.key_hash and not found.first_used_at:
        model = book.model(found.vendor, found.model)
        anew = book.reissue(found, kept, now) if model and may_reissue(found, model, seen, now) else None
        if anew is not None:
            return Outcome.REISSUED, anew
    return why, found
