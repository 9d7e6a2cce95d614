"""``/codes`` and ``/locks``: provisioning codes, and who has dialed wrong ones."""

from __future__ import annotations

from collections.abc import Iterator

from provd.app.admin import Admin, Caller, Param
from provd.base.errors import NotFoundError
from provd.domain.records import Code, Lock
from provd.http.api import schemas
from provd.http.api.resources.crud import Resource, access_of, deleting, listing, showing
from provd.http.api.routes import PREFIX, Access, Ask, Reply, Route

_FORMATS = {"html": "text/html; charset=utf-8", "csv": "text/csv; charset=utf-8"}


def _code(admin: Admin, name: str, caller: Caller) -> Code:
    code = admin.desk.tables.code(name)
    if code is None or not caller.owns(code.tenant):
        raise NotFoundError(f"there is no code {name[:60]!r}")
    return code


def _lock(admin: Admin, name: str, caller: Caller) -> Lock:
    for lock in admin.collections["locks"].records(caller):
        if isinstance(lock, Lock) and lock.id == name:
            return lock
    raise NotFoundError(f"there is no lock {name[:60]!r}")


CODES = Resource(
    name="codes",
    one="code",
    find=_code,
    more={"code": schemas.TEXT, "number": schemas.TEXT, "name": schemas.TEXT},
    shown={"devices": schemas.TEXTS},
    reveals=True,
)
LOCKS = Resource(
    name="locks",
    one="lock",
    find=_lock,
    more={
        "device": schemas.MAYBE,
        "address": schemas.MAYBE,
        "locked": schemas.FLAG,
        "wait": schemas.NUMBER,
        "since": schemas.TIME,
        "last": schemas.TIME,
        "until": schemas.TIME,
    },
)


def routes(admin: Admin) -> Iterator[Route]:
    """All of them; none where codes are not handled."""
    if "codes" not in admin.collections:
        return
    yield listing(CODES, admin)
    yield showing(CODES, admin, "code.show")
    yield _add(admin)
    yield _sheet(admin)
    yield _revoke(admin)
    yield deleting(CODES, admin)
    yield listing(LOCKS, admin)
    yield showing(LOCKS, admin)
    yield deleting(LOCKS, admin, "lock.lift")


def _add(admin: Admin) -> Route:
    operation = admin.operations["code.add"]

    async def handle(ask: Ask) -> Reply:
        made = await ask.do("code.add", **ask.body)
        if "items" in made:
            return Reply(status=201, body=made, once={"items": [{**item, **_HIDDEN} for item in made["items"]]})
        return Reply(status=201, body=made, headers={"Location": f"{PREFIX}/codes/{made['id']}"}, once=_HIDDEN)

    item = schemas.of_item(admin.collections["codes"].columns, **CODES.more, grouped=schemas.TEXT)
    many = schemas.of_object(["items"], items={"type": "array", "items": item})
    return Route(
        method="POST",
        path="/codes",
        name="codes.add",
        summary="Make codes; they are shown this once",
        detail="One line gives one code; several, or `free` ones, give `items`.",
        access=Access(operation.scope),
        body=operation.params,
        handler=handle,
        status=201,
        answer={"anyOf": [item, many]},
    )


_HIDDEN = {"code": "***", "grouped": "***"}


def _sheet(admin: Admin) -> Route:
    operation = admin.operations["code.sheet"]

    async def handle(ask: Ask) -> Reply:
        named = {name: value for name, value in ask.query if value}
        if ask.caller.tenant is not None:
            named.setdefault("tenant", ask.caller.tenant)
        made = await ask.do("code.sheet", **named)
        return Reply(octets=str(made["text"]).encode(), media=_FORMATS[str(made["format"])])

    return Route(
        method="GET",
        path="/codes/sheet",
        name="codes.sheet",
        summary="The good codes of a tenant, to be printed",
        detail="`format` is html or csv. The codes are in it: it stands in the audit.",
        access=Access(operation.scope),
        query=tuple(param for param in operation.params if not param.required) + _tenant(admin),
        handler=handle,
        gives="text/html",
        also=("text/csv",),
        answer=schemas.TEXT,
    )


def _tenant(admin: Admin) -> tuple[Param, ...]:
    doc = "whose; a token of one tenant means its own"
    named = (param for param in admin.operations["code.sheet"].params if param.required)
    return tuple(Param(param.name, param.kind, doc=doc) for param in named)


def _revoke(admin: Admin) -> Route:
    async def handle(ask: Ask) -> Reply:
        _code(ask.admin, ask.path["id"], ask.caller)
        return Reply(body=await ask.do("code.revoke", id=ask.path["id"]))

    return Route(
        method="POST",
        path="/codes/{id}/revoke",
        name="codes.revoke",
        summary="Withdraw a code",
        access=access_of(admin, "code.revoke"),
        body=(),
        handler=handle,
        answer=schemas.of_item(admin.collections["codes"].columns, **CODES.more),
    )
