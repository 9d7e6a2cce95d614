"""``provd rollout``: a version of firmware for many phones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from provd.cli.commands import Group, as_json, by_id, deleted, given, listing, run
from provd.cli.output import show_one, show_rows

_COLUMNS = ("id", "package", "version", "state", "ring", "progress", "reason")
_name = click.argument("identifier", metavar="NAME")
_tolerance = click.option(
    "--tolerance", type=click.IntRange(0, 100), metavar="PERCENT", help="Of a ring; more that fail stop it. Default: 5."
)
_patience = click.option("--patience", metavar="DURATION", help="How long a phone has to come back. Default: 1h.")


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "progress": f"{row['on']} of {row['of']}"}


@click.group(cls=Group)
def rollout() -> None:
    """Give a version of firmware to many phones: first to a few, then to all, and stop when it goes wrong.

    The version has to be here (`provd firmware`).
    """


rollout.add_command(listing("rollout.list", _COLUMNS, view=_row))


@rollout.command("add")
@_name
@click.option("--firmware", "package", required=True, help="Name of the package, such as spa50x-30x.")
@click.option("--version", required=True)
@click.option("--plugin", metavar="ID", help="Where several plugins have a package of that name.")
@click.option("--tenant", help="Only its phones.")
@click.option("--profile", help="Only phones with this group profile.")
@click.option("--model", "models", multiple=True, help="Only this model of those it fits; repeatable.")
@click.option("--device", "devices", multiple=True, metavar="MAC", help="Only this phone; repeatable.")
@click.option("--ring", "rings", multiple=True, metavar="NAME=PERCENT", help="Shares in turn, the last one 100.")
@click.option("--no-tell", is_flag=True, help="Let phones come by themselves (at `resync.at`) instead of telling them.")
@_tolerance
@_patience
@click.option("--start", is_flag=True, help="Begin at once.")
@as_json
@click.pass_context
def rollout_add(
    ctx: click.Context,
    /,
    identifier: str,
    models: Sequence[str],
    devices: Sequence[str],
    rings: Sequence[str],
    *,
    no_tell: bool,
    start: bool,
    as_json: bool,
    **fields: str | int | None,
) -> None:
    """Plan a rollout; `provd rollout start NAME` begins it.

    Example: provd rollout add spring --firmware spa50x-30x --version 7.5.5 --ring pilot=5 --ring rest=100
    """
    lists = given(models=list(models) or None, devices=list(devices) or None, rings=list(rings) or None)
    tell = {"tell": False} if no_tell else {}
    made = run(ctx, "rollout.add", id=identifier, **lists, **tell, **given(**fields))
    if start:
        made = run(ctx, "rollout.start", id=identifier)
    show_one(made, as_json=as_json)


@rollout.command("show")
@_name
@as_json
@click.pass_context
def rollout_show(ctx: click.Context, identifier: str, *, as_json: bool) -> None:
    """Show how far it is and who is missing."""
    found = run(ctx, "rollout.show", id=identifier)
    if as_json:
        show_one(found, as_json=True)
        return
    ring = f", ring {found['ring']}" if found["ring"] else ""
    click.echo(f"{found['on']} of {found['of']} on {found['version']} ({found['state']}{ring})")
    if found["reason"]:
        click.echo(found["reason"])
    columns = ("ring", "on", "waiting", "missing", "old", "withdrawn")
    show_rows(found["by_ring"], columns, as_json=False)
    if found["missing"]:
        click.echo()
        show_rows(found["missing"], ("mac", "standing", "runs", "last_seen"), as_json=False)


@rollout.command("set")
@_name
@_tolerance
@_patience
@as_json
@click.pass_context
def rollout_set(
    ctx: click.Context, identifier: str, tolerance: int | None, patience: str | None, *, as_json: bool
) -> None:
    """Change how many may fail and how long they have."""
    changes = given(tolerance=tolerance, patience=patience)
    show_one(run(ctx, "rollout.set", id=identifier, **changes), as_json=as_json)


for _verb, _text in (
    (
        "start",
        "Give the version to the first ring; the others follow by themselves, each when the one before is through.",
    ),
    ("pause", "Give it to nobody else for now."),
    ("resume", "Go on; phones that have failed get their time once more, and are told again."),
    ("abort", "Give it to nobody else any more; who has it keeps it."),
    ("rollback", "Give every phone back what it had before, if that is here."),
):
    rollout.add_command(by_id(_verb, f"rollout.{_verb}", "id", _text))
rollout.add_command(by_id("delete", "rollout.delete", "id", "Forget it; phones keep what they have.", gone=deleted))
