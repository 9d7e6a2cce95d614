"""The section about tasks: templates with their steps, and the databases and servers that these may use."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError
from pydantic import Field, field_validator, model_validator

from provd.app.tasks.calls import DEVICE_VALUES, RUN_VALUES
from provd.config.section import Section
from provd.config.values import Duration, Network, with_host
from provd.domain.filling import POINTER, places

_ID = r"^[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?$"
_RESERVED = frozenset({"device", "run", "meta"})
_MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
"""Any will do to see whether a cron expression can be read."""
_METHODS = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


class TaskDatabase(Section):
    """A database that tasks look things up in or write to."""

    name: str = Field(pattern=_ID)
    url: str = Field(
        min_length=3, description="as SQLAlchemy has it: postgresql+psycopg://user@host/db, sqlite:////FILE"
    )
    secret_file: str = Field(default="", description="file with the password and nothing else")
    read_only: bool = Field(default=False, description="true: no step may write to it")
    timeout: Duration = Field(default=10, ge=1, le=20, description="how long a statement may take")


class TaskServer(Section):
    """A server that tasks ask or tell by HTTP."""

    name: str = Field(pattern=_ID)
    url: str = Field(pattern=r"^https?://[^\s?#@]+$", description="all requests go below it")
    header: str = Field(default="Authorization", pattern=r"^[A-Za-z0-9-]+$", description="what carries the secret")
    prefix: str = Field(default="Bearer ", description="stands before the secret")
    secret_file: str = Field(default="", description="file with the secret and nothing else; empty: none is sent")
    signing_secret_file: str = Field(
        default="", description="file with the secret that requests are signed with (HMAC-SHA256)"
    )

    @field_validator("url")
    @classmethod
    def _whole(cls, url: str) -> str:
        return with_host(url)


class AttributeSection(Section):
    """An attribute of the metadata."""

    name: str = Field(min_length=1, max_length=80)
    type: Literal["string", "number", "boolean", "enum", "array", "object", "reference"] = Field(
        default="string", description="string | number | boolean | enum | array | object | reference (to a device)"
    )
    required: bool = False
    values: tuple[str, ...] = Field(default=(), description="of an enum")
    minimum: float | None = Field(default=None, description="of a number, of a text's or a list's length")
    maximum: float | None = None

    @model_validator(mode="after")
    def _enum(self) -> Self:
        if (self.type == "enum") != bool(self.values):
            raise ValueError("an enum, and nothing else, has values")
        return self


class TaskConstraint(Section):
    """Which attributes the metadata of devices is to have."""

    name: str = Field(pattern=_ID)
    devices: tuple[str, ...] = Field(default=("*",), description='"Vendor/Model" with wildcards; "*" = all')
    attributes: tuple[AttributeSection, ...] = Field(min_length=1)


class SqlSection(Section):
    """A statement of a database."""

    id: str = Field(pattern=_ID)
    do: Literal["sql"]
    database: str
    statement: str = Field(min_length=1, description="one statement; :name stands for a parameter")
    params: dict[str, str] = Field(default={}, description='{ mac = "{device.mac}" }')
    write: bool = Field(
        default=False, description="true: it changes something; otherwise it only reads and gives one row"
    )
    waiting_for: str = Field(default="", description="for people: what is waited for while there is no row")


class HttpSection(Section):
    """A request to a server."""

    id: str = Field(pattern=_ID)
    do: Literal["http"]
    server: str
    method: _METHODS = "GET"
    path: str
    body: dict[str, str] | None = Field(default=None, description="members of a JSON object")
    take: dict[str, str] = Field(default={}, description="values of the reply by JSON pointer")
    waiting_for: str = ""

    @field_validator("take")
    @classmethod
    def _pointers(cls, take: dict[str, str]) -> dict[str, str]:
        for pointer in take.values():
            if not re.fullmatch(POINTER, pointer):
                raise ValueError(f"{pointer!r} is no JSON pointer (/customer/id)")
        return take


class CsvSection(Section):
    """A row of a table in a file."""

    id: str = Field(pattern=_ID)
    do: Literal["csv"]
    file: str = Field(min_length=1)
    match: dict[str, str] = Field(min_length=1)
    waiting_for: str = ""


class SetSection(Section):
    """What becomes of the device."""

    id: str = Field(pattern=_ID)
    do: Literal["set"]
    metadata: dict[str, str] = Field(default={}, description="values by name")
    tenant: str = ""
    profile: str = ""
    line: str = ""

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not (self.metadata or self.tenant or self.profile or self.line):
            raise ValueError("sets nothing: name metadata, tenant, profile or line")
        return self


class WaitSection(Section):
    """A pause."""

    id: str = Field(pattern=_ID)
    do: Literal["wait"]
    seconds: Duration = Field(alias="for", ge=1)


class WebhookStepSection(Section):
    """A letter to an endpoint."""

    id: str = Field(pattern=_ID)
    do: Literal["webhook"]
    to: str = Field(description="name of a [[webhook]]")
    event: str = Field(pattern=r"^[A-Za-z0-9._-]{1,80}$", description="what it is called there")
    body: dict[str, str] = Field(default={}, description="members of its data")


class PluginSection(Section):
    """A step that a plugin brings along (``[[step]]`` in its manifest)."""

    id: str = Field(pattern=_ID)
    do: Literal["plugin"]
    step: str = Field(min_length=1, description="its name there")
    plugin: str = Field(default="", description="whose; empty: the device's own")
    server: str = Field(default="", description="the [[tasks.server]] that it may ask")
    given: dict[str, str] = Field(default={}, alias="with", description="values that it needs")
    waiting_for: str = ""


StepSection = Annotated[
    SqlSection | HttpSection | CsvSection | SetSection | WaitSection | WebhookStepSection | PluginSection,
    Field(discriminator="do"),
]


class TaskTemplate(Section):
    """A task: what is done for every device that fits, step by step."""

    id: str = Field(pattern=_ID)
    version: int = Field(default=1, ge=1, le=999_999, description="another one makes it run again for every device")
    kind: Literal["onetime", "periodic", "cron", "reactive"] = Field(
        default="onetime", description="onetime | periodic | cron | reactive"
    )
    devices: tuple[str, ...] = Field(
        default=("*",), min_length=1, description='"Vendor/Model" with wildcards; "*" = all'
    )
    begins: Literal["known", "seen"] = Field(
        default="known", description="known: also for a device that was only announced; seen: at its first contact"
    )
    every: Duration = Field(default=0, description="of a periodic one, at least a minute")
    cron: str = Field(default="", description='of a cron one: "30 4 * * 1-5"')
    zone: str = Field(default="UTC", description="its time zone")
    fact: str = Field(default="", description="of a reactive one: it runs when this is told of the device")
    step: tuple[StepSection, ...] = Field(min_length=1, description="see etc/examples/first-boot.toml")

    @field_validator("zone")
    @classmethod
    def _zone(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (OSError, ValueError, ZoneInfoNotFoundError):
            raise ValueError(f"there is no time zone {zone!r}") from None
        return zone

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        for kind, name in (("periodic", "every"), ("cron", "cron"), ("reactive", "fact")):
            if (self.kind == kind) != bool(getattr(self, name)):
                raise ValueError(f"a {kind} task, and no other, has {name!r}")
        if self.kind == "periodic" and self.every < 60:
            raise ValueError("every: at least a minute")
        if self.cron:
            try:
                CronSim(self.cron, _MOMENT)
            except CronSimError as error:
                raise ValueError(f"cron: {self.cron!r}: {error}") from None
        if self.fact:
            _check_fact(self.fact)
        return self

    @model_validator(mode="after")
    def _values_are_there(self) -> Self:
        known: dict[str, frozenset[str] | None] = {"device": DEVICE_VALUES, "run": RUN_VALUES, "meta": None}
        for step in self.step:
            if step.id in known:
                taken = "is taken" if step.id in _RESERVED else "is there twice"
                raise ValueError(f"step {step.id!r}: the name {taken}")
            for text in _texts(step):
                for group, name in places(text):
                    if group not in known:
                        raise ValueError(f"step {step.id!r}: {{{group}.{name}}}: no step before it is called {group!r}")
                    names = known[group]
                    if names is not None and name not in names:
                        raise ValueError(f"step {step.id!r}: there is no {group}.{name}")
            known[step.id] = frozenset(step.take) if isinstance(step, HttpSection) and step.take else None
        return self


def _texts(step: StepSection) -> list[str]:
    """Every text of a step in which values may stand."""
    match step:
        case SqlSection():
            texts = [*step.params.values(), step.waiting_for]
        case HttpSection():
            texts = [step.path, *(step.body or {}).values(), step.waiting_for]
        case CsvSection():
            texts = [*step.match.values(), step.waiting_for]
        case SetSection():
            texts = [*step.metadata.values(), step.tenant, step.profile, step.line]
        case WebhookStepSection():
            texts = list(step.body.values())
        case PluginSection():
            texts = [*step.given.values(), step.waiting_for]
        case WaitSection():
            texts = []
    return texts


def _check_fact(name: str) -> None:
    from provd.base.facts.catalogue import catalogue  # noqa: PLC0415 - all facts, for the few who name one

    if name not in catalogue():
        raise ValueError(f"fact: there is no fact {name!r}")
    if name.startswith("TASK-"):
        raise ValueError("fact: a task that begins with the end of tasks would never end")


class TasksSection(Section):
    """What is done for devices by themselves: at first sight, at times, when something happens."""

    at_once: int = Field(default=16, ge=1, le=100, description="runs at a time")
    allow: tuple[Network, ...] = Field(
        default=(), description="networks with servers of tasks, besides public addresses: 10.0.5.0/24"
    )
    database: tuple[TaskDatabase, ...] = ()
    server: tuple[TaskServer, ...] = ()
    constraint: tuple[TaskConstraint, ...] = ()
    template: tuple[TaskTemplate, ...] = ()

    @model_validator(mode="after")
    def _known(self) -> Self:
        databases = {each.name: each for each in self.database}
        servers = {each.name for each in self.server}
        for kind, names in (
            ("database", [each.name for each in self.database]),
            ("server", [each.name for each in self.server]),
            ("constraint", [each.name for each in self.constraint]),
            ("template", [each.id for each in self.template]),
        ):
            twice = next((name for name in names if names.count(name) > 1), None)
            if twice is not None:
                raise ValueError(f"{kind} {twice!r} is there twice")
        for template in self.template:
            for step in template.step:
                where = f"template {template.id!r}, step {step.id!r}"
                asked = step.server if isinstance(step, HttpSection | PluginSection) else ""
                if asked not in servers and (asked or isinstance(step, HttpSection)):
                    raise ValueError(f"{where}: there is no server {asked!r}")
                if isinstance(step, SqlSection):
                    database = databases.get(step.database)
                    if database is None:
                        raise ValueError(f"{where}: there is no database {step.database!r}")
                    if step.write and database.read_only:
                        raise ValueError(f"{where}: database {step.database!r} is read only")
        return self
