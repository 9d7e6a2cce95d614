"""Whose runs there are: made with the device, in the same transaction, and gone with it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from provd.app.fleet import Fleet
from provd.app.keeping import decides_tasks
from provd.app.ownership import owner_of_key
from provd.app.ports import Change, Delete, Put
from provd.app.tasks.assembly import Illiterate, Reader, assembled
from provd.app.tasks.schedule import Schedule
from provd.base.clock import Clock
from provd.base.errors import ConflictError
from provd.base.facts import Fact
from provd.base.types import Mac
from provd.domain import tasks
from provd.domain.device_types import Constraint, DeviceType
from provd.domain.records import MASTER_TENANT, Device, RunState, TaskRun
from provd.domain.rulebook import Rulebook
from provd.domain.tasks import Template

_AT_ONCE = 100
"""Devices that are seen to in one turn of the event loop."""


class TaskBook:
    """The templates in force, and the runs of all devices. ``woken`` is called when something may be due earlier.

    ``given`` is what the configuration file says; ``reader`` reads what types say in its words.
    """

    def __init__(self, fleet: Fleet, clock: Clock, given: Rulebook, reader: Reader | None = None) -> None:
        self._given = given
        self.reader = reader or Illiterate()
        self.schedule = Schedule()
        self.woken: Callable[[], None] = _nothing
        self._fleet = fleet
        self._clock = clock
        self._made: tuple[int, Rulebook, dict[str, list[Template]]] = (-1, given, {})
        # The schedule follows a plan when it has ended: what is refused or taken back would be lost to it otherwise.
        fleet.accompany(lambda before, after, _planned: self.owed(before, after))
        fleet.arriving(lambda before, after: self.expect(self.owed(before, after)))
        fleet.settled(self._settled)

    @property
    def given(self) -> Rulebook:
        """What the configuration file says."""
        return self._given

    @given.setter
    def given(self, given: Rulebook) -> None:
        self._given = given
        self._made = (-1, given, {})

    @property
    def rules(self) -> Rulebook:
        """What is in force: the file's, and what types bring as they stand in memory."""
        return self._in_force()[0]

    def _in_force(self) -> tuple[Rulebook, Mapping[str, Sequence[Template]]]:
        kinds = self._fleet.tables.kinds
        stamp, rules, reactive = self._made
        if stamp != kinds.stamp:
            # In one assignment: the writer's thread may look at the same time.
            stamp, rules = kinds.stamp, self.with_types(kinds.types)
            reactive = _by_fact(rules)
            self._made = (stamp, rules, reactive)
        return rules, reactive

    def with_types(
        self, types: Mapping[str, DeviceType], constraints: Mapping[str, Constraint] | None = None
    ) -> Rulebook:
        """What would be in force with these types, and constraints."""
        known = self._fleet.tables.kinds.constraints if constraints is None else constraints
        return assembled(self.given, tuple(types.values()), known, self.reader)

    # --- with a device

    def _settled(self, changes: Sequence[Change]) -> None:
        for change in changes:
            if not isinstance(change.record, TaskRun):
                continue
            present = self._fleet.tables.task_run(change.record.id)
            if present is None:
                self.schedule.drop(change.record.id)
            elif present is change.record:
                # Any other one has been changed since by somebody who has seen to when it goes on.
                self.schedule.again(present)
            self.woken()

    def over(self, key: str) -> None:
        """Whoever has taken this run from the schedule leaves it as it stands."""
        run = self._fleet.tables.task_run(key)
        if self.schedule.over(key) and run is not None:
            self.scheduled(run)

    def expect(self, changes: list[Change]) -> list[Change]:
        """These changes, which are about to be kept or have just been: their runs are looked at when they are due."""
        for change in changes:
            if isinstance(change.record, TaskRun):
                if isinstance(change, Put):
                    self.schedule.put(change.record)
                else:
                    self.schedule.drop(change.record.id)
        if changes:
            self.woken()
        return changes

    def owed(self, before: Device | None, after: Device | None) -> list[Change]:
        """What goes along with this change of a device. Only looks, and may do so in another thread."""
        if after is None:
            return [] if before is None else self._gone(before.mac)
        changes: list[Change] = []
        runs = self._fleet.tables.runs_of(after.mac)
        if before is not None and before.tenant not in (after.tenant, MASTER_TENANT):
            # In other hands: what was found for the former owner is not for the new one to see.
            changes += self._forgotten(after.mac)
        if before is None or decides_tasks(before) != decides_tasks(after):
            changes += self._due_to(after, runs, self.rules)
        return changes

    def retyped(self, after: Rulebook, touched: Collection[str]) -> list[Change]:
        """What goes along with a change of these types: for all devices that have one of them, or are to have one."""
        before = self.rules
        changes: list[Change] = []
        for device in self._fleet.tables.devices.values():
            kinds = (before.type_of(device), after.type_of(device))
            if any(kind is not None and kind.id in touched for kind in kinds):
                changes += self._due_to(device, self._fleet.tables.runs_of(device.mac), after)
        return changes

    def _due_to(self, device: Device, runs: Sequence[TaskRun], rules: Rulebook) -> Iterator[Change]:
        """The runs that a device is to have and has not, without those that it should not have any more."""
        wanted = rules.of(device)
        kept = {(template.id, template.version) for template in wanted}
        for run in runs:
            if (run.template, run.version) not in kept and run.state in tasks.UNFINISHED:
                yield from self._away(run)
        there = {(run.template, run.version) for run in runs}
        for template in wanted:
            if (template.id, template.version) not in there:
                yield Put(template.first(device.mac, self._clock.now()))

    def _gone(self, mac: Mac) -> list[Change]:
        changes = [change for run in self._fleet.tables.runs_of(mac) for change in self._away(run)]
        metadata = self._fleet.tables.metadata(mac)
        return changes if metadata is None else [*changes, Delete(metadata)]

    def _forgotten(self, mac: Mac) -> list[Change]:
        changes: list[Change] = []
        for run in self._fleet.tables.runs_of(mac):
            if owner_of_key(run.template) is not None:
                changes += self._away(run)  # a task of the former owner's own type
                continue
            changes += [Delete(step) for step in self._fleet.tables.steps_of(run.id)]
            if run.state in tasks.UNFINISHED:
                changes.append(Put(tasks.afresh(run, self._clock.now())))
            else:
                changes.append(Put(tasks.ended(run, run.state, run.finished)))
        metadata = self._fleet.tables.metadata(mac)
        return changes if metadata is None else [*changes, Delete(metadata)]

    def _away(self, run: TaskRun) -> list[Change]:
        return [Delete(run), *(Delete(step) for step in self._fleet.tables.steps_of(run.id))]

    def scheduled(self, run: TaskRun) -> TaskRun:
        """This run, which is about to be kept; it is looked at when it is due."""
        self.schedule.put(run)
        self.woken()
        return run

    # --- of all devices

    def open(self, *, alone: bool) -> Iterator[None]:
        """Take up the runs of an earlier life. ``alone``: nobody else can be carrying out any of them.

        Like :meth:`change`, with the templates that are in force.
        """
        for run in list(self._fleet.tables.task_runs.values()):
            self.schedule.put(replace(run, lease=0.0) if alone else run)
        return self.change(self.given)

    def change(self, given: Rulebook) -> Iterator[None]:
        """Take over another configuration: every device gets the runs that it lacks and loses those not due to it.

        Each turn of the iteration sees to some of the devices: phones that ask meanwhile are not kept waiting.
        """
        self.given = given
        return self._spread(given, list(self._fleet.tables.devices))

    def _spread(self, given: Rulebook, macs: Sequence[Mac]) -> Iterator[None]:
        for start in range(0, len(macs), _AT_ONCE):
            if self.given is not given:
                return  # others have come since, and see to everybody
            present = (self._fleet.tables.device(mac) for mac in macs[start : start + _AT_ONCE])
            changes = [
                change
                for device in present
                if device is not None
                for change in self._due_to(device, self._fleet.tables.runs_of(device.mac), self.rules)
            ]
            if changes:
                self._fleet.keep(*self.expect(changes))
            yield
        self.woken()

    def __call__(self, facts: Sequence[Fact]) -> None:
        """Read facts: runs that wait for one of them begin."""
        rules, reactive = self._in_force()
        if not reactive:
            return
        for fact in facts:
            templates = reactive.get(fact.ID)
            device = None if templates is None or fact.mac is None else self._fleet.tables.device(fact.mac)
            if device is not None:
                for template in templates or ():
                    if rules.has(device, template):
                        self._react(template, device.mac)

    def _react(self, template: Template, mac: Mac) -> None:
        last = self.last(template.id, mac)
        if last is None or last.version != template.version or last.state is RunState.CANCELLED:
            return
        now = self._clock.now()
        if last.state is RunState.ARMED:
            run = template.run(mac, last.generation, now, due=now, armed=False)
        elif last.state is RunState.PENDING and not last.began:
            return  # it has not begun: it will see what is now
        else:
            run = template.run(mac, last.generation + 1, now, due=now, armed=False)
        self._fleet.keep(Put(self.scheduled(run)))

    # --- by hand

    def last(self, template: str, mac: Mac) -> TaskRun | None:
        """The newest run of a task of a device."""
        own = (run for run in self._fleet.tables.runs_of(mac) if run.template == template)
        return max(own, key=tasks.age, default=None)

    def begin(self, template: Template, device: Device) -> list[Change]:
        """Let a task run for a device now. Raises ConflictError."""
        if not self.rules.has(device, template):
            raise ConflictError(f"task {template.id!r} does not belong to a {device.vendor} {device.model}")
        now, last = self._clock.now(), self.last(template.id, device.mac)
        if last is not None and last.state in tasks.GOING and (last.began or last.due <= now):
            raise ConflictError(f"run {last.id} is {last.state.value}: cancel or retry it")
        fresh = last is None or last.state not in tasks.UNFINISHED
        generation = 1 if last is None else last.generation + fresh
        run = template.run(device.mac, generation, now, due=now, armed=False)
        return [Put(run), *([] if last is None else self.surplus(last))]

    def surplus(self, run: TaskRun) -> list[Change]:
        """What takes away the runs that need not be kept beside this one, which ends or has ended."""
        others = [each for each in self._fleet.tables.runs_of(run.mac) if each.id != run.id]
        return [change for old in tasks.outdated([*others, run], run.template) for change in self._away(old)]

    def before(self, run: TaskRun) -> bool:
        """Whether an earlier run of the same task of this device is still going."""
        return any(
            each.template == run.template and tasks.age(each) < tasks.age(run) and each.state in tasks.GOING
            for each in self._fleet.tables.runs_of(run.mac)
        )

    def release(self, run: TaskRun) -> None:
        """This run has ended: a later one of the same task may have waited for that."""
        for each in self._fleet.tables.runs_of(run.mac):
            if each.template == run.template and each.state is RunState.PENDING:
                self.scheduled(each)

    def retried(self, run: TaskRun) -> TaskRun:
        """A run that has ended badly or waits, to go on at once. Raises ConflictError."""
        if run.state in {RunState.DONE, RunState.RUNNING, RunState.ARMED}:
            raise ConflictError(f"run {run.id} is {run.state.value}")
        return tasks.again(run, self._clock.now())


def _nothing() -> None:
    """Nobody carries out runs here."""


def _by_fact(rules: Rulebook) -> dict[str, list[Template]]:
    found: dict[str, list[Template]] = {}
    for template in rules:
        if template.kind is tasks.Kind.REACTIVE:
            found.setdefault(template.fact, []).append(template)
    return found
