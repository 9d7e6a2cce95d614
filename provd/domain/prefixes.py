"""Values by the literal prefixes of texts, found in steps that only texts which begin alike can add to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

from provd.base.dataclass import dataclass

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Node(Generic[T]):
    """Where a text has got to: ``values`` of every prefix so far, and where its next ``width`` characters lead."""

    values: tuple[T, ...]
    width: int
    ways: dict[str, _Node[T]]


class Prefixes(Generic[T]):
    """Values by the prefixes (lower case) of texts that they are for.

    A tree whose steps are as long as the shortest prefix that is still possible: prefixes of other texts, of whatever
    length, cost nothing, as the lengths of all prefixes in turn would.
    """

    __slots__ = ("_root",)

    def __init__(self, named: Iterable[tuple[str, T]]) -> None:
        found: dict[str, tuple[T, ...]] = {}
        for start, value in named:
            found[start] = (*found.get(start, ()), value)
        self._root = _node(found, ())

    def of(self, text: str) -> tuple[T, ...]:
        """The values for this text, those with the longest prefix first."""
        lower = text.lower()
        node, place = self._root, 0
        while node.width:
            end = place + node.width
            further = node.ways.get(lower[place:end])
            if further is None:
                break
            node, place = further, end
        return node.values


def _node(found: dict[str, tuple[T, ...]], above: tuple[T, ...]) -> _Node[T]:
    """The node of these remainders of prefixes; ``above`` are the values of the shorter ones."""
    values = found.get("", ()) + above
    longer = [start for start in found if start]
    width = min(map(len, longer), default=0)
    ways: dict[str, dict[str, tuple[T, ...]]] = {}
    for start in longer:
        ways.setdefault(start[:width], {})[start[width:]] = found[start]
    return _Node(values, width, {step: _node(below, values) for step, below in ways.items()})
