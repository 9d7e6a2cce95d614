"""Small value types for addresses and keys of devices.

MACs are kept as 12 lower-case hex digits, IPv4 addresses as text at the edges.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NewType

Mac = NewType("Mac", str)
"""A MAC address in its one internal form: twelve lower-case hex digits, no separators (``805ec0112233``).

It is the key of a device. A device that is known by vendor, model and serial instead of a MAC has such a key from
:func:`thing_key`, which no MAC can be.
"""

_MARK = "~"
"""Between the parts of such a key: no URL needs it escaped, no MAC has it."""
_PLAIN = re.compile(r"[A-Za-z0-9._:-]+")
_ODD = re.compile(rb"[^A-Za-z0-9._:-]")
_ESCAPED = re.compile(r"=([0-9A-F]{2})")
_TYPED = re.compile(r"[A-Za-z0-9._:-]|=[0-9A-F]{2}")
_OCTETS = {str(value): value for value in range(256)}

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
    """The form people read: ``80:5e:c0:11:22:33``, or ``vendor/model/serial`` of a device that has no MAC."""
    if _MARK in mac:
        return mac.replace(_MARK, "/")
    return ":".join(mac[i : i + 2] for i in range(0, 12, 2))


def thing_key(vendor: str, model: str, sn: str) -> Mac:
    """The key of a device that is known by these three: ``acme~sensor-2~S0001``.

    What is no letter, digit or one of ``._:-`` stands in it as ``=`` and two hex digits for each octet of UTF-8.
    """
    return Mac(_MARK.join(map(_quoted, (vendor, model, sn))))


def is_thing(key: str) -> bool:
    """Whether it is the key of a device that has no MAC."""
    return _MARK in key


def thing_names(key: Mac) -> tuple[str, str, str]:
    """Vendor, model and serial of such a key."""
    vendor, model, sn = (
        _ESCAPED.sub(lambda found: chr(int(found[1], 16)), part).encode("latin-1").decode() for part in key.split(_MARK)
    )
    return vendor, model, sn


def _quoted(part: str) -> str:
    if _PLAIN.fullmatch(part):
        return part
    return _ODD.sub(lambda found: b"=%02X" % found[0][0], part.encode()).decode()


def parse_device(text: str) -> Mac:
    """Read the key of a device: a MAC in any usual form, ``vendor/model/serial``, or the key itself.

    Raises ValueError when the text is neither.
    """
    parts = text.strip().replace(_MARK, "/").split("/")
    if len(parts) == 1:
        return parse_mac(text)
    if len(parts) != 3 or not all(parts):
        raise ValueError(f"neither a MAC address nor vendor/model/serial: {text[:60]!r}")
    # An escape that was copied from a key stays what it is; everything else is taken as it is typed.
    return Mac(_MARK.join("".join(_typed(part)) for part in parts))


def _typed(part: str) -> Iterator[str]:
    place = 0
    while place < len(part):
        found = _TYPED.match(part, place)
        yield found[0] if found else _quoted(part[place])
        place = found.end() if found else place + 1


def ip_text(address: int) -> str:
    """Dotted form of a 32-bit IPv4 address."""
    return f"{address >> 24}.{address >> 16 & 255}.{address >> 8 & 255}.{address & 255}"


def ip_int(text: str) -> int:
    """32-bit number of a dotted IPv4 address. Raises ValueError on anything else."""
    try:
        first, second, third, fourth = text.split(".")
        return _OCTETS[first] << 24 | _OCTETS[second] << 16 | _OCTETS[third] << 8 | _OCTETS[fourth]
    except (KeyError, ValueError):
        return _unusual_ip(text)


def _unusual_ip(text: str) -> int:
    parts = text.split(".")
    if len(parts) != 4:
        raise ValueError(f"not an IPv4 address: {text[:40]!r}")
    value = 0
    for part in parts:
        if not (part.isascii() and part.isdigit()) or len(part) > 3 or int(part) > 255:
            raise ValueError(f"not an IPv4 address: {text[:40]!r}")
        value = value << 8 | int(part)
    return value
