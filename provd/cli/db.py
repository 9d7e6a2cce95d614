"""``provd db``: the database as a whole."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from provd.cli.client import NotRunningError, ask, settings_of
from provd.cli.commands import Group, as_json
from provd.cli.output import Exit, errors_to_exit, local, show_json

if TYPE_CHECKING:
    from provd.config.settings import Settings

_FILE = click.Path(dir_okay=False, path_type=Path)
_EXISTING = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group(cls=Group)
def db() -> None:
    """The database as a whole: bring it up to date, back it up, put it back."""


@db.command("upgrade")
@as_json
@click.pass_context
def upgrade(ctx: click.Context, *, as_json: bool) -> None:
    """Give the database the tables of this version; the daemon does the same when it starts."""
    with errors_to_exit():
        from provd.cli.offline import become_owner
        from provd.storage import snapshot

        settings = settings_of(ctx.find_root().obj)
        become_owner(settings.server.state_dir)
        was, now = snapshot.upgrade(settings.database.url, settings.server.state_dir)
    if as_json:
        show_json({"was": was or None, "now": now})
    elif was == now:
        click.echo(f"the database has schema {now} already")
    else:
        click.echo(f"the database is upgraded from schema {was} to {now}" if was else f"a database of schema {now}")


@db.command("backup")
@click.argument("file", type=_FILE)
@click.option("--with-key", is_flag=True, help="Put master.key into it: whoever has the file can read every password.")
@click.option("--replace", is_flag=True, help="Write over an older backup of this name.")
@as_json
@click.pass_context
def backup(ctx: click.Context, file: Path, *, with_key: bool, replace: bool, as_json: bool) -> None:
    """Write the database, template overrides and own plugins to one FILE, also while the daemon runs.

    Passwords in it stay encrypted: keep master.key elsewhere, or say --with-key. Not in it are the configuration
    (/etc/provd) and firmware.
    """
    with errors_to_exit():
        from provd.cli.backup import make

        made = make(settings_of(ctx.find_root().obj), file, with_key=with_key, replace=replace)
    if as_json:
        show_json(made)
        return
    click.echo(f"{file}: {_counted(made['rows'])}; {made['files']} files of overrides and plugins")
    if made["keys"] and not with_key:
        click.echo("the key is not in it: keep a copy of master.key elsewhere", err=True)


@db.command("restore")
@click.argument("file", type=_EXISTING)
@click.option(
    "--replace", is_flag=True, help="Also where there is something: it is moved aside (rows in PostgreSQL go)."
)
@click.option("--without-key", is_flag=True, help="Go on although its key is lost: passwords must be entered again.")
@as_json
@click.pass_context
def restore(ctx: click.Context, file: Path, *, replace: bool, without_key: bool, as_json: bool) -> None:
    """Fill the database that the configuration names from a backup; the daemon must not run."""
    with errors_to_exit():
        settings = settings_of(ctx.find_root().obj)
        _nobody_at_work(settings)
        from provd.cli.backup import put_back

        done = put_back(settings, file, replace=replace, without_key=without_key)
    if as_json:
        show_json(done)
    else:
        click.echo(f"restored: {_counted(done['rows'])}; {done['files']} files of overrides and plugins")


@db.command("verify")
@click.argument("file", type=_EXISTING)
@as_json
@click.pass_context
def verify(ctx: click.Context, file: Path, *, as_json: bool) -> None:
    """Restore a backup into a scratch database, read every row, compare; exit code 1 when something is wrong."""
    with errors_to_exit():
        from provd.cli.backup import verify as look

        found = look(settings_of(ctx.find_root().obj), file)
    if as_json:
        show_json(found)
    else:
        click.echo(f"made {local(found['made'])} by provd {found['provd']}, schema {found['schema']}")
        click.echo(_counted(found["rows"]))
        for note in found["notes"]:
            click.echo(f"note: {note}")
        for problem in found["problems"]:
            click.echo(problem, err=True)
        if not found["problems"]:
            click.echo("OK")
    if found["problems"]:
        sys.exit(Exit.FAILURE)


def _nobody_at_work(settings: Settings) -> None:
    from provd.base.errors import ConflictError

    try:
        ask(settings.server.control_path, "status", {})
    except NotRunningError:
        return
    raise ConflictError("the daemon runs: stop it first")


def _counted(rows: Mapping[str, Any]) -> str:
    return ", ".join(f"{count} {name}" for name, count in rows.items() if count) or "no rows"
