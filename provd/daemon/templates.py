"""From the section about tasks to the domain's templates and rules."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from provd.config import tasks as sections
from provd.config.tasks import StepSection, TasksSection, TaskTemplate
from provd.domain.constraints import Attribute, Rule
from provd.domain.tasks import (
    CsvStep,
    HttpStep,
    Kind,
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


def _step(section: StepSection) -> Step:
    match section:
        case sections.SqlSection():
            return SqlStep(
                id=section.id,
                database=section.database,
                statement=section.statement,
                params=section.params,
                write=section.write,
                waiting_for=section.waiting_for,
            )
        case sections.HttpSection():
            return HttpStep(
                id=section.id,
                server=section.server,
                method=section.method,
                path=section.path,
                body=section.body,
                take=section.take,
                waiting_for=section.waiting_for,
            )
        case sections.WebhookStepSection():
            return WebhookStep(id=section.id, to=section.to, event=section.event, body=section.body)
        case sections.CsvSection():
            return CsvStep(id=section.id, file=section.file, match=section.match, waiting_for=section.waiting_for)
        case sections.SetSection():
            return SetStep(
                id=section.id,
                metadata=section.metadata,
                tenant=section.tenant,
                profile=section.profile,
                line=section.line,
            )
        case sections.WaitSection():
            return WaitStep(id=section.id, seconds=float(section.seconds))
