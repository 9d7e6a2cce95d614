"""Versions of firmware, as devices tell them and as people write them."""

from __future__ import annotations

import re

_PART = re.compile(r"([0-9]*)(.*)", re.DOTALL)


def plain(version: str) -> str:
    """``7.4.9(c)`` as ``7.4.9c``: devices of one vendor write the letter either way."""
    return version.strip().lower().replace("(", "").replace(")", "")


def same(one: str, other: str) -> bool:
    """Whether two texts are one version; an empty one is none."""
    return bool(one) and plain(one) == plain(other)


def rank(version: str) -> list[tuple[int, str]]:
    """A key by which 7.4.9 comes before 7.5.2, and this before 7.5.2b."""
    found = (_PART.fullmatch(part) for part in plain(version).split("."))
    return [(int(part[1] or 0), part[2]) for part in found if part is not None]


def older(version: str, than: str) -> bool:
    """Whether a version is an older one; one that is not known is."""
    return not version or rank(version) < rank(than)
