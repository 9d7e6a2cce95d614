"""Long work: begun by somebody, watched by whoever likes, carried on after a restart, called off at any time.

A worker is a coroutine that may be begun again with the same arguments when the daemon died over it: what it has done
by then it finds done.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from provd.app.fleet import Fleet
from provd.app.ports import Change, Delete, Put
from provd.base.clock import Clock
from provd.base.dataclass import dataclass
from provd.base.errors import NotFoundError, ProvdError, StorageError, UsageError
from provd.base.facts import FactSink
from provd.base.facts.daemon import InternalError
from provd.base.facts.works import WorkEnded, WorkStarted
from provd.domain.records import Work, WorkState

MOST_KEPT = 200
"""Works that are over and still listed."""

_INTERNAL = "an error in provd itself ({}); the log says more"


@dataclass(slots=True)
class Progress:
    """How far a work is: ``done`` of ``total`` units (0: nobody knows) of what is being done."""

    doing: str = ""
    done: int = 0
    total: int = 0


Worker = Callable[[Mapping[str, object], Progress], Awaitable[Mapping[str, object]]]
"""Does it: the arguments, and where to say how far it is. Gives the result, plain values. Raises ProvdError."""


class Works:
    """All long work of this daemon.

    ``patient`` is for a process that ends with the command it carries out: starting something waits until it is over.
    """

    def __init__(self, fleet: Fleet, clock: Clock, emit: FactSink, *, patient: bool = False) -> None:
        self._fleet = fleet
        self._clock = clock
        self._emit = emit
        self._patient = patient
        self._workers: dict[str, Worker] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._progress: dict[str, Progress] = {}

    def offer(self, kind: str, worker: Worker) -> None:
        """From now on this kind of work can be done."""
        self._workers[kind] = worker

    async def start(self, kind: str, args: Mapping[str, object], by: str) -> Work:
        """Begin it; it is on disk when this returns. The same work is not begun twice at a time.

        Raises UsageError for a kind that nobody offers, StorageError.
        """
        if kind not in self._workers:
            raise UsageError(f"{kind}: there is no such work")
        work = self._same(kind, args)
        if work is None:
            work = fresh = Work(id=secrets.token_hex(6), kind=kind, args=dict(args), by=by, started=self._clock.now())
            await self._fleet.change(lambda: [*self._stale(), Put(fresh)])
            self._emit(WorkStarted(at=work.started, work=work.id, kind=kind, by=by))
            self._begin(work)
        return await self.wait(work.id) if self._patient else work

    def _same(self, kind: str, args: Mapping[str, object]) -> Work | None:
        for work in self._fleet.tables.works.values():
            if work.state is WorkState.RUNNING and (work.kind, dict(work.args)) == (kind, dict(args)):
                return work
        return None

    def resume(self) -> None:
        """Go on with what was not over when the daemon ended."""
        for work in list(self._fleet.tables.works.values()):
            if work.state is WorkState.RUNNING and work.id not in self._running:
                self._begin(work)

    def find(self, name: str) -> Work:
        """A work by its id. Raises NotFoundError."""
        work = self._fleet.tables.work(name)
        if work is None:
            raise NotFoundError(f"there is no operation {name!r}")
        return work

    def progress(self, name: str) -> Progress:
        """How far it is; all of nothing when it does not run."""
        return self._progress.get(name, Progress())

    async def wait(self, name: str) -> Work:
        """The work once it is over. Whoever stops waiting does not stop the work."""
        running = self._running.get(name)
        if running is not None:
            await asyncio.wait([running])
        return self.find(name)

    async def cancel(self, name: str) -> Work:
        """Call it off. Nothing happens to one that is over."""
        running = self._running.get(name)
        if running is not None:
            running.cancel()
        work = await self.wait(name)
        if work.state is WorkState.RUNNING:
            await self._over(replace(work, state=WorkState.CANCELLED, reason="called off"))
        return self.find(name)

    async def close(self) -> None:
        """The daemon ends: what still runs goes on after the next start."""
        for running in self._running.values():
            running.cancel()
        if self._running:
            await asyncio.wait(self._running.values())

    def _begin(self, work: Work) -> None:
        self._progress[work.id] = Progress()
        running = asyncio.create_task(self._run(work), name=f"{work.kind} {work.id}")
        self._running[work.id] = running
        running.add_done_callback(lambda _: self._running.pop(work.id, None))

    async def _run(self, work: Work) -> None:
        await self._over(await self._carried_out(work))

    async def _over(self, work: Work) -> None:
        over = replace(work, finished=self._clock.now())
        with contextlib.suppress(StorageError):  # It is begun again after the next start, and finds everything done.
            await self._fleet.change(lambda: [Put(over)])
        self._progress.pop(over.id, None)
        self._emit(
            WorkEnded(at=over.finished, work=over.id, kind=over.kind, state=over.state.value, reason=over.reason)
        )

    async def _carried_out(self, work: Work) -> Work:
        worker = self._workers.get(work.kind)
        if worker is None:
            return replace(work, state=WorkState.FAILED, reason=f"this provd does not know the work {work.kind!r}")
        try:
            result = await worker(work.args, self._progress[work.id])
        except ProvdError as error:
            return replace(work, state=WorkState.FAILED, reason=str(error))
        except Exception as error:  # noqa: BLE001 - whoever waits must hear that it is over
            reason = f"{type(error).__name__}: {error}"
            self._emit(InternalError(at=self._clock.now(), where=f"operation {work.kind}", reason=reason[:500]))
            return replace(work, state=WorkState.FAILED, reason=_INTERNAL.format(type(error).__name__))
        return replace(work, state=WorkState.DONE, result=result)

    def _stale(self) -> list[Change]:
        over = [work for work in self._fleet.tables.works.values() if work.state is not WorkState.RUNNING]
        over.sort(key=lambda work: work.finished)
        return [Delete(work) for work in over[: max(0, len(over) - MOST_KEPT + 1)]]
