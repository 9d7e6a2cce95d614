"""Which profiles and settings apply to a device or to a model, and the revisions that its files depend on."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import NamedTuple

from provd.app.tables import Tables
from provd.domain.device_types import DeviceType
from provd.domain.inheritance import Effective, Layer, lineage, merge
from provd.domain.records import Device, Level, Profile
from provd.domain.settings import DEFAULTS

DEFAULT_ORIGIN = "default"
"""Where values come from that nobody has set."""


class _Source(NamedTuple):
    """A profile, or the type of the device: one of the site stands below the models, a tenant's own above the site."""

    level: Level
    of: Profile | DeviceType

    @property
    def layer(self) -> Layer:
        kind = "type" if isinstance(self.of, DeviceType) else f"{self.level} profile"
        return Layer(f"{kind} {self.of.id}", self.of.settings)

    @property
    def revision(self) -> Hashable:
        return isinstance(self.of, DeviceType), self.of.id, self.of.revision


def _sources(tables: Tables, vendor: str, model: str, tenant: str | None = None, group: str = "") -> Iterator[_Source]:
    wanted = [(Level.VENDOR, vendor), (Level.MODEL, f"{vendor}/{model}"), (Level.SITE, "")]
    if tenant is not None:
        wanted.append((Level.TENANT, tenant))
    kind = tables.kinds.typing.of(vendor, model, tenant or "")
    goes_before = Level.TENANT if kind is not None and kind.tenant else Level.MODEL
    for level, applies_to in wanted:
        if kind is not None and level is goes_before:
            yield _Source(level, kind)
        for profile in tables.at_level(level, applies_to):
            yield from (_Source(level, each) for each in lineage(profile, tables.profiles))
    own = tables.profile(group) if group else None
    if own is not None:
        yield from (_Source(Level.GROUP, each) for each in lineage(own, tables.profiles))


def _common_layers(tables: Tables, vendor: str, model: str) -> Iterator[Layer]:
    yield Layer(DEFAULT_ORIGIN, DEFAULTS)
    for source in _sources(tables, vendor, model):
        yield source.layer


def _device_layers(tables: Tables, device: Device) -> Iterator[Layer]:
    yield Layer(DEFAULT_ORIGIN, DEFAULTS)
    tenant = tables.tenant(device.tenant)
    own = None if tenant is None else Layer(f"tenant {tenant.id}", tenant.settings)
    for source in _sources(tables, device.vendor, device.model, device.tenant, device.profile):
        if source.level is Level.GROUP and own is not None:
            yield own
            own = None
        yield source.layer
    if own is not None:
        yield own
    yield Layer("device", device.settings)


def for_device(tables: Tables, device: Device) -> Effective:
    """The settings of a device, each with its origin."""
    return merge(_device_layers(tables, device))


def for_model(tables: Tables, vendor: str, model: str) -> Effective:
    """The settings of a common file: what does not depend on who has the device."""
    return merge(_common_layers(tables, vendor, model))


def device_revisions(tables: Tables, device: Device) -> Hashable:
    """Equal tuples mean equal files: every record that the device's files are made from, with its revision."""
    tenant = tables.tenant(device.tenant)
    sources = _sources(tables, device.vendor, device.model, device.tenant, device.profile)
    lines = [line for key in device.lines if (line := tables.line(key)) is not None]
    guests = sorted({line.tenant for line in lines} - {device.tenant}) if device.ports else []
    return (
        device.revision,
        device.sealed,
        tenant.revision if tenant else 0,
        tuple((line.id, line.revision) for line in lines),
        tuple(source.revision for source in sources),
        tuple(_guest_revisions(tables, device, name) for name in guests),
        len(tables.free_parameters),
    )


def _guest_revisions(tables: Tables, device: Device, name: str) -> Hashable:
    tenant = tables.tenant(name)
    sources = _sources(tables, device.vendor, device.model, name)
    return name, tenant.revision if tenant else 0, tuple(source.revision for source in sources)


def model_revisions(tables: Tables, vendor: str, model: str) -> Hashable:
    """The same for a common file."""
    return tuple(source.revision for source in _sources(tables, vendor, model))
