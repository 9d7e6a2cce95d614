"""Units within a device: chipsets, handsets, control units. A device is ready when all of them are.

A unit proves that it is there with ``proof = HMAC-SHA256(key = SHA-256 of the device's key in hex, "NONCE:UNIT-ID")``
in hex, over a nonce that is good for twenty minutes.
"""

from __future__ import annotations

import enum
import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace

from provd.base.dataclass import dataclass
from provd.domain.regions.codes import Code, Wrong
from provd.domain.regions.home import Home
from provd.domain.regions.messages import Chipset

NONCE_SECONDS = 1200.0
"""How long a nonce may be answered."""


class UnitState(enum.StrEnum):
    """How far a unit is."""

    PENDING = "PENDING"
    """It is known, and has not proved itself."""
    REGISTERED = "REGISTERED"
    """It has, and its first-boot tasks are to run."""
    ACTIVE = "ACTIVE"
    FAILED = "FAILED"
    """A first-boot task has failed; when it is done at last, the unit is active."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One of them, by the device and its own id there. ``details`` are what the device said of it."""

    device_id: str
    unit_id: str
    type: str = ""
    details: Mapping[str, object] = field(default_factory=dict)
    state: UnitState = UnitState.PENDING
    nonce: str = ""
    nonce_at: float = 0.0
    reason: str = ""
    since: float = 0.0


def unit_of(device_id: str, chipset: Chipset, now: float) -> Unit:
    """A unit that a device has told of."""
    details = {name: getattr(chipset, name) for name in ("name", "version", "sw", "hw", "sku")}
    return Unit(device_id=device_id, unit_id=chipset.id, type=chipset.type, details=details, since=now)


def challenged(units: Iterable[Unit], nonce: str, now: float) -> list[Unit]:
    """Those that have not proved themselves, with a nonce of theirs."""
    return [replace(unit, nonce=nonce, nonce_at=now) for unit in units if unit.state is UnitState.PENDING]


def proof(key_hash: str, nonce: str, unit_id: str) -> str:
    """What a unit shows."""
    return hmac.new(key_hash.encode(), f"{nonce}:{unit_id}".encode(), hashlib.sha256).hexdigest()


def registered(home: Home, units: Sequence[Unit], shown: Mapping[str, str], now: float) -> tuple[list[Unit], set[str]]:
    """The units after a round, and the ids of those whose proof is wrong. Raises Wrong when nothing changes."""
    there = {unit.unit_id: unit for unit in units}
    if set(shown) - set(there) or not shown:
        raise Wrong(Code.COUNT_MISMATCH, f"{len(shown)} units are shown, and {len(there)} are known")
    waiting = [there[name] for name in shown if there[name].state is UnitState.PENDING]
    if any(not unit.nonce for unit in waiting):
        raise Wrong(Code.NONCE, "there is no nonce: ask for one")
    if any(now >= unit.nonce_at + NONCE_SECONDS for unit in waiting):
        raise Wrong(Code.NONCE_TIMEOUT, "the nonce was good for 20 minutes: ask for another one")
    changed: list[Unit] = []
    wrong: set[str] = set()
    for unit in waiting:
        if hmac.compare_digest(shown[unit.unit_id].encode(), proof(home.key_hash, unit.nonce, unit.unit_id).encode()):
            changed.append(replace(unit, state=UnitState.REGISTERED, nonce="", since=now))
        else:
            wrong.add(unit.unit_id)
    if waiting and not changed:
        raise Wrong(Code.NONCE, "no proof fits the nonce: ask for another one")
    return changed, wrong
