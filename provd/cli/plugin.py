"""``provd plugin``: vendor plugins."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from provd.cli.objects import as_json, listing
from provd.cli.output import Exit, errors_to_exit, show_json


@click.group()
def plugin() -> None:
    """Vendor plugins: what is in force, checking a folder, beginning a new one."""


plugin.add_command(listing("plugin.list", ("id", "version", "vendor", "models", "license")))


@plugin.command("check")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@as_json
@click.pass_context
def plugin_check(ctx: click.Context, folder: Path, *, as_json: bool) -> None:
    """Check the plugin in FOLDER: manifest, cases, and every file for every model."""
    with errors_to_exit():
        from dataclasses import asdict

        from provd.cli.offline import manifests
        from provd.plugins.check import check
        from provd.plugins.render_engine import Engine
        from provd.plugins.render_once import render_once

        engine = Engine()
        report = check(
            folder.resolve(),
            others=manifests(ctx.find_root().obj),
            render=lambda job: render_once(folder / "templates", job, engine=engine),
        )
    if as_json:
        show_json(asdict(report) | {"ok": report.ok})
    else:
        for problem in report.problems:
            click.echo(problem, err=True)
        for note in report.notes:
            click.echo(f"note: {note}")
        counted = f"{report.models} models, {report.cases} cases, {report.rendered} files rendered"
        click.echo(f"{report.plugin} {report.version}: {report.level} ({counted})")
    if not report.ok:
        sys.exit(Exit.FAILURE)


@plugin.command("new")
@click.argument("identifier", metavar="ID")
@click.option("--vendor", required=True)
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), default=Path(), help="Where to make it.")
def plugin_new(identifier: str, vendor: str, folder: Path) -> None:
    """Begin a plugin from the skeleton; it passes `provd plugin check` as it is."""
    with errors_to_exit():
        from provd.plugins.skeleton import new

        click.echo(new(folder, identifier, vendor))
