"""``provd type|constraint``: what devices of a kind have in common, and what their metadata is to be like."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, BinaryIO

import click

from provd.base.errors import UsageError
from provd.cli.commands import (
    Group,
    as_json,
    deleted,
    given,
    listing,
    parsed,
    run,
    settings_option,
    unset_option,
)
from provd.cli.output import errors_to_exit, show_json, show_one, show_rows

TYPE_COLUMNS = ("id", "tenant", "devices", "constraints", "tasks", "count", "description")
CONSTRAINT_COLUMNS = ("id", "tenant", "origin", "types", "devices", "attributes")
TASK_COLUMNS = ("id", "version", "kind", "steps")
ATTRIBUTE_COLUMNS = ("name", "type", "required", "values", "minimum", "maximum")
FAILED_COLUMNS = ("device", "faults")
_identifier = click.argument("identifier", metavar="ID")
_to_type = click.option(
    "--to", metavar="TYPE", help="The type that devices have from now on which leave this one; '-': whichever fits."
)
_taking = click.option(
    "--to", metavar="-", help="'-': devices may leave another type, and what it brings, for this one."
)
_to_constraint = click.option(
    "--to", metavar="CONSTRAINT", help="What takes its place in the types that name it; '-': nothing does."
)
_breaking = click.option("--breaking", is_flag=True, help="Also where metadata that was right is wrong from then on.")


def tables_of(file: BinaryIO | None, name: str) -> list[Any] | None:
    """The tables of that name (``[[name]]``) in a TOML file, or the list in a ``.json`` one. None without a file."""
    if file is None:
        return None
    with errors_to_exit():
        octets = file.read()
        try:
            found = json.loads(octets) if file.name.endswith(".json") else tomllib.loads(octets.decode())
        except ValueError as error:
            raise UsageError(f"{file.name}: {error}") from None
        tables = found.get(name) if isinstance(found, dict) else found
        if not isinstance(tables, list) or (isinstance(found, dict) and len(found) > 1):
            raise UsageError(f"{file.name}: holds [[{name}]] and nothing else")
        return tables
    raise AssertionError  # errors_to_exit ends the process on every error


# --- types


@click.group("type", cls=Group)
def type_() -> None:
    """Types: what all devices of a model, or of several, have: settings, tasks, constraints on their metadata."""


def _type_row(row: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**row, "tasks": [each["id"] for each in row["tasks"]]}


type_.add_command(listing("type.list", TYPE_COLUMNS, view=_type_row))


@type_.command("show")
@_identifier
@as_json
@click.pass_context
def type_show(ctx: click.Context, identifier: str, *, as_json: bool) -> None:
    """One type with its settings and tasks, and how many devices have it."""
    _show(run(ctx, "type.show", id=identifier), "tasks", _task_rows, TASK_COLUMNS, as_json=as_json)


def _task_rows(tasks: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [
        {"version": 1, "kind": "onetime", **task, "steps": [step.get("id") for step in task.get("step", ())]}
        for task in tasks
    ]


def _show(
    found: Mapping[str, Any],
    name: str,
    rows: Callable[[Sequence[Mapping[str, Any]]], list[Mapping[str, Any]]],
    columns: Sequence[str],
    *,
    as_json: bool,
) -> None:
    """An object, and below it what it has several of."""
    if as_json:
        show_json(found)
        return
    show_one({key: value for key, value in found.items() if key != name}, as_json=False)
    if found[name]:
        click.echo()
        show_rows(rows(found[name]), columns, as_json=False)


_TYPE_OPTIONS = (
    click.option("--description"),
    click.option("--devices", multiple=True, metavar="VENDOR/MODEL", help="Whose type it is; wildcards; repeatable."),
    click.option("--constraint", "constraints", multiple=True, help="A constraint on the metadata; '' leaves none."),
    click.option("--tasks", type=click.File("rb"), help="[[template]] as in [[tasks.template]], without devices."),
    _breaking,
)


def _type_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_TYPE_OPTIONS):
        command = option(command)
    return command


def _type_fields(fields: dict[str, Any]) -> dict[str, Any]:
    """What was given; what may be given several times is replaced as a whole."""
    tasks = tables_of(fields.pop("tasks"), "template")
    for name in ("devices", "constraints"):
        fields[name] = [each for each in fields[name] if each] if fields[name] else None
    fields["breaking"] = fields["breaking"] or None
    return given(tasks=tasks, **fields)


@type_.command("add")
@_identifier
@_type_options
@_taking
@settings_option
@as_json
@click.pass_context
def type_add(
    ctx: click.Context,
    /,
    identifier: str,
    settings: tuple[str, ...],
    to: str | None,
    *,
    as_json: bool,
    **fields: Any,
) -> None:
    """Add a type; whatever fits gets its settings and tasks.

    Example: provd type add sensor --devices 'acme/sensor-*' --constraint asset --tasks sensor.toml
    """
    made = run(ctx, "type.add", id=identifier, settings=parsed(settings), to=to, **_type_fields(fields))
    _show(made, "tasks", _task_rows, TASK_COLUMNS, as_json=as_json)


@type_.command("set")
@_identifier
@_type_options
@_to_type
@settings_option
@unset_option
@as_json
@click.pass_context
def type_set(
    ctx: click.Context,
    /,
    identifier: str,
    settings: tuple[str, ...],
    unset: tuple[str, ...],
    to: str | None,
    *,
    as_json: bool,
    **fields: Any,
) -> None:
    """Change a type; its devices get the tasks that they lack and lose those that are no more."""
    changes = {"settings": parsed(settings), "unset": list(unset) or None, "to": to}
    changed = run(ctx, "type.set", id=identifier, **changes, **_type_fields(fields))
    _show(changed, "tasks", _task_rows, TASK_COLUMNS, as_json=as_json)


@type_.command("delete")
@_identifier
@_to_type
@_breaking
@as_json
@click.pass_context
def type_delete(ctx: click.Context, identifier: str, to: str | None, *, breaking: bool, as_json: bool) -> None:
    """Remove a type; where devices have it, say which one they are to have."""
    _gone(run(ctx, "type.delete", id=identifier, to=to, breaking=breaking or None), as_json=as_json)


def _gone(result: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        show_one(result, as_json=True)
    else:
        click.echo(deleted(result))


# --- constraints


@click.group(cls=Group)
def constraint() -> None:
    """Constraints: which attributes the metadata of devices is to have. In force where a type names them."""


def _constraint_row(row: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**row, "attributes": [each["name"] for each in row["attributes"]]}


constraint.add_command(listing("constraint.list", CONSTRAINT_COLUMNS, view=_constraint_row))
_attributes_option = click.option(
    "--attributes",
    type=click.File("rb"),
    required=True,
    help="[[attributes]] as in [[tasks.constraint]]: name, type, required, values, minimum, maximum.",
)


@constraint.command("show")
@_identifier
@as_json
@click.pass_context
def constraint_show(ctx: click.Context, identifier: str, *, as_json: bool) -> None:
    """One constraint, with how many devices it applies to, is in effect with, and has failed with."""
    found = run(ctx, "constraint.show", id=identifier)
    if as_json:
        show_json(found)
        return
    rest = {key: each for key, each in found.items() if key != "failed"}
    _show(rest, "attributes", list, ATTRIBUTE_COLUMNS, as_json=False)
    if found["failed"]:
        click.echo()
        show_rows(found["failed"], FAILED_COLUMNS, as_json=False)


@constraint.command("add")
@_identifier
@_attributes_option
@as_json
@click.pass_context
def constraint_add(ctx: click.Context, identifier: str, attributes: BinaryIO, *, as_json: bool) -> None:
    """Add a constraint; `provd type set … --constraint` puts it in force.

    Example: provd constraint add asset --attributes asset.toml
    """
    made = run(ctx, "constraint.add", id=identifier, attributes=tables_of(attributes, "attributes"))
    _show(made, "attributes", list, ATTRIBUTE_COLUMNS, as_json=as_json)


@constraint.command("set")
@_identifier
@_attributes_option
@_breaking
@as_json
@click.pass_context
def constraint_set(ctx: click.Context, identifier: str, attributes: BinaryIO, *, breaking: bool, as_json: bool) -> None:
    """Replace its attributes; refused where metadata that is right would be wrong."""
    given_attributes = tables_of(attributes, "attributes")
    changed = run(ctx, "constraint.set", id=identifier, attributes=given_attributes, breaking=breaking or None)
    _show(changed, "attributes", list, ATTRIBUTE_COLUMNS, as_json=as_json)


@constraint.command("delete")
@_identifier
@_to_constraint
@_breaking
@as_json
@click.pass_context
def constraint_delete(ctx: click.Context, identifier: str, to: str | None, *, breaking: bool, as_json: bool) -> None:
    """Remove a constraint; where types name it, say what takes its place."""
    _gone(run(ctx, "constraint.delete", id=identifier, to=to, breaking=breaking or None), as_json=as_json)
