"""What a capture file says, datagram by datagram, in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from provd.base.errors import UsageError, WireError
from provd.base.types import ip_text, mac_text
from provd.net.frame import UdpDatagram
from provd.net.pcap import read_capture, udp_in

Decoder = Callable[[bytes], list[str]]
"""From the payload of a datagram to lines of text. Raises WireError for what it cannot read."""

_MOST_CONVERSATIONS = 4096


def explain_pcap(path: Path, decoders: Mapping[int, Decoder]) -> Iterator[str]:
    """Lines that tell the story of a capture. ``decoders`` are by UDP port.

    A reply that comes from another port than was asked (TFTP, RFC 1350 section 4) is decoded like the question.
    Raises UsageError when the file cannot be opened; a damaged file ends with a line that says so.
    """
    try:
        stream = path.open("rb")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from error
    asked: dict[tuple[int, int], Decoder] = {}
    frames = told = 0
    first: float | None = None
    with stream:
        try:
            for frame in read_capture(stream):
                frames += 1
                first = frame.at if first is None else first
                datagram = udp_in(frame)
                decoder = None if datagram is None else _decoder(datagram, decoders, asked)
                if datagram is not None and decoder is not None:
                    told += 1
                    yield from _lines(frame.at - first, datagram, decoder)
        except WireError as error:
            yield f"damaged after {frames} frames: {error}"
    yield f"{told} of {frames} frames explained"


def _decoder(
    datagram: UdpDatagram, decoders: Mapping[int, Decoder], asked: dict[tuple[int, int], Decoder]
) -> Decoder | None:
    source = (datagram.src_ip, datagram.src_port)
    known = decoders.get(datagram.dst_port)
    if known is not None and len(asked) < _MOST_CONVERSATIONS:
        asked[source] = known
    return (
        known or decoders.get(datagram.src_port) or asked.get((datagram.dst_ip, datagram.dst_port)) or asked.get(source)
    )


def _lines(after: float, datagram: UdpDatagram, decoder: Decoder) -> Iterator[str]:
    source = f"{ip_text(datagram.src_ip)}:{datagram.src_port}"
    if datagram.src_mac:
        source += f" ({mac_text(datagram.src_mac.hex())})"
    target = f"{ip_text(datagram.dst_ip)}:{datagram.dst_port}"
    octets = f"{len(datagram.payload)} octets"
    if datagram.missing:
        octets += f" of {len(datagram.payload) + datagram.missing}, the rest was not captured"
    yield f"{after:12.6f}  {source} -> {target}  {octets}"
    try:
        for line in decoder(datagram.payload):
            yield f"              {line}"
    except WireError as error:
        yield f"              malformed: {error}"
