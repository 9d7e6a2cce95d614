"""TFTP as a phone reads it (RFC 1350), with the options of RFC 2347 to 2349 where they are wanted."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Final

from provd.base.errors import WireError
from provd.plugin.phone import Failed, Fetched, NotFound

LARGEST: Final = 64 << 20
_RRQ, _DATA, _ACK, _ERROR, _OACK = 1, 3, 4, 5, 6
_FILE_NOT_FOUND = 1
_DEFAULT_BLKSIZE = 512
_TRIES = 6

_Address = tuple[str, int]


class _Inbox(asyncio.DatagramProtocol):
    """Puts what arrives into a queue."""

    def __init__(self) -> None:
        self.received: asyncio.Queue[tuple[bytes, _Address] | OSError] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: _Address) -> None:
        self.received.put_nowait((data, addr))

    def error_received(self, exc: Exception) -> None:
        if isinstance(exc, OSError):
            self.received.put_nowait(exc)


async def tftp_get(
    host: str,
    name: str,
    *,
    port: int = 69,
    source: str = "",
    blksize: int = 0,
    tsize: bool = False,
    patience: float = 1.0,
) -> Fetched | NotFound | Failed:
    """Read a file in octet mode from the local address ``source`` (empty: any).

    ``patience`` is seconds until a packet is sent again. Raises OSError where there is no way to the server or
    ``source`` is not an address of this machine; every other failure is a result.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, family=socket.AF_INET, type=socket.SOCK_DGRAM)
    server = (str(found[0][4][0]), port)
    transport, inbox = await loop.create_datagram_endpoint(_Inbox, local_addr=(source or "0.0.0.0", 0))
    try:
        return await _Transfer(transport, inbox, patience).run(_rrq(name, blksize, tsize=tsize), server, blksize)
    except (WireError, OSError) as error:
        return Failed(str(error))
    finally:
        transport.close()


def _rrq(name: str, blksize: int, *, tsize: bool) -> bytes:
    words = [name, "octet"]
    if blksize:
        words += ["blksize", str(blksize)]
    if tsize:
        words += ["tsize", "0"]
    return struct.pack("!H", _RRQ) + b"".join(word.encode("latin-1", "replace") + b"\0" for word in words)


class _Transfer:
    """One read, in lock-step."""

    def __init__(self, transport: asyncio.DatagramTransport, inbox: _Inbox, patience: float) -> None:
        self._transport = transport
        self._inbox = inbox
        self._patience = patience
        self._tid: _Address | None = None

    async def run(self, rrq: bytes, server: _Address, wanted_blksize: int) -> Fetched | NotFound | Failed:
        blksize = _DEFAULT_BLKSIZE
        body = bytearray()
        block = 0
        question, target = rrq, server
        while True:
            opcode, rest = await self._ask(question, target, block)
            if opcode == _ERROR:
                code = int.from_bytes(rest[:2], "big")
                text = rest[2:].partition(b"\0")[0].decode("latin-1")
                return NotFound() if code == _FILE_NOT_FOUND else Failed(f"TFTP error {code}: {text}")
            target = self._tid or server
            if opcode == _OACK:
                blksize = _agreed(rest, wanted_blksize)
                question = struct.pack("!HH", _ACK, 0)
                continue
            data = rest[2:]
            if len(data) > blksize:
                raise WireError(f"block {block + 1} has {len(data)} octets, agreed were {blksize}")
            body += data
            block += 1
            question = struct.pack("!HH", _ACK, block & 0xFFFF)
            if len(data) < blksize:
                self._transport.sendto(question, target)
                return Fetched(bytes(body))
            if len(body) > LARGEST:
                raise WireError("the file does not end")

    async def _ask(self, question: bytes, target: _Address, block: int) -> tuple[int, bytes]:
        """Send, and again, until the next block, an OACK or an error comes."""
        for _ in range(_TRIES):
            self._transport.sendto(question, target)
            try:
                async with asyncio.timeout(self._patience):
                    while True:
                        answer = self._accepted(await self._inbox.received.get(), block)
                        if answer is not None:
                            return answer
            except TimeoutError:
                continue
        raise WireError(f"no answer after {_TRIES} tries")

    def _accepted(self, received: tuple[bytes, _Address] | OSError, block: int) -> tuple[int, bytes] | None:
        """The opcode and the rest of a packet that belongs here; None for duplicates and strangers."""
        if isinstance(received, OSError):
            raise received
        octets, sender = received
        if len(octets) < 4 or (self._tid is not None and sender != self._tid):
            return None
        opcode = int.from_bytes(octets[:2], "big")
        first = self._tid is None
        fits = (
            opcode == _ERROR
            or (opcode == _OACK and first)
            or (opcode == _DATA and int.from_bytes(octets[2:4], "big") == (block + 1) & 0xFFFF)
        )
        if not fits:
            return None
        self._tid = sender
        return opcode, octets[2:]


def _agreed(options: bytes, wanted: int) -> int:
    words = options.decode("latin-1").split("\0")[:-1]
    given = {name.lower(): value for name, value in zip(words[::2], words[1::2], strict=False)}
    if "blksize" not in given:
        return _DEFAULT_BLKSIZE
    if not given["blksize"].isdigit() or not 8 <= int(given["blksize"]) <= wanted:
        raise WireError(f"blksize {given['blksize'][:20]!r} was acknowledged, {wanted} was asked for")
    return int(given["blksize"])
