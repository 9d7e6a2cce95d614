"""``/regions``: other instances, the devices that go home to them, and requests of many devices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from provd.app.admin import Admin
from provd.app.admin.params import LISTING
from provd.http.api import schemas
from provd.http.api.reading import JSON
from provd.http.api.resources.crud import access_of
from provd.http.api.routes import PREFIX, Ask, Reply, Route, Schema

_REGION = schemas.of_object(
    ["name", "url", "endpoint", "enabled", "draining", "answers", "devices"],
    name=schemas.TEXT,
    url=schemas.TEXT,
    endpoint=schemas.TEXT,
    enabled=schemas.FLAG,
    draining=schemas.FLAG,
    answers=schemas.FLAG,
    lacks=schemas.TEXTS,
    devices={"type": "object", "additionalProperties": schemas.NUMBER},
    created=schemas.TIME,
)
_HOME_MEMBERS: Mapping[str, schemas.Schema] = {
    "device": schemas.TEXT,
    "state": schemas.TEXT,
    "region": schemas.TEXT,
    "epoch": schemas.NUMBER,
    "since": schemas.TIME,
    "reason": schemas.TEXT,
    "system": schemas.TEXT,
    "primary": schemas.FLAG,
    "tenant": schemas.TEXT,
    "source": schemas.TEXT,
    "served": schemas.FLAG,
}
_HOME = schemas.of_object(["device", "state", "region", "epoch"], **_HOME_MEMBERS)
_SAID = schemas.of_object(
    ["device", "to", "kind", "epoch", "attempts"],
    device=schemas.TEXT,
    to=schemas.TEXT,
    kind=schemas.TEXT,
    epoch=schemas.NUMBER,
    attempts=schemas.NUMBER,
    due=schemas.TIME,
    reason=schemas.TEXT,
)
_UNIT = schemas.of_object(
    ["id", "type", "state", "reason"], id=schemas.TEXT, type=schemas.TEXT, state=schemas.TEXT, reason=schemas.TEXT
)
_DEVICE = schemas.of_object(
    ["device", "state", "region", "epoch", "units", "waiting"],
    **_HOME_MEMBERS,
    units={"type": "array", "items": _UNIT},
    waiting={"type": "array", "items": _SAID},
)
_MISSING = schemas.of_object(["tenant", "devices"], tenant=schemas.TEXT, devices=schemas.NUMBER)
_STATUS = schemas.of_object(
    ["role", "name", "devices", "stuck", "waiting", "silent"],
    role=schemas.TEXT,
    name=schemas.TEXT,
    devices={"type": "object", "additionalProperties": schemas.NUMBER},
    stuck={"type": "array", "items": _HOME},
    waiting={"type": "array", "items": _SAID},
    silent=schemas.TEXTS,
    missing={"type": "array", "items": _MISSING},
)
_FAILURE = schemas.of_object(
    ["device_id", "error", "reason"], device_id=schemas.TEXT, error=schemas.NUMBER, reason=schemas.TEXT
)
_REQUEST = schemas.of_object(
    ["name", "state", "total", "done", "failures"],
    name=schemas.TEXT,
    state=schemas.TEXT,
    total=schemas.NUMBER,
    done=schemas.NUMBER,
    REG=schemas.NUMBER,
    REG_FAIL=schemas.NUMBER,
    UNREG=schemas.NUMBER,
    failures={"type": "array", "items": _FAILURE},
    created=schemas.TIME,
    finished=schemas.TIME,
)
_CLOSED = schemas.of_object(
    ["name", "deleted", "moving"], name=schemas.TEXT, deleted=schemas.FLAG, moving=schemas.NUMBER
)
_PAGE = schemas.of_page(_REGION)
_IMPORTED = schemas.of_object(["rows", "devices"], rows=schemas.NUMBER, devices=schemas.NUMBER)


def routes(admin: Admin) -> Iterator[Route]:
    """All of them; none where there are no regions."""
    if "region.list" not in admin.operations:
        return
    yield _route(admin, "GET", "/regions", "region.list", "Regions", _PAGE, query=True)
    yield _route(admin, "GET", "/regions/status", "region.status", "How all hand-overs stand", _STATUS)
    yield _route(admin, "POST", "/regions/registrations", "region.register", "Register devices", _REQUEST, status=202)
    yield _route(admin, "GET", "/regions/registrations/{name}", "region.request", "How far a request is", _REQUEST)
    yield _route(
        admin, "POST", "/regions/table", "region.import", "Write the table of devices and regions", _IMPORTED, csv=True
    )
    device = "/regions/devices/{device}"
    yield _route(admin, "GET", device, "region.device", "A device and where it is", _DEVICE)
    yield _route(admin, "POST", f"{device}/move", "region.move", "Send it to a region, or take that back", _DEVICE)
    yield _route(admin, "POST", f"{device}/retry", "region.retry", "Try its hand-over again at once", _DEVICE)
    yield _route(admin, "POST", "/regions", "region.add", "Add a region", _REGION, status=201)
    yield _route(admin, "GET", "/regions/{name}", "region.show", "A region", _REGION)
    yield _route(
        admin, "DELETE", "/regions/{name}", "region.delete", "Delete a region, or ask for its devices", _CLOSED
    )
    yield _route(admin, "PATCH", "/regions/{name}", "region.set", "Change a region", _REGION)


def _route(
    admin: Admin,
    method: str,
    path: str,
    operation: str,
    summary: str,
    answer: Schema,
    *,
    status: int = 200,
    query: bool = False,
    csv: bool = False,
) -> Route:
    named = [segment[1:-1] for segment in path.split("/") if segment.startswith("{")]
    params = tuple(each for each in admin.operations[operation].params if each.name not in named)

    flags = {each.name for each in params if each.kind == "flag"}
    bare = method in {"GET", "DELETE"}

    async def handle(ask: Ask) -> Reply:
        queried = {name: ask.flag(name) if name in flags else value for name, value in ask.query}
        given = {"csv": ask.octets.decode()} if csv else {**ask.path, **queried, **ask.body}
        found = await ask.do(operation, **given)
        return Reply(status=status, body=found, headers=_location(found, path, status))

    return Route(
        method=method,
        path=path,
        name=f"regions.{operation.partition('.')[2]}",
        summary=summary,
        access=access_of(admin, operation),
        site=admin.operations[operation].site,
        handler=handle,
        query=LISTING if query else params if method == "DELETE" else (),
        body=None if bare or csv else params,
        takes="text/csv" if csv else JSON,
        status=status,
        answer=answer,
    )


def _location(found: Mapping[str, object], path: str, status: int) -> Mapping[str, str]:
    return {"Location": f"{PREFIX}{path}/{found['name']}"} if status in {201, 202} else {}
