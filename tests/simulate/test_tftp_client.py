from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import Any

import pytest

from provd.plugin.phone import Failed, Fetched, NotFound
from provd.simulate.tftp_client import tftp_get

ERROR_1 = b"\0\5\0\1File not found\0"


class Script(asyncio.DatagramProtocol):
    """Answers the n-th packet it gets with the n-th list of packets."""

    def __init__(self, answers: list[list[bytes]]) -> None:
        self.answers = answers
        self.heard: list[bytes] = []

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.heard.append(data)
        for packet in self.answers.pop(0) if self.answers else []:
            self.transport.sendto(packet, addr)


@asynccontextmanager
async def server(*answers: list[bytes]):
    loop = asyncio.get_running_loop()
    transport, script = await loop.create_datagram_endpoint(lambda: Script(list(answers)), local_addr=("127.0.0.1", 0))
    try:
        yield transport.get_extra_info("sockname")[1], script
    finally:
        transport.close()


def data(block: int, payload: bytes) -> bytes:
    return b"\0\3" + block.to_bytes(2, "big") + payload


async def test_a_plain_read():
    full = b"x" * 512
    async with server([data(1, full)], [data(2, b"end")]) as (port, script):
        assert await tftp_get("127.0.0.1", "/spa504G.cfg", port=port) == Fetched(full + b"end")
        await asyncio.sleep(0.01)
    assert script.heard == [b"\0\1/spa504G.cfg\0octet\0", b"\0\4\0\1", b"\0\4\0\2"]


async def test_options_are_asked_for_and_agreed():
    oack = b"\0\6BLKSIZE\x008\0tsize\x0011\0"
    async with server([oack], [data(1, b"12345678")], [data(2, b"abc")]) as (port, script):
        assert await tftp_get("127.0.0.1", "a", port=port, blksize=8, tsize=True) == Fetched(b"12345678abc")
    assert script.heard[:2] == [b"\0\1a\0octet\0blksize\x008\0tsize\x000\0", b"\0\4\0\0"]


async def test_a_server_without_options_just_sends():
    async with server([data(1, b"abc")]) as (port, _):
        assert await tftp_get("127.0.0.1", "a", port=port, blksize=1400) == Fetched(b"abc")


async def test_an_option_acknowledgement_without_blksize_means_512():
    async with server([b"\0\6tsize\x003\0"], [data(1, b"abc")]) as (port, _):
        assert await tftp_get("127.0.0.1", "a", port=port, blksize=8, tsize=True) == Fetched(b"abc")


async def test_lost_packets_are_asked_for_again_and_duplicates_ignored():
    full = b"x" * 512
    answers = ([], [data(1, full), data(1, full)], [], [data(1, full), data(2, b"end")])
    async with server(*answers) as (port, script):
        assert await tftp_get("127.0.0.1", "a", port=port, patience=2) == Fetched(full + b"end")
    assert script.heard[:4] == [b"\0\1a\0octet\0"] * 2 + [b"\0\4\0\1"] * 2


@pytest.mark.parametrize(
    ("packets", "result"),
    [
        ([ERROR_1], NotFound()),
        ([b"\0\5\0\2Access violation\0"], Failed("TFTP error 2: Access violation")),
        ([b"\0\6blksize\x009\0"], Failed("blksize '9' was acknowledged, 8 was asked for")),
        ([data(1, b"x" * 600)], Failed("block 1 has 600 octets, agreed were 512")),
        ([b"x", b"\0\4\0\1", data(7, b"other")], Failed("no answer after 6 tries")),
    ],
)
async def test_refusals_and_nonsense(packets, result):
    async with server(packets) as (port, _):
        assert await tftp_get("127.0.0.1", "a", port=port, blksize=8, patience=0.5) == result


async def test_a_foreign_source_is_an_error():
    with pytest.raises(OSError, match="assign requested address"):
        await tftp_get("127.0.0.1", "a", source="192.0.2.1")
