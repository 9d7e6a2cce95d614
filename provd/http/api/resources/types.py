"""``/types`` and ``/constraints``: what devices of a kind have in common, and what their metadata is to be like."""

from __future__ import annotations

from collections.abc import Iterator

from provd.app.admin import Admin, Caller
from provd.app.admin.constraints import Known
from provd.base.errors import NotFoundError
from provd.domain.device_types import DeviceType
from provd.http.api import schemas
from provd.http.api.resources.crud import Resource, adding, changing, deleting, listing, putting, showing
from provd.http.api.routes import Route

_TASK = {"type": "object", "required": ["id"], "properties": {"id": schemas.TEXT}, "additionalProperties": True}
_ATTRIBUTE = {"type": "object", "required": ["name"], "additionalProperties": True}
_FAILED = schemas.of_object(["device", "faults"], device=schemas.TEXT, faults=schemas.TEXTS)


def _type(admin: Admin, name: str, caller: Caller) -> DeviceType:
    if admin.types is None:
        raise NotFoundError("there are no types here")
    return admin.types.find(name, caller)


def _constraint(admin: Admin, name: str, caller: Caller) -> Known:
    if admin.constraints is None:
        raise NotFoundError("there are no constraints here")
    return admin.constraints.find(name, caller)


TYPES = Resource(
    name="types",
    one="type",
    find=_type,
    more={
        "settings": {"$ref": "#/components/schemas/Settings"},
        "tasks": {"type": "array", "items": _TASK},
        "faults": schemas.TEXTS,
    },
    shown={"count": schemas.NUMBER},
)
CONSTRAINTS = Resource(
    name="constraints",
    one="constraint",
    find=_constraint,
    more={"attributes": {"type": "array", "items": _ATTRIBUTE}},
    shown={"states": schemas.ANY, "failed": {"type": "array", "items": _FAILED}},
)


def routes(admin: Admin) -> Iterator[Route]:
    """All of them; none where there are no tasks."""
    if "types" not in admin.collections:
        return
    for resource in (TYPES, CONSTRAINTS):
        yield listing(resource, admin)
        yield showing(resource, admin, f"{resource.one}.show")
        yield adding(resource, admin)
        yield putting(resource, admin)
        yield changing(resource, admin)
        yield deleting(resource, admin)
