"""From the section about tasks to the domain's templates and rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from provd.base.errors import FaultsError
from provd.config import tasks as sections
from provd.config.section import Section
from provd.config.tasks import AttributeSection, StepSection, TasksSection, TaskTemplate
from provd.domain.constraints import Attribute, Rule
from provd.domain.rulebook import Rulebook
from provd.domain.tasks import (
    CsvStep,
    HttpStep,
    Kind,
    PluginStep,
    SetStep,
    SqlStep,
    Step,
    Template,
    WaitStep,
    WebhookStep,
)

S = TypeVar("S", bound=Section)
_OF_THE_TYPE = ("devices",)


def rulebook_of(section: TasksSection) -> Rulebook:
    """The templates, and the rules on metadata."""
    return Rulebook(
        templates=tuple(_template(each) for each in section.template),
        rules=tuple(
            Rule(name=each.name, devices=each.devices, attributes=tuple(map(_attribute, each.attributes)))
            for each in section.constraint
        ),
        databases={each.name: each.read_only for each in section.database},
        servers=frozenset(each.name for each in section.server),
    )


class SectionReader:
    """Reads what types of devices say in the words of the configuration file."""

    def task(self, name: str, said: Mapping[str, object]) -> Template:
        """A template, whose devices are those of its type. Raises FaultsError."""
        own = name.rpartition(".")[2]
        if any(word in said for word in _OF_THE_TYPE):
            raise FaultsError([(f"tasks.{own}.devices", "are those of the type")])
        return replace(_template(_read(TaskTemplate, {**said, "id": own}, f"tasks.{own}")), id=name)

    def attribute(self, name: str, said: Mapping[str, object]) -> Attribute:
        """An attribute of the metadata. Raises FaultsError."""
        return _attribute(_read(AttributeSection, {**said, "name": name}, f"attributes.{name}"))


def _read(kind: type[S], said: Mapping[str, object], where: str) -> S:
    try:
        return kind.model_validate(said)
    except ValidationError as error:
        faults = [
            (".".join([where, *map(str, each["loc"])])[:200], each["msg"].removeprefix("Value error, ")[:300])
            for each in error.errors(include_url=False, include_input=False)
        ]
        raise FaultsError(faults) from None


def _attribute(section: AttributeSection) -> Attribute:
    return Attribute(
        name=section.name,
        type=section.type,
        required=section.required,
        values=section.values,
        minimum=section.minimum,
        maximum=section.maximum,
    )


def _template(section: TaskTemplate) -> Template:
    return Template(
        id=section.id,
        version=section.version,
        kind=Kind(section.kind),
        devices=section.devices,
        steps=tuple(_step(each) for each in section.step),
        seen=section.begins == "seen",
        every=float(section.every),
        cron=section.cron,
        zone=ZoneInfo(section.zone),
        fact=section.fact,
    )


_STEPS: Mapping[type[Section], Callable[..., Step]] = {
    sections.SqlSection: SqlStep,
    sections.HttpSection: HttpStep,
    sections.CsvSection: CsvStep,
    sections.SetSection: SetStep,
    sections.WaitSection: WaitStep,
    sections.WebhookStepSection: WebhookStep,
    sections.PluginSection: PluginStep,
}


def _step(section: StepSection) -> Step:
    """A step has the fields of its section."""
    fields = {name: getattr(section, name) for name in type(section).model_fields if name != "do"}
    return _STEPS[type(section)](**fields)
