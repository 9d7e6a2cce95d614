"""``provd plugin``: vendor plugins."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from provd.cli.commands import Group, as_json, listing
from provd.cli.firmware import firmware
from provd.cli.output import Exit, errors_to_exit, show_json
from provd.cli.packages import (
    plugin_available,
    plugin_install,
    plugin_link,
    plugin_remove,
    plugin_rollback,
    plugin_upgrade,
)
from provd.cli.publishing import plugin_build, plugin_index, plugin_key, plugin_sign


@click.group(cls=Group)
def plugin() -> None:
    """Vendor plugins: what is in force; making, checking, packing and signing one."""


def _counted(row: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**row, "models": len(row["models"])}


for _command in (
    *(plugin_available, plugin_install, plugin_upgrade, plugin_rollback, plugin_remove, plugin_link),
    *(plugin_key, plugin_build, plugin_sign, plugin_index),
):
    plugin.add_command(_command)
# One may look for it here as well.
plugin.add_command(firmware)
plugin.add_command(
    listing("plugin.list", ("id", "version", "origin", "before", "vendor", "models", "license"), view=_counted)
)


@plugin.command("check")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@as_json
@click.pass_context
def plugin_check(ctx: click.Context, folder: Path, *, as_json: bool) -> None:
    """Check the plugin in FOLDER: manifest, cases, and every file for every model."""
    with errors_to_exit():
        from provd.cli.offline import catalogue
        from provd.cli.publishing import examination

        known = catalogue(ctx.find_root().obj)
        report = examination(folder, {each.id: str(known.folder(each.id)) for each in known.manifests})
    if as_json:
        show_json({**report, "ok": not report["problems"]})
    else:
        for problem in report["problems"]:
            click.echo(problem, err=True)
        for note in report["notes"]:
            click.echo(f"note: {note}")
        counted = f"{report['models']} models, {report['cases']} cases, {report['rendered']} files rendered"
        counted += f", {report['steps']} steps of tasks" if report["steps"] else ""
        click.echo(f"{report['plugin']} {report['version']}: {report['level']} ({counted})")
    if report["problems"]:
        sys.exit(Exit.FAILURE)


@plugin.command("new", cls=click.Command)
@click.argument("identifier", metavar="ID")
@click.option("--vendor", required=True, help="As people write it.")
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), default=Path(), help="Where to make it.")
def plugin_new(identifier: str, vendor: str, folder: Path) -> None:
    """Begin a plugin from the skeleton; it passes `provd plugin check` as it is.

    Example: provd plugin new acme --vendor Acme --folder /etc/provd/plugins
    """
    with errors_to_exit():
        from provd.plugins.skeleton import new

        made = new(folder, identifier, vendor)
    click.echo(f"{made} is begun; `provd plugin check {made}` tells how far it is")
