"""What all resources have: list, show, add, put, change, delete, each with its revision as an entity tag."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from hashlib import sha256
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from provd.app.admin import Admin, Caller, Param
from provd.base.dataclass import dataclass
from provd.base.errors import ConflictError, NotFoundError, StaleError
from provd.http.api import schemas
from provd.http.api.refusal import Refusal
from provd.http.api.routes import PREFIX, Access, Ask, Reply, Route

Find = Callable[[Admin, str, Caller], Any]
"""The record that the caller knows by this id. Raises NotFoundError."""
_REVEAL = Param("reveal", "flag", doc="show secrets; needs the scope admin and stands in the audit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A kind of objects: ``one`` is the first word of its operations, ``key`` the parameter that names it there."""

    name: str
    one: str
    find: Find
    look: Find | None = None
    """Finds it for who only looks, where that is more."""
    key: str = "id"
    more: Mapping[str, schemas.Schema] = field(default_factory=dict)
    """Members of an item that lists cannot be filtered by."""
    shown: Mapping[str, schemas.Schema] = field(default_factory=dict)
    """Members that only a single object has."""
    reveals: bool = False

    def schema(self, admin: Admin) -> schemas.Schema:
        """Of one object."""
        return schemas.of_item(admin.collections[self.name].columns, **self.more, **self.shown)

    def path(self, ask_id: str) -> str:
        """Where an object is."""
        return f"{PREFIX}/{self.name}/{quote(ask_id, safe='')}"


def access_of(admin: Admin, operation: str) -> Access:
    """The access class of a route is that of the operation behind it."""
    return Access(admin.operations[operation].scope)


def etag_of(view: Mapping[str, Any]) -> str:
    """The revision where there is one, else a digest of everything."""
    revision = view.get("revision")
    if revision is not None:
        return f'"{revision}"'
    return f'"{sha256(json.dumps(view, sort_keys=True, default=str).encode()).hexdigest()[:16]}"'


def listing(resource: Resource, admin: Admin) -> Route:
    """``GET /things``"""
    collection = admin.collections[resource.name]

    async def handle(ask: Ask) -> Reply:
        page = await ask.admin.select(resource.name, ask.query, ask.caller)
        headers = {}
        if page.next is not None:
            rest = [(name, value) for name, value in ask.query if name != "cursor"]
            query = "&".join(f"{quote(name)}={quote(value)}" for name, value in [*rest, ("cursor", page.next)])
            headers["Link"] = f'<{PREFIX}/{resource.name}?{query}>; rel="next"'
        return Reply(body={"items": page.items, "next": page.next, "total": page.total}, headers=headers)

    return Route(
        method="GET",
        path=f"/{resource.name}",
        name=f"{resource.name}.list",
        summary=f"List {resource.name}",
        access=Access(collection.scope),
        site=collection.site,
        listing=resource.name,
        handler=handle,
        answer=schemas.of_page(schemas.of_item(collection.columns, **resource.more)),
    )


def showing(resource: Resource, admin: Admin, operation: str = "") -> Route:
    """``GET /things/{id}``"""

    async def handle(ask: Ask) -> Reply:
        record = (resource.look or resource.find)(ask.admin, ask.path["id"], ask.caller)
        view = ask.admin.collections[resource.name].view(record, ask.caller)
        tag = {"ETag": etag_of(view)} if _writable(resource, admin) else {}
        if operation:
            reveal = {"reveal": True} if ask.flag("reveal") else {}
            local = {"local": ask.local} if resource.one == "device" else {}
            name = record.mac if resource.one == "device" else ask.path["id"]
            view = await ask.do(operation, **{resource.key: name}, **reveal, **local)
        return Reply(body=view, headers=tag)

    collection = admin.collections[resource.name]
    return Route(
        method="GET",
        path=f"/{resource.name}/{{id}}",
        name=f"{resource.name}.show",
        summary=f"Show a {resource.one}",
        access=Access(collection.scope),
        site=collection.site,
        query=(_REVEAL,) if resource.reveals else (),
        handler=handle,
        answer=resource.schema(admin),
    )


def _writable(resource: Resource, admin: Admin) -> bool:
    return f"{resource.one}.set" in admin.operations or f"{resource.one}.delete" in admin.operations


def adding(resource: Resource, admin: Admin) -> Route:
    """``POST /things``"""
    operation = admin.operations[f"{resource.one}.add"]

    async def handle(ask: Ask) -> Reply:
        view = await ask.do(operation.name, **ask.body)
        return Reply(
            status=201,
            body=view,
            headers={"Location": resource.path(str(view["id"])), "ETag": etag_of(_listed(ask, resource, view))},
        )

    return Route(
        method="POST",
        path=f"/{resource.name}",
        name=f"{resource.name}.add",
        summary=operation.doc.rstrip("."),
        access=Access(operation.scope),
        site=operation.site,
        body=operation.params,
        handler=handle,
        status=201,
        answer=schemas.of_item(admin.collections[resource.name].columns, **resource.more),
    )


def _listed(ask: Ask, resource: Resource, view: Mapping[str, Any]) -> Mapping[str, Any]:
    """The object as lists show it: what its entity tag is made of."""
    if view.get("revision") is not None:
        return view
    record = resource.find(ask.admin, str(view["id"]), ask.caller)
    return ask.admin.collections[resource.name].view(record, ask.caller)


def _present(ask: Ask, resource: Resource) -> Callable[[], str]:
    """Gives the object's entity tag as it is at that moment."""

    def etag() -> str:
        record = resource.find(ask.admin, ask.path["id"], ask.caller)
        return etag_of(ask.admin.collections[resource.name].view(record, ask.caller))

    return etag


def _condition(ask: Ask, resource: Resource) -> Callable[[], None]:
    """What the caller's ``If-Match`` demands. Raises Refusal (428) when there is none."""
    condition = ask.fresh(_present(ask, resource))
    if condition is None:
        detail = "send the ETag that you have seen as If-Match, or If-Match: * to change it whatever it is"
        raise Refusal("precondition", HTTPStatus.PRECONDITION_REQUIRED, "An If-Match is needed", detail)
    return condition


def putting(resource: Resource, admin: Admin) -> Route:
    """``PUT /things/{id}``: create it, or replace it.

    Its handler raises StaleError for a condition that does not hold, ConflictError for a field that never changes.
    """
    add, change = admin.operations[f"{resource.one}.add"], admin.operations.get(f"{resource.one}.set")
    body = tuple(param for param in add.params if param.name != resource.key)
    settable = {param.name for param in change.params} if change else set()
    fixed = {param.name for param in body} - settable
    columns = {column.name for column in admin.collections[resource.name].columns}
    ignored = frozenset((columns | set(resource.more) | set(resource.shown)) - {param.name for param in body})

    async def replace(ask: Ask, record: Any) -> Reply:
        if ask.request.headers.get("If-None-Match", "").strip() == "*":
            raise StaleError("it is there already")
        view = ask.admin.collections[resource.name].view(record, ask.caller)
        condition = _condition(ask, resource)
        for name in fixed & set(ask.body):
            if ask.body[name] not in (view.get(name), None):
                raise ConflictError(f"{name}: cannot be changed here")
        changes = {name: value for name, value in ask.body.items() if name not in fixed}
        if change is None:
            condition()
            return Reply(body=view, headers={"ETag": etag_of(view)})
        key = record.mac if resource.key == "mac" else ask.path["id"]
        view = await ask.do(change.name, condition, **{resource.key: key}, replace=True, **changes)
        return Reply(body=view, headers={"ETag": etag_of(_listed(ask, resource, view))})

    async def handle(ask: Ask) -> Reply:
        try:
            record = resource.find(ask.admin, ask.path["id"], ask.caller)
        except NotFoundError:
            if "If-Match" in ask.request.headers:
                raise StaleError("there is no such object") from None
            view = await ask.do(add.name, **{resource.key: ask.path["id"]}, **ask.body)
            where = {"Location": resource.path(str(view["id"])), "ETag": etag_of(_listed(ask, resource, view))}
            return Reply(status=201, body=view, headers=where)
        return await replace(ask, record)

    return Route(
        method="PUT",
        path=f"/{resource.name}/{{id}}",
        name=f"{resource.name}.put",
        summary=f"Create a {resource.one}, or replace it",
        detail="What is left out goes back to its default; what can only be read may be sent back and means nothing.",
        access=Access(add.scope),
        # What only the site may create, a tenant may still replace where it is its own.
        site=change.site if change else add.site,
        body=body,
        ignored=ignored,
        match="must",
        handler=handle,
        answer=schemas.of_item(admin.collections[resource.name].columns, **resource.more),
    )


def changing(resource: Resource, admin: Admin) -> Route:
    """``PATCH /things/{id}``"""
    operation = admin.operations[f"{resource.one}.set"]
    body = tuple(param for param in operation.params if param.name not in (resource.key, "replace"))

    async def handle(ask: Ask) -> Reply:
        record = resource.find(ask.admin, ask.path["id"], ask.caller)
        condition = _condition(ask, resource)
        key = record.mac if resource.key == "mac" else ask.path["id"]
        view = await ask.do(operation.name, condition, **{resource.key: key}, **ask.body)
        return Reply(body=view, headers={"ETag": etag_of(_listed(ask, resource, view))})

    return Route(
        method="PATCH",
        path=f"/{resource.name}/{{id}}",
        name=f"{resource.name}.change",
        summary=operation.doc.rstrip("."),
        detail="Members that are left out stay as they are; settings are merged by name, `unset` forgets names.",
        access=Access(operation.scope),
        site=operation.site,
        body=body,
        match="must",
        handler=handle,
        answer=schemas.of_item(admin.collections[resource.name].columns, **resource.more),
    )


def deleting(resource: Resource, admin: Admin, operation: str = "") -> Route:
    """``DELETE /things/{id}``"""
    chosen = admin.operations[operation or f"{resource.one}.delete"]
    query = tuple(param for param in chosen.params if param.name != resource.key)
    flags = {param.name for param in query if param.kind == "flag"}

    async def handle(ask: Ask) -> Reply:
        record = resource.find(ask.admin, ask.path["id"], ask.caller)
        key = record.mac if resource.key == "mac" else ask.path["id"]
        given = {name: ask.flag(name) if name in flags else value for name, value in ask.query}
        await ask.do(chosen.name, ask.fresh(_present(ask, resource)), **{resource.key: key}, **given)
        return Reply(status=204)

    return Route(
        method="DELETE",
        path=f"/{resource.name}/{{id}}",
        name=f"{resource.name}.delete",
        summary=chosen.doc.rstrip("."),
        access=Access(chosen.scope),
        site=chosen.site,
        query=query,
        match="may",
        handler=handle,
        status=204,
    )


def whole(resource: Resource, admin: Admin) -> Iterator[Route]:
    """All of them."""
    yield listing(resource, admin)
    yield showing(resource, admin, f"{resource.one}.show" if f"{resource.one}.show" in admin.operations else "")
    yield adding(resource, admin)
    yield putting(resource, admin)
    yield changing(resource, admin)
    yield deleting(resource, admin)


def importing(resource: Resource, admin: Admin, detail: str) -> Route:
    """``POST`` of a CSV file to ``…/import``: all of its rows, or none."""
    operation = f"{resource.one}.import"

    async def handle(ask: Ask) -> Reply:
        return Reply(body=await ask.do(operation, csv=ask.octets.decode(), dry_run=ask.flag("dry_run")))

    return Route(
        method="POST",
        path=f"/{resource.name}/import",
        name=f"{resource.name}.import",
        summary=f"Add or change {resource.name} from a CSV file with a header line",
        detail=detail,
        access=access_of(admin, operation),
        query=(Param("dry_run", "flag", doc="only say what would be done"),),
        takes="text/csv",
        handler=handle,
        answer=schemas.of_object(
            ["rows", "added", "changed", "dry_run"],
            rows=schemas.NUMBER,
            added=schemas.NUMBER,
            changed=schemas.NUMBER,
            dry_run=schemas.FLAG,
        ),
    )
