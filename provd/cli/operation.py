"""``provd operation``: what takes its time, and waiting for it."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

import click

from provd.cli.client import NotRunningError, of_daemon
from provd.cli.commands import Command, Group, as_json, run
from provd.cli.output import Exit, errors_to_exit, show_one, show_rows

_EVERY = 0.2
_COLUMNS = ("id", "kind", "state", "by", "started", "doing", "done", "total", "reason")


@click.group(cls=Group)
def operation() -> None:
    """Long work: fetching and trying plugins. It goes on when the terminal is closed and after a restart."""


@operation.command("list")
@as_json
@click.pass_context
def operation_list(ctx: click.Context, *, as_json: bool) -> None:
    """List long work, the newest first."""
    show_rows(run(ctx, "operation.list")["items"], _COLUMNS, as_json=as_json)


@operation.command("show")
@click.argument("name", metavar="ID")
@as_json
@click.pass_context
def operation_show(ctx: click.Context, name: str, *, as_json: bool) -> None:
    """Show how far it is and what came of it."""
    show_one(run(ctx, "operation.show", id=name), as_json=as_json)


@operation.command("cancel")
@click.argument("name", metavar="ID")
@as_json
@click.pass_context
def operation_cancel(ctx: click.Context, name: str, *, as_json: bool) -> None:
    """Call it off."""
    show_one(run(ctx, "operation.cancel", id=name), as_json=as_json)


@operation.command("wait", cls=Command)
@click.argument("name", metavar="ID")
@as_json
@click.pass_context
def operation_wait(ctx: click.Context, name: str, *, as_json: bool) -> None:
    """Wait until it is over; exit code 1 when nothing came of it."""
    work = worked(ctx, run(ctx, "operation.show", id=name), quiet=as_json)
    show_one(work, as_json=as_json)


def worked(ctx: click.Context, work: Mapping[str, Any], *, quiet: bool) -> Mapping[str, Any]:
    """Wait until long work is over, with a bar where somebody watches; ends the command when nothing came of it."""
    bar = not quiet and sys.stderr.isatty()
    while work["state"] == "running":
        if bar:
            click.echo(f"\r\x1b[K{_bar(work)}", nl=False, err=True)
        time.sleep(_EVERY)
        if bar:
            click.echo("\r\x1b[K", nl=False, err=True)
        work = _again(ctx, work["id"])
    if work["state"] != "done":
        click.echo(work["reason"] or work["state"], err=True)
        sys.exit(Exit.FAILURE)
    return work


def _again(ctx: click.Context, name: str) -> Mapping[str, Any]:
    """How far the daemon is. Without one nothing goes on: the database would say the same for ever, and be held from
    the daemon that is about to start."""
    with errors_to_exit():
        try:
            found: Mapping[str, Any] = of_daemon(ctx.find_root().obj, "operation.show", id=name)
        except NotRunningError:
            raise NotRunningError(
                f"no daemon runs any more; {name} goes on with the next one: provd operation wait {name}"
            ) from None
        return found
    raise AssertionError  # errors_to_exit ends the process on every error


def _bar(work: Mapping[str, Any]) -> str:
    done, total = work["done"], work["total"]
    if not total:
        return f"{work['doing'] or 'beginning'} …"
    filled = 30 * done // total
    return f"{work['doing']}  [{'#' * filled}{'.' * (30 - filled)}] {done} of {total}"
