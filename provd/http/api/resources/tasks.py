"""``/tasks``: runs of tasks for devices, and the tasks there are."""

from __future__ import annotations

from collections.abc import Iterator

from provd.app.admin import Admin, Caller
from provd.base.errors import NotFoundError
from provd.domain.records import TaskRun
from provd.http.api import schemas
from provd.http.api.resources.crud import Resource, access_of, listing, showing
from provd.http.api.routes import PREFIX, Access, Ask, Reply, Route

_STEP = schemas.of_object(["step", "at", "result"], step=schemas.TEXT, at=schemas.TIME, result=schemas.ANY)
_TEMPLATE = schemas.of_object(
    ["id", "version", "kind", "type", "devices", "when", "steps"],
    id=schemas.TEXT,
    version=schemas.NUMBER,
    kind=schemas.TEXT,
    type=schemas.TEXT,
    devices=schemas.TEXTS,
    when=schemas.TEXT,
    steps=schemas.TEXTS,
)


_CONSTRAINT = schemas.of_object(
    ["name", "state", "faults"], name=schemas.TEXT, state=schemas.TEXT, faults=schemas.TEXTS
)


def _run(admin: Admin, name: str, caller: Caller) -> TaskRun:
    for run in admin.collections["tasks"].records(caller):
        if isinstance(run, TaskRun) and run.id == name:
            return run
    raise NotFoundError(f"there is no run {name[:120]!r}")


TASKS = Resource(name="tasks", one="task", find=_run, shown={"steps": {"type": "array", "items": _STEP}})


def routes(admin: Admin) -> Iterator[Route]:
    """All of them; none where there are no tasks."""
    if "tasks" not in admin.collections:
        return
    yield listing(TASKS, admin)
    yield _templates(admin)
    yield showing(TASKS, admin, "task.show")
    yield _begin(admin)
    yield _moving(admin, "retry")
    yield _moving(admin, "cancel")
    yield _metadata(admin)


def _templates(admin: Admin) -> Route:
    async def handle(ask: Ask) -> Reply:
        return Reply(body=await ask.do("task.templates"))

    return Route(
        method="GET",
        path="/tasks/templates",
        name="tasks.templates",
        summary="The tasks there are",
        access=access_of(admin, "task.templates"),
        handler=handle,
        answer=schemas.of_object(["items"], items={"type": "array", "items": _TEMPLATE}),
    )


def _begin(admin: Admin) -> Route:
    operation = admin.operations["task.run"]

    async def handle(ask: Ask) -> Reply:
        made = await ask.do("task.run", **ask.body)
        return Reply(status=201, body=made, headers={"Location": f"{PREFIX}/tasks/{made['id']}"})

    return Route(
        method="POST",
        path="/tasks",
        name="tasks.add",
        summary="Let a task run for a device now",
        access=Access(operation.scope),
        body=operation.params,
        handler=handle,
        status=201,
        answer=schemas.of_item(admin.collections["tasks"].columns),
    )


def _moving(admin: Admin, verb: str) -> Route:
    operation = admin.operations[f"task.{verb}"]

    async def handle(ask: Ask) -> Reply:
        _run(ask.admin, ask.path["id"], ask.caller)
        return Reply(body=await ask.do(operation.name, id=ask.path["id"]))

    return Route(
        method="POST",
        path=f"/tasks/{{id}}/{verb}",
        name=f"tasks.{verb}",
        summary=operation.doc.rstrip("."),
        access=Access(operation.scope),
        body=(),
        handler=handle,
        answer=schemas.of_item(admin.collections["tasks"].columns),
    )


def _metadata(admin: Admin) -> Route:
    async def handle(ask: Ask) -> Reply:
        return Reply(body=await ask.do("task.metadata", mac=ask.path["id"]))

    return Route(
        method="GET",
        path="/devices/{id}/metadata",
        name="devices.metadata",
        summary="What tasks have found out about a device",
        access=access_of(admin, "task.metadata"),
        handler=handle,
        answer=schemas.of_object(
            ["device", "metadata", "faults", "constraints"],
            device=schemas.TEXT,
            metadata=schemas.ANY,
            faults=schemas.TEXTS,
            constraints={"type": "array", "items": _CONSTRAINT},
        ),
    )
