"""Operations on tasks: what runs for which device, how far it is, and what a person may do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from provd.app.admin import views
from provd.app.admin.desk import Desk, Operation
from provd.app.admin.params import LISTING, LONGEST_KEY, Args, Param
from provd.app.caller import Caller, Scope
from provd.app.ownership import owner_of_key
from provd.app.ports import Change, Put
from provd.app.tasks.book import TaskBook
from provd.base.errors import ConflictError, NotFoundError, UsageError
from provd.base.facts.tasks import TaskCancelled
from provd.base.types import mac_text
from provd.domain import tasks
from provd.domain.records import MASTER_TENANT, Device, RunState, TaskRun
from provd.domain.tasks import Template

_ID = Param("id", required=True, longest=LONGEST_KEY + 100)
_MAC = Param("mac", "device", required=True)


class Tasks:
    """``task.…``: a caller of one tenant sees and moves the runs of its own devices."""

    def __init__(self, desk: Desk, book: TaskBook) -> None:
        self._desk = desk
        self._book = book

    def operations(self) -> Sequence[Operation]:
        """What this group offers."""
        filters = (
            Param("mac", "device"),
            Param("device", "device"),
            Param("template"),
            Param("state"),
            Param("tenant"),
        )
        run = (_MAC, Param("template", required=True))
        return (
            Operation("task.list", "List runs of tasks.", self._list, (*filters, *LISTING)),
            Operation("task.show", "Show a run and what its steps gave.", self._show, (_ID,)),
            Operation("task.run", "Let a task run for a device now.", self._run, run, Scope.WRITE),
            Operation("task.retry", "Let a run go on at once where it stands.", self._retry, (_ID,), Scope.WRITE),
            Operation("task.cancel", "End a run.", self._cancel, (_ID,), Scope.WRITE),
            Operation("task.templates", "List the tasks there are.", self._templates),
            Operation("task.metadata", "Show a device's metadata.", self._metadata, (_MAC,)),
        )

    def visible(self, caller: Caller) -> list[TaskRun]:
        """The runs that exist for this caller."""
        return [run for run in self._desk.tables.task_runs.values() if caller.owns(self.tenant(run))]

    def tenant(self, run: TaskRun) -> str:
        """Whose run it is: the owner of its device."""
        device = self._desk.tables.device(run.mac)
        return MASTER_TENANT if device is None else device.tenant

    def find(self, name: str, caller: Caller) -> TaskRun:
        """The run. Raises NotFoundError."""
        run = self._desk.tables.task_run(name)
        if run is None or not caller.owns(self.tenant(run)):
            raise NotFoundError(f"there is no run {name[:120]!r}")
        return run

    def view(self, run: TaskRun) -> views.View:
        """A run."""
        return {
            "id": run.id,
            "template": run.template,
            "version": run.version,
            "device": mac_text(run.mac),
            "tenant": self.tenant(run),
            "generation": run.generation,
            "state": run.state.value,
            "step": run.step,
            "reason": run.reason,
            "attempts": run.attempts,
            "waits": run.waits,
            "due": views.when(run.due) if run.state in tasks.GOING else None,
            "created": views.when(run.created),
            "began": views.when(run.began),
            "finished": views.when(run.finished),
        }

    def view_whole(self, run: TaskRun) -> views.View:
        """A run with what its steps gave."""
        steps = [
            {"step": step.name, "at": views.when(step.at), "result": dict(step.result)}
            for step in self._desk.tables.steps_of(run.id)
        ]
        return {**self.view(run), "steps": steps}

    async def _list(self, args: Args, caller: Caller) -> object:
        state = args.text("state")
        if state and state not in set(RunState):
            raise UsageError(f"state: must be one of {', '.join(RunState)}")
        wanted = {
            "mac": args.text("mac"),
            "device": args.text("device"),
            "template": args.text("template"),
            "state": state,
            "tenant": self._desk.tenant(args.text("tenant"), caller).id if args.text("tenant") else "",
        }

        def fits(run: TaskRun) -> bool:
            has = {"mac": run.mac, "template": run.template, "state": run.state.value, "tenant": self.tenant(run)}
            has["device"] = run.mac  # as it is called in the list
            return all(value in ("", has[name]) for name, value in wanted.items())

        found = (run for run in self.visible(caller) if fits(run))
        return await views.page(found, args, lambda run: run.id, self.view)

    async def _show(self, args: Args, caller: Caller) -> object:
        return self.view_whole(self.find(args.text("id"), caller))

    async def _run(self, args: Args, caller: Caller) -> object:
        made: list[TaskRun] = []

        def plan() -> list[Change]:
            device, template = self._chosen(args, caller)
            changes = self._book.begin(template, device)
            made[:] = [each.record for each in changes if isinstance(each, Put) and isinstance(each.record, TaskRun)]
            return changes

        await self._desk.change("task.run", f"{args.text('template')[:64]}:{args.mac()}", caller, plan)
        return self.view(made[0])

    def _chosen(self, args: Args, caller: Caller) -> tuple[Device, Template]:
        device = self._desk.device(args.mac(), caller)
        names = caller.names(args.text("template"))
        rules = self._book.rules
        found = (each for name in names if (each := rules.template(name)) is not None)
        # A type that is not the caller's is not there, but for what it has brought to the caller's own device.
        seen = (each for each in found if self._is_own(each, caller) or rules.has(device, each))
        template = next(seen, None)
        if template is None:
            raise NotFoundError(f"there is no task {args.text('template')[:64]!r}")
        return device, template

    @staticmethod
    def _is_own(template: Template, caller: Caller) -> bool:
        return not template.type or caller.owns(owner_of_key(template.type))

    async def _retry(self, args: Args, caller: Caller) -> object:
        def plan() -> list[Change]:
            run = self.find(args.text("id"), caller)
            self._need_present(run)
            if self._newer(run):
                raise ConflictError(f"a newer run than {run.id} is at work already")
            return [Put(self._book.retried(run))]

        await self._desk.change("task.retry", args.text("id"), caller, plan)
        return self.view(self.find(args.text("id"), caller))

    def _need_present(self, run: TaskRun) -> None:
        template = self._book.rules.template(run.template)
        if template is None or template.version != run.version:
            raise ConflictError(f"version {run.version} of task {run.template!r} is no more")

    def _newer(self, run: TaskRun) -> bool:
        """Whether a later run of the same task of this device has begun."""
        return any(
            each.template == run.template and tasks.age(each) > tasks.age(run) and each.began and not each.finished
            for each in self._desk.tables.runs_of(run.mac)
        )

    async def _cancel(self, args: Args, caller: Caller) -> object:
        def plan() -> list[Change]:
            run = self.find(args.text("id"), caller)
            if run.state in {RunState.DONE, RunState.CANCELLED}:
                raise ConflictError(f"run {run.id} is {run.state.value} already")
            ended = tasks.ended(run, RunState.CANCELLED, self._desk.clock.now(), f"by {caller.name}")
            return [Put(replace(ended, due=0.0))]

        await self._desk.change("task.cancel", args.text("id"), caller, plan)
        run = self.find(args.text("id"), caller)
        self._book.release(run)
        self._desk.emit(TaskCancelled(at=self._desk.clock.now(), mac=run.mac, run=run.id, by=caller.name))
        return self.view(run)

    async def _templates(self, _args: Args, caller: Caller) -> object:
        seen = (each for each in self._book.rules if self._is_own(each, caller))
        return {"items": [template_view(each, caller) for each in seen]}

    async def _metadata(self, args: Args, caller: Caller) -> object:
        device = self._desk.device(args.mac(), caller)
        found = self._desk.tables.metadata(device.mac)
        data = {} if found is None else dict(found.data)
        standing = self._book.rules.standing(device, data, self._desk.tables.known_to(device.tenant))
        return {
            "device": mac_text(device.mac),
            "metadata": data,
            "faults": [fault for _, _, faults in standing for fault in faults],
            "constraints": [
                {"name": rule.name, "state": state.value, "faults": faults} for rule, state, faults in standing
            ],
        }


def template_view(template: Template, caller: Caller) -> views.View:
    """A task, without what its steps say to whom. ``type`` is empty for one of the configuration file."""
    kind = template.kind.value
    return {
        "id": caller.shown(template.id),
        "version": template.version,
        "kind": kind,
        "type": caller.shown(template.type),
        "devices": list(template.devices),
        "when": template.cron or template.fact or (f"every {template.every:.0f} s" if template.every else ""),
        "steps": [step.id for step in template.steps],
    }
