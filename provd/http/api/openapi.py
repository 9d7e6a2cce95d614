"""The OpenAPI 3.1 document, made from the routes that answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from provd import __version__
from provd.app.admin import Admin
from provd.app.admin.listing import LARGEST, LIMIT, OPERATORS, Collection
from provd.http.api import schemas
from provd.http.api.reading import JSON
from provd.http.api.routes import PREFIX, Access, Registry, Route
from provd.http.problems import CONTENT_TYPE

Document = dict[str, Any]

_TAGS = {
    "devices": "Phones: who has them, what is on them, which files they get.",
    "tenants": "Owners of devices, lines and codes.",
    "lines": "SIP accounts. Tenants name them each for themselves; one of tenant acme is `acme:101` to the whole site.",
    "profiles": "Settings for many devices: vendor < model < site < tenant < group < device.",
    "tokens": "Bearer tokens of this interface.",
    "codes": "Provisioning codes: who dials one on a phone gives it the code's line.",
    "locks": "Wrong codes, and who is locked because of them.",
    "activation": "Devices that fetch a key: vendors, models, serials, contents.",
    "reservations": "Addresses kept for a client.",
    "leases": "DHCP leases.",
    "subnets": "Networks of the DHCP server.",
    "plugins": "Vendor plugins in force, their packages and versions.",
    "operations": "What takes its time: how far it is and what came of it. It goes on after a restart.",
    "models": "Models that the plugins know, and their templates.",
    "site-models": "Models of any vendor without a plugin: two templates, and the names that their files are asked by.",
    "templates": "Templates of your own in place of a plugin's.",
    "status": "The daemon itself.",
    "reload": "Its configuration.",
    "audit": "Who changed what.",
    "dial": "For a PBX that takes the calls itself.",
    "events": "What happens, as it happens.",
}
_ABOUT = f"""\
Every request carries `Authorization: Bearer pv1_…` (`provd token add`). A token has scopes, each of which includes the
ones before it (`read`, `write`, `admin`), and is bound to one tenant or to none. To a token of one tenant the objects
of others do not exist; what concerns the whole site (403 otherwise) needs a token of all tenants.

**Lists** take `limit` (1 to {LARGEST}, {LIMIT} when left out), `cursor` (the `next` of the page before, with the same
`sort`), `sort` (`-last_seen,id`), `fields` (`id,state`), `q` (words) and filters: `state=unclaimed`,
`last_seen__lt=2026-01-01T00:00:00Z`, `model__in=A20,A21`, `description__contains=desk`, `lines__empty=true`. What is
malformed or unknown is an error, never "everything".

**Changes** need the `ETag` that was seen as `If-Match` (or `If-Match: *`): 428 without, 412 when it is another by now.
A POST with an `Idempotency-Key` can be sent again: it is answered again and not carried out again.

**Errors** are `application/problem+json` (RFC 9457); `type` is a stable word, `errors` names every field that is wrong.
"""
_PROBLEMS: dict[int, str] = {
    400: "The request cannot be understood.",
    401: "There is no valid token.",
    403: "The token does not suffice.",
    404: "There is no such object.",
    405: "Not with this method.",
    406: "Not in that form.",
    408: "The body took too long.",
    409: "The change contradicts what is there.",
    412: "The object has changed meanwhile.",
    413: "The body is too large.",
    415: "Another media type is needed.",
    422: "The content cannot be used as it is.",
    428: "An If-Match is needed.",
    429: "Too many wrong tokens came from this address.",
    503: "The store did not take the change, or a part of the daemon is not there.",
}
_OPERATOR_DOCS = {
    "": "equals",
    "ne": "does not equal",
    "lt": "is less",
    "le": "is at most",
    "gt": "is greater",
    "ge": "is at least",
    "contains": "contains",
    "in": "is one of",
    "empty": "is empty",
}


def document(registry: Registry, admin: Admin) -> Document:
    """The whole document."""
    paths: dict[str, dict[str, Any]] = {}
    used = []
    for route in registry:
        paths.setdefault(PREFIX + route.path, {})[route.method.lower()] = _operation(route, admin)
        if route.tag not in used:
            used.append(route.tag)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "provd",
            "version": __version__,
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": tag, "description": _TAGS.get(tag, "This interface.")} for tag in used],
        "paths": paths,
        "components": {
            "schemas": {"Settings": schemas.settings(), "Problem": schemas.PROBLEM},
            "responses": {
                str(status): {
                    "description": text,
                    "content": {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
                }
                for status, text in _PROBLEMS.items()
            },
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "pv1_…"}},
        },
    }


def _operation(route: Route, admin: Admin) -> Document:
    scope = route.access.value
    operation: Document = {
        "operationId": route.name,
        "tags": [route.tag],
        "summary": route.summary,
        "security": [] if scope is None else [{"token": [scope.value]}],
        "x-access": route.access.name.lower(),
        "x-all-tenants": route.site,
        "parameters": [*_path_parameters(route), *_query_parameters(route, admin), *_header_parameters(route)],
        "responses": _responses(route),
    }
    who = "nobody" if scope is None else f"a token with the scope `{scope.value}`"
    notes = [route.detail, f"Needs {who}{', of all tenants' if route.site else ''}." if scope is not None else ""]
    operation["description"] = "\n\n".join(note for note in notes if note)
    if route.body is not None:
        schema = schemas.of_body(route.body, route.ignored)
        required = any(param.required for param in route.body)
        operation["requestBody"] = {"required": required, "content": {JSON: {"schema": schema}}}
    elif route.takes != JSON:
        operation["requestBody"] = {"required": True, "content": {route.takes: {"schema": schemas.TEXT}}}
    return operation


def _path_parameters(route: Route) -> list[Document]:
    doc = "a MAC in any form" if route.path.startswith("/devices/{id}") else "its id"
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": doc if name == "id" else f"its {name}",
            "schema": {"type": "string", "minLength": 1},
        }
        for name in route.parameters
    ]


def _query_parameters(route: Route, admin: Admin) -> list[Document]:
    if route.listing:
        return list(_list_parameters(admin.collections[route.listing]))
    return [_in_query(param.name, schemas.of_param(param), param.doc) for param in route.query]


def _in_query(name: str, schema: schemas.Schema, doc: str = "") -> Document:
    plain = {key: value for key, value in schema.items() if key != "description"}
    return {"name": name, "in": "query", "schema": plain} | ({"description": doc} if doc else {})


def _list_parameters(collection: Collection[Any]) -> Iterable[Document]:
    names = [column.name for column in collection.columns]
    yield _in_query("limit", {"type": "integer", "minimum": 1, "maximum": LARGEST, "default": LIMIT})
    yield _in_query("cursor", {"type": "string", "minLength": 1}, "the `next` of the page before")
    yield _in_query("sort", {"type": "string"}, f"fields, `-` for the greatest first: {', '.join(names)}")
    yield _in_query("fields", {"type": "string"}, "only these fields of every item")
    yield _in_query("q", {"type": "string"}, "words that occur somewhere in the texts of an item")
    kinds: dict[str, schemas.Schema] = {
        "text": {"type": "string"},
        "texts": {"type": "string"},
        "number": {"type": "integer", "minimum": -999_999_999_999_999, "maximum": 999_999_999_999_999},
        "flag": {"type": "boolean"},
        "time": {"type": ["string", "integer"], "examples": ["2026-11-20T10:00:00Z"]},
    }
    for column in collection.columns:
        for operator, fitting in OPERATORS.items():
            if column.kind in fitting:
                schema = {"empty": {"type": "boolean"}, "in": {"type": "string"}}.get(operator, kinds[column.kind])
                yield _in_query(
                    f"{column.name}__{operator}" if operator else column.name,
                    schema,
                    f"{column.name} {_OPERATOR_DOCS[operator]}",
                )


def _header_parameters(route: Route) -> list[Document]:
    headers = []
    if route.match:
        doc = "the ETag that was seen, or `*`"
        headers.append({"name": "If-Match", "in": "header", "schema": {"type": "string"}, "description": doc})
    if route.method == "POST":
        schema = {"type": "string", "minLength": 1, "maxLength": 255}
        doc = "the same request with the same key is carried out once"
        headers.append({"name": "Idempotency-Key", "in": "header", "schema": schema, "description": doc})
    return headers


def _responses(route: Route) -> Document:
    good: Document = {"description": "Done." if route.method != "GET" else "Here it is."}
    if route.answer is not None:
        good["content"] = {media: {"schema": route.answer} for media in (route.gives, *route.also)}
    statuses = {400, 405, 406, 408, 413}
    if route.access is not Access.PUBLIC:
        statuses |= {401, 403, 404, 429, 503}
    if route.method != "GET":
        statuses |= {409, 412, 422}
    if route.body is not None or route.takes != JSON:
        statuses |= {415, 422}
    if route.match == "must":
        statuses.add(428)
    if route.name == "devices.file":
        statuses.add(422)
    if route.name == "devices.sync_progress":
        # Without a resyncer nothing was ever told to anybody.
        statuses.add(409)
    responses = {str(route.status): good}
    if route.name.endswith(".put"):
        responses["201"] = {**good, "description": "Created."}
    return responses | {str(status): {"$ref": f"#/components/responses/{status}"} for status in sorted(statuses)}
