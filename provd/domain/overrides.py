"""Templates of the operator's own that stand in place of a plugin's, and which of them apply to a device."""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import field

from provd.base.dataclass import dataclass


class Place(enum.StrEnum):
    """Whom an override is for, the weakest first: the order in which settings are inherited, too."""

    MODEL = "model"
    SITE = "site"
    TENANT = "tenant"
    DEVICE = "device"


PLACES = tuple(Place)


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """A template in place of the plugin's one of that name.

    ``applies_to`` is a model's name, a tenant's id or the key of a device, empty for the whole site. ``base`` is the
    plugin's text (of its version ``base_version``) that this one was made from.
    """

    id: str
    plugin: str
    template: str
    place: Place
    applies_to: str = ""
    text: str
    base: str = ""
    base_version: str = ""
    changed: float = 0.0
    by: str = ""

    @property
    def base_sha256(self) -> str:
        """Of the text that it was made from."""
        return sha256(self.base)


def override_id(plugin: str, template: str, place: Place, applies_to: str) -> str:
    """The key of an override: there is one for each template and place."""
    whom = place.value if place is Place.SITE else f"{place.value}:{applies_to.lower()}"
    return f"{plugin}/{template}@{whom}"


def sha256(text: str) -> str:
    """The digest of a template."""
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Overlay:
    """Texts that are looked for before the templates on disk, by template name.

    ``overrides`` are the ids of what is in force in it; ``digest`` is empty when there are no texts. ``without`` is the
    overlay that is left when no override applies: the templates of a model that has no plugin.
    """

    texts: Mapping[str, str] = field(default_factory=dict)
    overrides: tuple[str, ...] = ()
    digest: str = ""
    without: Overlay | None = None

    @property
    def default(self) -> Overlay:
        """What applies when nobody overrides anything."""
        return NOTHING if self.without is None else self.without


NOTHING = Overlay()
"""Nothing stands in place of anything."""


def overlaid(texts: Mapping[str, str], overrides: Iterable[Override], without: Overlay = NOTHING) -> Overlay:
    """The overlay of some texts and of overrides, the weakest first."""
    chosen = {override.template: override for override in overrides}
    merged = {**texts, **{name: override.text for name, override in chosen.items()}}
    if not merged:
        return NOTHING
    digest = hashlib.sha256()
    for name in sorted(merged):
        content = merged[name].encode()
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    ids = tuple(sorted(override.id for override in chosen.values()))
    return Overlay(merged, ids, digest.hexdigest()[:16], without if ids else None)
