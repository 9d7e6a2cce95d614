"""From the section about tasks to the domain's templates and rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from zoneinfo import ZoneInfo

from provd.config import tasks as sections
from provd.config.section import Section
from provd.config.tasks import StepSection, TasksSection, TaskTemplate
from provd.domain.constraints import Attribute, Rule
from provd.domain.tasks import (
    CsvStep,
    HttpStep,
    Kind,
    PluginStep,
    Rulebook,
    SetStep,
    SqlStep,
    Step,
    Template,
    WaitStep,
    WebhookStep,
)


def rulebook_of(section: TasksSection) -> Rulebook:
    """The templates, and the rules on metadata."""
    return Rulebook(
        templates=tuple(_template(each) for each in section.template),
        rules=tuple(
            Rule(
                name=each.name,
                devices=each.devices,
                attributes=tuple(
                    Attribute(
                        name=one.name,
                        type=one.type,
                        required=one.required,
                        values=one.values,
                        minimum=one.minimum,
                        maximum=one.maximum,
                    )
                    for one in each.attributes
                ),
            )
            for each in section.constraint
        ),
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
