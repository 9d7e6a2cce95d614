"""Is a plugin's regular expression harmless? Its texts come from the network, so it must not be made to crawl.

Texts are cut at 255 characters. An expression may not look around or refer back, and has at most two wide repeats. A
repeated group must not have many ways to match the same text: nested repeats are what makes matching exponential.
"""

from __future__ import annotations

import re

from provd.base.dataclass import dataclass

GROUPS = frozenset({"model", "version", "mac", "serial"})
MOST_WIDE = 2
"""Wide repeats in one expression, at most."""
WIDE = 100
"""A repeat of more than this counts as wide; so does one without a bound."""
MOST_WAYS = 4096
"""In how many ways a repeated group may take one text apart, at most."""

_REPEAT = re.compile(r"\*|\+|\?|\{(\d+)?(,)?(\d+)?\}")
_CLASS = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_GROUP = re.compile(r"\((?:\?:|\?P<[^>]*>)?")
_FORBIDDEN = re.compile(r"\(\?(?:=|!|<=|<!|P=|\()|\\[1-9]")
_UNBOUNDED = 10_000


@dataclass(slots=True)
class _Group:
    """An open group; ``ways`` in which its body may match, at most."""

    ways: int = 1


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
    wide = place = 0
    closed: _Group | None = None
    while place < len(text):
        repeat = _REPEAT.match(text, place) if place else None
        if repeat is None:
            stack[-1].ways *= closed.ways if closed else 1
            place, closed = _step(text, place, stack)
            continue
        least, most = _bounds(repeat)
        wide += most > WIDE
        ways = closed.ways if closed else 1
        if ways > 1 and most > 1 and (most > WIDE or ways**most > MOST_WAYS):
            found.append(
                f"repeat of something variable at character {place}: {repeat[0]!r} (bound it, or fix the inside)"
            )
            ways = 1
        stack[-1].ways *= ways ** min(most, WIDE) * (max(most, 2) if least != most else 1)
        closed = None
        place = repeat.end() + (text[repeat.end() : repeat.end() + 1] in {"?", "+"})
    if wide > MOST_WIDE:
        found.append(f"{wide} wide repeats; at most {MOST_WIDE}, write {{1,40}} instead")
    return found


def _step(text: str, place: int, stack: list[_Group]) -> tuple[int, _Group | None]:
    """Behind the element at ``place``, and the group if one was closed there."""
    char = text[place]
    if char == "|":
        stack[-1].ways *= 2
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
