"""Facts about long work."""

from __future__ import annotations

from typing import ClassVar

from provd.base.dataclass import dataclass
from provd.base.facts.base import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkStarted(Fact):
    """Somebody began something that takes its time (``kind``), such as fetching a plugin or trying it on the fleet.

    Do: nothing; ``provd operation show ID`` says how far it is.
    """

    ID: ClassVar[str] = "OPERATION-STARTED"

    work: str
    kind: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkEnded(Fact):
    """It is over: ``done``, ``failed`` with a reason, or ``cancelled``.

    Do: read the reason of one that failed; what it had begun to change was taken back.
    """

    ID: ClassVar[str] = "OPERATION-ENDED"

    work: str
    kind: str
    state: str
    reason: str = ""
