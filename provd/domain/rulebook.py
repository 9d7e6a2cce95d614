"""All templates of tasks and all rules on metadata in force, and which of them a device has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field

from provd.base.dataclass import dataclass
from provd.domain.constraints import Rule, Standing, There, everything
from provd.domain.device_types import DeviceType, Typing
from provd.domain.records import Device
from provd.domain.tasks import Template, fits


@dataclass(frozen=True, slots=True)
class Brought:
    """What a type brings to its devices; ``faults`` says which of its tasks cannot be read any more."""

    templates: tuple[Template, ...] = ()
    rules: tuple[Rule, ...] = ()
    faults: tuple[str, ...] = ()


_NOTHING = Brought()


@dataclass(frozen=True, slots=True)
class Rulebook:
    """All templates and all rules on metadata in force: those of the configuration file, and those of types.

    ``databases`` are those that tasks may use, each with whether it may only be read; ``servers`` likewise.
    """

    templates: tuple[Template, ...] = ()
    rules: tuple[Rule, ...] = ()
    databases: Mapping[str, bool] = field(default_factory=dict)
    servers: frozenset[str] = frozenset()
    typing: Typing = field(default_factory=Typing)
    types: Mapping[str, Brought] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Template]:
        """Every template."""
        yield from self.templates
        for brought in self.types.values():
            yield from brought.templates

    def template(self, name: str) -> Template | None:
        """The template of that id."""
        return next((template for template in self if template.id == name), None)

    def type_of(self, device: Device) -> DeviceType | None:
        """The type of a device."""
        return self.typing.of(device.vendor, device.model, device.tenant)

    def brought(self, device: Device) -> Brought:
        """What its type brings to a device."""
        found = self.type_of(device)
        return _NOTHING if found is None else self.types.get(found.id, _NOTHING)

    def of(self, device: Device) -> list[Template]:
        """The templates that belong to a device."""
        return [template for template in (*self.templates, *self.brought(device).templates) if template.fits(device)]

    def has(self, device: Device, template: Template) -> bool:
        """Whether this template belongs to a device."""
        return template.fits(device) and (not template.type or template in self.brought(device).templates)

    def faults(self, device: Device, metadata: Mapping[str, object], there: There = everything) -> list[str]:
        """What is wrong with a device's metadata."""
        return [fault for _, _, faults in self.standing(device, metadata, there) for fault in faults]

    def standing(
        self, device: Device, metadata: Mapping[str, object], there: There = everything
    ) -> list[tuple[Rule, Standing, list[str]]]:
        """How each rule for this device stands, with what is wrong."""
        own = {rule.name: rule for rule in self.rules if fits(rule.devices, device)}
        found = []
        for rule in {**own, **{rule.name: rule for rule in self.brought(device).rules}}.values():
            faults = list(rule.faults(metadata, there))
            state = Standing.FAILED if faults else Standing.IN_EFFECT
            found.append((rule, state if metadata else Standing.APPLYING, faults))
        return found
