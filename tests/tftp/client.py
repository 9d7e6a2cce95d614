"""A TFTP reading client as a pure machine (RFC 1350, 2347, 7440), the other side of ``provd.tftp.transfer``."""

from __future__ import annotations

import math

from provd.tftp.packet import Ack, Data, Error, OptionAck, Request, decode


class Reader:
    """Reads one file. ``done`` when the last block came, ``error`` when the server refused or nothing came any more."""

    def __init__(self, request: Request, *, patience: float = 3.0, tries: int = 8) -> None:
        self.request = request
        self.content = bytearray()
        self.done = False
        self.error: Error | None = None
        self.options: dict[str, str] = {}
        self.sizes: list[int] = []
        self._blksize = 512
        self._windowsize = 1
        self._next = 1
        self._in_window = 0
        self._patience = patience
        self._tries = self._left = tries
        self._last_sent = request.encode()
        self.deadline = math.inf

    def start(self, now: float) -> list[bytes]:
        return self._send(self._last_sent, now)

    def receive(self, datagram: bytes, now: float) -> list[bytes]:
        packet = decode(datagram)
        if isinstance(packet, Error):
            self.error = packet
            self.deadline = math.inf
            return []
        if isinstance(packet, OptionAck):
            return self._agreed(packet, now)
        assert isinstance(packet, Data)
        if packet.block != self._next & 0xFFFF:
            return self._out_of_order(packet, now)
        self.content += packet.payload
        self.sizes.append(len(packet.payload))
        self._next += 1
        self._in_window += 1
        self._left = self._tries
        if len(packet.payload) < self._blksize:
            self.done = True
            datagrams = self._acknowledge(now)
            self.deadline = math.inf
            return datagrams
        if self._in_window >= self._windowsize:
            return self._acknowledge(now)
        self.deadline = now + self._patience
        return []

    def expire(self, now: float) -> list[bytes]:
        if self._left == 0:
            self.error = Error(0, "the server is silent")
            self.deadline = math.inf
            return []
        self._left -= 1
        if self._next > 1 or self.options:
            return self._acknowledge(now)
        return self._send(self._last_sent, now)

    def _agreed(self, packet: OptionAck, now: float) -> list[bytes]:
        if self._next > 1:
            return []
        self.options = dict(packet.options)
        self._blksize = int(self.options.get("blksize", "512"))
        self._windowsize = int(self.options.get("windowsize", "1"))
        return self._acknowledge(now)

    def _out_of_order(self, packet: Data, now: float) -> list[bytes]:
        behind = (self._next - packet.block) & 0xFFFF
        if behind == 1 and not self._in_window:
            return self._acknowledge(now)  # our ACK was lost; at the end: dallying
        if behind > 0x8000 and self._in_window:
            return self._acknowledge(now)  # a gap: say where to go on (RFC 7440 section 4)
        return []

    def _acknowledge(self, now: float) -> list[bytes]:
        self._in_window = 0
        return self._send(Ack(self._next - 1).encode(), now)

    def _send(self, datagram: bytes, now: float) -> list[bytes]:
        self._last_sent = datagram
        if not self.done:
            self.deadline = now + self._patience
        return [datagram]
