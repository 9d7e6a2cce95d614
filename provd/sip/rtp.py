"""RTP packets (RFC 3550 section 5.1) and the sending side of one stream as a pure machine."""

from __future__ import annotations

import struct
from typing import Final

from provd.base.dataclass import dataclass
from provd.base.errors import WireError

_FIXED = struct.Struct("!BBHII")
_VERSION = 2
_MARKER = 0x80

HEADER: Final = _FIXED.size


@dataclass(frozen=True, slots=True)
class RtpPacket:
    """One packet. ``timestamp`` counts samples; contributing sources and the header extension are left out."""

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes
    marker: bool = False


def decode(octets: bytes) -> RtpPacket:
    """Read one datagram. Raises WireError when it is not RTP of version 2."""
    if len(octets) < HEADER:
        raise WireError(f"an RTP packet has at least {HEADER} octets, not {len(octets)}")
    first, second, sequence, timestamp, ssrc = _FIXED.unpack_from(octets)
    if first >> 6 != _VERSION:
        raise WireError(f"RTP version {first >> 6}")
    start, end = HEADER + 4 * (first & 0x0F), len(octets)
    if first & 0x10:
        if start + 4 > end:
            raise WireError("the RTP header extension is cut off")
        start += 4 + 4 * int.from_bytes(octets[start + 2 : start + 4], "big")
    if first & 0x20:
        end -= octets[-1]
    if start > end:
        raise WireError("the RTP packet is shorter than its header says")
    return RtpPacket(second & 0x7F, sequence, timestamp, ssrc, octets[start:end], bool(second & _MARKER))


class RtpSender:
    """Numbers the packets of one stream.

    ``ssrc``, ``sequence`` and ``timestamp`` are the random beginnings that RFC 3550 asks for; the packet after
    :meth:`talk` carries the marker (RFC 3551 section 4.1).
    """

    __slots__ = ("_marker", "_payload_type", "_sequence", "_ssrc", "_timestamp")

    def __init__(self, payload_type: int, *, ssrc: int, sequence: int, timestamp: int) -> None:
        self._payload_type = payload_type & 0x7F
        self._ssrc = ssrc & 0xFFFFFFFF
        self._sequence = sequence & 0xFFFF
        self._timestamp = timestamp & 0xFFFFFFFF
        self._marker = True

    def talk(self) -> None:
        """The next packet begins a talkspurt."""
        self._marker = True

    def packet(self, payload: bytes) -> bytes:
        """The next packet: one octet of G.711 is one sample."""
        kind = self._payload_type | (_MARKER if self._marker else 0)
        header = _FIXED.pack(_VERSION << 6, kind, self._sequence, self._timestamp, self._ssrc)
        self._marker = False
        self._sequence = (self._sequence + 1) & 0xFFFF
        self._timestamp = (self._timestamp + len(payload)) & 0xFFFFFFFF
        return header + payload
