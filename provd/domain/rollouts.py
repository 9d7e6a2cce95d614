"""Giving a version of firmware to many devices, one ring after the other: the records, and the rules."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from math import ceil

from provd.base.dataclass import dataclass
from provd.base.types import Mac


class RolloutState(enum.StrEnum):
    """Where a rollout stands."""

    PLANNED = "planned"
    RUNNING = "running"
    PAUSED = "paused"
    """Somebody has stopped it for a while, or too many devices did not do as they should; ``reason`` says which."""
    DONE = "done"
    ABORTED = "aborted"
    """No further device is given the version; those that were given it keep it."""
    ROLLED_BACK = "rolled-back"
    """Every device is given what it had before."""


ACTIVE = frozenset({RolloutState.RUNNING, RolloutState.PAUSED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """One version for those devices of ``models`` that fit everything that is named: tenant, group, devices.

    ``rings`` are ``name=percent``: the share of the devices that has the version when the ring is through, the last one
    100. ``ring`` is the number of rings that were begun. ``tolerance`` is the percentage of a ring that may fail
    without stopping the rest, ``patience`` the seconds that a device has to come back with the version.
    """

    id: str
    plugin: str
    package: str
    version: str
    models: tuple[str, ...]
    tenant: str = ""
    """Whose devices; empty: everybody's."""
    profile: str = ""
    """Only devices with this group profile."""
    devices: tuple[str, ...] = ()
    """Only these; empty: all that fit."""
    rings: tuple[str, ...] = ("all=100",)
    tolerance: int = 5
    patience: float = 3600.0
    tell: bool = True
    """Whether devices are told to fetch their files; else they come by themselves."""
    state: RolloutState = RolloutState.PLANNED
    ring: int = 0
    reason: str = ""
    by: str = ""
    created: float = 0.0
    finished: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutDevice:
    """A device that a rollout has given the version at ``at``: in which ring, what it ran, and what it was to run."""

    rollout: str
    mac: Mac
    ring: int = 1
    was: str = ""
    had: str = ""
    at: float = 0.0


RolloutRecord = Rollout | RolloutDevice


class Standing(enum.StrEnum):
    """What has become of one device."""

    ON = "on"
    """It runs the version."""
    WAITING = "waiting"
    """It still has time."""
    MISSING = "missing"
    """It did not come back."""
    OLD = "old"
    """It came back and runs another version."""
    WITHDRAWN = "withdrawn"
    """It is not to run the version any more: somebody else says so, or it changed hands."""


FAILED = frozenset({Standing.MISSING, Standing.OLD})


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of a device: whether it is to run the version and does, and when it was heard last."""

    wants: bool
    runs: bool
    last_seen: float = 0.0
    last_boot: float = 0.0


def standing(member: RolloutDevice, seen: Seen, patience: float, now: float) -> Standing:
    """What has become of a device."""
    if not seen.wants:
        return Standing.WITHDRAWN
    if seen.runs:
        return Standing.ON
    if now - member.at < patience:
        return Standing.WAITING
    # It fetches its file before it installs anything: to have been seen just then proves nothing.
    back = seen.last_boot > member.at or seen.last_seen > member.at + patience / 2
    return Standing.OLD if back else Standing.MISSING


def percent(ring: str) -> int:
    """The share of a ring."""
    return int(ring.rpartition("=")[2])


def ring_name(rollout: Rollout) -> str:
    """The name of the ring that is under way, empty before the first."""
    return rollout.rings[rollout.ring - 1].rpartition("=")[0] if rollout.ring else ""


def faults(rings: Sequence[str]) -> str:
    """What is wrong with the rings of a rollout, or an empty text."""
    shares = []
    names = set()
    for ring in rings:
        name, equals, share = ring.rpartition("=")
        if not (equals and name and share.isascii() and share.isdigit() and 1 <= int(share) <= 100):
            return f"{ring!r} is not NAME=PERCENT, such as pilot=5"
        shares.append(int(share))
        names.add(name)
    if not shares or shares[-1] != 100:
        return "the last ring has to be everybody (100)"
    if shares != sorted(set(shares)) or len(names) < len(rings):
        return "each ring has a name of its own and a larger share than the one before"
    return ""


def order(macs: Iterable[Mac]) -> list[Mac]:
    """Devices in the order of their turns: the same each time, and without regard to who is whose neighbour."""
    return sorted(macs, key=lambda mac: sha256(mac.encode()).digest())


def share(rollout: Rollout, macs: Iterable[Mac]) -> list[Mac]:
    """Those that the rings begun so far give the version to."""
    if not rollout.ring:
        return []
    ranked = order(macs)
    return ranked[: ceil(len(ranked) * percent(rollout.rings[rollout.ring - 1]) / 100)]


class Verdict(enum.Enum):
    """What comes next of a ring."""

    WAIT = enum.auto()
    PAUSE = enum.auto()
    NEXT = enum.auto()


def verdict(rollout: Rollout, counts: Mapping[Standing, int]) -> Verdict:
    """What follows from how many devices of the present ring stand where."""
    failed = sum(counts.get(each, 0) for each in FAILED)
    total = sum(counts.get(each, 0) for each in Standing if each is not Standing.WITHDRAWN)
    if failed * 100 > rollout.tolerance * total:
        return Verdict.PAUSE
    return Verdict.WAIT if counts.get(Standing.WAITING) else Verdict.NEXT
