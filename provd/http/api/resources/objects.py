"""``/tenants``, ``/lines``, ``/profiles`` and ``/tokens``."""

from __future__ import annotations

from collections.abc import Iterator

from provd.app.admin import Admin
from provd.http.api import schemas
from provd.http.api.resources.crud import Resource, deleting, importing, listing, showing, whole
from provd.http.api.routes import PREFIX, Access, Ask, Reply, Route

_SETTINGS = {"settings": {"$ref": "#/components/schemas/Settings"}}
_COUNTS = {"devices": schemas.NUMBER, "lines": schemas.NUMBER}

TENANTS = Resource(
    name="tenants",
    one="tenant",
    find=lambda admin, name, caller: admin.desk.tenant(name, caller),
    more=_SETTINGS,
    shown=_COUNTS,
)
LINES = Resource(
    name="lines",
    one="line",
    find=lambda admin, name, caller: admin.desk.line(name, caller),
    more={**_SETTINGS, "password": schemas.TEXT},
    reveals=True,
)
PROFILES = Resource(
    name="profiles",
    one="profile",
    find=lambda admin, name, caller: admin.desk.profile(name, caller),
    more=_SETTINGS,
    shown={"devices": schemas.NUMBER},
)
TOKENS = Resource(
    name="tokens",
    one="token",
    find=lambda admin, name, caller: admin.tokens.find(name, caller),
)


def routes(admin: Admin) -> Iterator[Route]:
    """All of them."""
    for resource in (TENANTS, LINES, PROFILES):
        yield from whole(resource, admin)
    columns = "id, tenant and any field of a line"
    yield importing(LINES, admin, f"Columns: {columns}. All of it or nothing; what is equal is left alone.")
    yield listing(TOKENS, admin)
    yield showing(TOKENS, admin)
    yield _issue(admin)
    yield deleting(TOKENS, admin, "token.revoke")


def _issue(admin: Admin) -> Route:
    operation = admin.operations["token.add"]

    async def handle(ask: Ask) -> Reply:
        made = await ask.do("token.add", **ask.body)
        where = {"Location": f"{PREFIX}/tokens/{made['id']}"}
        return Reply(status=201, body=made, headers=where, once={"token": "***"})

    return Route(
        method="POST",
        path="/tokens",
        name="tokens.add",
        summary="Make a token; it is shown this once",
        access=Access(operation.scope),
        body=operation.params,
        handler=handle,
        status=201,
        answer=schemas.of_item(admin.collections["tokens"].columns, token=schemas.TEXT),
    )
