"""Letters by HTTP: what a peer may do wrong, and how a receiver knows that they are ours."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import ipaddress
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from provd.base.secrets import Secret
from provd.domain.hooks import DELIVERED, Heard, Letter
from provd.outbound.hooks import Endpoint, HookSender
from provd.outbound.web import Permit
from tests.app.fakes import FakeClock
from tests.kit.patience import PATIENCE
from tests.outbound.test_web import LOOPBACK, Elsewhere

LETTER = Letter(seq=4, hook="h", id="5e1f", fact="DEVICE-PROVISIONED", at=1_700_000_000.0, body='{"data":{"n":1}}')
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def request_of(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    return head, await reader.readexactly(length)


@asynccontextmanager
async def peer(talk: Talk, **more: object) -> AsyncIterator[HookSender]:
    """A sender whose endpoint ``h`` speaks as ``talk`` does."""

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(served, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    about = {"name": "h", "url": f"http://127.0.0.1:{port}/hook?k=1", "permit": Permit(LOOPBACK)}
    seconds = float(more.pop("seconds", PATIENCE))
    sender = HookSender([Endpoint(**(about | more))], FakeClock(1_700_000_100.0), seconds=seconds)
    try:
        yield sender
    finally:
        await sender.close()
        server.close()
        await server.wait_closed()


def saying(octets: bytes) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(octets)
        await writer.drain()

    return talk


def verified(header: str, body: bytes, secret: bytes, now: float) -> bool:
    """What the guide advises a receiver to do."""
    parts = dict(part.split("=", 1) for part in header.split(","))
    wanted = hmac.new(secret, parts["t"].encode() + b"." + body, hashlib.sha256).hexdigest()
    return abs(now - int(parts["t"])) <= 300 and hmac.compare_digest(wanted, parts["v1"])


async def test_a_letter_says_what_it_is_and_who_sent_it() -> None:
    asked: list[tuple[bytes, bytes]] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            asked.append(await request_of(reader))
            writer.write(OK)

    async with peer(talk, secret=Secret("s3cret"), token=Secret("Bearer t0ken")) as sender:
        assert await sender.send("h", LETTER) == DELIVERED
        assert await sender.send("h", LETTER) == DELIVERED
    head, body = asked[0]
    lines = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:] if line)
    assert head.startswith(b"POST /hook?k=1 HTTP/1.1\r\n")
    assert (lines["Provd-Event"], lines["Provd-Delivery"], lines["Idempotency-Key"]) == (LETTER.fact, "5e1f", "5e1f")
    assert lines["Authorization"] == "Bearer t0ken"
    assert json.loads(body) == {
        "id": "5e1f",
        "event": "DEVICE-PROVISIONED",
        "at": "2023-11-14T22:13:20.000+00:00",
        "data": {"n": 1},
    }
    assert verified(lines["Provd-Signature"], body, b"s3cret", 1_700_000_100.0)
    assert not verified(lines["Provd-Signature"], body + b" ", b"s3cret", 1_700_000_100.0)
    assert not verified(lines["Provd-Signature"], body, b"other", 1_700_000_100.0)
    assert not verified(lines["Provd-Signature"], body, b"s3cret", 1_700_001_000.0), "too old: somebody repeats it"
    assert asked[1] == asked[0]


@pytest.mark.parametrize(
    ("octets", "heard"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", DELIVERED),
        (b"HTTP/1.1 202 Accepted\r\nContent-Length: 2000000000\r\n\r\nnever", DELIVERED),
        (
            b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/admin\r\nContent-Length: 0\r\n\r\n",
            "it sends us elsewhere",
        ),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "it answers 404"),
        (b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", "it answers 500"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "127.0.0.1: "),
        (b"", "127.0.0.1: "),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", "127.0.0.1: "),
    ],
)
async def test_only_a_good_status_means_that_it_has_it(octets: bytes, heard: object) -> None:
    async with peer(saying(octets)) as sender:
        found = await sender.send("h", LETTER)
    if isinstance(heard, Heard):
        assert found == heard
    else:
        assert str(heard) in found.reason
        assert not found.hopeless


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_what_is_wrong_with_the_letter_itself_is_hopeless(status: int) -> None:
    async with peer(saying(f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n".encode())) as sender:
        assert (await sender.send("h", LETTER)).hopeless


@pytest.mark.parametrize(
    ("status", "said", "after"),
    [
        (429, "30", 30.0),
        (503, "Tue, 14 Nov 2023 22:16:00 GMT", 60.0),
        (503, "soon", 0.0),
        (503, "Tue, 14 Nov 2000 22:16:00 GMT", 0.0),
        (500, "30", 0.0),
    ],
)
async def test_a_wish_to_be_left_alone_is_respected(status: int, said: str, after: float) -> None:
    octets = f"HTTP/1.1 {status} Later\r\nRetry-After: {said}\r\nContent-Length: 0\r\n\r\n".encode()
    async with peer(saying(octets)) as sender:
        assert (await sender.send("h", LETTER)).after == after


async def test_one_that_says_nothing_is_not_waited_for() -> None:
    gone = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):  # on a busy machine we hang up before
            await request_of(reader)
        assert await reader.read() == b"", "we hang up"
        gone.set()

    async with peer(talk, seconds=0.2) as sender:
        assert (await sender.send("h", LETTER)).reason == "127.0.0.1 does not answer in time"
        await asyncio.wait_for(gone.wait(), PATIENCE)


async def test_addresses_that_nobody_listed_are_not_asked() -> None:
    async with peer(saying(OK), permit=Permit(setting="webhook.allow")) as sender:
        assert "not permitted: see webhook.allow" in (await sender.send("h", LETTER)).reason
    inside = Endpoint(
        name="h", url="http://metadata.example/", permit=Permit((ipaddress.ip_network("10.1.0.0/16"),), "webhook.allow")
    )
    sender = HookSender([inside], FakeClock(), resolver=lambda: Elsewhere("169.254.169.254"))
    assert "webhook.allow" in (await sender.send("h", LETTER)).reason
    await sender.close()


async def test_without_its_secret_nothing_is_sent() -> None:
    sender = HookSender([], FakeClock())
    assert (await sender.send("h", LETTER)).reason == "its secret cannot be read"
    await sender.close()
