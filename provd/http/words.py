"""How times and durations are put into words on the page."""

from __future__ import annotations

import datetime as dt

_UNITS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"))
_FAR_FUTURE = 253402300799.0


def iso(at: float) -> str:
    """``2026-11-20T23:15:02Z``; empty for never (0) and for a time no calendar has."""
    if not 0 < at <= _FAR_FUTURE:
        return ""
    return f"{dt.datetime.fromtimestamp(int(at), dt.UTC):%Y-%m-%dT%H:%M:%SZ}"


def span(seconds: float) -> str:
    """``8 ms``, ``2.4 s``, ``3 min``, ``2 h``, ``9 d``."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    for unit, name in _UNITS:
        if seconds >= unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} s"


def ago(at: float, now: float) -> str:
    """``3 min ago``, ``in 2 h``, ``just now``, ``never``."""
    if not at:
        return "never"
    if at > _FAR_FUTURE:
        return "for ever"
    past = now - at
    if abs(past) < 1:
        return "just now"
    return f"{span(past)} ago" if past > 0 else f"in {span(-past)}"


def size(octets: int) -> str:
    """``512 B``, ``4.2 kB``, ``31 MB``."""
    if octets < 1000:
        return f"{octets} B"
    amount, unit = (octets / 1000, "kB") if octets < 1_000_000 else (octets / 1_000_000, "MB")
    return f"{amount:.1f} {unit}" if amount < 10 else f"{amount:.0f} {unit}"
