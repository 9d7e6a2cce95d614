"""Redeems what was dialed: who dialed it, may they, is it good, and then everything that follows from it.

The order matters: whoever is locked out hears nothing about codes; whoever cannot be recognised hears the same whatever
the digits are; only then is a code looked up. Between the look at the counters and the count there is no pause, so a
thousand dials at once get no more tries than one after the other.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import NamedTuple

from provd.app.codes.book import CodeBook
from provd.app.codes.redeem import Occasion, Redeemed, RefusedError, give_back, redeem
from provd.app.codes.terms import Terms
from provd.app.codes.turnstile import Turnstile
from provd.app.codes.who import Dialer, Evidence
from provd.app.dialing import Answer, Dial, Outcome
from provd.app.fleet import Fleet
from provd.app.knowledge import Knowledge
from provd.app.ownership import Room, room_of
from provd.app.ports import Change
from provd.app.resyncing import Resync
from provd.base.clock import Clock
from provd.base.errors import ClashError, StorageError, UsageError
from provd.base.facts import FactSink
from provd.base.facts.codes import CodeAccepted, CodeRefused, DeviceGivenBack
from provd.base.facts.devices import DeviceStateChanged
from provd.domain.codes import dialed
from provd.domain.reckoning import Leap
from provd.domain.records import Code, Device, DeviceState

_TEXTS = {
    Outcome.RESET: "Reset, please wait",
    Outcome.UNKNOWN: "Unknown code",
    Outcome.EXPIRED: "Code expired",
    Outcome.USED_UP: "Code already used",
    Outcome.REVOKED: "Code withdrawn",
    Outcome.TENANT_DISABLED: "Service disabled",
    Outcome.LINE_TAKEN: "Line is on another phone",
    Outcome.DEVICE_TAKEN: "Phone belongs to somebody else",
    Outcome.DEVICE_FULL: "No room for another line",
    Outcome.NO_DEVICE: "Phone not recognised",
    Outcome.NOT_STORED: "Try again later",
}
_GUESSES = {Outcome.UNKNOWN, Outcome.EXPIRED, Outcome.USED_UP, Outcome.REVOKED, Outcome.TENANT_DISABLED}
"""What counts as a wrong code; without a device everything does."""


class _Case(NamedTuple):
    """One dial on its way."""

    dial: Dial
    dialer: Dialer


class Desk:
    """Implements the port ``DialDesk``. ``terms`` is asked each time; ``resync`` is set where there is one."""

    def __init__(
        self,
        *,
        fleet: Fleet,
        knowledge: Knowledge,
        book: CodeBook,
        evidence: Evidence,
        turnstile: Turnstile,
        terms: Callable[[], Terms],
        clock: Clock,
        emit: FactSink,
        leap: Leap | None = None,
    ) -> None:
        self._fleet = fleet
        self._knowledge = knowledge
        self._book = book
        self._evidence = evidence
        self._turnstile = turnstile
        self._clock = clock
        self._emit = emit
        self._leap = leap
        self._terms = terms
        self.resync: Resync | None = None

    async def dial(self, dial: Dial) -> Answer:
        """Carry out what was dialed; the change is durable when this returns."""
        case = _Case(dial, self._evidence.dialer(dial))
        device = case.dialer.device
        peer = _source(dial)
        closed = self._turnstile.closed(device, peer)
        if closed is not None:
            self._turnstile.tell_closed(closed, device, dial.via, dial.peer)
            wait = closed.wait
            mac = None if device is None else device.mac
            return Answer(outcome=Outcome.LOCKED, text=f"Locked, wait {_span(wait)}", mac=mac, wait=wait)
        if device is None:
            return self._refused(case, Outcome.NO_DEVICE)
        try:
            return await self._carry_out(case, device)
        except RefusedError as refusal:
            return self._refused(case, refusal.outcome, refusal.code)
        except ClashError:
            # Another daemon on the same database has given away this use of the code.
            return self._refused(case, Outcome.USED_UP)
        except (StorageError, UsageError):
            # The database did not take it, or it does not fit to what is there in a way that no dialer can mend.
            return self._refused(case, Outcome.NOT_STORED)

    async def _carry_out(self, case: _Case, device: Device) -> Answer:
        digits = dialed(case.dial.digits)
        code = self._book.find(digits)
        if code is not None:
            # First: a reset number that was chosen later must not swallow a code that somebody holds.
            return await self._redeem(case, device, code)
        pin = self._terms().pin_of(digits)
        if pin is None:
            raise RefusedError(Outcome.UNKNOWN)
        return await self._reset(case, device, pin)

    async def _redeem(self, case: _Case, device: Device, code: Code) -> Answer:
        done: list[Redeemed] = []
        was: list[DeviceState] = []

        def plan() -> list[Change]:
            present = self._fleet.tables.device(device.mac) or device
            was.append(present.state)
            done.append(redeem(self._fleet.tables, code.id, device.mac, self._room(present), self._occasion(case)))
            return done[-1].changes

        await self._fleet.change(plan)
        result = done[-1]
        if not result.again:
            # Dialing the same code again is no merit: it must not buy new guesses.
            self._turnstile.passed(device)
        kept = self._fleet.tables.device(device.mac) or result.device
        self._emit(
            CodeAccepted(
                at=self._clock.now(),
                mac=device.mac,
                code=code.id,
                line=result.line.id,
                tenant=code.tenant,
                via=case.dial.via,
                identified=case.dialer.by,
                uses_left=max(0, result.code.uses),
                again=result.again,
            )
        )
        self._moved(was[-1], kept, "code")
        return Answer(
            outcome=Outcome.ACCEPTED,
            text=f"Welcome {result.line.display_name or result.line.number or result.line.username}",
            mac=device.mac,
            tenant=code.tenant,
            line=result.line.id,
        )

    async def _reset(self, case: _Case, device: Device, pin: str) -> Answer:
        wanted = self._terms().reset_pin.reveal()
        if not hmac.compare_digest(pin.encode("utf-8", "surrogatepass"), wanted.encode("utf-8", "surrogatepass")):
            raise RefusedError(Outcome.UNKNOWN)
        before: list[Device] = []

        def plan() -> list[Change]:
            found, changes = give_back(self._fleet.tables, device.mac, self._occasion(case))
            before.append(found)
            return changes

        await self._fleet.change(plan)
        was = before[-1]
        self._emit(
            DeviceGivenBack(
                at=self._clock.now(),
                mac=device.mac,
                tenant=was.tenant,
                via=case.dial.via,
                identified=case.dialer.by,
                lines=len(was.lines),
            )
        )
        self._moved(was.state, self._fleet.tables.device(device.mac) or was, "reset")
        return Answer(outcome=Outcome.RESET, text=_TEXTS[Outcome.RESET], mac=device.mac, tenant=was.tenant)

    def _moved(self, was: DeviceState, device: Device, reason: str) -> None:
        if was is not device.state:
            now = self._clock.now()
            self._emit(DeviceStateChanged(at=now, mac=device.mac, was=was, now=device.state, tenant=device.tenant))
        if self.resync is not None:
            self.resync.wanted(device, reason)

    def _refused(self, case: _Case, outcome: Outcome, code: Code | None = None) -> Answer:
        dial, device = case.dial, case.dialer.device
        now, wait, wrong = self._clock.now(), 0.0, 0
        if outcome in _GUESSES or device is None:
            lock = self._turnstile.missed(device, _source(dial))
            wait, wrong = max(0.0, lock.until - now), lock.wrong
        self._emit(
            CodeRefused(
                at=now,
                mac=None if device is None else device.mac,
                outcome=outcome.value,
                via=dial.via,
                code="" if code is None else code.id,
                line="" if code is None else code.line,
                tenant="" if code is None else code.tenant,
                account=dial.account,
                peer=dial.peer,
                identified=case.dialer.by,
                wrong=wrong,
                wait=round(wait),
            )
        )
        mac = None if device is None else device.mac
        return Answer(outcome=outcome, text=_TEXTS[outcome], mac=mac, wait=wait)

    def _occasion(self, case: _Case) -> Occasion:
        return Occasion(case.dial, self._clock.now(), case.dialer.by, case.dialer.port, self._leap)

    def _room(self, device: Device) -> Room:
        return room_of(self._knowledge.manifest(device.plugin), device)


def _source(dial: Dial) -> str:
    """Whose address counts: the phone's own where a PBX stands between, for the PBX's is everybody's."""
    return dial.peer if dial.via == "sip" else dial.ip or dial.peer


def _span(seconds: float) -> str:
    minutes = int(seconds + 59) // 60
    if minutes <= 1:
        return f"{max(1, round(seconds))} s"
    return f"{minutes} min" if minutes < 120 else f"{(minutes + 59) // 60} h"
