"""``/plugins/…`` beyond looking, and ``/operations``: packages, their versions, and what takes its time."""

from __future__ import annotations

from collections.abc import Iterator

from provd.app.admin import Admin, Caller
from provd.app.admin.params import Param
from provd.base.errors import NotFoundError
from provd.domain.records import Work
from provd.http.api import schemas
from provd.http.api.resources.crud import Resource, access_of, listing, showing
from provd.http.api.routes import PREFIX, Access, Ask, Reply, Route

_OFFER = schemas.of_object(
    ["plugin", "version", "vendor", "description", "size", "fits", "source", "in_force"],
    plugin=schemas.TEXT,
    version=schemas.TEXT,
    vendor=schemas.TEXT,
    description=schemas.TEXT,
    size=schemas.NUMBER,
    fits=schemas.FLAG,
    source=schemas.TEXT,
    in_force=schemas.TEXT,
)
_HELD = schemas.of_object(
    ["id", "version", "origin", "versions", "before"],
    id=schemas.TEXT,
    version=schemas.TEXT,
    origin=schemas.TEXT,
    versions=schemas.TEXTS,
    before={"type": ["string", "null"]},
    merged=schemas.TEXTS,
)


def _work(admin: Admin, name: str, caller: Caller) -> Work:
    for work in admin.collections["operations"].records(caller):
        if isinstance(work, Work) and work.id == name:
            return work
    raise NotFoundError(f"there is no operation {name[:60]!r}")


OPERATIONS = Resource(
    name="operations",
    one="operation",
    find=_work,
    more={"args": schemas.ANY},
    shown={"result": {"type": ["object", "null"]}},
)


def routes(admin: Admin) -> Iterator[Route]:
    """All of them; none where there are no packages."""
    if "operations" not in admin.collections:
        return
    yield listing(OPERATIONS, admin)
    yield showing(OPERATIONS, admin, "operation.show")
    yield _cancel(admin)
    yield _available(admin)
    yield _begun(admin, "install", "plugin.prepare", "Fetch a package, check it, and see what it would change")
    yield _begun(admin, "upgrade", "plugin.prepare", "The same, for a plugin that is in force")
    yield _begun(admin, "try", "plugin.try", "See what putting a version in force that is here would change")
    yield _done(admin, "switch", "Put a version in force that was fetched")
    yield _done(admin, "rollback", "Put in force again what was before")
    yield _remove(admin)


def _cancel(admin: Admin) -> Route:
    async def handle(ask: Ask) -> Reply:
        return Reply(body=await ask.do("operation.cancel", id=ask.path["id"]))

    return Route(
        method="POST",
        path="/operations/{id}/cancel",
        name="operations.cancel",
        summary="Call it off",
        access=access_of(admin, "operation.cancel"),
        site=True,
        body=(),
        handler=handle,
        answer=OPERATIONS.schema(admin),
    )


def _available(admin: Admin) -> Route:
    async def handle(ask: Ask) -> Reply:
        return Reply(body=await ask.do("plugin.available"))

    return Route(
        method="GET",
        path="/plugins/available",
        name="plugins.available",
        summary="What the publishers offer",
        access=access_of(admin, "plugin.available"),
        site=True,
        handler=handle,
        answer=schemas.of_object(["items", "failed"], items={"type": "array", "items": _OFFER}, failed=schemas.TEXTS),
    )


def _begun(admin: Admin, verb: str, operation: str, summary: str) -> Route:
    """Long work: 202, and where to look how far it is."""
    body: tuple[Param, ...] = tuple(each for each in admin.operations[operation].params if each.name in _ASKED[verb])

    async def handle(ask: Ask) -> Reply:
        key = "plugin" if operation == "plugin.prepare" else "id"
        work = await ask.do(operation, **{key: ask.path["id"]}, **ask.body)
        return Reply(status=202, body=work, headers={"Location": f"{PREFIX}/operations/{work['id']}"})

    return Route(
        method="POST",
        path=f"/plugins/{{id}}/{verb}",
        name=f"plugins.{verb}",
        summary=summary,
        access=Access(admin.operations[operation].scope),
        site=True,
        body=body,
        handler=handle,
        status=202,
        answer=OPERATIONS.schema(admin),
    )


_ASKED = {
    "install": ("version", "keep_templates"),
    "upgrade": ("version", "keep_templates"),
    "try": ("version", "previous", "keep_templates"),
    "switch": ("version", "expect", "keep_templates"),
    "rollback": ("expect", "keep_templates"),
}


def _done(admin: Admin, verb: str, summary: str) -> Route:
    operation = admin.operations[f"plugin.{verb}"]

    async def handle(ask: Ask) -> Reply:
        return Reply(body=await ask.do(operation.name, id=ask.path["id"], **ask.body))

    return Route(
        method="POST",
        path=f"/plugins/{{id}}/{verb}",
        name=f"plugins.{verb}",
        summary=summary,
        access=Access(operation.scope),
        site=True,
        body=tuple(each for each in operation.params if each.name in _ASKED.get(verb, ())),
        handler=handle,
        answer=_HELD,
    )


def _remove(admin: Admin) -> Route:
    operation = admin.operations["plugin.remove"]

    async def handle(ask: Ask) -> Reply:
        return Reply(body=await ask.do(operation.name, id=ask.path["id"], **ask.body))

    return Route(
        method="POST",
        path="/plugins/{id}/remove",
        name="plugins.remove",
        summary="Take a version, or every package of a plugin, off the shelf",
        access=Access(operation.scope),
        site=True,
        body=tuple(each for each in operation.params if each.name != "id"),
        handler=handle,
        answer=schemas.of_object(
            ["removed", "version", "moved"], removed=schemas.TEXT, version=schemas.TEXT, moved=schemas.NUMBER
        ),
    )
