"""``/webhooks``: endpoints that hear of facts, and what was given up of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from provd.app.admin import Admin, Caller
from provd.app.admin.hooks import MOST
from provd.base.errors import NotFoundError
from provd.http.api import schemas
from provd.http.api.resources.crud import Resource, access_of, listing, showing
from provd.http.api.routes import Access, Ask, Reply, Route

_LETTER = schemas.of_object(
    ["id", "fact", "at", "died", "attempts", "reason", "body"],
    id=schemas.TEXT,
    fact=schemas.TEXT,
    at=schemas.TIME,
    died=schemas.TIME,
    attempts=schemas.NUMBER,
    reason=schemas.TEXT,
    body=schemas.ANY,
)


def _box(admin: Admin, name: str, caller: Caller) -> Any:
    for box in admin.collections["webhooks"].records(caller):
        if box.hook.name == name:
            return box
    raise NotFoundError(f"there is no webhook {name[:60]!r}")


WEBHOOKS = Resource(name="webhooks", one="webhook", find=_box)


def routes(admin: Admin) -> Iterator[Route]:
    """All of them."""
    yield listing(WEBHOOKS, admin)
    yield showing(WEBHOOKS, admin, "webhook.show")
    yield _dead(admin)
    yield _replay(admin)


def _dead(admin: Admin) -> Route:
    async def handle(ask: Ask) -> Reply:
        found = await ask.do("webhook.dead", id=ask.path["id"], limit=MOST)
        return Reply(body={"items": found["items"]})

    return Route(
        method="GET",
        path="/webhooks/{id}/dead",
        name="webhooks.dead",
        summary="The letters to an endpoint that were given up",
        access=access_of(admin, "webhook.dead"),
        site=True,
        handler=handle,
        answer=schemas.of_object(["items"], items={"type": "array", "items": _LETTER}),
    )


def _replay(admin: Admin) -> Route:
    operation = admin.operations["webhook.replay"]

    async def handle(ask: Ask) -> Reply:
        return Reply(body=await ask.do(operation.name, id=ask.path["id"], **ask.body))

    return Route(
        method="POST",
        path="/webhooks/{id}/replay",
        name="webhooks.replay",
        summary=operation.doc.rstrip("."),
        access=Access(operation.scope),
        site=True,
        body=tuple(param for param in operation.params if param.name != "id"),
        handler=handle,
        answer=schemas.of_object(["id", "replayed"], id=schemas.TEXT, replayed=schemas.NUMBER),
    )
