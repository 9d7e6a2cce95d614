"""Which daemon carries out which run of a task: decided by the database, in the writer's transaction."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from sqlalchemy import bindparam, select

from provd.app.ports import Put
from provd.app.tasks.ports import Held
from provd.base.errors import StorageError
from provd.domain.records import RunState, TaskRun, TaskStep
from provd.domain.tasks import GOING
from provd.storage.batch import Prepared
from provd.storage.mapping import RowError
from provd.storage.step import Execute
from provd.storage.store import Store
from provd.storage.tables import TASK_RUN, TASK_STEP


class _Sought:
    """The two questions, compiled once."""

    def __init__(self, store: Store) -> None:
        # A row that another daemon is just looking at is its own; SQLite locks the whole file by itself.
        run = select(TASK_RUN).where(TASK_RUN.c.id == bindparam("run")).with_for_update(skip_locked=True)
        steps = select(TASK_STEP).where(TASK_STEP.c.run == bindparam("run")).order_by(TASK_STEP.c.at)
        self.run = Prepared(run, store.dialect)
        self.steps = Prepared(steps, store.dialect)


class _Claim:
    """A step of the writer: reads the run and its steps, and takes the run if it is to be had."""

    def __init__(self, store: Store, sought: _Sought, run: TaskRun, now: float, *, alone: bool) -> None:
        self.key: tuple[str, ...] = (TASK_RUN.name, run.id)
        self.weight = 1
        self.wrote = False
        self.held: Held | None = None
        self._store = store
        self._sought = sought
        self._run = run
        self._now = now
        self._alone = alone

    def run(self, execute: Execute) -> None:
        """Look, decide, take."""
        self.held, self.wrote = None, False
        planner, sought, key = self._store.planner, self._sought, self._run.id
        rows = execute(*sought.run(run=key))
        if not rows:
            return
        try:
            present = planner.codec(TaskRun).record(tuple(rows[0]))
            steps = [planner.codec(TaskStep).record(tuple(row)) for row in execute(*sought.steps(run=key))]
        except RowError:
            # It was told when the daemon started; nothing can be made of it.
            return
        if present.state not in GOING or self._is_at_work(present):
            self.held = Held(present, tuple(steps), ours=False)
            return
        claimed = replace(
            self._run,
            began=present.began or self._now,
            step=present.step,
            attempts=present.attempts,
            waits=present.waits,
            since=present.since,
        )
        for statement in planner.plan([Put(claimed)]):
            execute(*statement)
        self.held, self.wrote = Held(claimed, tuple(steps)), True

    def _is_at_work(self, run: TaskRun) -> bool:
        """Whether another daemon has it in hand; where there can be no other, that one is dead."""
        ours = run.owner.partition(".")[0] == self._run.owner.partition(".")[0]
        return run.state is RunState.RUNNING and run.lease > self._now and not (ours or self._alone)


class StoredClaims:
    """Implements :class:`~provd.app.tasks.ports.Claims`. ``alone``: no other daemon can use the database."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._sought = _Sought(store)
        self.alone = store.dialect.name == "sqlite"

    async def claim(self, run: TaskRun, now: float) -> Held | None:
        """Take the run. Raises StorageError."""
        step = _Claim(self._store, self._sought, run, now, alone=self.alone)
        future: asyncio.Future[Held | None] = asyncio.get_running_loop().create_future()

        def done(error: StorageError | None) -> None:
            if future.done():
                return  # its waiter was cancelled
            if error is None:
                future.set_result(step.held)
            else:
                future.set_exception(error)

        self._store.perform(step, done)
        return await future
