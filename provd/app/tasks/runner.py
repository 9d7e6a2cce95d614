"""Carries out runs, step by step; what a step gave is durable before the next one begins.

After a crash at most the step in flight is repeated, with the same Idempotency-Key; nothing else is.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Any

from provd.app.fleet import Fleet
from provd.app.ownership import owner_of_key
from provd.app.ports import Change, Put
from provd.app.tasks import setting
from provd.app.tasks.book import TaskBook
from provd.app.tasks.calls import call_of, device_values, run_values
from provd.app.tasks.ports import Claims, Held, Outside, Post
from provd.app.tasks.setting import Refused, RoomOf
from provd.base.clock import Clock
from provd.base.errors import ConflictError, NotFoundError, StorageError, UsageError
from provd.base.facts import FactSink
from provd.base.facts.daemon import InternalError
from provd.base.facts.devices import DeviceStateChanged
from provd.base.facts.tasks import TaskConflict, TaskDone, TaskFailed, TaskRetry, TaskStarted, TaskWaiting
from provd.domain import tasks
from provd.domain.filling import Values, filled
from provd.domain.hooks import Letter
from provd.domain.records import AuditEntry, Device, RunState, TaskRun, TaskStep
from provd.domain.tasks import (
    Conflict,
    CsvStep,
    Done,
    Failed,
    HttpStep,
    Later,
    NotYet,
    Outcome,
    PluginStep,
    Retry,
    SetStep,
    SqlStep,
    Step,
    Template,
    WaitStep,
    WebhookStep,
)

LEASE = 90.0
"""Seconds that a run belongs to its daemon without a word from it; longer than any step takes."""
PATIENCE = 45.0
"""Seconds for one step, at most."""
AFTER_STORAGE = 5.0
"""Seconds until a run is looked at again that the store did not take."""

AFTER_CLAIM = 5.0
"""Seconds until a run is looked at again that another daemon is just looking at."""


class Runner:
    """At most ``at_once`` runs at a time. ``owner`` tells this daemon from others on the same database."""

    def __init__(
        self,
        *,
        fleet: Fleet,
        book: TaskBook,
        claims: Claims,
        outside: Outside,
        room_of: RoomOf,
        clock: Clock,
        emit: FactSink,
        owner: str,
        at_once: int = 8,
        post: Post | None = None,
    ) -> None:
        self.at_once = at_once
        self._fleet = fleet
        self._tables = fleet.tables
        self._book = book
        self._claims = claims
        self._outside = outside
        self._post = post
        self._room_of = room_of
        self._clock = clock
        self._emit = emit
        self._owner = owner
        self._attempts = count(1)
        self._changed = asyncio.Event()
        self._serving: asyncio.Task[None] | None = None
        self._going: set[asyncio.Task[None]] = set()

    # --- serving

    def start(self) -> None:
        """Carry out what is due, from now on."""
        self._book.woken = self._changed.set
        self._serving = asyncio.create_task(self._serve())

    async def close(self) -> None:
        """Stop where the runs stand; the next start goes on from there."""
        going = [*self._going, *([self._serving] if self._serving else [])]
        for task in going:
            task.cancel()
        await asyncio.gather(*going, return_exceptions=True)

    @property
    def going(self) -> int:
        """Runs at work at this moment."""
        return len(self._going)

    async def _serve(self) -> None:
        while True:
            self._changed.clear()
            self.begin_due()
            deadline = self._book.schedule.deadline if len(self._going) < self.at_once else None
            try:
                async with asyncio.timeout(None if deadline is None else max(0.0, deadline - self._clock.now())):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def begin_due(self) -> None:
        """Begin whatever is due, as far as there is room."""
        while len(self._going) < self.at_once and (key := self._book.schedule.take(self._clock.now())) is not None:
            task = asyncio.create_task(self._guarded(key))
            self._going.add(task)
            task.add_done_callback(partial(self._ended, key))

    def _ended(self, key: str, task: asyncio.Task[None]) -> None:
        self._going.discard(task)
        self._book.over(key)
        self._changed.set()

    async def _guarded(self, key: str) -> None:
        try:
            try:
                await self.perform(key)
            except StorageError:
                raise
            except Exception as error:  # noqa: BLE001 - a defect in one run is told, and the others go on
                await self._defect(key, error)
        except StorageError:
            # The store has told of itself as degraded.
            run = self._tables.task_run(key)
            if run is not None and run.state in tasks.GOING:
                later = self._clock.now() + AFTER_STORAGE
                self._book.schedule.put(replace(run, state=RunState.PENDING, due=later))

    async def _defect(self, key: str, error: Exception) -> None:
        now, run = self._clock.now(), self._tables.task_run(key)
        self._emit(InternalError(at=now, where=f"task {key}", reason=f"{type(error).__name__}: {error}"))
        if run is not None and run.state is RunState.RUNNING and run.owner.startswith(f"{self._owner}."):
            await self._stop(run, run.step, Failed("a defect of provd; see INTERNAL-ERROR"))

    # --- one run

    async def perform(self, key: str) -> None:
        """Carry out a run as far as it goes. Raises StorageError."""
        now, run = self._clock.now(), self._tables.task_run(key)
        template = None if run is None else self._book.rules.template(run.template)
        if run is None or template is None or template.version != run.version or run.state not in tasks.GOING:
            return
        if self._book.before(run):
            return  # it is looked at again when the earlier one has ended
        claimed = replace(
            run,
            state=RunState.RUNNING,
            # Of its own for each attempt: one that was overtaken (cancelled, begun anew) knows that it was.
            owner=f"{self._owner}.{next(self._attempts)}",
            lease=now + LEASE,
            began=run.began or now,
            reason="",
        )
        held = await self._held(template, claimed, now)
        if self._tables.task_run(key) is not run:
            return  # somebody has changed it meanwhile, and seen to when it goes on
        if held is None:
            self._book.schedule.put(replace(run, state=RunState.PENDING, due=now + AFTER_CLAIM))
            return
        self._fleet.learn(held.run, *held.steps)
        if not held.ours:
            self._book.schedule.put(held.run)
            return
        if not run.began:
            self._emit(TaskStarted(at=now, mac=run.mac, run=run.id))
        await self._steps(template, held.run)

    async def _held(self, template: Template, run: TaskRun, now: float) -> Held | None:
        """The run as it is ours. Before anything leaves the house that is durable; else with the step's result."""
        if self._claims.alone:
            done = self._tables.steps_of(run.id)
            names = {step.name for step in done}
            first = next((step for step in template.steps if step.id not in names), None)
            if first is None or tasks.only_looks(first):
                return Held(run, tuple(done))
        return await self._claims.claim(run, now)

    async def _steps(self, template: Template, run: TaskRun) -> None:
        done = {step.name for step in self._tables.steps_of(run.id)}
        for place, step in enumerate(template.steps):
            if step.id in done:
                continue
            following = next((each.id for each in template.steps[place + 1 :] if each.id not in done), "")
            if isinstance(step, SetStep):
                outcome = await self._set(template, run, step, following)
            elif isinstance(step, WebhookStep):
                outcome = await self._tell(template, run, step, following)
            else:
                outcome = await self._outcome(run, step)
                if isinstance(outcome, Done) and self._ours(run):
                    await self._fleet.settle(*self._passed(template, run, step, outcome.result, following))
            present = self._ours(run)
            if present is None and following:
                return  # cancelled, or somebody else's by now
            if not isinstance(outcome, Done):
                if present is not None:
                    await self._stop(present, step.id, outcome)
                return
            if not following:
                self._concluded(run)
                return
            run = present or run
        await self._run_out(template, run)

    async def _run_out(self, template: Template, run: TaskRun) -> None:
        """There was nothing left to do: the steps that it stood before were taken out of the configuration."""
        if self._ours(run) is not None:
            finished = tasks.ended(tasks.advanced(run, ""), RunState.DONE, self._clock.now())
            await self._fleet.settle(*self._end(template, finished))
            self._concluded(run)

    def _ours(self, claimed: TaskRun) -> TaskRun | None:
        """The run as it is now, as long as this attempt may carry it out."""
        run = self._tables.task_run(claimed.id)
        if run is None or run.state is not RunState.RUNNING or run.owner != claimed.owner:
            return None
        if run.lease <= self._clock.now():
            self._book.schedule.put(run)
            return None  # that took too long: another daemon may be at it
        return run

    def _passed(
        self, template: Template, run: TaskRun, step: Step, result: Mapping[str, object], following: str
    ) -> list[Change]:
        """What is written when a step is done: with the last one the run ends."""
        now = self._clock.now()
        passed: list[Change] = [Put(TaskStep(run=run.id, name=step.id, result=dict(result), at=now))]
        if following:
            return [*passed, Put(replace(tasks.advanced(run, following), lease=now + LEASE))]
        return [*passed, *self._end(template, tasks.ended(tasks.advanced(run, ""), RunState.DONE, now))]

    def _end(self, template: Template, run: TaskRun) -> list[Change]:
        """What is written at the end of a run, good or bad: its successor begins to wait in the same moment."""
        changes: list[Change] = [Put(run)]
        following = template.successor(run, self._clock.now())
        last = self._book.last(run.template, run.mac)
        if following is not None and (last is None or last.id == run.id):
            changes.append(Put(self._book.scheduled(following)))
        return [*changes, *self._book.surplus(run)]

    async def _stop(self, run: TaskRun, step: str, outcome: NotYet | Later | Retry | Failed | Conflict) -> None:
        now = self._clock.now()
        moved = replace(tasks.moved(run, outcome, now), step=step)
        template = self._book.rules.template(run.template)
        if moved.state in tasks.UNFINISHED or template is None:
            self._book.scheduled(moved)
            await self._fleet.settle(Put(moved))
        else:
            await self._fleet.settle(*self._end(template, moved))
            self._book.release(moved)
        self._say(moved, now)

    def _say(self, run: TaskRun, now: float) -> None:
        """The fact about a run that stops for now, or for good."""
        pause = round(run.due - now, 3)
        about: dict[str, Any] = {"at": now, "mac": run.mac, "run": run.id, "step": run.step}
        if run.state is RunState.WAITING:
            self._emit(TaskWaiting(**about, what=run.reason, seconds=pause))
        elif run.state is RunState.RETRYING:
            self._emit(TaskRetry(**about, reason=run.reason, attempt=run.attempts, seconds=pause))
        elif run.state in tasks.TROUBLED:
            kind = TaskConflict if run.state is RunState.CONFLICT else TaskFailed
            self._emit(kind(**about, reason=run.reason))

    def _concluded(self, run: TaskRun) -> None:
        now, present = self._clock.now(), self._tables.task_run(run.id)
        if present is not None and present.state is RunState.DONE:
            steps = len(self._tables.steps_of(run.id))
            self._emit(
                TaskDone(at=now, mac=run.mac, run=run.id, steps=steps, seconds=round(now - (run.began or now), 3))
            )
            self._book.release(present)

    # --- one step

    async def _outcome(self, run: TaskRun, step: SqlStep | HttpStep | CsvStep | PluginStep | WaitStep) -> Outcome:
        if isinstance(step, WaitStep):
            until = tasks.began_at(run, self._tables.steps_of(run.id)) + step.seconds
            return Done() if self._clock.now() >= until else Later(until)
        device = self._tables.device(run.mac)
        if device is None:
            return Failed("the device is no more")
        try:
            call = call_of(run, device, step, self._values(run, device))
        except UsageError as error:
            return Failed(str(error))
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._outside.perform(call)
        except TimeoutError:
            return Retry("no answer in time")

    async def _set(self, template: Template, run: TaskRun, step: SetStep, following: str) -> Outcome:
        """The device's change, what the step gave and how the run goes on are one transaction."""
        states: list[tuple[Device, Device]] = []
        result: dict[str, object] = {}

        def plan() -> Sequence[Change]:
            device = self._tables.device(run.mac)
            if device is None or self._ours(run) is None:
                raise Refused(Failed("the device is no more"))
            values, by = self._values(run, device), owner_of_key(template.type)
            written, found = setting.changes(self._tables, device, step, values, self._book.rules, self._room_of, by)
            result.update(found)
            states[:] = [
                (device, change.record)
                for change in written
                if isinstance(change, Put) and isinstance(change.record, Device)
            ]
            return [*written, *self._audit(run, written), *self._passed(template, run, step, found, following)]

        try:
            await self._fleet.change(plan)
        except Refused as refused:
            return refused.outcome
        except (ConflictError, NotFoundError) as error:
            return Conflict(str(error))
        except UsageError as error:
            return Failed(str(error))
        for before, after in states:
            if before.state is not after.state:
                self._emit(
                    DeviceStateChanged(
                        at=self._clock.now(), mac=run.mac, was=before.state, now=after.state, tenant=after.tenant
                    )
                )
        return Done(result)

    async def _tell(self, template: Template, run: TaskRun, step: WebhookStep, following: str) -> Outcome:
        """The letter and the step are one transaction: it is never sent without the other, nor twice under two ids."""
        device = self._tables.device(run.mac)
        if device is None or self._ours(run) is None:
            return Failed("the device is no more")
        try:
            values = self._values(run, device)
            data = {name: filled(text, values) for name, text in step.body.items()}
            body = json.dumps({"device": device.mac, "run": run.id, "data": data}, default=str)
            letter = Letter(hook=step.to, id=f"{run.id}:{step.id}", fact=step.event, at=self._clock.now(), body=body)
            kept = self._post.post(step.to, letter) if self._post else None
        except UsageError as error:
            return Failed(str(error))
        except OverflowError as error:
            return Retry(str(error))
        except LookupError:
            kept = None
        if kept is None:
            return Failed(f"there is no webhook {step.to!r}")
        done = {"letter": letter.id}
        await self._fleet.settle(kept, *self._passed(template, run, step, done, following))
        if self._post:
            self._post.posted(step.to)
        return Done(done)

    def _audit(self, run: TaskRun, written: Sequence[Change]) -> list[Change]:
        if not written:
            return []
        device = next((each.record for each in written if isinstance(each.record, Device)), None)
        owner = device or self._tables.device(run.mac)
        entry = AuditEntry(
            at=self._clock.now(),
            by=f"task {run.template}",
            action="device.task",
            kind="device",
            object=run.mac,
            tenant="" if owner is None else owner.tenant,
            data={"run": run.id},
        )
        return [Put(entry)]

    def _values(self, run: TaskRun, device: Device) -> Values:
        metadata = self._tables.metadata(run.mac)
        return {
            **{step.name: step.result for step in self._tables.steps_of(run.id)},
            "device": device_values(device),
            "run": run_values(run),
            "meta": {} if metadata is None else metadata.data,
        }
