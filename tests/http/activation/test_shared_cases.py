"""Black-box cases that lie beside the repository, replayed against the listeners and a real database."""

from __future__ import annotations

import asyncio
import json
import re
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from provd.base.facts.activation import ThingActivated
from tests.conftest import shared_folder
from tests.http.activation.kit import Reply, World, world

SHARED = shared_folder()
FILE = SHARED / "data" / "activation_cases.json" if SHARED else None
CASES: list[dict[str, Any]] = json.loads(FILE.read_text())["cases"] if FILE and FILE.exists() else []

pytestmark = [pytest.mark.shared, pytest.mark.skipif(not CASES, reason="no material beside the repository")]


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
async def test_case(case: dict[str, Any], tmp_path: Path) -> None:
    async with world(tmp_path / "state") as here:
        for each in case["given"]:
            await here.give(each["sn"], each["state"])
        saved = {"token": "acme-token"}
        for step in case["steps"]:
            await play(here, step, saved)


async def play(here: World, step: dict[str, Any], saved: dict[str, str]) -> None:
    match step["do"]:
        case "http":
            reply = await send(here, step, saved)
            check(reply, step["expect"])
            if "save" in step:
                saved[step["save"]] = reply.text
        case "raw":
            await raw(here, step)
        case "state":
            assert await here.state(step["sn"]) == step["is"]
        case "parallel":
            asked = (send(here, step["request"], saved) for _ in range(step["n"]))
            count(await asyncio.gather(*asked), step, saved)
        case "parallel_each":
            count(await asyncio.gather(*(here.activate(sn) for sn in step["sns"])), step, saved)
        case "differ":
            assert saved[step["a"]] != saved[step["b"]]
        case _:
            await happen(here, step)


async def happen(here: World, step: dict[str, Any]) -> None:
    """What is no request."""
    match step["do"]:
        case "clock":
            here.clock.time += step["advance"]
        case "fault":
            here.ledger.broken = step["on"]
        case "settle":
            await here.heard(ThingActivated)
        case other:
            raise AssertionError(other)


async def send(here: World, step: dict[str, Any], saved: dict[str, str]) -> Reply:
    headers = [
        (name, re.sub(r"\$\{(\w+)\}", lambda found: saved[found[1]], value)) for name, value in step.get("headers", ())
    ]
    body = step["body"] if "body" in step else urlencode([tuple(pair) for pair in step.get("form", ())])
    return await here.ask(step["method"], step["path"], body, *headers, http=step.get("http", "1.1"))


def filled(text: str, saved: dict[str, str]) -> str:
    return re.sub(r"\$\{(\w+)\}", lambda found: saved[found[1]], text)


def check(reply: Reply, expect: dict[str, Any]) -> None:
    if "status" in expect:
        assert reply.status == expect["status"]
    match expect.get("body"):
        case "KEY":
            assert re.fullmatch(rb"[0-9a-f]{40}", reply.body)
        case "STATUSLINE":
            assert reply.text == f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}\r\n"
    assert reply.octets <= expect.get("max_bytes", 10**9)
    assert expect.get("headers", {}).items() <= reply.headers.items()
    assert not set(expect.get("absent", ())) & set(reply.headers)
    if "body_regex" in expect:
        assert re.search(expect["body_regex"], reply.text)
    if "lines" in expect:
        assert len(reply.text.splitlines()) == expect["lines"]
    if expect.get("close"):
        assert reply.headers.get("Connection") == "close"


async def raw(here: World, step: dict[str, Any]) -> None:
    expect, octets = step["expect"], step["send"].encode("latin-1")
    if step.get("no_read"):
        _reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        writer.write(octets)
        await writer.drain()
        writer.close()
        return
    replies = await here.raw(octets, split=step.get("split") == "lines", half_close=step.get("half_close", False))
    if "no_status" in expect:
        assert not {reply.status for reply in replies} & set(expect["no_status"])
    elif isinstance(expect.get("status"), list):
        assert [reply.status for reply in replies] == expect["status"]
    else:
        check(replies[0], expect)
        assert not expect.get("one_segment") or replies[0].segments == 1


def count(replies: list[Reply], step: dict[str, Any], saved: dict[str, str]) -> None:
    counts: dict[str, int] = {}
    for reply in replies:
        counts[str(reply.status)] = counts.get(str(reply.status), 0) + 1
    assert counts == step["expect"]["counts"]
    keys = [reply.text for reply in replies if reply.status == 200]
    if "distinct_keys" in step["expect"]:
        assert len(set(keys)) == step["expect"]["distinct_keys"]
    if "save" in step:
        (saved[step["save"]],) = keys
