"""File names as phones ask for them: no regard to case, and a MAC in any usual form somewhere inside."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from provd.base.types import Mac

T = TypeVar("T")

LONGEST_NAME = 255
"""Longer names are nobody's: they are not looked at."""

FOLDERS = 3
"""How many folders in front of a name may tell something about its asker."""

MAC_MARK = "{mac}"
SERIAL_MARK = "{serial}"
MODEL_MARK = "{model}"
SEPARATORS = str.maketrans("", "", ":-_")

_MAC = re.compile(r"[0-9a-f]{12}|[0-9a-f]{2}([:_-])(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}")
_LOOSE = re.compile(rf"(?<![0-9a-z])(?:{_MAC.pattern})(?![0-9a-f])")

_NOBODY = "0" * 12
_SHORTEST = 12


def name_for(pattern: str, mac: str, model: str) -> str:
    """The name that a device asks for by a rule's pattern; ``{model}`` stays in it while its model is not known."""
    return pattern.replace(MAC_MARK, mac).replace(MODEL_MARK, model or MODEL_MARK)


def last_segment(path: str) -> str:
    """What follows the last slash."""
    return path[path.rfind("/") + 1 :]


def with_folders(path: str) -> Iterator[str]:
    """The last segment, then with one more folder in front each time."""
    start = len(path)
    for _ in range(FOLDERS + 1):
        start = path.rfind("/", 0, start)
        yield path[start + 1 :]
        if start <= 0:
            return


def loose_mac(lower: str) -> Mac | None:
    """A MAC that stands on its own in a lower-case name that no rule knows."""
    found = _LOOSE.search(lower)
    if found is None:
        return None
    digits = found[0].translate(SEPARATORS)
    return Mac(digits) if digits != _NOBODY else None


class NameTable(Generic[T]):
    """What is known by file name, one value for each; ``{mac}`` in a name stands for any MAC.

    A look-up costs one dictionary access, and one more for each place of this name where a MAC may begin - not one for
    each name in the table, nor for each place that some name in it has. A plain name wins over a name with a MAC, as
    ``y000000000000`` is not a MAC after "y".
    """

    __slots__ = ("_heads", "_values")

    def __init__(self, names: Iterable[tuple[str, T]]) -> None:
        self._values = {name.lower(): value for name, value in names}
        places = {key.find(MAC_MARK) for key in self._values}
        self._heads = frozenset(place for place in places if place >= 0)

    def find(self, lower: str) -> tuple[T | None, Mac | None]:
        """The value of a lower-case name and the MAC in it; ``(None, None)`` when the table does not have it."""
        plain = self._values.get(lower)
        if plain is not None:
            return plain, None
        found = _MAC.search(lower) if len(lower) >= _SHORTEST else None
        while found is not None:
            head, end = found.span()
            if head in self._heads:
                value = self._values.get(f"{lower[:head]}{MAC_MARK}{lower[end:]}")
                if value is not None:
                    return value, Mac(found[0].translate(SEPARATORS))
            found = _MAC.search(lower, head + 1)
        return None, None
