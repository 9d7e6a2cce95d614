"""Facts about what a booting device is told."""

from __future__ import annotations

from typing import ClassVar

from provd.base.dataclass import dataclass
from provd.base.facts.base import Fact, Level


@dataclass(frozen=True, slots=True, kw_only=True)
class AdviceFailed(Fact):
    """A DHCP option that a plugin advises could not be encoded; clients get their other options.

    Do: correct the option in the plugin's manifest, or ``server.advertise`` when the option needs an address.
    """

    ID: ClassVar[str] = "ADVICE-FAILED"
    LEVEL: ClassVar[Level] = Level.ERROR

    plugin: str
    option: int
    reason: str
