"""The rulebook in force: what the configuration file says, and what the types of devices bring."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Protocol

from provd.app.tables import Tables
from provd.base.errors import UsageError
from provd.base.types import Mac
from provd.domain.constraints import Attribute, Rule
from provd.domain.device_types import Constraint, DeviceType, Typing
from provd.domain.records import Device
from provd.domain.rulebook import Brought, Rulebook
from provd.domain.tasks import HttpStep, PluginStep, SqlStep, Template


class Reader(Protocol):
    """Makes sense of what is said in the words of the configuration file. Raises FaultsError."""

    def task(self, name: str, said: Mapping[str, object]) -> Template:
        """A template; its id becomes ``name``. Raises FaultsError."""
        ...

    def attribute(self, name: str, said: Mapping[str, object]) -> Attribute:
        """An attribute of the metadata. Raises FaultsError."""
        ...


class Illiterate:
    """There are no types here."""

    def task(self, name: str, said: Mapping[str, object]) -> Template:  # noqa: ARG002 - as the port names it
        """Raises UsageError."""
        raise UsageError(f"{name}: nobody can read it")

    def attribute(self, name: str, said: Mapping[str, object]) -> Attribute:  # noqa: ARG002 - as above
        """Raises UsageError."""
        raise UsageError(f"{name}: nobody can read it")


def said(value: object) -> Mapping[str, object]:
    """One definition among those of a record."""
    return value if isinstance(value, Mapping) else {}


def task_name(of: str, task: str) -> str:
    """What a task of a type is called among all tasks."""
    return f"{of}.{task}"


def assembled(
    given: Rulebook, types: Iterable[DeviceType], constraints: Mapping[str, Constraint], reader: Reader
) -> Rulebook:
    """``given`` is what the configuration file says."""
    every = list(types)
    brought = {each.id: _brought(given, each, constraints, reader) for each in every}
    return replace(given, typing=Typing(every), types=brought)


def _brought(given: Rulebook, of: DeviceType, constraints: Mapping[str, Constraint], reader: Reader) -> Brought:
    templates: list[Template] = []
    faults: list[str] = []
    for name, definition in of.tasks.items():
        try:
            template = reader.task(task_name(of.id, name), said(definition))
        except UsageError as error:
            # It was written by a newer provd: the others go on.
            faults.append(f"{name}: {error}")
        else:
            templates.append(replace(template, devices=of.devices, type=of.id))
    rules = tuple(
        Rule(name=name, devices=of.devices, attributes=attributes)
        for name in of.constraints
        if (attributes := _attributes(given, name, constraints, reader)) is not None
    )
    return Brought(tuple(templates), rules, tuple(faults))


def _attributes(
    given: Rulebook, name: str, constraints: Mapping[str, Constraint], reader: Reader
) -> tuple[Attribute, ...] | None:
    for rule in given.rules:
        if rule.name == name:
            return rule.attributes
    found = constraints.get(name)
    if found is None:
        return None
    try:
        return tuple(reader.attribute(each, said(definition)) for each, definition in found.attributes.items())
    except UsageError:
        return None


def out_of_reach(template: Template, rules: Rulebook) -> str:
    """What a template needs that the configuration does not name, empty when there is nothing."""
    for step in template.steps:
        if isinstance(step, HttpStep | PluginStep) and step.server and step.server not in rules.servers:
            return f"step {step.id!r}: there is no server {step.server!r}"
        if isinstance(step, SqlStep):
            if step.database not in rules.databases:
                return f"step {step.id!r}: there is no database {step.database!r}"
            if step.write and rules.databases[step.database]:
                return f"step {step.id!r}: database {step.database!r} is read only"
    return ""


def moved(devices: Iterable[Device], before: Rulebook, after: Rulebook) -> Iterator[tuple[Device, str, str]]:
    """The devices whose type is another one: with the ids of their types before and after."""
    for device in devices:
        was, now = before.type_of(device), after.type_of(device)
        old, new = "" if was is None else was.id, "" if now is None else now.id
        if old != new:
            yield device, old, new


def broken(tables: Tables, before: Rulebook, after: Rulebook) -> list[Mac]:
    """The devices whose metadata is right before and wrong after."""
    found: list[Mac] = []
    for device in tables.devices.values():
        known = tables.metadata(device.mac)
        if known is None or not known.data or before.brought(device).rules == after.brought(device).rules:
            continue
        there = tables.known_to(device.tenant)
        if after.faults(device, known.data, there) and not before.faults(device, known.data, there):
            found.append(device.mac)
    return found
