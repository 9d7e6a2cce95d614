"""What reads, decides and writes inside the writer's transaction, beside the changes that know what they want."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from provd.storage.mapping import Row

Execute = Callable[[str, Row], Sequence[Row]]
"""Carries out a statement in its driver form; gives the rows, if it has some."""


class Step(Protocol):
    """Keeps what it found, and its refusal, to itself: whatever ``run`` raises undoes the whole transaction.

    It may be run again when the transaction failed, and then begins anew.
    """

    key: tuple[str, ...]
    """Steps of one transaction are run in the order of their keys."""
    weight: int
    """How many rows it is about: a large step is given more time."""
    wrote: bool
    """Whether the last run changed anything."""

    def run(self, execute: Execute) -> None:
        """Do it, in the thread that writes."""
        ...
