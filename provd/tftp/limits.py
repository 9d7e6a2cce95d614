"""What clients of the TFTP server can ask for at most."""

from __future__ import annotations

from provd.base.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What clients can ask for at most."""

    per_client: int = 4
    """Transfers of one address at a time; more of them wait."""
    total: int = 2000
    waiting: int = 64
    """Requests of one address that may wait."""
    patience: float = 10.0
    """Seconds after which a waiting client that did not ask again is taken for gone."""
    seconds: float = 30.0
    """From request to last ACK, for files made for a device."""
    large_seconds: float = 600.0
    """The same for firmware and the like."""
    block_seconds: float = 0.2
    """What each block of a file allows, where all of them together allow more than that."""
    windowsize: int = 16
    """The largest RFC 7440 window that is granted."""
    netascii_octets: int = 4 << 20
    """Larger files are refused in mode netascii: the conversion holds up the event loop and makes a copy."""
