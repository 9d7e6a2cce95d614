"""``/reservations``, ``/leases``, ``/subnets``, ``/plugins`` and ``/models``."""

from __future__ import annotations

from collections.abc import Iterator

from provd.app.admin import Admin, Caller
from provd.base.errors import NotFoundError
from provd.base.types import ip_int
from provd.dhcp.lease import Lease
from provd.http.api import schemas
from provd.http.api.ports import Daemon
from provd.http.api.resources.crud import Resource, access_of, adding, deleting, listing, putting, showing
from provd.http.api.routes import Access, Ask, Reply, Route


def _reservation(admin: Admin, name: str, _caller: Caller) -> object:
    found = admin.desk.tables.reservation(name)
    if found is None:
        raise NotFoundError(f"there is no reservation {name[:60]!r}")
    return found


def _lease(admin: Admin, name: str, caller: Caller) -> Lease:
    try:
        number = ip_int(name)
    except ValueError:
        number = -1
    found: Lease | None = next(
        (lease for lease in admin.collections["leases"].records(caller) if lease.ip == number), None
    )
    if found is None:
        raise NotFoundError(f"there is no lease of {name[:60]}")
    return found


def _of(collection: str, what: str) -> Resource:
    """A resource that can only be looked at."""

    def find(admin: Admin, name: str, caller: Caller) -> object:
        every = admin.collections[collection]
        found = next((record for record in every.records(caller) if every.key(record) == name.lower()), None)
        if found is None:
            raise NotFoundError(f"there is no {what} {name[:60]!r}")
        return found

    return Resource(name=collection, one=what, find=find)


RESERVATIONS = Resource(name="reservations", one="reservation", find=_reservation)
LEASES = Resource(name="leases", one="lease", find=_lease)
MODELS = _of("models", "model")


def routes(admin: Admin, daemon: Daemon) -> Iterator[Route]:
    """All of them."""
    yield listing(RESERVATIONS, admin)
    yield showing(RESERVATIONS, admin)
    yield adding(RESERVATIONS, admin)
    yield putting(RESERVATIONS, admin)
    yield deleting(RESERVATIONS, admin)
    yield listing(LEASES, admin)
    yield showing(LEASES, admin)
    yield _release(admin)
    yield _subnets(daemon)
    for resource in (_of("plugins", "plugin"), MODELS):
        yield listing(resource, admin)
        yield showing(resource, admin)
    yield _rendered(admin)


def _release(admin: Admin) -> Route:
    async def handle(ask: Ask) -> Reply:
        lease = _lease(ask.admin, ask.path["id"], ask.caller)
        await ask.do("lease.release", ip=ask.admin.collections["leases"].view(lease, ask.caller)["ip"])
        return Reply(status=204)

    return Route(
        method="DELETE",
        path="/leases/{id}",
        name="leases.release",
        summary="End a lease",
        access=access_of(admin, "lease.release"),
        site=True,
        handler=handle,
        status=204,
    )


def _rendered(admin: Admin) -> Route:
    async def handle(ask: Ask) -> Reply:
        model = MODELS.find(ask.admin, ask.path["id"], ask.caller)
        view = ask.admin.collections["models"].view(model, ask.caller)
        return Reply(body=await ask.do("device.render_as", model=view["name"], local=ask.local, **ask.body))

    shown = dict.fromkeys(("name", "plugin", "content_type", "text"), schemas.TEXT)
    return Route(
        method="POST",
        path="/models/{id}/render",
        name="models.render",
        summary="A file as a device of this model would get it, if there were one",
        detail="With that firmware, tenant, group profile, lines and settings; without lines it has a made-up one. "
        "`name` is a file of its own, with `00005e005300` for its MAC. Passwords are `***`; nothing is kept.",
        access=Access.WRITE,
        body=tuple(
            param for param in admin.operations["device.render_as"].params if param.name not in {"model", "local"}
        ),
        handler=handle,
        answer=schemas.of_object(sorted(shown), **shown),
    )


def _subnets(daemon: Daemon) -> Route:
    async def handle(_: Ask) -> Reply:
        return Reply(body={"items": list(daemon.subnets())})

    item = schemas.of_object(
        ["id", "network", "pools", "free", "size"],
        id=schemas.TEXT,
        network=schemas.TEXT,
        pools=schemas.TEXTS,
        routers=schemas.TEXTS,
        dns=schemas.TEXTS,
        ntp=schemas.TEXTS,
        domain=schemas.TEXT,
        lease=schemas.NUMBER,
        free=schemas.NUMBER,
        size=schemas.NUMBER,
    )
    return Route(
        method="GET",
        path="/subnets",
        name="subnets.list",
        summary="The networks of the DHCP server, and how full they are",
        access=Access.READ,
        site=True,
        handler=handle,
        answer=schemas.of_object(["items"], items={"type": "array", "items": item}),
    )
