"""Facts about PBXs that hand over calls (FastAGI)."""

from __future__ import annotations

from typing import ClassVar

from provd.base.dataclass import dataclass
from provd.base.facts.base import Fact, Level


@dataclass(frozen=True, slots=True, kw_only=True)
class AgiCall(Fact):
    """A PBX has handed over a call in which a number was dialed; ``outcome`` is what it was told. What the number was
    is not told here, because it may be a code that is still good.

    Do: nothing. For ``no-device`` let the PBX say more of the caller: see ``pbx.agi_evidence``.
    """

    ID: ClassVar[str] = "AGI-CALL"

    peer: str
    channel: str
    digits: int
    outcome: str
    account: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgiRefused(Fact):
    """Somebody connected to the FastAGI port and was turned away: ``untrusted`` (not in ``pbx.agi_trusted``), ``full``
    (too many calls at once), ``protocol`` (no FastAGI), ``slow`` (no answer in time). Told once per peer and reason in
    a minute; ``count`` includes those since it was told last.

    Do: add the PBX to ``pbx.agi_trusted`` when it is yours; else close the port to that peer.
    """

    ID: ClassVar[str] = "AGI-REFUSED"
    LEVEL: ClassVar[Level] = Level.WARNING

    peer: str
    reason: str
    detail: str = ""
    count: int = 1
