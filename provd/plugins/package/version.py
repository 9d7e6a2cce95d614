"""Versions of plugins: SemVer 2.0.0, ordered as its section 11 says."""

from __future__ import annotations

import re
from functools import total_ordering
from typing import Self

_VERSION = re.compile(r"(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})(?:-([0-9A-Za-z.-]{1,60}))?", re.ASCII)


@total_ordering
class Version:
    """``1.2.0`` or ``1.2.0-beta.2``. Raises ValueError for what is no such version (build metadata included)."""

    __slots__ = ("_key", "_text")

    def __init__(self, text: str) -> None:
        found = _VERSION.fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r} is no version like 1.2.0")
        self._text = text
        release = tuple(int(part) for part in found.group(1, 2, 3))
        # A pre-release comes before its release: hence the flag that is smaller for it.
        before = found.group(4)
        self._key = (release, before is None, tuple(_identifier(part) for part in (before or "").split(".")))

    @classmethod
    def fits(cls, text: str) -> bool:
        """Whether ``text`` is a version."""
        return _VERSION.fullmatch(text) is not None

    def __str__(self) -> str:
        return self._text

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self._key == other._key

    def __lt__(self, other: Self) -> bool:
        return self._key < other._key


def _identifier(text: str) -> tuple[bool, int, str]:
    """Numbers are compared as such and come before words."""
    return (False, int(text), "") if text.isascii() and text.isdigit() else (True, 0, text)
