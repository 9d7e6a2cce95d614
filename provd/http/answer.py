"""A small answer, written head and body in one piece (RFC 9112 sections 4 to 6).

aiohttp's own response spends more time on its header mapping than everything else about a request takes here.
"""

from __future__ import annotations

from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING

from aiohttp import HttpVersion10, web
from aiohttp.abc import AbstractStreamWriter

if TYPE_CHECKING:
    from provd.base.clock import Clock

_LINES = {
    (version, int(status)): f"HTTP/{version} {int(status)} {status.phrase}\r\nServer: provd\r\n".encode()
    for version in ("1.0", "1.1")
    for status in HTTPStatus
}


_WITHOUT_LENGTH = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})


def status_line(status: int) -> bytes:
    """The first lines of an answer in HTTP/1.1."""
    return _LINES["1.1", status]


class DateLine:
    """The Date header (RFC 9110 section 6.6.1), made once a second."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._second = -1
        self._line = b""

    def __call__(self) -> bytes:
        """The line, with its line end."""
        second = int(self._clock.now())
        if second != self._second:
            self._second = second
            self._line = f"Date: {formatdate(second, usegmt=True)}\r\n".encode()
        return self._line


class Answer(web.StreamResponse):
    """Status, header lines (each with its line end) and body.

    Content-Length is added, except to a 204 and a 304 (RFC 9110 section 8.6).
    """

    def __init__(self, status: int, lines: bytes, date: DateLine, body: bytes = b"") -> None:
        # Not the constructor of the base class: its header mapping is what this class does without.
        self._status = status
        self._lines = lines
        self._date = date
        self._octets = body
        self._writer: AbstractStreamWriter | None = None

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Put the octets together for this request."""
        if self._keep_alive is None:
            self._keep_alive = request.keep_alive
        old = request.version == HttpVersion10
        head = [_LINES["1.0" if old else "1.1", self._status], self._lines, self._date()]
        if self._status not in _WITHOUT_LENGTH:
            head.append(b"Content-Length: %d\r\n" % len(self._octets))
        if not self._keep_alive:
            head.append(b"Connection: close\r\n")
        elif old:
            head.append(b"Connection: keep-alive\r\n")
        head.append(b"\r\n")
        if request.method != "HEAD":
            head.append(self._octets)
        self._octets = b"".join(head)
        self._writer = request.writer
        return self._writer

    async def write_eof(self, data: bytes = b"") -> None:
        """Write them. Raises ConnectionError when the peer is gone."""
        if self._writer is not None:
            await self._writer.write(self._octets + data)
            await self._writer.drain()
            self._writer = None
