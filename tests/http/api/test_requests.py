"""Requests in all forms: bodies, media types, revisions, keys, tokens and the words that answer them."""

from __future__ import annotations

import asyncio
import json
import zlib
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import ClientSession
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provd.base.facts.devices import AdminChanged, DeviceStateChanged
from provd.base.facts.dhcp import DhcpAck
from provd.base.secrets import Secret
from provd.base.types import Mac
from provd.domain.records import Line
from provd.http.api.guard import ATTEMPTS, PAUSE, source_of
from provd.http.api.reading import DEEPEST, LARGEST, too_deep
from provd.http.api.resources.daemon import MOST_STREAMS
from tests.app.fakes import BOLT, OTHER, PHONE, BrokenJournal, claimed
from tests.http.api.kit import NORTHS, NORTHS_CUSTOMER, SITE, SOUTHS, House, furniture, house

JSON = {"Content-Type": "application/json"}


def nested(levels: int, inner: str = "1") -> str:
    return '{"name":' + "[" * (levels - 1) + inner + "]" * (levels - 1) + "}"


# --- bodies


@pytest.mark.parametrize(
    ("body", "status", "slug", "reason"),
    [
        ("{", 400, "body", "Expecting"),
        ("[]", 400, "body", "not an object"),
        ('"x"', 400, "body", "not an object"),
        ('{"id":"a","id":"b"}', 400, "body", "occurs twice"),
        ('{"id":NaN}', 400, "body", "NaN"),
        ('{"id":1' + "0" * 5000 + "}", 400, "body", "digits"),
        (b'{"id":"\xff"}', 400, "body", "not UTF-8"),
        ("[" * 10_000, 400, "body", "nested more than 32 deep"),
        ('{"a":' * 10_000, 400, "body", "nested more than 32 deep"),
        ("[{" * 5_000, 400, "body", "nested more than 32 deep"),
        (nested(DEEPEST + 1), 400, "body", "nested more than 32 deep"),
        (nested(DEEPEST), 422, "invalid", "name: must be a text"),
        ('{"name":"' + "[" * 300 + '"}', 422, "invalid", "name: is longer than 255"),
        ("x" * (LARGEST + 1), 413, "too-large", "at most 1048576"),
        ("{}", 422, "invalid", "id: is needed"),
        ('{"id":"x","name":null}', 422, "invalid", "name: must not be null"),
        ('{"id":"x","name":"\\ud800"}', 422, "invalid", "name: must be printable"),
    ],
)
async def test_a_body_is_understood_in_one_way_or_not_at_all(body, status, slug, reason):
    async with house() as home:
        answer = await home.ask("POST", "/tenants", data=body, headers=JSON)
        assert (answer.status, answer.json["type"]) == (status, slug)
        assert reason in answer.json["detail"]


async def test_every_field_that_is_wrong_is_named():
    async with house() as home:
        body = {"id": "Not An Id", "port": -1, "transprot": "udp", "settings": {"vlan.id": 9999, "sip.sever": "x"}}
        answer = await home.ask("POST", "/lines", body=body)
        assert answer.status == 422
        named = {error["field"]: error["detail"] for error in answer.json["errors"]}
        assert set(named) == {"id", "port", "transprot", "vlan.id", "sip.sever"}
        assert "did you mean transport" in named["transprot"]
        assert "did you mean sip.server" in named["sip.sever"]
        csv = await home.ask(
            "POST", "/lines/import", data="id,port\na,1\nb,x\nA B,2\na,3", headers={"Content-Type": "text/csv"}
        )
        assert [error["field"] for error in csv.json["errors"]] == ["line 3", "line 4", "line 5"]
        listed = await home.get("/devices?limit=0&colour=red&sort=modle&state__like=x")
        assert (listed.status, listed.json["type"]) == (400, "usage")
        assert [error["field"] for error in listed.json["errors"]] == ["limit", "colour", "sort", "state__like"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/json; charset=latin-1"}, 415),
        ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, 415),
        ({"Content-Type": "application/json", "Accept": "text/html"}, 406),
        ({"Content-Type": "application/json", "Accept": "application/json;q=0, */*"}, 406),
        ({"Content-Type": "application/json", "Accept": "application/*;q=0.1"}, 201),
        ({"Content-Type": "application/json; charset=UTF-8", "Accept": "text/html, */*;q=0.1"}, 201),
    ],
)
async def test_media_types_are_kept_to(headers, status):
    async with house() as home:
        assert (await home.ask("POST", "/tenants", data='{"id":"new"}', headers=headers)).status == status


async def test_a_compressed_bomb_is_not_unpacked():
    async with house() as home:
        bomb = zlib.compress(b" " * 50_000_000)
        answer = await home.ask("POST", "/tenants", data=bomb, headers={**JSON, "Content-Encoding": "deflate"})
        assert answer.status == 415


@given(
    st.recursive(st.text('[]{}"\\', max_size=4), lambda inner: st.lists(inner, max_size=2), max_leaves=60)
    .map(json.dumps)
    .map(str.encode),
    st.integers(0, 40),
)
def test_depth_is_counted_as_a_parser_counts_it(body, more):
    body = b"[" * more + body + b"]" * more
    depth = deepest = 0
    quoted = escaped = False
    for octet in body:
        if quoted:
            quoted, escaped = escaped or octet != 0x22, not escaped and octet == 0x5C
        elif octet == 0x22:
            quoted = True
        elif octet in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif octet in b"]}":
            depth -= 1
    with suppress(ValueError):
        json.loads(body)
        assert too_deep(body) == (deepest > DEEPEST)


async def test_who_promises_a_body_where_none_belongs_is_not_waited_for():
    async with house() as home:
        reader, writer = await asyncio.open_connection("127.0.0.1", home.port)
        token = home.tokens["all.admin"]
        writer.write(
            b"DELETE /api/v1/lines/n1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n"
            b"Authorization: Bearer " + token.encode() + b"\r\n\r\n"
        )
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 400")
        writer.close()


async def test_a_token_that_is_revoked_while_the_body_comes_changes_nothing():
    async with house() as home:
        made = await home.office.admin.call("token.add", {"name": "t", "scopes": ["admin"]}, SITE)
        reader, writer = await asyncio.open_connection("127.0.0.1", home.port)
        writer.write(
            b"POST /api/v1/tenants HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: 14\r\nExpect: 100-continue\r\nAuthorization: Bearer "
            + made["token"].encode()
            + b"\r\n\r\n"
        )
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
        await home.office.admin.call("token.revoke", {"id": made["id"]}, SITE)
        writer.write(b'{"id": "late"}')
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 401")
        assert home.office.world.fleet.tables.tenant("late") is None
        writer.close()


# --- paths and methods


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/devices/", 404),
        ("GET", "/devices//files", 404),
        ("GET", f"/devices/{PHONE}/files/", 404),
        ("GET", "/lines/%2e%2e%2f", 404),
        ("GET", "/lines/%ff", 404),
        ("GET", "/lines/n1%00", 404),
        ("GET", "/devices/nonsense", 404),
        ("GET", f"/devices/{PHONE}/files/..%2f..%2fetc%2fpasswd", 404),
        ("GET", f"/devices/{PHONE}/files/acme.rom", 404),
        ("GET", f"/devices/{PHONE}?reveal=maybe", 400),
        ("GET", f"/devices/{PHONE}?colour=red", 400),
        ("GET", "/leases/999.1.1.1", 404),
        ("GET", "/plugins/nope", 404),
        ("POST", f"/devices/{PHONE}", 405),
        ("TRACE", "/devices", 405),
        ("OPTIONS", "/devices", 405),
    ],
)
async def test_what_is_not_there_is_said_to_be_not_there(method, path, status):
    async with house() as home:
        answer = await home.ask(method, path)
        assert answer.status == status
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert "Access-Control-Allow-Origin" not in answer.headers
        if status == 405:
            allowed = answer.headers["Allow"].split(", ")
            assert method not in allowed
            assert "HEAD" in allowed


async def test_a_mac_is_taken_in_any_form_and_head_is_get_without_the_body():
    async with house() as home:
        for form in ("02:AA:AA:00:00:01", "02-aa-aa-00-00-01", "02aa.aa00.0001", PHONE):
            assert (await home.get(f"/devices/{form}")).json["id"] == PHONE
        whole, head = await home.get(f"/devices/{PHONE}"), await home.ask("HEAD", f"/devices/{PHONE}")
        assert (head.status, head.octets) == (200, b"")
        assert head.headers["Content-Length"] == str(len(whole.octets))


async def test_a_host_that_is_not_ours_gets_nothing():
    async with house() as home:
        answer = await home.get("/devices", Host="evil.example")
        assert (answer.status, answer.json["type"]) == (421, "host")


# --- revisions


async def test_a_change_needs_the_revision_that_was_seen():
    async with house() as home:
        seen = await home.get("/lines/n1")
        tag = seen.headers["ETag"]
        assert (await home.ask("PATCH", "/lines/n1", body={"number": "7"})).json["type"] == "precondition"
        first = await home.ask("PATCH", "/lines/n1", body={"number": "7"}, headers={"If-Match": tag})
        assert (first.status, first.json["number"]) == (200, "7")
        assert first.headers["ETag"] != tag
        late = await home.ask("PATCH", "/lines/n1", body={"number": "8"}, headers={"If-Match": tag})
        assert (late.status, late.json["type"]) == (412, "stale")
        either = {"If-Match": f'"999", {first.headers["ETag"]}'}
        assert (await home.ask("DELETE", "/lines/n1", headers={"If-Match": tag})).status == 412
        assert (await home.ask("DELETE", "/lines/n1", headers=either)).status == 204


async def test_of_many_at_once_with_one_revision_one_wins():
    async with house() as home:
        tag = (await home.get("/tenants/north")).headers["ETag"]
        changes = [
            home.ask("PATCH", "/tenants/north", body={"name": f"n{i}"}, headers={"If-Match": tag}) for i in range(10)
        ]
        statuses = sorted(answer.status for answer in await asyncio.gather(*changes))
        assert statuses == [200] + [412] * 9


async def test_put_creates_replaces_and_is_idempotent():
    async with house() as home:
        path, body = "/lines/w1", {"tenant": "north", "number": "9", "settings": {"sip.server": "10.0.0.5"}}
        assert (await home.ask("PUT", path, body=body, headers={"If-Match": "*"})).status == 412
        made = await home.ask("PUT", path, body=body)
        assert (made.status, made.headers["Location"]) == (201, "/api/v1/lines/w1")
        tag = made.headers["ETag"]
        again = await home.ask("PUT", path, body=body, headers={"If-Match": tag})
        assert (again.status, again.headers["ETag"]) == (200, tag)
        whole = (await home.get(path)).json
        assert (await home.ask("PUT", path, body=whole, headers={"If-Match": tag})).headers["ETag"] == tag
        secret = (await home.get(f"{path}?reveal=true")).json["password"]
        bare = await home.ask("PUT", path, body={}, headers={"If-Match": "*"})
        assert (bare.json["number"], bare.json["settings"], bare.json["username"]) == ("", {}, "w1")
        assert (await home.get(f"{path}?reveal=true")).json["password"] == secret
        only_new = {"If-None-Match": "*", "If-Match": "*"}
        assert (await home.ask("PUT", path, body={}, headers=only_new)).status == 412
        moved = await home.ask("PUT", path, body={"tenant": "south"}, headers={"If-Match": "*"})
        assert (moved.status, moved.json["type"]) == (409, "conflict")


async def test_a_device_is_put_with_its_lines():
    async with house() as home:
        path = "/devices/02:aa:aa:00:00:aa"
        made = await home.ask("PUT", path, body={"tenant": "north", "model": "A1", "lines": ["n2"]})
        assert (made.status, made.json["lines"], made.json["state"]) == (201, ["n2"], "assigned")
        kept = await home.ask("PUT", path, body={"description": "x"}, headers={"If-Match": "*"})
        assert (kept.json["lines"], kept.json["description"], kept.json["model"]) == (["n2"], "x", "A1")
        bare = await home.ask("PUT", path, body={"lines": []}, headers={"If-Match": "*"})
        assert (bare.json["lines"], bare.json["state"], bare.json["description"]) == ([], "unclaimed", "")


async def test_to_be_seen_is_no_change():
    async with house() as home:
        before = (await home.get(f"/devices/{PHONE}")).headers["ETag"]
        home.office.world.dhcp(PHONE, "10.0.0.50")
        after = await home.get(f"/devices/{PHONE}")
        assert (after.json["ip"], after.headers["ETag"]) == ("10.0.0.50", before)


async def test_secrets_that_come_back_as_stars_stay_what_they_are():
    async with house() as home:
        seen = await home.get("/profiles/desk", "north.admin")
        assert seen.json["settings"] == {"admin.password": "***"}
        body = {**seen.json, "settings": {**seen.json["settings"], "vlan.id": 7}}
        put = await home.ask(
            "PUT", "/profiles/desk", "north.admin", body=body, headers={"If-Match": seen.headers["ETag"]}
        )
        assert put.status == 200
        kept = home.office.world.fleet.tables.profile("north:desk").settings
        assert (kept["admin.password"].reveal(), kept["vlan.id"]) == (NORTHS, 7)
        fresh = await home.ask("POST", "/lines", body={"id": "x", "tenant": "north", "password": "***"})
        assert fresh.status == 422


# --- the same request again


async def test_a_post_with_a_key_is_carried_out_once():
    async with house() as home:
        key = {"Idempotency-Key": "k1"}
        both = await asyncio.gather(
            *(home.ask("POST", "/tenants", body={"id": "new"}, headers=key) for _ in range(2)),
        )
        assert [answer.status for answer in both] == [201, 201]
        assert sorted("Idempotency-Replayed" in answer.headers for answer in both) == [False, True]
        other = await home.ask("POST", "/tenants", body={"id": "newer"}, headers=key)
        assert (other.status, other.json["type"]) == (422, "idempotency-mismatch")
        assert (await home.ask("POST", "/tenants", body={"id": "new"}, headers={"Idempotency-Key": "k2"})).status == 409
        strangers = await home.ask("POST", "/lines", "north.write", body={"id": "l"}, headers=key)
        assert strangers.status == 201
        assert (
            await home.ask("POST", "/tenants", body={"id": "x"}, headers={"Idempotency-Key": "é" * 3})
        ).status == 400


async def test_a_secret_is_not_shown_again_by_its_key_and_an_error_may_be_tried_again():
    async with house() as home:
        key = {"Idempotency-Key": "k1"}
        first = await home.ask("POST", "/tokens", body={"name": "t"}, headers=key)
        again = await home.ask("POST", "/tokens", body={"name": "t"}, headers=key)
        assert first.json["token"].startswith("pv1_")
        assert again.json == {**first.json, "token": "***"}
        code = {"Idempotency-Key": "k2"}
        made = await home.ask("POST", "/codes", body={"line": "n1"}, headers=code)
        assert made.json["code"].isdigit()
        assert (await home.ask("POST", "/codes", body={"line": "n1"}, headers=code)).json["code"] == "***"
        retry = {"Idempotency-Key": "k3"}
        assert (await home.ask("POST", "/lines", body={"id": "z", "tenant": "later"}, headers=retry)).status == 404
        await home.ask("POST", "/tenants", body={"id": "later"})
        assert (await home.ask("POST", "/lines", body={"id": "z", "tenant": "later"}, headers=retry)).status == 201


# --- tokens


async def test_a_token_works_until_it_is_revoked_and_not_a_request_longer():
    async with house() as home:
        made = (await home.ask("POST", "/tokens", body={"name": "t", "scopes": ["write"]})).json
        assert (await home.get("/devices", made["token"])).status == 200
        assert (await home.ask("DELETE", f"/tokens/{made['id']}")).status == 204
        refused = await home.get("/devices", made["token"])
        assert refused.status == 401
        assert refused.headers["WWW-Authenticate"].startswith('Bearer realm="provd", error="invalid_token"')
        assert made["token"] not in str(home.facts)
        nobody = await home.get("/devices", "")
        assert nobody.headers["WWW-Authenticate"] == 'Bearer realm="provd"'
        basic = await home.get("/devices", "", Authorization="Basic eDp5")
        assert basic.status == 401


async def test_who_shows_wrong_tokens_is_slowed_down_and_honest_ones_beside_him_are_not():
    async with house() as home:
        statuses = [(await home.get("/devices", "wrong")).status for _ in range(ATTEMPTS + 3)]
        assert statuses == [401] * ATTEMPTS + [429] * 3
        slow = await home.get("/devices", "wrong")
        assert 1 <= int(slow.headers["Retry-After"]) <= PAUSE
        assert (await home.get("/devices")).status == 200
        assert [fact.count for fact in home.facts if fact.ID == "API-REFUSED"] == [1]
        home.office.world.clock.pass_(PAUSE)
        assert (await home.get("/devices", "wrong")).status == 401
    assert source_of("2001:db8::1") == source_of("2001:db8::ffff") != source_of("2001:db8:0:1::1")
    assert source_of("::ffff:192.0.2.1") == "192.0.2.1"


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_ten_thousand_refusals_leave_no_descriptor_behind():
    async with house() as home:
        assert (await home.get("/devices", "")).status == 401
        before = descriptors()
        request = b"GET /api/v1/devices HTTP/1.1\r\nHost: localhost\r\n\r\n"
        for _ in range(20):
            reader, writer = await asyncio.open_connection("127.0.0.1", home.port)
            writer.write(request * 500)
            for _ in range(500):
                head = await reader.readuntil(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 401")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                await reader.readexactly(length)
            writer.close()
            await writer.wait_closed()
        assert (await home.get("/devices")).status == 200
        assert descriptors() <= before + 1


# --- secrets


async def test_no_answer_shows_a_secret_that_was_not_asked_for():
    async with house() as home:
        await home.ask("POST", f"/devices/{OTHER}/assign", body={"line": ["s1"]})
        for route in home.api.registry:
            if route.method != "GET" or route.streams:
                continue
            for name in (PHONE, OTHER, "n1", "s1", "north", "south:desk", "north:desk", "site", home.code):
                path = route.path.replace("{id}", name).replace("{name}", f"{name}.cfg")
                for token in ("all.write", "north.admin", "south.admin"):
                    text = (await home.get(path, token)).text
                    assert NORTHS not in text, path
                    assert SOUTHS not in text, path
                    assert token != "south.admin" or NORTHS_CUSTOMER not in text, path


async def test_to_reveal_needs_the_strongest_scope_and_stands_in_the_audit():
    async with house() as home:
        for path in ("/lines/n1?reveal=true", f"/devices/{PHONE}/files/{PHONE}.cfg?reveal=true"):
            assert (await home.get(path, "north.write")).status == 403
            assert (await home.get(path, "south.admin")).status == 404
            shown = await home.get(path, "north.admin")
            assert NORTHS in shown.text
        audit = (await home.get("/audit", "north.admin")).json["items"]
        assert [entry["action"] for entry in audit] == ["device.reveal", "line.reveal"]
        assert all(entry["by"].startswith("token ") and "north.admin" in entry["by"] for entry in audit)
        assert {entry["data"]["peer"] for entry in audit} == {"127.0.0.1"}
        assert (await home.get("/audit", "south.admin")).json["items"] == []


async def test_a_file_as_a_device_of_some_model_would_get_it():
    async with house() as home:
        path = "/models/acme:a1/render"
        body = {"line": ["n1"], "firmware": "1.2.3", "settings": {"sip.server": "pbx.example"}}
        made = await home.ask("POST", path, "north.write", body=body)
        assert (made.status, made.json["plugin"], made.json["name"]) == (200, "acme", "00005e005300.cfg")
        assert "***" in made.json["text"]
        assert NORTHS not in made.json["text"]
        assert (await home.ask("POST", path, "north.write", body={})).status == 200
        assert (await home.ask("POST", path, "north.write", body={"settings": {"sip.prot": 1}})).status == 422
        assert (await home.ask("POST", path, "north.read", body={})).status == 403
        assert (await home.ask("POST", "/models/acme:none/render", "north.write", body={})).status == 404


async def test_the_audit_is_each_tenant_s_own_and_has_pages():
    async with house() as home:
        for number in range(3):
            await home.ask("POST", "/lines", "north.write", body={"id": f"l{number}"})
            await home.ask("POST", "/lines", "south.write", body={"id": f"l{number}"})
        first = (await home.get("/audit?limit=2&kind=line", "north.admin")).json
        assert [entry["object"] for entry in first["items"]] == ["l2", "l1"]
        rest = (await home.get(f"/audit?limit=2&kind=line&cursor={first['next']}", "north.admin")).json
        assert ([entry["object"] for entry in rest["items"]], rest["next"]) == (["l0"], None)
        everything = (await home.get("/audit?kind=line")).json["items"]
        assert len(everything) == 6
        assert (await home.get("/audit?limit=0")).status == 400


async def test_of_a_shared_gateway_each_tenant_sees_its_ports_and_its_files_are_for_the_site():
    gateway = replace(claimed(Mac("02aaaa0000cc")), lines=("n2", "s2"), ports=(1, 2), description="north's cellar")
    line = Line(id="s2", tenant="south", username="s2", password=Secret(SOUTHS))
    async with house(*furniture(), line, gateway) as home:
        path = f"/devices/{gateway.mac}"
        own, guest = await home.get(path, "north.admin"), await home.get(path, "south.admin")
        assert (own.json["lines"], own.json["ports"]) == (["n2"], [1])
        assert (guest.json["lines"], guest.json["ports"], guest.json["description"]) == (["s2"], [2], "")
        assert (await home.get("/devices?lines=s2", "north.admin")).json["total"] == 0
        for query in ("", "?reveal=true"):
            assert (await home.get(f"{path}/files/{gateway.mac}.cfg{query}", "north.admin")).status == 403
            assert (await home.get(f"{path}/files/{gateway.mac}.cfg{query}", "south.admin")).status == 404
            assert (await home.get(f"{path}/files/{gateway.mac}.cfg{query}")).status == 200
        # The token in the device's URL opens the same file.
        assert (await home.get(f"{path}?reveal=true", "north.admin")).status == 403
        assert (await home.get(f"{path}?reveal=true")).status == 200
        for word in ("reset", "transfer"):
            sent = {"tenant": "south"} if word == "transfer" else {}
            assert (await home.ask("POST", f"{path}/{word}", "south.admin", body=sent)).status == 404
        gone = await home.ask("POST", f"{path}/unassign", "south.write", body={})
        assert gone.status == 200
        assert home.office.world.device(gateway.mac).lines == ("n2",)


# --- the rest of the daemon


async def test_a_device_s_timeline_begins_where_it_became_the_tenant_s():
    async with house() as home:
        facts = [
            DhcpAck(at=1.0, mac=PHONE, boot="b1", ip="10.0.0.9", subnet="x", seconds=60),
            DeviceStateChanged(at=2.0, mac=PHONE, boot="b1", was="seen", now="assigned", tenant="south"),
            AdminChanged(
                at=3.0, mac=PHONE, boot="b2", action="device.transfer", kind="device", object=PHONE, tenant="north"
            ),
            DhcpAck(at=4.5, mac=PHONE, boot="b2", ip="10.0.0.9", subnet="x", seconds=60),
        ]
        home.daemon.timeline(facts)
        site = (await home.get(f"/devices/{PHONE}/timeline")).json["items"]
        own = (await home.get(f"/devices/{PHONE}/timeline", "north.read")).json["items"]
        assert [len(boot["steps"]) for boot in site] == [2, 2]
        assert [boot["id"] for boot in own] == ["b2"]
        assert own[0]["steps"][1]["gap"] == 1.5


async def test_a_dialed_code_is_answered_with_its_outcome():
    async with house() as home:
        answer = await home.ask("POST", "/dial", "all.write", body={"code": "123456", "mac": BOLT, "ip": "10.0.0.9"})
        assert (answer.status, answer.json["outcome"], answer.json["accepted"]) == (200, "accepted", True)
        assert (home.daemon.dialed[0].digits, home.daemon.dialed[0].mac, home.daemon.dialed[0].via) == (
            "123456",
            BOLT,
            "rest",
        )
        home.daemon.outcome = type(home.daemon.outcome).UNKNOWN
        wrong = await home.ask("POST", "/dial", "all.write", body={"code": "1"})
        assert (wrong.status, wrong.json["outcome"], wrong.json["accepted"]) == (200, "unknown", False)
        home.daemon.dial = None
        assert (await home.ask("POST", "/dial", body={"code": "1"})).status == 503


async def test_a_configuration_that_does_not_do_is_told_with_its_place():
    async with house() as home:
        home.daemon.broken_config = True
        answer = await home.ask("POST", "/reload")
        assert (answer.status, answer.json["type"]) == (422, "config")
        assert answer.json["detail"].startswith("provd.toml:3")


async def test_a_store_that_does_not_take_it_is_no_defect():
    async with house(journal=BrokenJournal) as home:
        answer = await home.ask("POST", "/tenants", body={"id": "new"})
        assert (answer.status, answer.json["type"]) == (503, "storage")


async def test_a_defect_is_told_and_its_text_is_not_shown():
    async with house() as home:

        def broken() -> None:
            raise RuntimeError("/secret/path")

        home.daemon.status = broken
        answer = await home.get("/status")
        assert (answer.status, answer.json["detail"]) == (500, "RuntimeError")
        assert [fact.ID for fact in home.facts if fact.ID == "INTERNAL-ERROR"] == ["INTERNAL-ERROR"]


async def test_events_are_heard_by_whom_they_concern_until_the_token_ends():
    async with house() as home, ClientSession() as session:
        url = f"http://127.0.0.1:{home.port}/api/v1/events"
        made = await home.office.admin.call("token.add", {"name": "t", "tenant": "north"}, SITE)
        async with session.get(url, headers={"Authorization": f"Bearer {made['token']}"}) as stream:
            assert stream.headers["Content-Type"] == "text/event-stream"
            assert (await stream.content.readuntil(b"\n\n")) == b": here\n\n"
            for mac, name in ((OTHER, "s"), (PHONE, "n")):
                home.daemon.tail([DhcpAck(at=1.0, mac=mac, ip="10.0.0.9", subnet=name, seconds=60)])
            event = await stream.content.readuntil(b"\n\n")
            assert b'"subnet":"n"' in event
            await home.office.admin.call("token.revoke", {"id": made["id"]}, SITE)
            assert await stream.content.read() == b""


async def test_streams_are_bounded_and_cannot_be_asked_for_without_a_body():
    async with house() as home, AsyncExitStack() as held:
        url = f"http://127.0.0.1:{home.port}/api/v1/events"
        head = await home.ask("HEAD", "/events")
        assert (head.status, head.headers["Allow"]) == (405, "GET")
        auth = {"Authorization": f"Bearer {home.tokens['all.read']}"}
        for _ in range(MOST_STREAMS):
            stream = await held.enter_async_context(home.session.get(url, headers=auth))
            assert await stream.content.readuntil(b"\n\n") == b": here\n\n"
        full = await home.get("/events")
        assert (full.status, full.json["type"]) == (503, "too-many-streams")


# --- whatever comes

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)


async def _try(home: House, name: str, body: dict[str, object], query: str, token: str) -> None:
    route = next(route for route in home.api.registry if route.name == name)
    path = route.path.replace("{id}", "n1" if "lines" in route.path else PHONE).replace("{name}", f"{PHONE}.cfg")
    answer = await home.ask(route.method, path + query, token, body=body, headers={"If-Match": "*"})
    assert answer.status != 500, (name, body, answer.text)
    assert not [fact for fact in home.facts if fact.ID == "INTERNAL-ERROR"]


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_no_body_is_a_surprise(data):
    async def several() -> None:
        async with house() as home:
            writing = [route for route in home.api.registry if route.body is not None and route.name != "reload.do"]
            for _ in range(15):
                route = data.draw(st.sampled_from(writing))
                names = st.sampled_from([param.name for param in route.body]) if route.body else st.just("x")
                body = data.draw(st.dictionaries(names | st.text(max_size=8), VALUES, max_size=5))
                token = data.draw(st.sampled_from(["all.admin", "north.admin", "south.write"]))
                with suppress(UnicodeEncodeError):
                    await _try(home, route.name, body, "", token)

    asyncio.run(several())


@pytest.mark.parametrize("path", ["/devices/a%0Ab", "/devices/%0A/metadata", "/%0A"])
async def test_a_line_end_in_a_path_is_answered_here_too(path):
    async with house() as home:
        answer = await home.get(path)
        assert (answer.status in {400, 404}, answer.headers["Content-Type"]) == (True, "application/problem+json")


async def test_a_template_of_which_somebody_else_was_the_last_to_write_is_not_taken_away():
    async with house() as home:
        place = "/models/acme:a1/templates/device.j2"
        shas = [
            (await home.ask("PUT", place, "all.admin", body={"text": text})).json["sha256"]
            for text in ("mine\n", "his\n")
        ]
        late = await home.ask("DELETE", f"{place}?expect={shas[0]}", "all.admin")
        assert late.status == 412
        assert "device.j2 was changed by" in late.json["detail"]
        assert (await home.get(place)).json["text"] == "his\n"
        assert (await home.ask("DELETE", f"{place}?expect={shas[1]}", "all.admin")).status == 204
