"""Capture files: classic pcap and pcapng (draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng), read frame by frame."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO, Final, Literal

from provd.base.dataclass import dataclass
from provd.base.errors import WireError
from provd.net.frame import ETHERTYPE_IPV4, UdpDatagram, parse_ipv4_udp, parse_udp

LINKTYPE_NULL: Final = 0
LINKTYPE_ETHERNET: Final = 1
LINKTYPE_RAW: Final = frozenset({12, 14, 101, 228})
"""Bare IP packets; the number depends on the system that captured (228 is IPv4 only)."""
LINKTYPE_LINUX_SLL: Final = 113
LINKTYPE_LINUX_SLL2: Final = 276

_LARGEST = 1 << 24
"""No frame and no block is longer than this; a file that says so is damaged."""
_MOST_INTERFACES = 4096

_Order = Literal["<", ">"]
_CLASSIC: dict[bytes, tuple[_Order, int]] = {
    bytes.fromhex("a1b2c3d4"): (">", 10**6),
    bytes.fromhex("d4c3b2a1"): ("<", 10**6),
    bytes.fromhex("a1b23c4d"): (">", 10**9),
    bytes.fromhex("4d3cb2a1"): ("<", 10**9),
}
_SECTION_HEADER = bytes.fromhex("0a0d0d0a")
_INTERFACE_DESCRIPTION, _OBSOLETE_PACKET, _SIMPLE_PACKET, _ENHANCED_PACKET = 1, 2, 3, 6
_IF_TSRESOL = 9


@dataclass(frozen=True, slots=True)
class CapturedFrame:
    """One frame of a capture: when (seconds since the epoch), what kind of link, its octets (perhaps cut short)."""

    at: float
    linktype: int
    octets: bytes


def read_capture(stream: BinaryIO) -> Iterator[CapturedFrame]:
    """The frames of a capture file, in order. Raises WireError where the file is damaged; what came before is good."""
    magic = stream.read(4)
    if magic == _SECTION_HEADER:
        yield from _read_pcapng(stream)
    elif magic in _CLASSIC:
        yield from _read_classic(stream, *_CLASSIC[magic])
    else:
        raise WireError(f"not a capture file: it starts with {magic.hex() or 'nothing'}")


def udp_in(frame: CapturedFrame) -> UdpDatagram | None:
    """The UDP datagram inside a captured frame, as far as it was captured, or None for anything else and for unknown
    link types."""
    octets = frame.octets
    if frame.linktype == LINKTYPE_ETHERNET:
        return parse_udp(octets, whole=False)
    if frame.linktype in LINKTYPE_RAW:
        return parse_ipv4_udp(octets, whole=False)
    if frame.linktype == LINKTYPE_LINUX_SLL and octets[14:16] == ETHERTYPE_IPV4.to_bytes(2, "big"):
        return parse_ipv4_udp(octets[16:], src_mac=octets[6:12], whole=False)
    if frame.linktype == LINKTYPE_LINUX_SLL2 and octets[:2] == ETHERTYPE_IPV4.to_bytes(2, "big"):
        return parse_ipv4_udp(octets[20:], src_mac=octets[12:18], whole=False)
    if frame.linktype == LINKTYPE_NULL and 2 in octets[:4]:  # AF_INET in the byte order of the capturing machine
        return parse_ipv4_udp(octets[4:], whole=False)
    return None


def _read_classic(stream: BinaryIO, order: _Order, ticks_per_second: int) -> Iterator[CapturedFrame]:
    header = _exactly(stream, 20, "file header")
    linktype = struct.unpack(f"{order}I", header[16:])[0] & 0xFFFF  # the upper half says how long an FCS is
    record = struct.Struct(f"{order}IIII")
    while head := stream.read(record.size):
        if len(head) < record.size:
            raise WireError("the capture ends inside a frame header")
        seconds, ticks, length, _ = record.unpack(head)
        if length > _LARGEST:
            raise WireError(f"a frame of {length} octets: the capture is damaged")
        yield CapturedFrame(seconds + ticks / ticks_per_second, linktype, _exactly(stream, length, "frame"))


def _read_pcapng(stream: BinaryIO) -> Iterator[CapturedFrame]:
    section: _Section | None = None
    kind_octets: bytes = _SECTION_HEADER
    while kind_octets:
        length_octets = _exactly(stream, 4, "block length")
        if kind_octets == _SECTION_HEADER:
            section = _Section(_byte_order(stream))
            body = section.body(stream, length_octets, done=4)
        elif section is None or len(kind_octets) < 4:
            raise WireError("the capture ends inside a block header")
        else:
            body = section.body(stream, length_octets)
            frame = section.frame(section.number(kind_octets), body)
            if frame is not None:
                yield frame
        kind_octets = stream.read(4)


def _byte_order(stream: BinaryIO) -> _Order:
    mark = _exactly(stream, 4, "byte-order magic")
    if mark == bytes.fromhex("1a2b3c4d"):
        return ">"
    if mark == bytes.fromhex("4d3c2b1a"):
        return "<"
    raise WireError(f"byte-order magic {mark.hex()}: the capture is damaged")


class _Section:
    """A pcapng section: its byte order and the interfaces described so far (link type, ticks per second)."""

    def __init__(self, order: _Order) -> None:
        self._order = order
        self._interfaces: list[tuple[int, int]] = []

    def number(self, octets: bytes) -> int:
        return int.from_bytes(octets, "big" if self._order == ">" else "little")

    def body(self, stream: BinaryIO, length_octets: bytes, done: int = 0) -> bytes:
        """The rest of a block, of which kind, length and ``done`` octets have been read, without the last length.

        Raises WireError for a length that no block has, and for a file that ends too early.
        """
        length = self.number(length_octets)
        if length % 4 or not 12 + done <= length <= _LARGEST:
            raise WireError(f"a block of {length} octets: the capture is damaged")
        return _exactly(stream, length - 8 - done, "block")[:-4]

    def frame(self, kind: int, body: bytes) -> CapturedFrame | None:
        """The frame in a block, or None when the block says something else. Raises WireError."""
        try:
            if kind == _INTERFACE_DESCRIPTION:
                self._describe(body)
            elif kind == _ENHANCED_PACKET:
                number, high, low, captured = struct.unpack_from(f"{self._order}IIII", body)
                return self._packet(number, high << 32 | low, body[20 : 20 + captured])
            elif kind == _OBSOLETE_PACKET:
                number, high, low, captured = struct.unpack_from(f"{self._order}HxxIII", body)
                return self._packet(number, high << 32 | low, body[20 : 20 + captured])
            elif kind == _SIMPLE_PACKET:
                return self._packet(0, 0, body[4 : 4 + self.number(body[:4])])
        except struct.error as error:
            raise WireError(f"a block of kind {kind} is too short: the capture is damaged") from error
        return None

    def _packet(self, number: int, ticks: int, octets: bytes) -> CapturedFrame:
        if number >= len(self._interfaces):
            raise WireError(f"a frame of interface {number}, which was not described")
        linktype, ticks_per_second = self._interfaces[number]
        return CapturedFrame(ticks / ticks_per_second, linktype, octets)

    def _describe(self, body: bytes) -> None:
        if len(self._interfaces) >= _MOST_INTERFACES:
            raise WireError("more interfaces than any machine has: the capture is damaged")
        linktype = struct.unpack_from(f"{self._order}H", body)[0]
        resolution = 6
        offset = 8
        while offset + 4 <= len(body):
            code, length = struct.unpack_from(f"{self._order}HH", body, offset)
            if code == _IF_TSRESOL and length == 1 and offset + 4 < len(body):
                resolution = body[offset + 4]
            offset += 4 + (length + 3 & ~3)
        # The highest bit chooses powers of two.
        self._interfaces.append((linktype, 1 << (resolution & 127) if resolution & 128 else 10**resolution))


def _exactly(stream: BinaryIO, length: int, what: str) -> bytes:
    octets = stream.read(length)
    if len(octets) < length:
        raise WireError(f"the capture ends inside a {what}")
    return octets
