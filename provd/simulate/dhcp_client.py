"""DHCP as a client writes and reads it (RFC 2131, RFC 2132, RFC 3396).

A second, small implementation beside the daemon's own: what both understand alike is probably right.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Final

from provd.base.dataclass import dataclass

DISCOVER: Final = 1
OFFER: Final = 2
REQUEST: Final = 3
ACK: Final = 5
NAK: Final = 6

OPTION_HOST_NAME: Final = 12
OPTION_REQUESTED_ADDRESS: Final = 50
OPTION_OVERLOAD: Final = 52
OPTION_MESSAGE_TYPE: Final = 53
OPTION_SERVER_IDENTIFIER: Final = 54
OPTION_PARAMETER_LIST: Final = 55
OPTION_MESSAGE: Final = 56
OPTION_MAXIMUM_SIZE: Final = 57
OPTION_CLASS_IDENTIFIER: Final = 60
OPTION_USER_CLASS: Final = 77
OPTION_CLIENT_IDENTIFIER: Final = 61

_FIXED = struct.Struct("!BBBBIHHIIII16s64s128s4s")
_COOKIE = bytes.fromhex("63825363")
_BOOTREQUEST, _BOOTREPLY = 1, 2
_PAD, _END = 0, 255
_SMALLEST = 300
"""BOOTP relays and servers of old expect at least this many octets (RFC 1542 section 2.1)."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server said. Options that came in pieces are joined (RFC 3396)."""

    kind: int
    xid: int
    yiaddr: int
    siaddr: int
    chaddr: bytes
    options: dict[int, bytes]

    def address(self, code: int) -> int:
        """An option that is one IPv4 address; 0 when it was not sent."""
        return int.from_bytes(self.options.get(code, b"")[:4], "big")


def encode(
    kind: int,
    xid: int,
    chaddr: bytes,
    options: Iterable[tuple[int, bytes]],
    *,
    secs: int = 0,
    giaddr: int = 0,
) -> bytes:
    """A client's message of that type; through a relay when ``giaddr`` is given."""
    fixed = _FIXED.pack(
        _BOOTREQUEST,
        1,
        len(chaddr),
        1 if giaddr else 0,
        xid,
        min(secs, 0xFFFF),
        0,
        0,
        0,
        0,
        giaddr,
        chaddr,
        b"",
        b"",
        _COOKIE,
    )
    body = b"".join(
        bytes((code, len(value))) + value for code, value in ((OPTION_MESSAGE_TYPE, bytes((kind,))), *options) if value
    )
    return (fixed + body + bytes((_END,))).ljust(_SMALLEST, b"\0")


def decode(octets: bytes) -> Reply | None:
    """The server's message, or None when it is none."""
    if len(octets) < _FIXED.size:
        return None
    op, _, hlen, _, xid, _, _, _, yiaddr, siaddr, _, chaddr, sname, file, cookie = _FIXED.unpack_from(octets)
    if op != _BOOTREPLY or cookie != _COOKIE or hlen > len(chaddr):
        return None
    options: dict[int, bytes] = {}
    _collect(octets[_FIXED.size :], options)
    overload = options.get(OPTION_OVERLOAD, b"\0")[0]
    if overload & 1:
        _collect(file, options)
    if overload & 2:
        _collect(sname, options)
    kind = options.get(OPTION_MESSAGE_TYPE, b"")
    return Reply(kind[0], xid, yiaddr, siaddr, chaddr[:hlen], options) if len(kind) == 1 else None


def _collect(octets: bytes, options: dict[int, bytes]) -> None:
    offset = 0
    while offset < len(octets) and octets[offset] != _END:
        if octets[offset] == _PAD:
            offset += 1
            continue
        if offset + 2 > len(octets):
            return
        code, length = octets[offset], octets[offset + 1]
        value = octets[offset + 2 : offset + 2 + length]
        if len(value) == length:
            options[code] = options.get(code, b"") + value
        offset += 2 + length
