"""What is known of a device that does not work, and what can be found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from typing import Literal

from provd.base.dataclass import dataclass
from provd.base.facts import Fact
from provd.base.types import Mac
from provd.domain.records import Device

Level = Literal["problem", "waiting", "note", "good"]
PATIENCE = 60.0
"""Seconds that a device may take for its next step."""


@dataclass(frozen=True, slots=True)
class Finding:
    """``what`` is so, ``do`` that about it (empty: nothing). A ``problem`` keeps the phone from working, ``waiting`` is
    for somebody to act or for the phone to come, a ``note`` is good to know."""

    level: Level
    what: str
    do: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is known. ``facts`` are the device's last ones, the oldest first; ``servers`` are those of its lines, ``""``
    where a line has none; ``wanted_firmware`` is the version that it is to run and does not, empty otherwise; ``notes``
    say which settings do nothing on it and why; ``comes`` says when it fetches a file that has changed, empty when none
    has; ``silent``: it was not heard for longer than it should be; ``near`` are devices here whose MAC is almost this
    one; ``down`` are parts of the daemon that cannot work."""

    mac: Mac
    now: float
    device: Device | None = None
    facts: Sequence[Fact] = ()
    servers: Sequence[str] = ()
    settings: Mapping[str, object] = field(default_factory=dict)
    wanted_firmware: str = ""
    notes: Mapping[str, str] = field(default_factory=dict)
    knows_model: bool = True
    comes: str = ""
    silent: bool = False
    near: Sequence[Mac] = ()
    down: Sequence[str] = ()

    def last(self, *ids: str) -> Fact | None:
        """The newest fact with one of these ids."""
        return next((fact for fact in reversed(self.facts) if fact.ID in ids), None)

    def own(self) -> Fact | None:
        """The last time that it was given its own file."""
        served = (fact for fact in reversed(self.facts) if fact.ID == "FILE-SERVED" and of(fact, "kind") == "device")
        return next(served, None)

    def later(self, fact: Fact | None, than: Fact | None) -> bool:
        """Whether something has happened, and the other thing not since."""
        return fact is not None and (than is None or than.at < fact.at)

    def ago(self, fact: Fact) -> str:
        """How long ago something was, for people."""
        return ago(self.now - fact.at)


_OURS = ("ADMIN-", "DEVICE-STATE", "SETTING-", "RESYNC-", "ROLLOUT-")
"""How facts begin that also tell of a device which was never switched on."""


def heard(facts: Iterable[Fact]) -> bool:
    """Whether one of them says that something has arrived from the device."""
    return any(not fact.ID.startswith(_OURS) for fact in facts)


def ago(seconds: float) -> str:
    """``20 s ago``, ``5 min ago``, ``3 h ago``, ``4 days ago``."""
    for unit, length in (("days", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * length:
            return f"{int(seconds // length)} {unit} ago"
    return f"{max(0, int(seconds))} s ago"


def of(fact: Fact, name: str) -> object:
    """A field of a fact, empty where it has none of that name."""
    return getattr(fact, name, "")
