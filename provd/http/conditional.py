"""Conditional and range requests (RFC 9110 sections 13 and 14), decided on plain values."""

from __future__ import annotations

import re
from collections.abc import Sequence

from multidict import CIMultiDictProxy

from provd.base.dataclass import dataclass

_ETAG = re.compile(r'(W/)?"([^"]*)"')
_ONE_RANGE = re.compile(r"bytes=\s*(\d{0,18})-(\d{0,18})\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Selection:
    """What is sent: a status and, for 200 and 206, the octets from ``start`` up to but not including ``stop``."""

    status: int
    start: int = 0
    stop: int = 0


def select(method: str, headers: CIMultiDictProxy[str], *, etag: str, size: int, ranges: bool) -> Selection:
    """Weigh the preconditions in the order of RFC 9110 section 13.2.2.

    There is no Last-Modified here, so the date conditions never apply. ``etag`` is strong and without quotes,
    empty when the content has none; ``ranges`` tells whether parts of it make sense.
    """
    whole = Selection(200, 0, size)
    if "If-Match" in headers and not _listed(headers.getall("If-Match"), etag, weak=False):
        return Selection(412)
    if "If-None-Match" in headers and _listed(headers.getall("If-None-Match"), etag, weak=True):
        return Selection(304)
    if not ranges or method != "GET" or "Range" not in headers:
        return whole
    if "If-Range" in headers and not (etag and headers["If-Range"].strip() == f'"{etag}"'):
        return whole
    return _ranged(headers["Range"], size) or whole


def _listed(lines: Sequence[str], etag: str, *, weak: bool) -> bool:
    """Whether a list of entity tags names ours; ``*`` names whatever exists."""
    text = ",".join(lines).strip()
    if text == "*":
        return True
    if not etag:
        return False
    return any(tag == etag and (weak or not mark) for mark, tag in _ETAG.findall(text))


def _ranged(text: str, size: int) -> Selection | None:
    """The one range asked for; None when the header is to be ignored (malformed, or several ranges)."""
    match = _ONE_RANGE.fullmatch(text)
    if not match or match.group(1, 2) == ("", ""):
        return None
    first, last = match.group(1, 2)
    if not first:
        length = min(int(last), size)
        return Selection(206, size - length, size) if length else Selection(416)
    start = int(first)
    if last and int(last) < start:
        return None
    if start >= size:
        return Selection(416)
    return Selection(206, start, min(int(last) + 1, size) if last else size)
