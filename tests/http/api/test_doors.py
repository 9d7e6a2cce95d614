"""Every route and every kind of token: a route without a row here fails."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from provd.domain.records import ApiToken, AuditEntry
from provd.http.api.routes import Access, Route
from tests.app.fakes import BOLT, PHONE
from tests.http.api.kit import RUN, House, house

NEW = "02aaaa0000aa"
ANY = {"If-Match": "*"}
TEMPLATE = "/models/acme:a1/templates/device.j2"


@dataclass(frozen=True)
class Row:
    """A good request of the north's, and what a token of the south hears to the same one."""

    path: str
    good: int = 200
    other: int = 404
    body: Any = None
    data: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    shared: bool = False
    """Not for one tenant, though the route is: what is asked for belongs to the whole site."""


ROWS: dict[str, Row] = {
    "devices.list": Row("/devices", other=200),
    "devices.show": Row(f"/devices/{PHONE}"),
    "devices.add": Row("/devices", 201, 201, body={"mac": NEW}),
    "devices.put": Row(f"/devices/{PHONE}", other=412, body={"description": "x"}, headers=ANY),
    "devices.change": Row(f"/devices/{PHONE}", body={"description": "x"}, headers=ANY),
    "devices.delete": Row(f"/devices/{PHONE}", 204),
    "devices.assign": Row(f"/devices/{PHONE}/assign", body={"line": ["n2"]}),
    "devices.unassign": Row(f"/devices/{PHONE}/unassign", body={}),
    "devices.transfer": Row(f"/devices/{PHONE}/transfer", body={"tenant": "south"}, shared=True),
    "devices.reset": Row(f"/devices/{PHONE}/reset"),
    "devices.sync": Row(f"/devices/{PHONE}/sync", 409),  # nobody here could tell it
    "devices.sync_many": Row("/devices/sync", 409, 409, body={"all": True}),
    "devices.sync_progress": Row("/devices/sync/1", 409, 409),
    "devices.settings": Row(f"/devices/{PHONE}/settings"),
    "devices.files": Row(f"/devices/{PHONE}/files"),
    "devices.file": Row(f"/devices/{PHONE}/files/{PHONE}.cfg"),
    "devices.limits": Row(f"/devices/{PHONE}/limits"),
    "devices.timeline": Row(f"/devices/{PHONE}/timeline"),
    "devices.diagnosis": Row(f"/devices/{PHONE}/diagnosis"),
    "devices.import": Row("/devices/import", other=200, data=f"mac\n{NEW}"),
    "devices.export": Row("/devices/export", other=200),
    "tenants.list": Row("/tenants", other=200),
    "tenants.show": Row("/tenants/north"),
    "tenants.add": Row("/tenants", 201, 403, body={"id": "new"}),
    "tenants.put": Row("/tenants/north", other=412, body={"name": "x"}, headers=ANY),
    "tenants.change": Row("/tenants/north", body={"name": "x"}, headers=ANY),
    "tenants.delete": Row("/tenants/north", 204, 403),
    "lines.list": Row("/lines", other=200),
    "lines.show": Row("/lines/n1"),
    "lines.add": Row("/lines", 201, 404, body={"id": "new", "tenant": "north"}),
    "lines.put": Row("/lines/n1", other=412, body={"number": "1"}, headers=ANY),
    "lines.change": Row("/lines/n1", body={"number": "1"}, headers=ANY),
    "lines.delete": Row("/lines/n1", 204),
    "lines.import": Row("/lines/import", other=422, data="id,tenant\nnew,north"),
    "profiles.list": Row("/profiles", other=200),
    "profiles.show": Row("/profiles/north:desk"),
    "profiles.add": Row("/profiles", 201, 404, body={"id": "north:new"}),
    "profiles.put": Row("/profiles/north:desk", other=412, body={"name": "x"}, headers=ANY),
    "profiles.change": Row("/profiles/north:desk", body={"name": "x"}, headers=ANY),
    "profiles.delete": Row("/profiles/north:desk", 204),
    "types.list": Row("/types", other=200),
    "types.show": Row("/types/north:sensor"),
    "types.add": Row("/types", 201, 404, body={"id": "north:new", "devices": ["acme/new"]}),
    "types.put": Row("/types/north:sensor", other=412, body={"devices": ["acme/x"]}, headers=ANY),
    "types.change": Row("/types/north:sensor", body={"description": "x"}, headers=ANY),
    "types.delete": Row("/types/north:sensor", 204),
    "constraints.list": Row("/constraints", other=200),
    "constraints.show": Row("/constraints/north:asset"),
    "constraints.add": Row("/constraints", 201, 404, body={"id": "north:new", "attributes": [{"name": "x"}]}),
    "constraints.put": Row("/constraints/north:asset", other=412, body={"attributes": [{"name": "x"}]}, headers=ANY),
    "constraints.change": Row("/constraints/north:asset", body={"attributes": [{"name": "x"}]}, headers=ANY),
    "constraints.delete": Row("/constraints/north:asset", 204),
    "tokens.list": Row("/tokens", other=200),
    "tokens.show": Row("/tokens/{north.read}"),
    "tokens.add": Row("/tokens", 201, 404, body={"name": "x", "tenant": "north"}),
    "tokens.delete": Row("/tokens/{north.read}", 204),
    "codes.list": Row("/codes", other=200),
    "codes.show": Row("/codes/{code}"),
    "codes.add": Row("/codes", 201, 404, body={"line": ["n2"]}),
    "codes.sheet": Row("/codes/sheet?tenant=north"),
    "codes.revoke": Row("/codes/{code}/revoke"),
    "codes.delete": Row("/codes/{code}", 204),
    "locks.list": Row("/locks", other=200),
    "locks.show": Row(f"/locks/device:{PHONE}"),
    "locks.delete": Row(f"/locks/device:{PHONE}", 204),
    "tasks.list": Row("/tasks", other=200),
    "tasks.show": Row(f"/tasks/{RUN}"),
    "tasks.add": Row("/tasks", 201, 404, body={"mac": PHONE, "template": "greet"}),
    "tasks.retry": Row(f"/tasks/{RUN}/retry"),
    "tasks.cancel": Row(f"/tasks/{RUN}/cancel"),
    "tasks.templates": Row("/tasks/templates", other=200),
    "webhooks.list": Row("/webhooks"),
    "webhooks.show": Row("/webhooks/crm", 404),  # nobody here sends anything
    "webhooks.dead": Row("/webhooks/crm/dead", 404),
    "webhooks.replay": Row("/webhooks/crm/replay", 404, body={}),
    "regions.list": Row("/regions"),
    "regions.status": Row("/regions/status"),
    "regions.register": Row("/regions/registrations", 202, body={"devices": [{"device_id": "x"}]}),
    "regions.request": Row("/regions/registrations/r1"),
    "regions.import": Row("/regions/table", data="device_id,region\nx,eu"),
    "regions.device": Row("/regions/devices/acme%2Fs2%2FS1"),
    "regions.move": Row("/regions/devices/sensor-1/move", body={"to": "eu"}),
    "regions.retry": Row("/regions/devices/acme%2Fs2%2FS1/retry", body={}),
    "regions.add": Row("/regions", 201, body={"name": "new", "url": "https://new.example", "secret": "s" * 16}),
    "regions.show": Row("/regions/eu"),
    "regions.delete": Row("/regions/us"),
    "regions.set": Row("/regions/eu", body={"enabled": False}),
    "devices.metadata": Row(f"/devices/{PHONE}/metadata"),
    "reservations.list": Row("/reservations"),
    "reservations.show": Row("/reservations/kept"),
    "reservations.add": Row("/reservations", 201, body={"ip": "10.0.0.11", "mac": PHONE}),
    "reservations.put": Row("/reservations/new", 201, body={"ip": "10.0.0.11", "mac": PHONE}),
    "reservations.delete": Row("/reservations/kept", 204),
    "leases.list": Row("/leases"),
    "leases.show": Row("/leases/10.0.0.9"),
    "leases.release": Row("/leases/10.0.0.9", 204),
    "subnets.list": Row("/subnets"),
    "plugins.list": Row("/plugins"),
    "plugins.show": Row("/plugins/acme"),
    "plugins.available": Row("/plugins/available"),
    "plugins.install": Row("/plugins/acme/install", 202, body={}),
    "plugins.upgrade": Row("/plugins/acme/upgrade", 202, body={"version": "2.0.0"}),
    "plugins.try": Row("/plugins/acme/try", 202, body={"version": "2.0.0"}),
    "plugins.switch": Row("/plugins/acme/switch", body={"version": "2.0.0", "expect": ""}),
    "plugins.rollback": Row("/plugins/bolt/rollback"),
    "plugins.remove": Row("/plugins/acme/remove", body={}),
    "firmware.list": Row("/firmware", other=200),
    "firmware.available": Row("/firmware/available", other=200),
    "firmware.of": Row("/plugins/acme/firmware", other=200),
    "firmware.show": Row("/plugins/acme/firmware/acme-a1/1.9b", other=200),
    "firmware.fetch": Row("/plugins/acme/firmware/acme-a1/2.1/fetch", 202, body={}),
    "firmware.upload": Row("/plugins/acme/firmware/acme-a1/2.0?called=a1.rom", data="rom"),
    "firmware.remove": Row("/plugins/acme/firmware/acme-a1/1.9b", 204),
    "rollouts.list": Row("/rollouts", other=200),
    "rollouts.show": Row("/rollouts/north:planned"),
    "rollouts.add": Row(
        "/rollouts", 201, 404, body={"id": "new", "tenant": "north", "package": "acme-a1", "version": "1.9b"}
    ),
    "rollouts.change": Row("/rollouts/north:planned", body={"tolerance": 9}, headers=ANY),
    "rollouts.delete": Row("/rollouts/north:planned", 204),
    "rollouts.start": Row("/rollouts/north:planned/start"),
    "rollouts.pause": Row("/rollouts/north:running/pause"),
    "rollouts.resume": Row("/rollouts/north:paused/resume"),
    "rollouts.abort": Row("/rollouts/north:running/abort"),
    "rollouts.rollback": Row("/rollouts/north:done/rollback"),
    "operations.list": Row("/operations"),
    "operations.show": Row("/operations/w1"),
    "operations.cancel": Row("/operations/w1/cancel"),
    "models.list": Row("/models", other=200),
    "models.show": Row("/models/acme:a1", other=200),
    "models.render": Row("/models/acme:a1/render", body={"line": ["n1"]}),
    "site-models.list": Row("/site-models"),
    "site-models.show": Row("/site-models/x1"),
    "site-models.add": Row(
        "/site-models", 201, body={"id": "x2", "vendor": "Zeta", "model": "X2", "generic": ["x2.cfg"]}
    ),
    "site-models.put": Row("/site-models/x1", body={"vendor": "Zeta", "model": "X1", "generic": ["x"]}, headers=ANY),
    "site-models.change": Row("/site-models/x1", body={"lines": 2}, headers=ANY),
    "site-models.delete": Row("/site-models/x1", 204),
    "templates.list": Row("/templates", other=200),
    "models.templates": Row("/models/acme:a1/templates", other=200),
    "templates.show": Row(f"{TEMPLATE}?tenant=north"),
    "templates.put": Row(f"{TEMPLATE}?tenant=north", body={"text": "x"}),
    "templates.restore": Row(f"{TEMPLATE}?tenant=north", 204),
    "templates.preview": Row(f"{TEMPLATE}/preview?device={PHONE}", body={"text": "x"}),
    "templates.diff": Row(f"{TEMPLATE}/diff?tenant=north"),
    "status.show": Row("/status"),
    "reload.do": Row("/reload"),
    "audit.list": Row("/audit", other=200),
    "dial.do": Row("/dial", body={"code": "123456", "mac": BOLT}),
    "events.watch": Row("/events", other=200),
    "about.document": Row("/openapi.json", other=200),
    "about.page": Row("/", other=200),
}
TOKENS = ["", "wrong", "expired", "revoked"] + [
    f"{owner}.{scope}" for owner in ("north", "south", "all") for scope in ("read", "write", "admin")
]
RANKS = {"read": 0, "write": 1, "admin": 2}


def expected(route: Route, row: Row, token: str) -> int:
    if route.access is Access.PUBLIC:
        return row.good
    owner, _, scope = token.partition(".")
    if not scope:
        return 401
    if RANKS[scope] < RANKS[route.access.value.value] or (route.site and owner != "all"):
        return 403
    if owner == "south":
        return row.other
    return 404 if row.shared and owner == "north" else row.good


def kept(home: House) -> dict[object, object]:
    """What the store holds; when a token was last used changes nothing for anybody."""
    records = home.office.world.journal.records.items()
    return {key: replace(record, last_used=0.0) if key[0] is ApiToken else record for key, record in records}


async def heard(home: House, route: Route, row: Row, token: str) -> int:
    """The status of the row's request with this token. What is refused is a problem, and has changed nothing."""
    path = row.path.replace("{north.read}", home.tokens["north.read"][4:12]).replace("{code}", home.code)
    if route.streams:
        return await _opened(home, path, token)
    before = kept(home)
    media = {"Content-Type": "text/csv"} if row.data else {}
    answer = await home.ask(route.method, path, token, body=row.body, data=row.data, headers={**row.headers, **media})
    if answer.status >= 400:
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json["status"] == answer.status
        assert ("WWW-Authenticate" in answer.headers) == (answer.status == 401 or "the scope" in answer.text)
    if answer.status >= 400 or route.method == "GET":
        # To have shown something secret may be noted, and is the only thing.
        after = kept(home)
        new = {key[0] for key in after if key not in before}
        assert {key: after.get(key) for key in before} == before
        assert not new if answer.status >= 400 else new <= {AuditEntry}
    return answer.status


@pytest.mark.parametrize("name", ROWS)
async def test_each_token_hears_what_it_should(name):
    row, tokens = ROWS[name], list(TOKENS)
    while tokens:
        async with house() as home:
            route = next(route for route in home.api.registry if route.name == name)
            status = 0
            while tokens and (status == 0 or status >= 400 or route.method == "GET"):
                token = tokens.pop(0)
                status = await heard(home, route, row, token)
                assert status == expected(route, row, token), (token, status)
            assert not [fact for fact in home.facts if fact.ID == "INTERNAL-ERROR"]


async def _opened(home, path: str, token: str) -> int:
    """The status of an answer that does not end."""
    headers = {"Authorization": f"Bearer {home.tokens.get(token, token)}"} if token else {}
    async with home.session.get(f"http://127.0.0.1:{home.port}/api/v1{path}", headers=headers) as answer:
        return answer.status


async def routes_of_the_house() -> dict[str, Route]:
    async with house() as home:
        return {route.name: route for route in home.api.registry}


async def test_every_route_has_a_row_and_an_access_class():
    routes = await routes_of_the_house()
    assert set(routes) == set(ROWS)
    assert all(isinstance(route.access, Access) for route in routes.values())
    assert {route.name for route in routes.values() if route.access is Access.PUBLIC} == {
        "about.document",
        "about.page",
    }
    with pytest.raises(TypeError, match="access"):
        Route(method="GET", path="/x", name="x", summary="x", handler=None)


async def test_what_changes_something_needs_more_than_to_read():
    for route in (await routes_of_the_house()).values():
        if route.method != "GET":
            assert route.access in (Access.WRITE, Access.ADMIN), route.name
