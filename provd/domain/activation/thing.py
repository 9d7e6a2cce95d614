"""A device that is not a phone, its life, and what an attempt to activate it is answered.

``unclaimed -> pending -> activated -> expired | disabled``. Nothing ticks: ``expired`` is what a pending device is when
its window has passed, and is not stored.
"""

from __future__ import annotations

import enum
from dataclasses import replace

from provd.base.dataclass import dataclass
from provd.base.errors import ConflictError
from provd.base.types import parse_mac
from provd.domain.activation.serials import SerialRange


class ThingState(enum.StrEnum):
    """Where a device is in its life."""

    UNCLAIMED = "unclaimed"
    """Its serial is known, and no tenant has it."""
    PENDING = "pending"
    """A tenant has it, and it may fetch its key while its window is open."""
    ACTIVATED = "activated"
    EXPIRED = "expired"
    """It did not come while its window was open."""
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True, kw_only=True)
class ThingVendor:
    """Who makes devices. The name is unique; ``tenant`` is whose tokens manage its models and serials."""

    vendor: str
    tenant: str
    created: float = 0.0
    key_hash: str = ""
    """SHA-256 of the vendor's own key, if it has one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThingModel:
    """A model of a vendor. ``window`` is seconds from enabling to the end of the chance; 0 means the site's."""

    vendor: str
    model: str
    window: int = 0
    created: float = 0.0
    clone: str = ""
    """What the vendor has said its devices are made after, as it was sent; kept for the vendor."""
    recovery: str = ""
    """``reissue``: a device that has lost the answer may have another key, once it is certain that it is the same."""
    serial_is_mac: int = 0
    """1: a serial that is a MAC is only heard from the address that our DHCP server has leased to that MAC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """One device; its key is vendor, model and serial. Times are seconds since the epoch, 0 for never.

    ``generation`` rises with every enabling. ``rid`` names the device to its owner and outlives its keys. Of a key
    only the SHA-256 is kept.
    """

    vendor: str
    model: str
    sn: str
    state: ThingState = ThingState.UNCLAIMED
    tenant: str = ""
    owner: str = ""
    rid: str = ""
    extra: str = ""
    generation: int = 0
    enabled_at: float = 0.0
    enabled_until: float = 0.0
    activated_at: float = 0.0
    first_used_at: float = 0.0
    key_hash: str = ""
    told: int = 0
    """The last generation of which it was told that nothing came of it."""
    via: str = ""
    """The vendor that enabled it, where that is another one whom the model is shared with."""
    activated_from: str = ""
    activated_mac: str = ""
    """Where the activation came from: the address, and the MAC that it was leased to by us."""

    def state_at(self, now: float) -> ThingState:
        """Its state at that moment. The window is half open: it ends at ``enabled_until`` and not after it."""
        if self.state is ThingState.PENDING and now >= self.enabled_until:
            return ThingState.EXPIRED
        return self.state


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request came from: the address, and the MAC that it is leased to by us, if it is."""

    peer: str = ""
    mac: str = ""


NOWHERE = Origin()
REISSUE = "reissue"
REISSUE_AFTER = 30.0
"""Seconds after the activation before which a repeated request may simply have been under way."""


class Outcome(enum.StrEnum):
    """What became of an attempt to activate."""

    ACTIVATED = "activated"
    REISSUED = "activated anew"
    """It had lost its first key before it could use it, and has another one now."""
    AGAIN = "activated again"
    """With the very key hash that it was activated with: the first answer was lost on its way."""
    UNKNOWN_MODEL = "unknown model"
    UNKNOWN_SERIAL = "unknown serial"
    UNCLAIMED = "refused unclaimed"
    ALREADY = "refused activated"
    EXPIRED = "refused expired"
    DISABLED = "refused disabled"
    OTHER_LEASE = "refused other lease"
    ELSEWHERE = "refused elsewhere"
    """Its home is another instance, or it is on its way there."""
    """Its serial is a MAC that has not this address from us, and its model wants that."""

    @property
    def won(self) -> bool:
        """Whether the device has its key now."""
        return self in {Outcome.ACTIVATED, Outcome.AGAIN, Outcome.REISSUED}

    @property
    def guessed(self) -> bool:
        """Whether it counts against who asked."""
        return self in {Outcome.UNKNOWN_MODEL, Outcome.UNKNOWN_SERIAL, Outcome.OTHER_LEASE}

    @property
    def status(self) -> int:
        """The HTTP status that a device is answered with: 200, 403, 404 or 409."""
        return _STATUS.get(self, 409)


_STATUS = {
    Outcome.ACTIVATED: 200,
    Outcome.AGAIN: 200,
    Outcome.REISSUED: 200,
    Outcome.UNKNOWN_MODEL: 403,
    Outcome.UNKNOWN_SERIAL: 404,
}
_REFUSALS = {
    ThingState.UNCLAIMED: Outcome.UNCLAIMED,
    ThingState.ACTIVATED: Outcome.ALREADY,
    ThingState.EXPIRED: Outcome.EXPIRED,
    ThingState.DISABLED: Outcome.DISABLED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One line of a device's activation log. The store gives the number."""

    seq: int = 0
    vendor: str
    model: str
    sn: str
    at: float
    peer: str
    outcome: str


def moment(thing: Thing | None, now: float) -> float:
    """The time that counts for this device: never before it was enabled.

    Whoever enabled it may have had a clock that is ahead of ours; that must not lock it out.
    """
    return now if thing is None else max(now, thing.enabled_at)


def refusal(thing: Thing, now: float) -> Outcome | None:
    """Why this device gets no key, None when it may have one."""
    return _REFUSALS.get(thing.state_at(moment(thing, now)))


def is_bound(sn: str, seen: Origin) -> bool:
    """Whether a serial that is a MAC comes from that MAC's address; one that is none may come from anywhere."""
    try:
        return parse_mac(sn) == seen.mac
    except ValueError:
        return True


def may_reissue(thing: Thing, model: ThingModel, seen: Origin, now: float) -> bool:
    """Whether an activated device is given another key: its answer was lost, and it is certainly the same device.

    It has never shown its key, its window is open, it did not ask a moment ago, and it comes from the same lease of
    ours, or where there is none from the same address.
    """
    if model.recovery != REISSUE or thing.first_used_at or not now < thing.enabled_until:
        return False
    if now - thing.activated_at < REISSUE_AFTER:
        return False
    if thing.activated_mac or seen.mac:
        return thing.activated_mac == seen.mac
    return bool(seen.peer) and thing.activated_from == seen.peer


def enabled(thing: Thing, now: float, window: float, *, tenant: str, owner: str, rid: str, via: str = "") -> Thing:
    """A device that nobody had, given to a tenant. Raises ConflictError when somebody has it."""
    if thing.state is not ThingState.UNCLAIMED:
        raise ConflictError(f"{thing.sn} is {thing.state_at(now)} already")
    return replace(_opened(thing, now, window), tenant=tenant, owner=owner, rid=rid, via=via)


def reenabled(thing: Thing, now: float, window: float) -> Thing:
    """A device that a tenant has, with a full window and without its key. Raises ConflictError when nobody has it."""
    if thing.state is ThingState.UNCLAIMED:
        raise ConflictError(f"{thing.sn} belongs to nobody yet: it is enabled for an owner first")
    return _opened(thing, now, window)


def disabled(thing: Thing) -> Thing:
    """A device that may not be activated, without its key. Raises ConflictError when nobody has it."""
    if thing.state is ThingState.UNCLAIMED:
        raise ConflictError(f"{thing.sn} belongs to nobody yet")
    return replace(thing, state=ThingState.DISABLED, key_hash="")


def remapped(old: Thing, new: Thing, now: float, window: float) -> tuple[Thing, Thing]:
    """A device was replaced: the new one is what the old one was, and has to be activated. Raises ConflictError."""
    if old.state is ThingState.UNCLAIMED:
        raise ConflictError(f"{old.sn} belongs to nobody yet")
    # Enabled first, which refuses a serial that is in use.
    fresh = enabled(new, now, window, tenant=old.tenant, owner=old.owner, rid=old.rid, via=old.via)
    gone = Thing(vendor=old.vendor, model=old.model, sn=old.sn, extra=old.extra, generation=old.generation + 1)
    return gone, fresh


def _opened(thing: Thing, now: float, window: float) -> Thing:
    return replace(
        thing,
        state=ThingState.PENDING,
        generation=thing.generation + 1,
        enabled_at=now,
        enabled_until=now + window,
        activated_at=0.0,
        first_used_at=0.0,
        key_hash="",
        activated_from="",
        activated_mac="",
    )


def in_ranges(sn: str, ranges: tuple[SerialRange, ...]) -> bool:
    """Whether one of the ranges has this serial."""
    return any(each.holds(sn) for each in ranges)
