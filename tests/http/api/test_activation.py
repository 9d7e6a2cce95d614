"""Devices that are no phones, over the REST interface: every route with every kind of token."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from provd.http.api.routes import PREFIX, Access, Route
from tests.http.api.kit import House, house

M, S = "/activation/models/acme/s2", "/activation/models/acme/s2/serials"


@dataclass(frozen=True)
class Row:
    """A good request of the north's; ``other`` is what the south hears to it, ``site`` says that only the site may."""

    path: str
    good: int = 200
    other: int = 404
    body: Any = None
    data: bytes | None = None
    media: str = "text/csv"
    site: bool = False


ROWS: dict[str, Row] = {
    "vendor_list": Row("/activation/vendors", other=200),
    "vendor_add": Row("/activation/vendors", 201, body={"vendor": "north2", "tenant": "north"}),
    "vendor_show": Row("/activation/vendors/acme"),
    "vendor_key": Row("/activation/vendors/acme/key", body={}),
    "token_add": Row("/activation/vendors/acme/tokens", 201, body={"id": "t2", "expires": "1h"}),
    "token_list": Row("/activation/vendors/acme/tokens"),
    "token_delete": Row("/activation/vendors/acme/tokens/t2", 204),
    "model_list": Row("/activation/models?vendor=acme", other=200),
    "model_add": Row("/activation/models", 201, 409, body={"vendor": "acme", "model": "s3"}),
    "model_show": Row(M),
    "model_set": Row(M, body={"recovery": "reissue", "serial_is_mac": True}),
    "range_add": Row(f"{M}/ranges", 201, body={"format": "base10", "first": "0001", "last": "0099"}),
    "range_list": Row(f"{M}/ranges"),
    "range_import": Row(f"{M}/ranges/import", data=b"format,first,last\nbase10,0100,0199"),
    "range_delete": Row(f"{M}/ranges/delete", body={"format": "base10", "first": "0100", "last": "0199"}),
    "serial_add": Row(S, 201, body={"sn": "A/1", "extra": "shelf 3"}),
    "serial_import": Row(f"{S}/import", data=b"sn,extra\nB1,x\nB2,"),
    "list": Row(f"{S}?limit=2"),
    "show": Row(f"{S}/A%2F1"),
    "enable": Row(f"{S}/A%2F1/enable", body={"owner": "o"}),
    "reenable": Row(f"{S}/A%2F1/reenable", body={}),
    "disable": Row(f"{S}/A%2F1/disable", body={}),
    "remap": Row(f"{S}/B1/remap", body={"old": "A/1"}),
    "log": Row(f"{S}/A%2F1/log"),
    "delete": Row(f"{S}/B2", 204),
    "unused": Row("/activation/unused", other=200),
    "content_add": Row(f"{M}/contents", 201, body={"id": "image", "meta": "v7", "protected": True}),
    "content_send": Row(f"{M}/contents/image/octets", data=bytes(300_000), media="a/b"),
    "content_list": Row(f"{M}/contents"),
    "content_show": Row(f"{M}/contents/image"),
    "group_add": Row(f"{M}/groups", 201, body={"id": "beta", "meta": "early"}),
    "group_list": Row(f"{M}/groups"),
    "group_put": Row(f"{M}/groups/beta/members", body={"type": "sn", "member": ["B1"], "expires": "30d"}),
    "group_show": Row(f"{M}/groups/beta"),
    "group_drop": Row(f"{M}/groups/beta/members/sn/B1", 204),
    "group_delete": Row(f"{M}/groups/beta", 204),
    "share_add": Row(f"{M}/shares", 201, body={"partner": "north2"}),
    "share_list": Row(f"{M}/shares"),
    "share_delete": Row(f"{M}/shares/north2", 204),
    "content_delete": Row(f"{M}/contents/image", 204),
    "model_delete": Row("/activation/models/acme/s3", 204, site=True),
    "vendor_delete": Row("/activation/vendors/north2", 204, site=True),
    "vendor_move": Row("/activation/vendors/acme/move", body={"tenant": "south"}, site=True),
}
"""In an order in which each finds what it needs."""
RANKS = {"read": 0, "write": 1, "admin": 2}


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[House]:
    async with house(things=tmp_path / "state") as found:
        body = {"vendor": "acme", "model": "s2", "tenant": "north"}
        assert (await found.ask("POST", "/activation/models", "north.write", body=body)).status == 201
        yield found


async def heard(home: House, route: Route, row: Row, token: str) -> Any:
    headers = {"Content-Type": row.media} if row.data is not None else {}
    return await home.ask(route.method, row.path, token, body=row.body, data=row.data, headers=headers)


async def test_each_token_hears_what_it_should(home: House) -> None:
    routes = {route.name.partition(".")[2]: route for route in home.api.registry if route.tag == "activation"}
    assert set(routes) == set(ROWS)
    document = (await home.get("/openapi.json", "")).json
    for name, row in ROWS.items():
        route = routes[name]
        scope = route.access.value
        assert scope is not None
        assert (await heard(home, route, row, "")).status == 401
        for owner in ("north", "south"):
            for granted, rank in RANKS.items():
                token = f"{owner}.{granted}"
                weak = rank < RANKS[scope.value] or route.site
                status = 403 if weak else row.other if owner == "south" else 0
                if status:
                    answer = await heard(home, route, row, token)
                    assert answer.status == status, (name, token, answer.text)
        good = await heard(home, route, row, "all.admin" if row.site else f"north.{scope.value}")
        assert good.status == row.good, (name, good.text)
        if route.answer is not None:
            responses = document["paths"][PREFIX + route.path][route.method.lower()]["responses"]
            schema = responses[str(row.good)]["content"]["application/json"]["schema"]
            jsonschema.validate(good.json, schema, cls=jsonschema.Draft202012Validator)
            assert set(schema["properties"]) == set(good.json), name
    assert not [fact for fact in home.facts if fact.ID == "INTERNAL-ERROR"]
    assert all(route.access is not Access.READ for route in routes.values() if route.method != "GET")


async def test_a_list_goes_on_where_the_page_before_ended(home: House) -> None:
    serials = "\n".join(f"S{number}" for number in range(5))
    assert (await home.ask("POST", f"{S}/import", data=serials, headers={"Content-Type": "text/csv"})).json[
        "added"
    ] == 5
    found, cursor = [], ""
    while cursor is not None:
        page = (await home.get(f"{S}?limit=2{f'&cursor={cursor}' if cursor else ''}")).json
        found += [item["sn"] for item in page["items"]]
        cursor = page["next"]
    assert found == ["S0", "S1", "S2", "S3", "S4"]
    assert (await home.get(f"{S}?limits=2")).status == 400
    assert (await home.get(f"{S}?state=activated")).status == 400


async def test_a_group_grants_what_it_was_told_and_nothing_that_does_not_exist(home: House) -> None:
    groups = f"{M}/groups"
    await home.ask("POST", f"{S}/import", data="S1\nS2", headers={"Content-Type": "text/csv"})
    await home.ask("POST", groups, body={"id": "beta"})
    for body in ({"type": "sn", "member": ["S9"]}, {"type": "device", "member": ["S1"]}, {"type": "sn", "member": []}):
        refused = await home.ask("POST", f"{groups}/beta/members", body=body)
        assert refused.status in {404, 422, 400}, refused.text
    assert (await home.get(f"{groups}/beta")).json["members"] == []
    made = await home.ask("POST", f"{groups}/beta/members", body={"type": "sn", "member": "S1", "meta": "first"})
    assert [(each["member"], each["state"], each["expires"]) for each in made.json["members"]] == [("S1", "in", None)]
    await home.ask("POST", f"{groups}/beta/members", body={"type": "sn", "member": ["S1", "S2"], "expires": "1s"})
    home.office.world.clock.pass_(2)
    assert [each["state"] for each in (await home.get(f"{groups}/beta")).json["members"]] == ["over", "over"]


async def test_what_is_shown_once_is_not_given_again(home: House) -> None:
    again = {"Idempotency-Key": "k1"}
    first = await home.ask("POST", "/activation/vendors/acme/tokens", body={"id": "t"}, headers=again)
    second = await home.ask("POST", "/activation/vendors/acme/tokens", body={"id": "t"}, headers=again)
    assert (first.status, second.status) == (201, 201)
    assert first.json["token"].startswith("pvv1_")
    assert second.json["token"] == "***"


async def test_a_content_that_is_too_large_changes_nothing(home: House) -> None:
    await home.ask("POST", f"{M}/contents", body={"id": "image"})
    path, kind = f"{M}/contents/image/octets", {"Content-Type": "a/b"}
    sent = await home.ask("PUT", path, data=b"octets", headers=kind)
    assert (sent.json["size"], sent.json["type"]) == (6, "a/b")
    refused = await home.ask("PUT", path, data=bytes((4 << 20) + 1), headers=kind)
    assert (refused.status, refused.json["type"]) == (413, "too-large")
    assert (await home.get(f"{M}/contents/image")).json["sha256"] == sent.json["sha256"]


async def test_a_house_without_such_devices_has_no_such_routes() -> None:
    async with house() as home:
        assert (await home.get("/activation/vendors")).status == 404
