"""SIP over a stream (RFC 3261 section 18.3): where a message ends, and the keep-alives between them (RFC 5626)."""

from __future__ import annotations

import re
from typing import Final

from provd.base.errors import WireError
from provd.sip.message import LARGEST, LARGEST_HEAD

PING: Final = b"\r\n\r\n"
PONG: Final = b"\r\n"
_LENGTH = re.compile(rb"^(?:content-length|l)[ \t]*:[ \t]*(\d{1,9})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)


class Framer:
    """Cuts what arrives into messages, however it is torn or glued together."""

    __slots__ = ("_buffer", "_scanned")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._scanned = 0

    @property
    def pending(self) -> int:
        """Octets of a message that is not complete yet."""
        return len(self._buffer)

    def feed(self, octets: bytes) -> list[bytes]:
        """The messages that are complete now, :data:`PING` for each keep-alive that wants its pong.

        Raises WireError when the stream cannot be followed any more; then it has to be closed.
        """
        self._buffer += octets
        messages = []
        while (message := self._next()) is not None:
            messages.append(message)
        return messages

    def _next(self) -> bytes | None:
        buffer = self._buffer
        if buffer.startswith(PING):
            del buffer[: len(PING)]
            return PING
        if buffer.startswith(PONG):
            if len(buffer) < len(PING) and PING.startswith(buffer):
                return None  # a pong, or the first half of a ping
            del buffer[: len(PONG)]
        end = buffer.find(PING, max(0, self._scanned - len(PING)), LARGEST_HEAD + len(PING))
        if end < 0:
            self._scanned = len(buffer)
            if len(buffer) > LARGEST_HEAD:
                raise WireError(f"no empty line within {LARGEST_HEAD} octets of a stream")
            return None
        # Without Content-Length, which a stream must have, the only safe reading is that there is no body.
        lengths = {int(length) for length in _LENGTH.findall(buffer, 0, end)} or {0}
        if len(lengths) > 1:
            raise WireError("two different Content-Length in a stream")
        total = end + len(PING) + lengths.pop()
        if total > LARGEST:
            raise WireError(f"a message of {total} octets in a stream")
        if len(buffer) < total:
            self._scanned = end + len(PING)
            return None
        message = bytes(buffer[:total])
        del buffer[:total]
        self._scanned = 0
        return message
