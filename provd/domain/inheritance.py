"""Which settings apply to a device, and where each value came from.

Weakest first: default, vendor, model, site, tenant, group, device. A later level covers an earlier one; the value
None removes what was set before it, and None for ``keys`` or ``keys.5`` everything that begins so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field

from provd.base.dataclass import dataclass
from provd.base.errors import ConflictError
from provd.domain.records import Profile, Settings
from provd.domain.settings import begins


@dataclass(frozen=True, slots=True)
class Layer:
    """Settings of one place. ``origin`` is what people read: ``vendor profile acme-phones``, ``device``."""

    origin: str
    settings: Settings


@dataclass(frozen=True, slots=True)
class Effective:
    """The merged settings; a removed setting is absent from ``values``."""

    values: Settings = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)

    def origin(self, name: str) -> str:
        """Which layer set, or removed, this setting; empty when none did."""
        return self.origins.get(name, "")


def merge(layers: Iterable[Layer]) -> Effective:
    """Merge layers, weakest first."""
    values: dict[str, object] = {}
    origins: dict[str, str] = {}
    for layer in layers:
        if None not in layer.settings.values():
            values.update(layer.settings)
            origins.update(dict.fromkeys(layer.settings, layer.origin))
            continue
        for start in [name for name, value in layer.settings.items() if value is None and begins(name)]:
            # First of all: what the layer itself says of single ones counts beside it.
            for name in [name for name in values if name.startswith(f"{start}.")]:
                del values[name]
                origins[name] = layer.origin
        for name, value in layer.settings.items():
            origins[name] = layer.origin
            if value is None:
                values.pop(name, None)
            else:
                values[name] = value
    return Effective(values, origins)


def lineage(profile: Profile, profiles: Mapping[str, Profile]) -> tuple[Profile, ...]:
    """The profile with all its ancestors in the order of merging: depth first, parents in order, itself last.

    An ancestor that is reached twice counts where it is reached first, so that it does not cover what its own
    children have set. A parent that does not exist is skipped. Raises ConflictError on a cycle.
    """
    done: dict[str, Profile] = {}
    _visit(profile, profiles, done, ())
    return tuple(done.values())


def _visit(profile: Profile, profiles: Mapping[str, Profile], done: dict[str, Profile], path: tuple[str, ...]) -> None:
    if profile.id in path:
        circle = (*path[path.index(profile.id) :], profile.id)
        raise ConflictError(f"profile {profile.id} would inherit from itself: {' -> '.join(circle)}")
    if profile.id in done:
        return
    for parent in profile.parents:
        if parent in profiles:
            _visit(profiles[parent], profiles, done, (*path, profile.id))
    done[profile.id] = profile
