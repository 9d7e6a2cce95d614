"""Is a plugin's regular expression harmless? Its texts come from the network, so it must not be made to crawl.

Texts are cut at 255 characters, and an expression may not nest variable repeats, look around or refer back; with at
most two unbounded repeats the worst text costs a fraction of a millisecond.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

GROUPS = frozenset({"model", "version", "mac", "serial"})
MOST_UNBOUNDED = 2
MOST_REPEATS = 60
_INNER_PRODUCT = 64
"""How often the body of a bounded repeated group may repeat something, times the group's own count."""

_REPEAT = re.compile(r"\*|\+|\?|\{(\d+)?(,)?(\d+)?\}")
_CLASS = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_GROUP = re.compile(r"\((?:\?:|\?P<[^>]*>)?")
_FORBIDDEN = re.compile(r"\(\?(?:=|!|<=|<!|P=|\()|\\[1-9]")
_UNBOUNDED = 10_000


@dataclass(slots=True)
class _Group:
    """What has been seen inside an open group: the largest repeat of variable length."""

    inner: int = 0


def faults(text: str) -> tuple[str, ...]:
    """What is wrong with the expression, as sentences for the author; empty when it may be used."""
    try:
        regex = re.compile(text, re.IGNORECASE)
    except re.error as error:
        return (f"not a regular expression: {error}",)
    found = [
        f"unknown group {name!r} (there are {', '.join(sorted(GROUPS))})"
        for name in sorted(set(regex.groupindex) - GROUPS)
    ]
    if regex.groups > len(regex.groupindex):
        found.append("unnamed group: write (?:…)")
    if regex.fullmatch(""):
        found.append("matches an empty text")
    if _FORBIDDEN.search(text):
        found.append("look-around, conditions and back references are not allowed")
    return (*found, *_repeats(text))


def _repeats(text: str) -> list[str]:
    found: list[str] = []
    stack = [_Group()]
    unbounded = repeats = place = 0
    closed: _Group | None = None
    while place < len(text):
        repeat = _REPEAT.match(text, place)
        if repeat and place:
            least, most = _bounds(repeat)
            variable = least != most
            repeats += most > 1
            unbounded += most >= _UNBOUNDED
            if closed is not None and closed.inner and most > 1 and closed.inner * most > _INNER_PRODUCT:
                found.append(f"repeat inside a repeat at character {place}: {repeat[0]!r} (bound the inner one)")
            inner = max(most if variable and most > 1 else 0, closed.inner if closed else 0)
            stack[-1].inner = max(stack[-1].inner, inner)
            closed = None
            place = repeat.end() + (text[repeat.end() : repeat.end() + 1] in {"?", "+"})
            continue
        if closed is not None:
            stack[-1].inner = max(stack[-1].inner, closed.inner)
            closed = None
        place, closed = _step(text, place, stack)
    if unbounded > MOST_UNBOUNDED:
        found.append(f"{unbounded} unbounded repeats; at most {MOST_UNBOUNDED}, write {{1,40}} instead")
    if repeats > MOST_REPEATS:
        found.append("too long")
    return found


def _step(text: str, place: int, stack: list[_Group]) -> tuple[int, _Group | None]:
    """Behind the element at ``place``, and the group if one was closed there."""
    char = text[place]
    if char == "\\":
        return place + 2, None
    if char == "[":
        found = _CLASS.match(text, place)
        return (found.end() if found else place + 1), None
    if char == "(":
        found = _GROUP.match(text, place)
        stack.append(_Group())
        return (found.end() if found else place + 1), None
    if char == ")" and len(stack) > 1:
        return place + 1, stack.pop()
    return place + 1, None


def _bounds(repeat: re.Match[str]) -> tuple[int, int]:
    if repeat[0] == "?":
        return 0, 1
    if repeat[0] in {"*", "+"}:
        return int(repeat[0] == "+"), _UNBOUNDED
    least = int(repeat[1] or 0)
    if not repeat[2]:
        return least, least
    return least, int(repeat[3]) if repeat[3] else _UNBOUNDED
