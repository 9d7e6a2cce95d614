"""Which templates of the operator's own apply to the files of a device or of a model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from provd.app.ports import Change, Delete
from provd.app.tables import Tables
from provd.domain.overrides import NOTHING, PLACES, Overlay, Override, Place, overlaid
from provd.domain.records import Device
from provd.domain.site_models import MARK

_REMEMBERED = 512


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


class _Places:
    """The overrides of one plugin by whom they are for: what a device has is found without looking at the others."""

    __slots__ = ("_by_place",)

    def __init__(self) -> None:
        self._by_place: dict[tuple[Place, str], list[Override]] = {}

    def add(self, override: Override) -> None:
        whom = override.applies_to
        place = (override.place, whom.lower() if override.place is Place.MODEL else whom)
        self._by_place.setdefault(place, []).append(override)

    def of(self, tables: Tables, model: str, device: Device | None) -> Iterator[Override]:
        """Those that are for this device, or for files of that model. Any order."""
        found = self._by_place.get
        yield from found((Place.MODEL, model.lower()), ())
        yield from found((Place.SITE, ""), ())
        if device is not None:
            own = (*found((Place.TENANT, device.tenant), ()), *found((Place.DEVICE, device.mac), ()))
            if own and not shared(tables, device):
                yield from own


_NONE = _Places()


class Overlays:
    """Puts overlays together; equal ones are the same object, so that compiled templates are found again."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._kept: dict[tuple[object, ...], Overlay] = {}
        self._stamp = -1
        self._by_plugin: dict[str, _Places] = {}

    def of(self, plugin: str, model: str, device: Device | None = None) -> Overlay:
        """What stands in place of the plugin's templates. Quick for a plugin of which nothing is overridden."""
        overrides = self._of_plugin(plugin)
        if overrides is _NONE and not plugin.startswith(MARK):
            return NOTHING
        return self._overlay(plugin, _strongest(overrides.of(self._tables, model, device)))

    def supposing(
        self, plugin: str, model: str, device: Device | None, instead: Mapping[str, Override | None]
    ) -> Overlay:
        """The same if these overrides were there, by id; None for one that was not."""
        there = [each for each in self._of_plugin(plugin).of(self._tables, model, device) if each.id not in instead]
        there += [each for each in instead.values() if each and applies(self._tables, each, model, device)]
        return self._overlay(plugin, _strongest(there))

    def in_force(self, plugin: str, model: str, device: Device | None) -> Iterator[str]:
        """The ids of those for which no stronger one stands in their place."""
        winning = _strongest(self._of_plugin(plugin).of(self._tables, model, device))
        chosen = {override.template: override.id for override in winning}
        return iter(chosen.values())

    def _of_plugin(self, plugin: str) -> _Places:
        tables = self._tables
        if self._stamp != tables.stamp:
            self._stamp = tables.stamp
            self._by_plugin = {}
            for override in tables.overrides.values():
                self._by_plugin.setdefault(override.plugin, _Places()).add(override)
        return self._by_plugin.get(plugin, _NONE)

    def _overlay(self, plugin: str, chosen: list[Override]) -> Overlay:
        own = self._tables.site_models.get(plugin.removeprefix(MARK)) if plugin.startswith(MARK) else None
        if own is None and not chosen:
            return NOTHING
        key = (own, *((each.id, each.text) for each in chosen))
        found = self._kept.get(key)
        if found is None:
            if len(self._kept) >= _REMEMBERED:
                self._kept.clear()
            texts = {} if own is None else own.texts
            default = NOTHING if own is None else overlaid(texts, ())
            found = self._kept[key] = overlaid(texts, chosen, default)
        return found


def _strongest(overrides: Iterable[Override]) -> list[Override]:
    """The strongest last."""
    return sorted(overrides, key=lambda each: (PLACES.index(each.place), each.template))
