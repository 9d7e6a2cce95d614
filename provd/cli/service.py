"""``provd serve|check-config|status|version``: the daemon itself."""

from __future__ import annotations

import gc
import sys

import click

from provd import __version__
from provd.base.errors import ConfigError
from provd.cli.client import NotRunningError, ask, config_file, settings_of
from provd.cli.commands import Command
from provd.cli.output import Exit, errors_to_exit, show_json, show_one

_as_json = click.option("--json", "as_json", is_flag=True, help="JSON instead of text.")


@click.command(cls=Command)
@click.pass_context
def serve(ctx: click.Context) -> None:
    """Run the daemon in the foreground until SIGTERM; SIGHUP reloads the configuration."""
    # What is imported and loaded stays. The daemon switches the collector on again when it is ready.
    gc.disable()
    try:
        with errors_to_exit():
            from provd.net.authorities import without_authorities

            without_authorities()
            from provd.daemon import serve as run

            run(config_file(ctx.find_root().obj))
    finally:
        gc.enable()


@click.command("check-config", cls=Command)
@click.option("--deep", is_flag=True, help="Also open what it names: interfaces, certificates, database, plugins.")
@_as_json
@click.pass_context
def check_config(ctx: click.Context, *, deep: bool, as_json: bool) -> None:
    """Print OK, or every error with its file and line."""
    from provd.daemon.translate import dhcp_of

    errors: list[str] = []
    try:
        settings = settings_of(ctx.find_root().obj)
        dhcp_of(settings.dhcp)
    except ConfigError as error:
        errors = str(error).splitlines()
    else:
        if deep:
            from provd.cli.deep import problems

            errors = list(problems(settings))
    if as_json:
        show_json({"ok": not errors, "errors": errors})
    else:
        for line in errors:
            click.echo(line, err=True)
        if not errors:
            click.echo("OK")
    if errors:
        sys.exit(Exit.CONFIG)


@click.command(cls=Command)
@_as_json
@click.pass_context
def status(ctx: click.Context, *, as_json: bool) -> None:
    """Say how the running daemon is; exit code 1 when none runs, after what its database holds."""
    with errors_to_exit():
        settings = settings_of(ctx.find_root().obj)
        try:
            shown = {"running": True, **ask(settings.server.control_path, "status", {})}
        except NotRunningError as error:
            from provd.cli.offline import perform

            shown = {"running": False, **perform(settings, "status", {})}
            click.echo(str(error), err=True)
    show_one(shown, as_json=as_json)
    if not shown["running"]:
        sys.exit(Exit.FAILURE)


@click.command()
@_as_json
def version(*, as_json: bool) -> None:
    """Print the versions of provd and of what it runs on."""
    if not as_json:
        click.echo(f"provd {__version__}")
        return
    import platform
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    found: dict[str, object] = {"provd": __version__, "python": platform.python_version()}
    for package in ("aiohttp", "jinja2", "sqlalchemy", "uvloop", "psycopg"):
        try:
            found[package] = installed(package)
        except PackageNotFoundError:
            found[package] = None
    show_json(found)
