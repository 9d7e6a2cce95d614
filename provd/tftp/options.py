"""What a read request may negotiate: RFC 2347 (mechanism), 2348 (blksize), 2349 (timeout, tsize), 7440 (windowsize).

An option that is unknown, malformed or out of range is left out of the OACK, which means "not accepted" (RFC 2347
section 3); a client that only half follows the RFCs still gets its file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from provd.base.dataclass import dataclass
from provd.tftp.packet import OptionAck

DEFAULT_BLKSIZE: Final = 512
LARGEST_BLKSIZE: Final = 65464
OVERHEAD: Final = 32
"""IPv4 header (20), UDP header (8) and TFTP header (4) around the payload of DATA."""
_WINDOW_OCTETS: Final = 64 * 1024
"""A window of more than this would not fit into the usual socket buffers of either side."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What one transfer runs on. ``timeout`` is None unless the client asked for one (seconds)."""

    blksize: int = DEFAULT_BLKSIZE
    windowsize: int = 1
    timeout: int | None = None
    oack: bytes | None = None
    """The OACK to begin with, or None when there is nothing to acknowledge and DATA 1 is the answer."""


def negotiate(options: Mapping[str, str], size: int, *, mtu: Callable[[], int], windowsize_max: int) -> Terms:
    """The terms of a transfer of ``size`` octets. ``mtu`` is asked only when it matters."""
    if not options:
        return Terms()
    accepted: dict[str, str] = {}
    blksize, windowsize = DEFAULT_BLKSIZE, 1
    if asked := _number(options, "blksize", 8, LARGEST_BLKSIZE):
        # RFC 2348 lets the server answer with less; fragments are what cheap IP stacks lose first.
        blksize = asked if asked <= DEFAULT_BLKSIZE else min(asked, max(DEFAULT_BLKSIZE, mtu() - OVERHEAD))
        accepted["blksize"] = str(blksize)
    if asked := _number(options, "windowsize", 1, 65535):
        windowsize = min(asked, windowsize_max, max(1, _WINDOW_OCTETS // blksize))
        accepted["windowsize"] = str(windowsize)
    if timeout := _number(options, "timeout", 1, 255):
        accepted["timeout"] = str(timeout)
    # A tsize of 0 in an OACK is "illegal" to curl 7.88, which then gives up an empty file that it would get without.
    if size and _number(options, "tsize", 0, 1 << 63) is not None:
        accepted["tsize"] = str(size)
    return Terms(blksize, windowsize, timeout, OptionAck(accepted).encode() if accepted else None)


def _number(options: Mapping[str, str], name: str, least: int, most: int) -> int | None:
    text = options.get(name, "")
    # The length first: int() on a hostile string of digits is slow, and beyond 4300 of them an error.
    if not (0 < len(text) <= 20 and text.isascii() and text.isdecimal()):
        return None
    value = int(text)
    return value if least <= value <= most else None
