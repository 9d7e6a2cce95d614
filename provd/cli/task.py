"""``provd task``: what is done for devices by itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click

from provd.cli.commands import Group, as_json, by_id, listing, run
from provd.cli.output import show_json, show_one, show_rows

COLUMNS = ("id", "state", "step", "reason", "tenant", "due", "finished")
STEP_COLUMNS = ("step", "at", "result")
TEMPLATE_COLUMNS = ("id", "version", "kind", "type", "when", "devices", "steps")


@click.group(cls=Group)
def task() -> None:
    """Tasks: what is done for devices at first sight, at times, or when something happens ([[tasks.template]])."""


task.add_command(
    listing("task.list", COLUMNS, filters=("device", "mac", "template", "state", "tenant"), example="state=waiting")
)
task.add_command(by_id("retry", "task.retry", "id", "Let a run go on at once with the step where it stands."))
task.add_command(by_id("cancel", "task.cancel", "id", "End a run; of one that comes again and again, all that follow."))
task.add_command(by_id("metadata", "task.metadata", "mac", "What tasks have found out about a device."))


@task.command("show")
@click.argument("identifier", metavar="ID")
@as_json
@click.pass_context
def show(ctx: click.Context, identifier: str, *, as_json: bool) -> None:
    """One run, and what each of its steps gave."""
    found: Mapping[str, Any] = run(ctx, "task.show", id=identifier)
    if as_json:
        show_json(found)
        return
    show_one({name: value for name, value in found.items() if name != "steps"}, as_json=False)
    steps = [{**step, "result": json.dumps(step["result"], ensure_ascii=False)} for step in found["steps"]]
    if steps:
        click.echo()
        show_rows(steps, STEP_COLUMNS, as_json=False)


@task.command("run")
@click.argument("mac")
@click.argument("template")
@as_json
@click.pass_context
def begin(ctx: click.Context, mac: str, template: str, *, as_json: bool) -> None:
    """Let a task run for a device now, also once more.

    Example: provd task run 80:5e:c0:11:22:33 first-boot
    """
    show_one(run(ctx, "task.run", mac=mac, template=template), as_json=as_json)


@task.command("templates")
@as_json
@click.pass_context
def templates(ctx: click.Context, *, as_json: bool) -> None:
    """The tasks there are: those of the configuration file, and those of types."""
    show_rows(run(ctx, "task.templates")["items"], TEMPLATE_COLUMNS, as_json=as_json)
