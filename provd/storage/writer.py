"""The one writer: commits whatever has gathered since the last commit, in one transaction.

Where commits are quick they are made on the event loop's thread, at the end of the turn that asked for them; else, and
always for a database elsewhere, by a thread of their own.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import NamedTuple, Protocol

from provd.app.ports import Change, Done
from provd.base.clock import Clock
from provd.base.errors import StorageError
from provd.base.facts import Fact, FactSink
from provd.base.facts.daemon import Degraded, Recovered
from provd.storage.batch import Extension, Planner, Statement
from provd.storage.pace import Pace
from provd.storage.session import BusyError, RefusedError, UnavailableError
from provd.storage.step import Step

_STAND_ASIDE = 0.0005
"""Seconds, at most, that the loop waits so that the writer's thread gets the interpreter lock …"""

_STAND_ASIDE_AGAIN = 0.0002
"""… and the shortest time until it does so again."""


class Connection(Protocol):
    """What the writer needs of its database connection; see ``session.Session``."""

    heard: float

    def write(self, statements: Sequence[Statement | Extension], steps: Sequence[Step] = ()) -> None:
        """Execute the statements and then the steps as one transaction."""
        ...

    def wait(self, *, long: bool) -> None:
        """How long writes from now on wait for somebody else's lock."""
        ...

    def interrupt(self) -> None:
        """Make a write that hangs fail, from another thread."""
        ...

    def close(self) -> None:
        """Drop the connection."""
        ...


class Limits(NamedTuple):
    """Bounds of the writer; counts are submissions."""

    waiting: int = 10_000
    """Beyond these a submission is refused at once."""
    waiting_facts: int = 20_000
    batch: int = 512
    """Most submissions in one transaction."""
    batch_facts: int = 128
    """Most submissions of the low lane in one transaction, so that leases do not wait behind them."""
    patience: float = 2.0
    """Seconds after which a small write to a silent database server is broken off …"""
    patience_for_change: float = 0.001
    """… and what each change in it adds: an import of thousands is slow, not silent."""
    probe: float = 1.0
    """Seconds between two attempts to write while the store is degraded and nobody submits anything."""

    def patience_with(self, batch: Sequence[_Submission]) -> float:
        """Seconds after which writing this batch counts as hung."""
        size = sum(len(item.changes) + (item.step.weight if item.step is not None else 0) for item in batch)
        return self.patience + self.patience_for_change * size


class _Submission(NamedTuple):
    changes: Sequence[Change]
    done: Done | None
    step: Step | None = None


_Outcome = tuple[Done, StorageError | None]
_key_of = attrgetter("key")


class Writer:
    """Group commit. ``submit`` belongs to the event loop's thread, and every ``done`` is called there.

    Without a ``pace`` every commit is the thread's.
    """

    def __init__(
        self,
        session: Connection,
        planner: Planner,
        clock: Clock,
        emit: FactSink,
        limits: Limits,
        pace: Pace | None = None,
    ) -> None:
        self._session = session
        self._planner = planner
        self._clock = clock
        self._emit = emit
        self._limits = limits
        self._pace = pace
        self._writing = threading.Lock()
        self._lane: deque[_Submission] = deque()
        self._low_lane: deque[_Submission] = deque()
        self._wake = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._untold: deque[Fact] = deque()
        self._settled = threading.Event()
        self._rousing = False
        self._attended = False
        self._busy_since = 0.0
        self._patience = limits.patience
        self._closing = False
        self._draining = True
        self._degraded = False
        self.refused = 0
        """Submissions that found the queue full."""
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    @property
    def degraded(self) -> bool:
        """Whether the last write failed for a reason that lies in the store."""
        return self._degraded

    def submit(
        self, changes: Sequence[Change], done: Done | None, *, low: bool = False, step: Step | None = None
    ) -> None:
        """Queue changes; ``low`` ones wait for room beside the others. A step is run in the same transaction."""
        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.get_running_loop()
            self._tell_untold()
        lane, most = (self._low_lane, self._limits.waiting_facts) if low else (self._lane, self._limits.waiting)
        if self._closing or len(lane) >= most:
            self.refused += 1
            if done is not None:
                why = "the store is closed" if self._closing else f"the store is {most} writes behind"
                loop.call_soon(done, StorageError(why))
            return
        lane.append(_Submission(changes, done, step))
        if not self._rousing:
            self._rousing = True
            # Not at once: what the loop still submits in this turn belongs into the same transaction, and what has
            # arrived meanwhile and is worked on in the next one as well.
            loop.call_soon(loop.call_soon, self._rouse, loop)

    def _rouse(self, loop: asyncio.AbstractEventLoop) -> None:
        self._rousing = False
        if self._pace is not None and not self._busy_since:
            self._commit_here(loop, self._pace)
            if not (self._lane or self._low_lane):
                return
        self._wake.set()
        if not self._attended:
            self._attended = True
            self._attend(loop)

    def _commit_here(self, loop: asyncio.AbstractEventLoop, pace: Pace) -> None:
        """Commit on the loop's thread what has gathered, if that is quick and the thread is not at it."""
        began = time.monotonic()
        if self._degraded or self._closing or not pace.quick(began) or not self._writing.acquire(blocking=False):
            return
        try:
            batch = self._gathered()
            self._session.wait(long=False)
            errors = self._written(batch, hasty=True) if batch else []
        finally:
            self._session.wait(long=True)
            self._writing.release()
        ended = time.monotonic()
        pace.took(ended - began, ended)
        locked = []
        for item, error in zip(batch, errors, strict=True):
            if isinstance(error, BusyError):
                locked.append(item)
            elif item.done is not None:
                loop.call_soon(item.done, error)
        if locked:
            # A lock is not waited for here, where it would keep everybody waiting.
            pace.blocked(ended)
            self._lane.extendleft(reversed(locked))

    def _attend(self, loop: asyncio.AbstractEventLoop) -> None:
        """Stand aside for the writer's thread, on the loop's thread, as long as it has work.

        A busy loop starves that thread: every system call gives the interpreter lock away too briefly for another
        thread to wake up and take it, yet often enough that its claim never gets old enough (5 ms) to be enforced.
        """
        since = self._busy_since
        if not (since or self._lane or self._low_lane):
            self._attended = False
            return
        self._settled.clear()
        self._settled.wait(_STAND_ASIDE)
        now = time.monotonic()
        age = now - since if since else 0.0
        # A server that answers one statement after the other is slow, not silent.
        if age >= self._patience and now - self._session.heard >= self._patience:
            self._session.interrupt()
        # A commit that has taken long may take longer: a slow disk must not cost the loop its time.
        again = min(max(_STAND_ASIDE_AGAIN, age / 2), self._limits.patience / 4)
        loop.call_later(again, self._attend, loop)

    def tell(self, fact: Fact) -> None:
        """Emit a fact on the event loop's thread, from any thread; it waits until there is a loop."""
        self._untold.append(fact)
        self._on_loop(self._tell_untold)

    def _tell_untold(self) -> None:
        while self._untold:
            self._emit(self._untold.popleft())

    def _on_loop(self, call: Callable[..., None], *arguments: object) -> None:
        loop = self._loop
        if loop is not None:
            # A loop that has ended took its waiters with it.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(call, *arguments)

    def close(self, *, drain: bool) -> None:
        """End the thread after it has written what is queued (or refused it). Blocks; hung writes are broken off."""
        self._draining = drain
        self._closing = True
        self._wake.set()
        while self._thread.is_alive():
            self._thread.join(self._patience)
            if self._thread.is_alive():
                self._session.interrupt()
        self._session.close()

    # -- the thread ------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            woken = self._wake.wait(self._limits.probe if self._degraded else None)
            self._wake.clear()
            # Before anything is taken from the lanes: between the two the loop would think that there is no work.
            self._busy_since = time.monotonic()
            # The loop takes from the same lanes: a thread that is woken late may find it at that, and what both take
            # at once would be lost, or written in the wrong order.
            with self._writing:
                if not woken:
                    self._settle([])
                while batch := self._gathered():
                    self._settle(batch)
            self._busy_since = 0.0
            if self._closing:
                return

    def _gathered(self) -> list[_Submission]:
        lane, low = self._lane, self._low_lane
        batch = [lane.popleft() for _ in range(min(len(lane), self._limits.batch))]
        batch += [low.popleft() for _ in range(min(len(low), self._limits.batch_facts))]
        return batch

    def _settle(self, batch: list[_Submission]) -> None:
        if self._closing and not self._draining:
            errors: list[StorageError | None] = [StorageError("the store was closed")] * len(batch)
        else:
            self._patience = self._limits.patience_with(batch)
            began = time.monotonic()
            errors = self._written(batch)
            unavailable = next((error for error in errors if isinstance(error, UnavailableError)), None)
            if unavailable is not None and time.monotonic() - began >= self._patience:
                # A server that hangs: who has waited behind this write is not made to wait for another one.
                waiting = [self._lane.popleft() for _ in range(len(self._lane))]
                batch, errors = batch + waiting, errors + [unavailable] * len(waiting)
        self._busy_since = time.monotonic()
        self._settled.set()
        outcomes = [(item.done, error) for item, error in zip(batch, errors, strict=True) if item.done is not None]
        if outcomes:
            self._on_loop(self._deliver, outcomes)

    def _written(self, batch: list[_Submission], *, hasty: bool = False) -> list[StorageError | None]:
        """What became of each. With ``hasty`` a lock is no failure yet."""
        error = self._attempt(batch, hasty=hasty)
        if error is None or isinstance(error, UnavailableError) or len(batch) <= 1:
            return [error] * len(batch)
        # One of them is bad: each has its own transaction now, so that it sinks alone.
        errors: list[StorageError | None] = []
        for item in batch:
            failed = errors[-1] if errors else None
            # What made the store unavailable for one makes it so for the rest.
            errors.append(failed if isinstance(failed, UnavailableError) else self._attempt([item], hasty=hasty))
        return errors

    def _attempt(self, batch: Sequence[_Submission], *, hasty: bool) -> StorageError | None:
        try:
            statements = self._planner.plan([change for item in batch for change in item.changes])
            # In the order of what they lock: two daemons that commit at the same moment never wait for each other.
            steps = sorted((item.step for item in batch if item.step is not None), key=_key_of)
            if not (statements or steps):
                statements = [self._planner.probe]
            self._write(statements, steps)
        except UnavailableError as error:
            if not (hasty and isinstance(error, BusyError)):
                self._mark(error)
            return error
        except StorageError as error:
            return error
        except Exception as error:  # noqa: BLE001 - whatever a record or a driver raises: the thread lives, the caller hears
            return RefusedError(f"{type(error).__name__} while writing")
        if statements or any(step.wrote for step in steps):
            # What was only read says nothing about whether the disk takes anything.
            self._mark(None)
        return None

    def _write(self, statements: Sequence[Statement | Extension], steps: Sequence[Step]) -> None:
        try:
            self._session.write(statements, steps)
        except UnavailableError as error:
            if not error.disconnected:
                raise
            # The server was restarted since the last write. Should it have got through all the same, writing
            # it again does no harm: puts and deletes name keys, steps know their own traces, at worst a fact is
            # noted twice.
            self._session.write(statements, steps)

    def _mark(self, error: UnavailableError | None) -> None:
        if error is not None and not self._degraded:
            self._degraded = True
            self.tell(Degraded(at=self._clock.now(), part="storage", reason=str(error)))
        elif error is None and self._degraded:
            self._degraded = False
            self.tell(Recovered(at=self._clock.now(), part="storage"))

    def _deliver(self, outcomes: list[_Outcome]) -> None:
        # One handle each: a callback that raises is the loop's exception handler's business, not its neighbours'.
        loop = self._loop
        if loop is not None:
            for done, error in outcomes:
                loop.call_soon(done, error)
