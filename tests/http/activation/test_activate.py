"""Devices at the door: conversations over real sockets, with a real database behind."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import pytest

from provd.base.facts.activation import (
    ThingActivated,
    ThingExpired,
    ThingKeyUsed,
    ThingRefused,
    ThingSilent,
    ThingThrottled,
)
from tests.http.activation.kit import DAY, FORM, World, world
from tests.http.kit import RawClient

HEAD = "POST /provision/activate HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
BODY = "vendor=acme&model=m1&sn=S1"


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path / "state") as found:
        await found.give("S1")
        yield found


async def test_a_device_gets_its_key_once(here: World) -> None:
    first = await here.activate()
    assert (first.status, first.segments) == (200, 1)
    assert re.fullmatch(rb"[0-9a-f]{40}", first.body)
    assert first.octets <= 198
    assert (first.headers["Content-Type"], first.headers["Content-Length"]) == ("text/plain; charset=utf-8", "40")
    second = await here.activate()
    assert (second.status, second.body) == (409, b"HTTP/1.1 409 Conflict\r\n")
    assert await here.state("S1") == "activated"
    told = [type(fact) for fact in here.facts if isinstance(fact, ThingActivated | ThingRefused)]
    assert told == [ThingActivated, ThingRefused]


@pytest.mark.parametrize("headers", ["Connection: close\r\n", "Connection: keep-alive\r\n", ""])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_the_whole_reply_fits_small_firmware_whatever_it_asks_for(
    here: World, headers: str, version: str
) -> None:
    head = HEAD.replace("HTTP/1.1", f"HTTP/{version}")
    (reply,) = await here.raw(f"{head}{headers}Content-Length: {len(BODY)}\r\n\r\n{BODY}".encode())
    assert (reply.status, reply.segments) == (200, 1)
    assert reply.octets <= 198


@pytest.mark.parametrize(
    ("vendor", "model", "sn", "status"),
    [
        ("ghost", "m1", "S1", 403),
        ("acme", "ghost", "S1", 403),
        ("acme", "m3", "S1", 403),
        ("ACME", "m1", "S1", 403),
        ("acme", "m1", "NOPE", 404),
        ("acme", "m2", "S1", 404),
        ("other", "m1", "S1", 404),
        ("acme", "m4", "0000000100", 409),
        ("acme", "m4", "100", 404),
        ("acme", "m1", "S1' or '1'='1", 404),
    ],
)
async def test_what_is_not_there(here: World, vendor: str, model: str, sn: str, status: int) -> None:
    reply = await here.activate(sn, vendor, model)
    assert reply.status == status
    assert reply.text.startswith(f"HTTP/1.1 {status} ")
    assert await here.state("S1") == "pending"


@pytest.mark.parametrize("state", ["unclaimed", "expired", "disabled", "activated"])
async def test_who_gets_no_key(here: World, state: str) -> None:
    await here.give("S2", state)
    assert (await here.activate("S2")).status == 409
    assert await here.state("S2") == state


async def test_the_window_is_half_open_and_time_never_runs_backwards(here: World) -> None:
    await here.give("S2")
    here.clock.time += DAY - 1
    assert (await here.activate("S1")).status == 200
    here.clock.time += 1
    assert (await here.activate("S2")).status == 409
    here.clock.time -= 7200
    assert (await here.activate("S2")).status == 409
    assert await here.state("S2") == "expired"


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
async def test_other_methods(here: World, method: str) -> None:
    reply = await here.ask(method, f"/provision/activate?{BODY}")
    assert (reply.status, reply.headers["Allow"]) == (405, "POST")
    assert await here.state("S1") == "pending"


async def test_method_size_type_and_form_are_looked_at_in_this_order(here: World) -> None:
    large, json = "x" * 5000, ("Content-Type", "application/json")
    assert (await here.ask("PUT", "/provision/activate", large, json)).status == 405
    assert (await here.ask("POST", "/provision/activate", large, json)).status == 413
    assert (await here.ask("POST", "/provision/activate", "{}", json)).status == 415
    assert (await here.ask("POST", "/provision/activate", "vendor=ghost", FORM)).status == 400
    assert (await here.activate("NOPE", "ghost")).status == 403


async def test_a_body_of_chunks_is_limited_as_well(here: World) -> None:
    chunk = "ff\r\n" + "x" * 255 + "\r\n"
    head = HEAD + "Transfer-Encoding: chunked\r\n\r\n"
    (reply,) = await here.raw((head + chunk * 17).encode())
    assert (reply.status, reply.headers["Connection"]) == (413, "close")
    (reply,) = await here.raw((head + f"1a\r\n{BODY}\r\n0\r\n\r\n").encode())
    assert reply.status == 200


async def test_a_body_that_does_not_come_whole_has_no_effect(here: World) -> None:
    replies = await here.raw(f"{HEAD}Content-Length: 60\r\n\r\n{BODY}".encode(), half_close=True)
    assert 200 not in {reply.status for reply in replies}
    assert await here.state("S1") == "pending"


async def test_who_waits_to_be_told_to_go_on_is_told(here: World) -> None:
    client = RawClient(*await asyncio.open_connection("127.0.0.1", here.port))
    client.send(f"{HEAD}Expect: 100-continue\r\nContent-Length: {len(BODY)}\r\n\r\n")
    assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.send(BODY)
    assert (await client.answer()).status == 200
    client.close()


async def test_one_connection_asks_twice(here: World) -> None:
    request = f"{HEAD}Content-Length: {len(BODY)}\r\n\r\n{BODY}"
    replies = await here.raw(f"{request}\r\n{request}".encode())
    assert [reply.status for reply in replies] == [200, 409]


async def test_one_of_a_hundred_at_once_wins_and_its_key_works(here: World) -> None:
    replies = await asyncio.gather(*(here.activate() for _ in range(100)))
    assert sorted(reply.status for reply in replies) == [200] + [409] * 99
    (key,) = [reply.text for reply in replies if reply.status == 200]
    assert (await here.download(key)).status == 200


async def test_what_the_store_does_not_take_can_be_tried_again(here: World) -> None:
    here.ledger.broken = True
    reply = await here.activate()
    assert (reply.status, reply.headers["Retry-After"]) == (503, "10")
    here.ledger.broken = False
    assert (await here.activate()).status == 200


async def test_a_key_of_the_devices_own_may_be_sent_again(here: World) -> None:
    mine, another = sha256(b"mine").hexdigest(), sha256(b"another").hexdigest()
    reply = await here.activate(more=f"&key_sha256={mine}")
    assert (reply.status, reply.body, reply.headers.get("Content-Length")) == (204, b"", None)
    assert (await here.activate(more=f"&key_sha256={mine}")).status == 204
    assert (await here.activate(more=f"&key_sha256={another}")).status == 409
    assert (await here.activate()).status == 409
    assert (await here.download("mine")).status == 200
    assert (await here.download("another")).status == 401


async def test_an_id_alone_names_its_product_in_the_host(here: World) -> None:
    await here.give("prod1/prod1/S1")
    host = ("Host", "prod1.m2.example.com")
    assert (await here.ask("POST", "/provision/activate", "id=S1", FORM, host)).status == 200
    assert (await here.ask("POST", "/provision/activate", "id=S1", FORM)).status == 403


async def test_a_key_opens_its_own_model_and_no_other(here: World) -> None:
    key = (await here.activate()).text
    assert (await here.download(key, "vendor=acme&model=m2")).status == 403
    assert (await here.download(key, "vendor=acme&model=m1&id=nope")).status == 404
    assert (await here.download(key, "vendor=acme")).status == 400
    assert (await here.download(key, "vendor=acme&model=m1&model=m1")).status == 400
    assert (await here.download(key, name="x-EXOSITE-cik")).status == 200
    assert (await here.download(f"Bearer {key}", name="Authorization")).status == 200
    assert (await here.download("0" * 40)).status == 401
    assert (await here.download("")).status == 401
    assert (await here.ask("POST", "/provision/download")).status == 405


async def test_the_first_use_of_a_key_is_noted_behind_the_answer(here: World) -> None:
    key = (await here.activate()).text
    waiting = [thing.sn for thing in await here.ledger.read(lambda book: book.unused(10))]
    assert waiting == ["S1"]
    assert (await here.download(key)).status == 200
    await here.heard(ThingKeyUsed)
    assert await here.ledger.read(lambda book: list(book.unused(10))) == []
    assert (await here.download(key)).status == 200
    assert sum(isinstance(fact, ThingKeyUsed) for fact in here.facts) == 1


async def test_what_came_of_nothing_is_told_once(here: World) -> None:
    await here.give("S2")
    await here.activate()
    await here.desk.look_round()
    assert not [fact for fact in here.facts if isinstance(fact, ThingSilent | ThingExpired)]
    here.clock.time += DAY
    for _ in range(2):
        await here.desk.look_round()
    told = [(type(fact), fact.sn) for fact in here.facts if isinstance(fact, ThingSilent | ThingExpired)]
    assert told == [(ThingExpired, "S2"), (ThingSilent, "S1")]


async def test_who_guesses_is_slowed_down_and_nobody_else(here: World) -> None:
    statuses = [(await here.activate(f"X{number}")).status for number in range(31)]
    assert statuses == [404] * 30 + [429]
    reply = await here.activate()
    assert (reply.status, reply.headers["Retry-After"]) == (429, "30")
    assert await here.state("S1") == "pending"
    await here.heard(ThingThrottled)
    here.clock.time += 60
    assert (await here.activate()).status == 200


async def test_asking_at_every_start_is_no_guessing(here: World) -> None:
    await here.activate()
    assert {(await here.activate()).status for _ in range(50)} == {409}


async def test_a_device_with_an_ended_key_may_activate_again_however_often_it_was_refused(here: World) -> None:
    assert {(await here.download("0" * 40)).status for _ in range(40)} == {401}
    assert (await here.activate()).status == 200


async def test_a_model_that_many_guess_at_is_open_to_who_does_not(here: World) -> None:
    limits = here.desk._failures
    now, pair = here.clock.now(), ("acme", "m1")
    for number in range(301):
        limits.count(f"10.0.{number % 20}.1", now, pair)
    assert limits.wait("10.0.0.1", now, pair) > 0
    assert limits.wait("10.0.0.1", now, ("acme", "m2")) == 0
    assert (await here.activate()).status == 200


async def test_files_of_phones_stay_where_they_are(here: World) -> None:
    for path in ("/provision/activate.cfg", "/provision/x/ip", "/provision/", "/provision/manage/models"):
        assert (await here.ask("GET", path)).status == 404
    assert len(here.files.asked) == 4


async def test_time_and_address(here: World) -> None:
    assert (await here.ask("GET", "/timestamp")).text == str(int(here.clock.now()))
    assert (await here.ask("GET", "/ip")).text == "127.0.0.1"
    assert (await here.ask("POST", "/ip")).status == 405
    assert (await here.ask("POST", "/timestamp")).status == 405
