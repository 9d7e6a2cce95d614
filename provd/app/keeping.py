"""Kinds of records as the fleet keeps them: which are plain, what a device's files depend on, what a refusal leaves."""

from __future__ import annotations

from dataclasses import fields, replace
from operator import attrgetter
from typing import TypeVar

from provd.domain.device_types import Constraint, DeviceType
from provd.domain.hooks import DeadLetter, Letter
from provd.domain.overrides import Override
from provd.domain.records import (
    ApiToken,
    AuditEntry,
    Code,
    Device,
    FreeParameter,
    Heartbeat,
    Kept,
    Line,
    Lock,
    Metadata,
    PendingResync,
    Profile,
    Redemption,
    Reservation,
    TaskRun,
    TaskStep,
    Tenant,
    ThingOwner,
    Work,
)
from provd.domain.rollouts import Rollout, RolloutDevice
from provd.domain.settings import FREE, begins, protect
from provd.domain.site_models import SiteModel

Revised = Device | Tenant | Line | Profile | DeviceType | Constraint
"""Kinds with a revision."""

R = TypeVar("R", Device, Tenant, Line, Profile, DeviceType)

PLAIN = (
    Reservation,
    Code,
    Redemption,
    PendingResync,
    Lock,
    Heartbeat,
    ApiToken,
    Metadata,
    TaskRun,
    TaskStep,
    FreeParameter,
    Work,
    Rollout,
    RolloutDevice,
    Override,
    SiteModel,
)
"""Kinds that hold no settings of their own."""

ASIDE = (AuditEntry, ThingOwner, Letter, DeadLetter)
"""Kinds that are written and not kept in memory."""


IN_FILES = attrgetter(
    "vendor",
    "model",
    "version",
    "plugin",
    "tenant",
    "lines",
    "ports",
    "profile",
    "settings",
    "description",
    "token_epoch",
)
"""What a device's files depend on; ``revision`` rises when one of these changes."""


def free_names(record: object) -> list[str]:
    """The vendors' parameters that a record sets, as ``plugin.parameter``."""
    if not isinstance(record, Device | Tenant | Profile | DeviceType):
        return []
    return [name.removeprefix(FREE) for name in record.settings if name.startswith(FREE) and not begins(name)]


def decides_tasks(device: Device) -> tuple[str, str, str, bool]:
    """What decides which tasks a device has."""
    return device.vendor, device.model, device.tenant, device.first_seen > 0


def with_secrets(record: R) -> R:
    """The record with those settings that are secret as secrets."""
    if not record.settings:
        return record
    settings = protect(record.settings)
    return record if settings == record.settings else replace(record, settings=settings)


def restored(before: Kept | None, after: Kept | None, present: Kept | None) -> Kept | None:
    """What stands in place of a refused change; its revision goes on rising, for a file may have been rendered."""
    if not isinstance(before, Revised):
        return before
    revision = max(getattr(record, "revision", 0) for record in (before, after, present)) + 1
    if isinstance(before, Device) and isinstance(after, Device) and isinstance(present, Device):
        changed = {
            field.name: getattr(before, field.name)
            for field in fields(Device)
            if getattr(before, field.name) != getattr(after, field.name)
        }
        return replace(present, **{**changed, "revision": revision})
    return replace(before, revision=revision)
