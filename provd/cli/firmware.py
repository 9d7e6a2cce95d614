"""``provd firmware``: firmware and language packages of phones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from provd.cli.commands import Group, as_json, given, run
from provd.cli.operation import worked
from provd.cli.output import errors_to_exit, show_one, show_rows

F = TypeVar("F", bound=Callable[..., object])
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_version = click.argument("version", required=False)
_plugin = click.option("--plugin", metavar="ID", help="Where several plugins have a package of that name.")


def _own(command: F) -> F:
    """The options of whatever brings a package."""
    for option in (
        as_json,
        click.option("--kind", type=click.Choice(["firmware", "handset", "language"]), help="Of such a package."),
        click.option("--model", "models", multiple=True, help="Of a package that no catalogue has; repeatable."),
        click.option("--sha256", metavar="HEX", help="What it has to be; the catalogue's, where it has one."),
        _plugin,
    ):
        command = option(command)
    return command


@click.group(cls=Group)
def firmware() -> None:
    """Firmware and languages of phones: what there is of it, and keeping it here.

    Rolling a version out to phones is `provd rollout`.
    """


@firmware.command("list")
@_plugin
@as_json
@click.pass_context
def firmware_list(ctx: click.Context, plugin: str | None, *, as_json: bool) -> None:
    """List the packages that are here."""
    rows = run(ctx, "firmware.list", plugin=plugin)["items"]
    columns = ("plugin", "name", "version", "kind", "files", "size", "checked", "at")
    show_rows(rows if as_json else [_row(row) for row in rows], columns, as_json=as_json)


@firmware.command("available")
@_plugin
@click.option("--model", help="Only what this model can run.")
@as_json
@click.pass_context
def firmware_available(ctx: click.Context, plugin: str | None, model: str | None, *, as_json: bool) -> None:
    """List what the plugins know of: what is here already, what can be fetched, what the vendor gives to you alone."""
    rows = run(ctx, "firmware.available", plugin=plugin, model=model)["items"]
    columns = ("plugin", "name", "version", "kind", "models", "here", "from", "sha256")
    show_rows(rows if as_json else [_offered(row) for row in rows], columns, as_json=as_json)


@firmware.command("show")
@click.argument("name")
@_version
@_plugin
@as_json
@click.pass_context
def firmware_show(ctx: click.Context, name: str, version: str | None, plugin: str | None, *, as_json: bool) -> None:
    """Show a package that is here: its files with their SHA-256, where it came from, how many devices run it."""
    found = run(ctx, "firmware.show", name=name, version=version, plugin=plugin)
    show_one(found if as_json else _row(found), as_json=as_json)


@firmware.command("fetch")
@click.argument("name")
@_version
@click.option("--url", help="A mirror of yours, where nobody may hand it out to everybody.")
@_own
@click.pass_context
def firmware_fetch(
    ctx: click.Context,
    /,
    name: str,
    version: str | None,
    models: Sequence[str],
    *,
    as_json: bool,
    **fields: str | None,
) -> None:
    """Get a package from the web (through `plugins.proxy`); what broke off goes on where it ended.

    Example: provd firmware fetch T48 35.83.0.120 --url https://mirror.example/T48-35.83.0.120.rom
    """
    asked = given(name=name, version=version, models=list(models) or None, **fields)
    work = worked(ctx, run(ctx, "firmware.fetch", **asked), quiet=as_json)
    show_one(work["result"], as_json=as_json)


@firmware.command("upload")
@click.argument("file", type=_FILE)
@click.option("--name", help="Of the package, where FILE is called otherwise than in the catalogue.")
@click.option("--version", help="Likewise.")
@click.option("--unpack", is_flag=True, help="FILE is a zip archive with the files in it.")
@_own
@click.pass_context
def firmware_upload(
    ctx: click.Context, /, file: Path, models: Sequence[str], *, as_json: bool, unpack: bool, **fields: str | None
) -> None:
    """Keep an image or a language archive that the vendor has given to you.

    Example: provd firmware upload spa50x-30x-7-5-5.bin --sha256 …

    Example: provd firmware upload SPA50x.zip --name spa50x-30x --version 7.5.5
    """
    with errors_to_exit():
        from provd.cli.package_files import laid

        entry = laid(ctx.find_root().obj, file)
    asked = given(models=list(models) or None, unpack=unpack or None, **fields)
    kept = run(ctx, "firmware.upload", entry=entry, called=file.name, **asked)
    show_one(kept if as_json else _row(kept), as_json=as_json)


@firmware.command("remove")
@click.argument("name")
@_version
@_plugin
@as_json
@click.pass_context
def firmware_remove(ctx: click.Context, name: str, version: str | None, plugin: str | None, *, as_json: bool) -> None:
    """Take a package away that no device is to run."""
    show_one(run(ctx, "firmware.remove", name=name, version=version, plugin=plugin), as_json=as_json)


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    names = [part["name"] for part in row["files"]]
    return {**row, "files": names[0] if len(names) == 1 else f"{len(names)} files", "models": " ".join(row["models"])}


def _offered(row: Mapping[str, Any]) -> dict[str, Any]:
    models = row["models"]
    some = " ".join(models[:3]) + (f" and {len(models) - 3} more" if len(models) > 3 else "")
    known = f"{row['sha256'][:12]}…" if row["sha256"] else "not known"
    return {**row, "models": some, "from": row["source"] or "upload it", "sha256": known}
