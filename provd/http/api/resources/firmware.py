"""``/firmware`` and ``/plugins/{id}/firmware``: firmware and language packages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from http import HTTPStatus
from typing import Any

from aiohttp import web

from provd.app.admin import Admin, Param
from provd.app.admin.firmware import asked_of
from provd.app.admin.params import check
from provd.app.firmware.warehouse import Warehouse
from provd.http.api import schemas
from provd.http.api.reading import PATIENCE
from provd.http.api.refusal import Refusal
from provd.http.api.resources.crud import access_of
from provd.http.api.resources.packages import OPERATIONS
from provd.http.api.routes import PREFIX, Access, Ask, Reply, Route, Schema

_ANY = "application/octet-stream"
_ONE = "/plugins/{id}/firmware/{name}/{version}"
_MAYBE_TEXT: Schema = {"type": ["string", "null"]}
_PART = schemas.of_object(["name", "size", "sha256"], name=schemas.TEXT, size=schemas.NUMBER, sha256=schemas.TEXT)
_HELD: dict[str, Any] = {
    "plugin": schemas.TEXT,
    "name": schemas.TEXT,
    "version": schemas.TEXT,
    "kind": schemas.TEXT,
    "models": schemas.TEXTS,
    "files": {"type": "array", "items": _PART},
    "step": _MAYBE_TEXT,
    "size": schemas.NUMBER,
    "sha256": schemas.TEXT,
    "checked": schemas.FLAG,
    "origin": schemas.TEXT,
    "at": _MAYBE_TEXT,
    "by": schemas.TEXT,
}
_OFFERED: dict[str, Any] = {
    "plugin": schemas.TEXT,
    "name": schemas.TEXT,
    "version": schemas.TEXT,
    "kind": schemas.TEXT,
    "models": schemas.TEXTS,
    "files": schemas.TEXTS,
    "size": {"type": ["integer", "null"]},
    "sha256": _MAYBE_TEXT,
    "source": _MAYBE_TEXT,
    "obtain": _MAYBE_TEXT,
    "here": schemas.FLAG,
}


def routes(admin: Admin) -> Iterator[Route]:
    """All of them; none where packages are not kept."""
    if admin.warehouse is None:
        return
    yield _looking(admin, "list", "/firmware", _many(_HELD))
    yield _looking(admin, "available", "/firmware/available", _many(_OFFERED))
    yield _looking(admin, "of", "/plugins/{id}/firmware", _many(_OFFERED))
    yield _looking(admin, "show", _ONE, schemas.of_object(**_HELD, running=schemas.NUMBER))
    yield _fetch(admin)
    yield _upload(admin, admin.warehouse)
    yield _remove(admin)


def _many(fields: dict[str, Any]) -> Schema:
    return schemas.of_object(["items"], items={"type": "array", "items": schemas.of_object(**fields)})


def _named(ask: Ask) -> dict[str, str]:
    renamed = {"id": "plugin"}
    return {renamed.get(name, name): value for name, value in ask.path.items()}


def _looking(admin: Admin, verb: str, path: str, answer: Schema) -> Route:
    operation = admin.operations["firmware.available" if verb == "of" else f"firmware.{verb}"]
    query = (
        ()
        if "{" in path and verb == "show"
        else tuple(param for param in operation.params if verb != "of" or param.name != "plugin")
    )

    async def handle(ask: Ask) -> Reply:
        return Reply(body=await ask.do(operation.name, **{**dict(ask.query), **_named(ask)}))

    return Route(
        method="GET",
        path=path,
        name=f"firmware.{verb}",
        summary="What a plugin knows of firmware and languages" if verb == "of" else operation.doc.rstrip("."),
        access=Access(operation.scope),
        handler=handle,
        query=query,
        answer=answer,
    )


def _fetch(admin: Admin) -> Route:
    operation = admin.operations["firmware.fetch"]

    async def handle(ask: Ask) -> Reply:
        work = await ask.do(operation.name, **_named(ask), **ask.body)
        return Reply(status=202, body=work, headers={"Location": f"{PREFIX}/operations/{work['id']}"})

    return Route(
        method="POST",
        path=f"{_ONE}/fetch",
        name="firmware.fetch",
        summary=operation.doc.rstrip("."),
        access=Access(operation.scope),
        site=True,
        body=_rest(operation.params),
        handler=handle,
        status=202,
        answer=OPERATIONS.schema(admin),
    )


def _upload(admin: Admin, warehouse: Warehouse) -> Route:
    operation = admin.operations["firmware.upload"]
    query = tuple(param for param in _rest(operation.params) if param.name != "entry")

    async def handle(ask: Ask) -> Reply:
        given: dict[str, object] = {**dict(ask.query), "called": ask.text("called"), "unpack": ask.flag("unpack")}
        if "models" in given:
            given["models"] = str(given["models"]).split(",")
        # Before anything is sent: nobody uploads a hundred megabytes to hear that the name was wrong.
        args = check(operation.params, {"entry": "x", **given, **_named(ask)})
        warehouse.expected(asked_of(args, ask.caller))
        entry = await warehouse.receive(_coming(ask.request), ask.request.content_length or 0)
        return Reply(body=await ask.do(operation.name, entry=entry, **given, **_named(ask)))

    return Route(
        method="PUT",
        path=_ONE,
        name="firmware.upload",
        summary="Upload a package",
        detail="The body is the image or the archive as the vendor gives it out, and is taken while it comes. "
        "`called` is its file name; `models` (with commas) and `kind` are for a package that no catalogue has.",
        access=access_of(admin, operation.name),
        site=True,
        handler=handle,
        query=query,
        takes=_ANY,
        raw=True,
        answer=schemas.of_object(**_HELD),
    )


def _remove(admin: Admin) -> Route:
    operation = admin.operations["firmware.remove"]

    async def handle(ask: Ask) -> Reply:
        await ask.do(operation.name, **_named(ask))
        return Reply(status=204)

    return Route(
        method="DELETE",
        path=_ONE,
        name="firmware.remove",
        summary=operation.doc.rstrip("."),
        access=Access(operation.scope),
        site=True,
        handler=handle,
        status=204,
    )


def _rest(params: tuple[Param, ...]) -> tuple[Param, ...]:
    return tuple(param for param in params if param.name not in {"plugin", "name", "version"})


async def _coming(request: web.Request) -> AsyncIterator[bytes]:
    """The body as it comes; whoever stops sending is not waited for."""
    while True:
        try:
            async with asyncio.timeout(PATIENCE):
                octets = await request.content.readany()
        except TimeoutError:
            title = "The body took too long"
            raise Refusal("slow", HTTPStatus.REQUEST_TIMEOUT, title, headers={"Connection": "close"}) from None
        if not octets:
            return
        yield octets
