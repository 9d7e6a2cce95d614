"""Small value types for addresses. MACs are kept as 12 lower-case hex digits, IPv4 addresses as text at the edges."""

from __future__ import annotations

import re
from typing import NewType

Mac = NewType("Mac", str)
"""A MAC address in its one internal form: twelve lower-case hex digits, no separators (``805ec0112233``)."""

_MAC = re.compile(r"[0-9a-f]{12}|[0-9a-f]{2}([:-])(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}|(?:[0-9a-f]{4}\.){2}[0-9a-f]{4}")
_NOT_HEX = str.maketrans("", "", ":-.")


def parse_mac(text: str) -> Mac:
    """Read a MAC in any usual form (``80:5e:c0:…``, ``80-5E-…``, ``805e.c011.2233``, bare digits).

    Raises ValueError when the text is not exactly one MAC.
    """
    lowered = text.strip().lower()
    if not _MAC.fullmatch(lowered):
        raise ValueError(f"not a MAC address: {text[:40]!r}")
    return Mac(lowered.translate(_NOT_HEX))


def mac_of(octets: bytes) -> Mac:
    """The MAC of the first six octets (``chaddr``, RFC 2131 section 2)."""
    return Mac(octets[:6].hex())


def mac_text(mac: str) -> str:
    """The form people read: ``80:5e:c0:11:22:33``."""
    return ":".join(mac[i : i + 2] for i in range(0, 12, 2))


def ip_text(address: int) -> str:
    """Dotted form of a 32-bit IPv4 address."""
    return f"{address >> 24}.{address >> 16 & 255}.{address >> 8 & 255}.{address & 255}"


def ip_int(text: str) -> int:
    """32-bit number of a dotted IPv4 address. Raises ValueError on anything else."""
    parts = text.split(".")
    if len(parts) != 4:
        raise ValueError(f"not an IPv4 address: {text[:40]!r}")
    value = 0
    for part in parts:
        if not (part.isascii() and part.isdigit()) or len(part) > 3 or int(part) > 255:
            raise ValueError(f"not an IPv4 address: {text[:40]!r}")
        value = value << 8 | int(part)
    return value
