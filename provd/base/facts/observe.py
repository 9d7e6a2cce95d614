"""Facts about the keeping of facts."""

from __future__ import annotations

from typing import ClassVar

from provd.base.dataclass import dataclass
from provd.base.facts.base import Fact, Level


@dataclass(frozen=True, slots=True, kw_only=True)
class FactsNotKept(Fact):
    """Facts arose faster than the store takes them, or it refused them; the device histories lack these. Everything
    was still logged and counted. Told at most once a minute.

    Do: nothing during a boot storm; otherwise look for what floods the log, and at the store's own facts.
    """

    ID: ClassVar[str] = "FACTS-NOT-KEPT"
    LEVEL: ClassVar[Level] = Level.WARNING

    count: int
