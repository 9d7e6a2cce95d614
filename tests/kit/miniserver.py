"""The smallest server a phone can boot from: DHCP, HTTP and TFTP with everything in memory."""

from __future__ import annotations

import asyncio
import struct
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self

from provd.base.types import ip_int, ip_text
from provd.net.sockets import udp_socket


@dataclass
class MiniServer:
    """``async with MiniServer(files={...})``. ``files`` are by last path segment; ``option66`` may use ``{http}``.

    Leases are handed out upwards from ``pool``. ``mute`` drops that many DHCP messages first. ``asked`` tells who
    asked for what: (transport, source address, path).
    """

    files: dict[str, bytes] = field(default_factory=dict)
    ip: str = "127.0.0.1"
    pool: str = "127.20.16.1"
    option66: str = "{http}"
    interface: str = ""
    dhcp_port: int = 0
    mute: int = 0
    nak: int = 0
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    agents: list[str] = field(default_factory=list)
    classes: dict[str, str] = field(default_factory=dict)
    leases: dict[bytes, int] = field(default_factory=dict)

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._handlers: set[asyncio.Task[None]] = set()
        self._web = await asyncio.start_server(self._http, self.ip, 0)
        self.http_port = self._web.sockets[0].getsockname()[1]
        self._tftp, _ = await loop.create_datagram_endpoint(lambda: _Tftp(self), local_addr=(self.ip, 0))
        self.tftp_port = self._tftp.get_extra_info("sockname")[1]
        address = "0.0.0.0" if self.interface else self.ip
        sock = udp_socket(self.interface or None, address, self.dhcp_port, broadcast=True)
        self.dhcp_port = sock.getsockname()[1]
        self._dhcp, _ = await loop.create_datagram_endpoint(lambda: _Dhcp(self), sock=sock)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._dhcp.close()
        self._tftp.close()
        self._web.close()
        await self._web.wait_closed()
        await asyncio.gather(*self._handlers)

    @property
    def http(self) -> str:
        return f"http://{self.ip}:{self.http_port}"

    @property
    def tftp(self) -> str:
        return f"tftp://{self.ip}:{self.tftp_port}"

    def find(self, transport: str, peer: str, path: str) -> bytes | None:
        self.asked.append((transport, peer, path))
        return self.files.get(path.partition("?")[0].rpartition("/")[2])

    def answer(self, message: bytes) -> tuple[bytes, str] | None:
        """The reply to a client's message and the relay to send it to (empty: none)."""
        if self.mute:
            self.mute -= 1
            return None
        xid, giaddr, chaddr = message[4:8], message[24:28], message[28:34]
        options = dict(_options(message[240:]))
        kind = options[53][0]
        self.classes[chaddr.hex()] = options.get(60, b"").decode()
        yiaddr = self.leases.setdefault(chaddr, ip_int(self.pool) + len(self.leases))
        reply_kind = {1: 2, 3: 5}[kind]
        if kind == 3 and self.nak:
            self.nak -= 1
            reply_kind = 6
        option66 = self.option66.format(http=self.http, tftp=self.tftp).encode()
        fixed = struct.pack("!BBBB4sHHIIII", 2, 1, 6, 0, xid, 0, 0x8000, 0, yiaddr, 0, int.from_bytes(giaddr, "big"))
        reply = fixed + chaddr + bytes(10 + 64 + 128) + bytes.fromhex("63825363")
        for code, value in ((53, bytes([reply_kind])), (54, ip_int(self.ip).to_bytes(4, "big")), (66, option66)):
            reply += bytes([code, len(value)]) + value
        return reply + b"\xff", "" if giaddr == bytes(4) else ip_text(int.from_bytes(giaddr, "big"))

    async def _http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._handlers.add(task)
        task.add_done_callback(self._handlers.discard)
        with suppress(asyncio.IncompleteReadError, OSError):
            await self._serve(reader, writer)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        path = head.split(" ")[1]
        fields = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head.split("\r\n"))
        }
        self.agents.append(fields.get("user-agent", ""))
        body = self.find("http", writer.get_extra_info("peername")[0], path)
        status = b"404 Not Found" if body is None else b"200 OK"
        length = str(len(body or b"")).encode()
        writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: " + length + b"\r\n\r\n" + (body or b""))
        await writer.drain()


class _Dhcp(asyncio.DatagramProtocol):
    def __init__(self, server: MiniServer) -> None:
        self._server = server

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, _addr: tuple[str, int]) -> None:
        answer = self._server.answer(data)
        if answer is not None:
            reply, relay = answer
            target = (relay, self._server.dhcp_port) if relay else ("255.255.255.255", 68)
            self._transport.sendto(reply, target)


class _Tftp(asyncio.DatagramProtocol):
    """Serves every file from its one port, block by block, without a timer."""

    def __init__(self, server: MiniServer) -> None:
        self._server = server
        self._open: dict[tuple[str, int], tuple[bytes, int]] = {}

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        opcode, rest = int.from_bytes(data[:2], "big"), data[2:]
        if opcode == 1:
            name, _, *words = rest.decode().split("\0")
            body = self._server.find("tftp", addr[0], name)
            options = dict(zip(words[::2], words[1::2], strict=False))
            if body is None:
                self._transport.sendto(b"\0\5\0\1File not found\0", addr)
                return
            self._open[addr] = (body, int(options.get("blksize", 512)))
            if options:
                options["tsize"] = str(len(body))
                oack = "".join(f"{key}\0{value}\0" for key, value in options.items())
                self._transport.sendto(b"\0\6" + oack.encode(), addr)
            else:
                self._send(addr, 1)
        elif opcode == 4 and addr in self._open:
            self._send(addr, int.from_bytes(rest[:2], "big") + 1)

    def _send(self, addr: tuple[str, int], block: int) -> None:
        body, size = self._open[addr]
        if (block - 1) * size <= len(body):
            part = body[(block - 1) * size : block * size]
            self._transport.sendto(b"\0\3" + block.to_bytes(2, "big") + part, addr)


def _options(octets: bytes) -> list[tuple[int, bytes]]:
    found = []
    while octets and octets[0] != 255:
        if octets[0] == 0:
            octets = octets[1:]
            continue
        found.append((octets[0], octets[2 : 2 + octets[1]]))
        octets = octets[2 + octets[1] :]
    return found
