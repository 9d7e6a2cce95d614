"""Which templates of the operator's own apply to the files of a device or of a model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from provd.app.ports import Change, Delete
from provd.app.tables import Tables
from provd.domain.overrides import NOTHING, PLACES, Overlay, Override, Place, overlaid
from provd.domain.records import Device
from provd.domain.site_models import MARK

_REMEMBERED = 512
_NONE: Mapping[str, Override] = {}


def shared(tables: Tables, device: Device) -> bool:
    """Whether lines of other tenants are on the device: their passwords are in its files."""
    lines = (tables.line(key) for key in device.lines) if device.ports else ()
    return any(line is not None and line.tenant != device.tenant for line in lines)


def applies(tables: Tables, override: Override, model: str, device: Device | None) -> bool:
    """Whether an override of the device's plugin is for this device; without one for a file of that model.

    What a tenant may have written does not apply where others' lines are: its template would see their passwords. The
    lines of others may well come later than the template.
    """
    match override.place:
        case Place.SITE:
            return True
        case Place.MODEL:
            return override.applies_to.lower() == model.lower()
        case Place.TENANT:
            return device is not None and override.applies_to == device.tenant and not shared(tables, device)
        case Place.DEVICE:
            return device is not None and override.applies_to == device.mac and not shared(tables, device)


def left_behind(tables: Tables, before: Device | None, after: Device | None) -> list[Change]:
    """A device that goes, or goes to another tenant, leaves behind what was written for it."""
    if before is None or (after is not None and after.tenant == before.tenant):
        return []
    of = (Place.DEVICE, before.mac)
    return [Delete(each) for each in tables.overrides.values() if (each.place, each.applies_to) == of]


class Overlays:
    """Puts overlays together; equal ones are the same object, so that compiled templates are found again."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._kept: dict[tuple[object, ...], Overlay] = {}
        self._stamp = -1
        self._by_plugin: dict[str, dict[str, Override]] = {}

    def of(self, plugin: str, model: str, device: Device | None = None) -> Overlay:
        """What stands in place of the plugin's templates. Quick for a plugin of which nothing is overridden."""
        overrides = self._of_plugin(plugin)
        if not overrides and not plugin.startswith(MARK):
            return NOTHING
        return self._overlay(plugin, model, device, overrides)

    def supposing(
        self, plugin: str, model: str, device: Device | None, instead: Mapping[str, Override | None]
    ) -> Overlay:
        """The same if these overrides were there, by id; None for one that was not."""
        known = {**self._of_plugin(plugin), **instead}
        there = {key: override for key, override in known.items() if override is not None}
        return self._overlay(plugin, model, device, there)

    def winning(self, plugin: str, model: str, device: Device | None) -> Iterator[Override]:
        """The overrides that apply, the strongest last."""
        return self._strongest(self._of_plugin(plugin), model, device)

    def _of_plugin(self, plugin: str) -> Mapping[str, Override]:
        tables = self._tables
        if self._stamp != tables.stamp:
            self._stamp = tables.stamp
            self._by_plugin = {}
            for override in tables.overrides.values():
                self._by_plugin.setdefault(override.plugin, {})[override.id] = override
        return self._by_plugin.get(plugin, _NONE)

    def _strongest(self, overrides: Mapping[str, Override], model: str, device: Device | None) -> Iterator[Override]:
        fitting = [each for each in overrides.values() if applies(self._tables, each, model, device)]
        return iter(sorted(fitting, key=lambda each: (PLACES.index(each.place), each.template)))

    def _overlay(self, plugin: str, model: str, device: Device | None, overrides: Mapping[str, Override]) -> Overlay:
        own = self._tables.site_models.get(plugin.removeprefix(MARK)) if plugin.startswith(MARK) else None
        chosen = tuple(self._strongest(overrides, model, device))
        key = (own, *((each.id, each.text) for each in chosen))
        if own is None and not chosen:
            return NOTHING
        found = self._kept.get(key)
        if found is None:
            if len(self._kept) >= _REMEMBERED:
                self._kept.clear()
            texts = {} if own is None else own.texts
            default = NOTHING if own is None else overlaid(texts, ())
            found = self._kept[key] = overlaid(texts, chosen, default)
        return found
