from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress

import pytest

from provd.plugin.phone import Failed, Fetched, NotFound
from provd.simulate.http_client import http_get


@asynccontextmanager
async def answering(answer: bytes, *, stay: bool = False):
    """A server that says ``answer`` to whatever it is asked; gives its base URL and the list of requests."""
    requests: list[bytes] = []
    handlers: list[asyncio.Task[None]] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handlers.append(asyncio.current_task())
        requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        await writer.drain()
        if stay:
            await reader.read()
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", requests
    await asyncio.gather(*handlers)


async def test_the_request_is_what_was_asked_for():
    async with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbodymore", stay=True) as (base, requests):
        host = base.removeprefix("http://")
        answer = await http_get(f"http://anna:pw@{host}//a/b.cfg?mac=x", {"User-Agent": "phone"}, source="127.0.0.9")
    assert answer == Fetched(b"body")
    assert requests == [
        f"GET //a/b.cfg?mac=x HTTP/1.1\r\nHost: {host}\r\nAuthorization: Basic YW5uYTpwdw==\r\n"
        "User-Agent: phone\r\nConnection: close\r\n\r\n".encode()
    ]


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", NotFound()),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", Failed("status 403")),
        (b"HTTP/1.1 301 Moved\r\nLocation: /x\r\n\r\n", Failed("status 301")),
        (b"HTTP/1.0 200 OK\r\n\r\nall", Fetched(b"all", 200, ("no Content-Length",))),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
            Fetched(b"abcde", 200, ("Transfer-Encoding: chunked",)),
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nz",
            Fetched(b"z", 200, ("Content-Encoding: gzip",), "gzip"),
        ),
        (b"SSH-2.0-x\r\n\r\n", Failed("not a status line: 'SSH-2.0-x'")),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", Failed("a body of 99999999999 octets")),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", Failed("not a chunk size: b'zz'")),
    ],
)
async def test_answers(answer, result):
    async with answering(answer) as (base, _):
        assert await http_get(f"{base}/x", {}) == result


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"])
async def test_an_answer_that_ends_early_is_a_failure(answer):
    async with answering(answer) as (base, _):
        assert isinstance(await http_get(f"{base}/x", {}), Failed)


async def test_a_silent_server_is_a_failure():
    async with answering(b"HTTP/1.1 200 OK\r\n", stay=True) as (base, _):
        assert await http_get(f"{base}/x", {}, patience=0.1) == Failed("no answer within 0 s")


async def test_nobody_there_is_a_failure_and_a_foreign_source_an_error():
    async with answering(b"") as (base, _):
        with pytest.raises(OSError, match="bind on address"):
            await http_get(base, {}, source="192.0.2.1")
    assert isinstance(await http_get(base, {}), Failed)
    assert isinstance(await http_get("http://127.0.0.1:99999/", {}), Failed)
