"""Which daemon carries out which run of a task: decided by the database, in the writer's transaction."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from sqlalchemy import select

from provd.app.ports import Put
from provd.app.tasks.ports import Held
from provd.base.errors import StorageError
from provd.domain.records import RunState, TaskRun, TaskStep
from provd.domain.tasks import GOING
from provd.storage.batch import driver_form
from provd.storage.mapping import RowError
from provd.storage.step import Execute
from provd.storage.store import Store
from provd.storage.tables import TASK_RUN, TASK_STEP


class _Claim:
    """A step of the writer: reads the run and its steps, and takes the run if it is to be had."""

    def __init__(self, store: Store, run: TaskRun, now: float, *, alone: bool) -> None:
        self.key: tuple[str, ...] = (TASK_RUN.name, run.id)
        self.weight = 1
        self.wrote = False
        self.held: Held | None = None
        self._store = store
        self._run = run
        self._now = now
        self._alone = alone

    def run(self, execute: Execute) -> None:
        """Look, decide, take."""
        self.held, self.wrote = None, False
        planner, dialect = self._store.planner, self._store.dialect
        # A row that another daemon is just looking at is its own; SQLite locks the whole file by itself.
        wanted = select(TASK_RUN).where(TASK_RUN.c.id == self._run.id).with_for_update(skip_locked=True)
        of_steps = select(TASK_STEP).where(TASK_STEP.c.run == self._run.id).order_by(TASK_STEP.c.at)
        rows = execute(*driver_form(wanted, dialect))
        if not rows:
            return
        try:
            present = planner.codec(TaskRun).record(tuple(rows[0]))
            steps = [planner.codec(TaskStep).record(tuple(row)) for row in execute(*driver_form(of_steps, dialect))]
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
        self.alone = store.dialect.name == "sqlite"

    async def claim(self, run: TaskRun, now: float) -> Held | None:
        """Take the run. Raises StorageError."""
        step = _Claim(self._store, run, now, alone=self.alone)
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
