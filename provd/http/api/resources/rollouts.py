"""``/rollouts``: firmware for many devices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from provd.app.admin import Admin, Caller
from provd.base.errors import NotFoundError
from provd.domain.rollouts import Standing
from provd.http.api import schemas
from provd.http.api.resources.crud import Resource, access_of, adding, changing, deleting, listing, showing
from provd.http.api.routes import Ask, Reply, Route

_COUNTS = {each.value: schemas.NUMBER for each in Standing}
_MISSING = schemas.of_object(
    ["mac", "standing", "runs", "last_seen"],
    mac=schemas.TEXT,
    standing=schemas.TEXT,
    runs=schemas.TEXT,
    last_seen={"type": ["string", "null"]},
)


def _find(admin: Admin, name: str, caller: Caller) -> Any:
    if admin.rollouts is None:
        raise NotFoundError(f"there is no rollout {name!r}")
    return admin.rollouts.find(name, caller)


ROLLOUTS = Resource(
    name="rollouts",
    one="rollout",
    find=_find,
    more={
        "models": schemas.TEXTS,
        "devices": schemas.TEXTS,
        "rings": schemas.TEXTS,
        "patience": schemas.NUMBER,
        "tell": schemas.FLAG,
        "on": schemas.NUMBER,
        "of": schemas.NUMBER,
    },
    shown={
        "by_ring": {"type": "array", "items": schemas.of_object(ring=schemas.TEXT, **_COUNTS)},
        "missing": {"type": "array", "items": _MISSING},
    },
)


def routes(admin: Admin) -> Iterator[Route]:
    """All of them; none where nothing is rolled out."""
    if admin.rollouts is None:
        return
    yield listing(ROLLOUTS, admin)
    yield showing(ROLLOUTS, admin, "rollout.show")
    yield adding(ROLLOUTS, admin)
    yield changing(ROLLOUTS, admin)
    yield deleting(ROLLOUTS, admin)
    for verb in ("start", "pause", "resume", "abort", "rollback"):
        yield _moving(admin, verb)


def _moving(admin: Admin, verb: str) -> Route:
    operation = f"rollout.{verb}"

    async def handle(ask: Ask) -> Reply:
        return Reply(body=await ask.do(operation, id=ask.path["id"]))

    return Route(
        method="POST",
        path=f"/rollouts/{{id}}/{verb}",
        name=f"rollouts.{verb}",
        summary=admin.operations[operation].doc.rstrip("."),
        access=access_of(admin, operation),
        handler=handle,
        answer=schemas.of_item(admin.collections["rollouts"].columns, **ROLLOUTS.more),
    )
