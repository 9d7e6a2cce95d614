"""``/activation``: devices that fetch a key, their models, vendors and contents."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from http import HTTPStatus

from aiohttp import web

from provd.app.activation.contents import TooLargeError
from provd.app.activation.office import VendorOffice
from provd.app.admin import Admin, Param
from provd.app.admin.vendors import content_view
from provd.base.dataclass import dataclass
from provd.http.api import schemas
from provd.http.api.reading import PATIENCE
from provd.http.api.refusal import Refusal
from provd.http.api.routes import Access, Ask, Handler, Reply, Route

_PAGING = (
    Param("limit", "number", doc="at most so many; 100 when left out"),
    Param("cursor", doc="the `next` of the page before"),
)
_ANY = "application/octet-stream"
_T, _M, _N, _F = schemas.TEXT, schemas.MAYBE, schemas.NUMBER, schemas.FLAG
_VENDOR = {"vendor": _T, "tenant": _T, "has_key": _F, "created": schemas.TIME}
_TOKEN = {"vendor": _T, "id": _T, "state": _T, "created": schemas.TIME, "expires": schemas.TIME, "by": _T}
_MODEL = {
    "vendor": _T,
    "model": _T,
    "tenant": _T,
    "window": _N,
    "own_window": _F,
    "recovery": _T,
    "serial_is_mac": _F,
    "created": schemas.TIME,
}
_COUNTED = {**_MODEL, "serials": {"type": "object", "additionalProperties": _N}, "in_ranges": _N}
_RANGE = {"format": _T, "first": _T, "last": _T, "casing": _T, "serials": _N}
_SERIAL = {
    **dict.fromkeys(("vendor", "model", "sn", "state", "tenant", "owner", "rid", "extra"), _T),
    "generation": _N,
    **dict.fromkeys(("enabled", "until", "activated", "first_used"), schemas.TIME),
}
_ATTEMPT = {"at": schemas.TIME, "peer": _T, "outcome": _T}
_CONTENT = {
    **dict.fromkeys(("vendor", "model", "id", "type"), _T),
    "size": _N,
    "sha256": _T,
    "protected": _F,
    "meta": _T,
    "updated": schemas.TIME,
}
_GROUP = {"vendor": _T, "model": _T, "id": _T, "meta": _T, "created": schemas.TIME}
_MEMBER = schemas.of_object(**dict.fromkeys(("type", "member", "state", "meta"), _T), expires=schemas.TIME)
_MEMBERED = {**_GROUP, "members": {"type": "array", "items": _MEMBER}}
_SHARE = {"vendor": _T, "model": _T, "partner": _T, "since": schemas.TIME}
_IMPORTED = {"rows": _N, "added": _N}
_DOWN = "/activation/models/{vendor}/{model}"
_ONE = f"{_DOWN}/serials/{{sn}}"
_CONTENTS = f"{_DOWN}/contents"
_GROUPS = f"{_DOWN}/groups"


@dataclass(frozen=True, slots=True)
class _Way:
    """A method on a path that is an operation: names in the path are parameters of the same names.

    ``kind`` is what comes back: ``one`` object, a ``list``, ``made`` (201), ``gone`` (204), or ``csv`` that is taken.
    """

    method: str
    path: str
    operation: str
    fields: Mapping[str, schemas.Schema]
    kind: str = "one"
    once: str = ""
    """The field that is shown this once."""


_WAYS = (
    _Way("GET", "/activation/vendors", "vendor_list", _VENDOR, "list"),
    _Way("POST", "/activation/vendors", "vendor_add", {**_VENDOR, "models": schemas.TEXTS}, "made"),
    _Way("GET", "/activation/vendors/{vendor}", "vendor_show", {**_VENDOR, "models": schemas.TEXTS}),
    _Way("DELETE", "/activation/vendors/{vendor}", "vendor_delete", {}, "gone"),
    _Way("POST", "/activation/vendors/{vendor}/move", "vendor_move", {**_VENDOR, "devices": _N}),
    _Way("POST", "/activation/vendors/{vendor}/key", "vendor_key", {"vendor": _T, "key": _T}, once="key"),
    _Way("GET", "/activation/vendors/{vendor}/tokens", "token_list", _TOKEN, "list"),
    _Way(
        "POST",
        "/activation/vendors/{vendor}/tokens",
        "token_add",
        {"vendor": _T, "id": _T, "expires": schemas.TIME, "token": _T},
        "made",
        once="token",
    ),
    _Way("DELETE", "/activation/vendors/{vendor}/tokens/{id}", "token_delete", {}, "gone"),
    _Way("GET", "/activation/models", "model_list", _MODEL, "list"),
    _Way("POST", "/activation/models", "model_add", _COUNTED, "made"),
    _Way("GET", _DOWN, "model_show", _COUNTED),
    _Way("PATCH", _DOWN, "model_set", _COUNTED),
    _Way("DELETE", _DOWN, "model_delete", {}, "gone"),
    _Way("GET", f"{_DOWN}/ranges", "range_list", _RANGE, "list"),
    _Way("POST", f"{_DOWN}/ranges", "range_add", _RANGE, "made"),
    _Way("POST", f"{_DOWN}/ranges/import", "range_import", _IMPORTED, "csv"),
    _Way("POST", f"{_DOWN}/ranges/delete", "range_delete", {"deleted": _T}),
    _Way("GET", f"{_DOWN}/serials", "list", _SERIAL, "list"),
    _Way("POST", f"{_DOWN}/serials", "serial_add", _SERIAL, "made"),
    _Way("POST", f"{_DOWN}/serials/import", "serial_import", _IMPORTED, "csv"),
    _Way("GET", _ONE, "show", _SERIAL),
    _Way("DELETE", _ONE, "delete", {}, "gone"),
    _Way("GET", f"{_ONE}/log", "log", _ATTEMPT, "list"),
    _Way("POST", f"{_ONE}/enable", "enable", _SERIAL),
    _Way("POST", f"{_ONE}/reenable", "reenable", _SERIAL),
    _Way("POST", f"{_ONE}/disable", "disable", _SERIAL),
    _Way("POST", f"{_ONE}/remap", "remap", _SERIAL),
    _Way("GET", "/activation/unused", "unused", _SERIAL, "list"),
    _Way("GET", _CONTENTS, "content_list", _CONTENT, "list"),
    _Way("POST", _CONTENTS, "content_add", _CONTENT, "made"),
    _Way("GET", f"{_CONTENTS}/{{id}}", "content_show", _CONTENT),
    _Way("DELETE", f"{_CONTENTS}/{{id}}", "content_delete", {}, "gone"),
    _Way("GET", _GROUPS, "group_list", _GROUP, "list"),
    _Way("POST", _GROUPS, "group_add", _MEMBERED, "made"),
    _Way("GET", f"{_GROUPS}/{{id}}", "group_show", _MEMBERED),
    _Way("DELETE", f"{_GROUPS}/{{id}}", "group_delete", {}, "gone"),
    _Way("POST", f"{_GROUPS}/{{id}}/members", "group_put", _MEMBERED),
    _Way("DELETE", f"{_GROUPS}/{{id}}/members/{{type}}/{{member}}", "group_drop", {}, "gone"),
    _Way("GET", f"{_DOWN}/shares", "share_list", _SHARE, "list"),
    _Way("POST", f"{_DOWN}/shares", "share_add", _SHARE, "made"),
    _Way("DELETE", f"{_DOWN}/shares/{{partner}}", "share_delete", {}, "gone"),
)


def routes(admin: Admin) -> Iterator[Route]:
    """All of them; none where there are no such devices."""
    if admin.vendors is None:
        return
    for way in _WAYS:
        yield _route(admin, way)
    yield _upload(admin.vendors)


def _route(admin: Admin, way: _Way) -> Route:
    operation = admin.operations[f"activation.{way.operation}"]
    in_path = {segment[1:-1] for segment in way.path.split("/") if segment.startswith("{")}
    rest = tuple(param for param in operation.params if param.name not in {*in_path, "limit", "after", "csv"})
    reading = way.method == "GET"
    query = (*rest, *(_PAGING if way.kind == "list" else ())) if reading else ()
    answer = None if way.kind == "gone" else schemas.of_object(**way.fields)
    return Route(
        method=way.method,
        path=way.path,
        name=f"activation.{way.operation}",
        summary=operation.doc.rstrip("."),
        access=Access(operation.scope),
        site=operation.site,
        handler=_handler(operation.name, way),
        query=query,
        body=None if reading or way.kind in {"gone", "csv"} else rest,
        takes="text/csv" if way.kind == "csv" else "application/json",
        status={"made": 201, "gone": 204}.get(way.kind, 200),
        answer=_page(way.fields) if way.kind == "list" else answer,
    )


def _handler(operation: str, way: _Way) -> Handler:
    async def handle(ask: Ask) -> Reply:
        sent: dict[str, object] = {**ask.body, **dict(ask.query)}
        if way.kind == "list":
            sent["after"] = sent.pop("cursor", None)
        elif way.kind == "csv":
            sent["csv"] = ask.octets.decode()
        made = await ask.do(operation, **{**sent, **ask.path})
        match way.kind:
            case "list":
                return Reply(body={"items": made["items"], "next": made["next"]})
            case "gone":
                return Reply(status=204)
        once = {way.once: "***"} if way.once else {}
        return Reply(status=201 if way.kind == "made" else 200, body=made, once=once)

    return handle


def _page(fields: Mapping[str, schemas.Schema]) -> schemas.Schema:
    items = {"type": "array", "items": schemas.of_object(**fields)}
    return schemas.of_object(["items", "next"], items=items, next=_M)


def _upload(office: VendorOffice) -> Route:
    async def handle(ask: Ask) -> Reply:
        name = (ask.path["vendor"], ask.path["model"], ask.path["id"])
        media = ask.request.headers.get("Content-Type", _ANY)
        try:
            found = await office.contents.upload(*name, media, _coming(ask.request), ask.caller)
        except TooLargeError as error:
            title = "The content is too large"
            raise Refusal("too-large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE, title, str(error)) from None
        return Reply(body=content_view(found))

    return Route(
        method="PUT",
        path=f"{_CONTENTS}/{{id}}/octets",
        name="activation.content_send",
        summary="Put something into a content",
        detail="The body is taken while it comes, and its media type is kept; devices get it when it is whole.",
        access=Access.WRITE,
        handler=handle,
        takes=_ANY,
        raw=True,
        answer=schemas.of_object(**_CONTENT),
    )


async def _coming(request: web.Request) -> AsyncIterator[bytes]:
    """The body as it comes; whoever stops sending is not waited for."""
    while octets := await _some(request):
        yield octets


async def _some(request: web.Request) -> bytes:
    try:
        async with asyncio.timeout(PATIENCE):
            return await request.content.readany()
    except TimeoutError:
        raise Refusal(
            "slow", HTTPStatus.REQUEST_TIMEOUT, "The body took too long", headers={"Connection": "close"}
        ) from None
