"""Ranges of serials: a million devices in one row. A number has exactly one text in a range, and only that is in it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from provd.base.dataclass import dataclass
from provd.base.errors import UsageError

FORMATS = ("base10", "base16", "mac:48", "mac-48", "mac.48")
CASINGS = ("upper", "lower")
_GREATEST = (1 << 63) - 1
"""What both databases keep as one number."""
_LONGEST = 64
_MAC_GROUPS = {"mac:48": (":", 2), "mac-48": ("-", 2), "mac.48": (".", 4)}
_UPPER, _LOWER = re.compile(r"[0-9A-F]+"), re.compile(r"[0-9a-f]+")


@dataclass(frozen=True, slots=True)
class SerialRange:
    """The serials of the numbers ``first`` to ``last``, both included.

    ``length`` is the number of digits, filled up with zeros; 0 for as many as the number has. ``casing`` is that of
    hexadecimal digits, and empty for ``base10``. MACs travel as numbers, too.
    """

    format: str
    first: int
    last: int
    length: int = 0
    casing: str = ""

    @property
    def size(self) -> int:
        """How many serials it has."""
        return self.last - self.first + 1

    def holds(self, sn: str) -> bool:
        """Whether this very text is one of them."""
        number = self._number(sn)
        return number is not None and self.first <= number <= self.last and self.text(number) == sn

    def text(self, number: int) -> str:
        """The serial with that number."""
        if self.format == "base10":
            return str(number).zfill(self.length)
        if self.format == "base16":
            digits = f"{number:x}".zfill(self.length)
        else:
            separator, width = _MAC_GROUPS[self.format]
            plain = f"{number:012x}"
            digits = separator.join(plain[i : i + width] for i in range(0, 12, width))
        return digits.upper() if self.casing == "upper" else digits

    def _number(self, sn: str) -> int | None:
        if len(sn) > _LONGEST:
            return None
        if self.format == "base10":
            return int(sn) if sn.isascii() and sn.isdigit() else None
        digits = sn if self.format == "base16" else sn.replace(_MAC_GROUPS[self.format][0], "")
        form = _UPPER if self.casing == "upper" else _LOWER
        return int(digits, 16) if form.fullmatch(digits) else None


def range_of(given: Mapping[str, object]) -> SerialRange:
    """The range in ``{"format", "length", "casing", "first", "last"}``. Raises UsageError."""
    form, casing = given.get("format"), given.get("casing") or ""
    if form not in FORMATS or not isinstance(form, str):
        raise UsageError(f"format: must be one of {', '.join(FORMATS)}")
    if form == "base10":
        casing = ""
    elif casing not in CASINGS or not isinstance(casing, str):
        raise UsageError("casing: must be upper or lower")
    first, last = _whole("first", given.get("first")), _whole("last", given.get("last"))
    length = _whole("length", given.get("length") or 0)
    if form in _MAC_GROUPS:
        length, most = 12, (1 << 48) - 1
    elif length > _LONGEST:
        raise UsageError(f"length: must be at most {_LONGEST}")
    else:
        most = min((10 if form == "base10" else 16) ** length - 1 if length else _GREATEST, _GREATEST)
    if not first <= last <= most:
        raise UsageError(f"first and last: must be in order, and at most {most}")
    return SerialRange(form, first, last, length, str(casing))


def _whole(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise UsageError(f"{name}: must be a whole number that is not negative")
    return value
