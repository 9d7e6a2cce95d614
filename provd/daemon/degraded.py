"""Which parts cannot work at the moment, from the first fact of the start on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from provd.base.facts import Fact
from provd.base.facts.daemon import Degraded, Recovered


class Part(NamedTuple):
    """A part that cannot work, why, and since when."""

    part: str
    reason: str
    since: float


class DegradedParts:
    """A reader of facts."""

    HEARD: ClassVar = frozenset[type[Fact]]({Degraded, Recovered})
    """The facts that it reads."""

    def __init__(self) -> None:
        self._parts: dict[str, Part] = {}

    def __call__(self, facts: Sequence[Fact]) -> None:
        """Take what was told."""
        for fact in facts:
            if isinstance(fact, Degraded):
                self._parts[fact.part] = Part(fact.part, fact.reason, fact.at)
            elif isinstance(fact, Recovered):
                self._parts.pop(fact.part, None)

    @property
    def parts(self) -> tuple[Part, ...]:
        """In the order in which they were told."""
        return tuple(self._parts.values())
