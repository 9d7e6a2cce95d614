"""``provd import``: what another server knows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from provd.cli.commands import Command, Group, as_json, run
from provd.cli.output import errors_to_exit, show_json

_LARGEST = 256 << 20
_NAMED = 3
"""Devices and configs that are named when the same is said of several."""


@click.group("import", cls=Group)
def importing() -> None:
    """Take over what another provisioning server knows."""


@importing.command("wazo", cls=Command)
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--tenant",
    "tenants",
    multiple=True,
    metavar="UUID=ID",
    help="Which tenant here is the one with this UUID there; repeatable. Others are called after their UUID.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would come of it.")
@as_json
@click.pass_context
def import_wazo(ctx: click.Context, source: Path, tenants: tuple[str, ...], *, dry_run: bool, as_json: bool) -> None:
    """Take over the devices of a wazo-provd, all or nothing; what has no equivalent is listed.

    SOURCE is its database (the folder /var/lib/wazo-provd/jsondb), or a file with `{"devices": [...], "configs":
    [...]}` as its REST interface lists them.
    """
    with errors_to_exit():
        found = _documents(source)
    result = run(ctx, "import.wazo", **found, tenants=list(tenants), dry_run=dry_run)
    if as_json:
        show_json(result)
        return
    would = "would be " if dry_run else ""
    click.echo(
        f"{result['devices']} devices, {result['lines']} lines, {len(result['profiles'])} profiles, "
        f"{len(result['tenants'])} tenants {would}taken over"
    )
    for note in _together(result["notes"]):
        click.echo(note, err=True)
    if result["notes"]:
        click.echo(f"not taken over as they were: {len(result['notes'])}", err=True)


def _together(notes: Sequence[str]) -> Iterator[str]:
    """What is said of many in the same words, once: every phone there has settings that nobody knows here."""
    whose: dict[str, list[str]] = {}
    for note in notes:
        where, _, what = note.partition(": ")
        whose.setdefault(what, []).append(where)
    for what, places in whose.items():
        more = f" and {len(places) - _NAMED} more (--json has all)" if len(places) > _NAMED else ""
        yield f"{', '.join(places[:_NAMED])}{more}: {what}"


def _document(path: Path) -> dict[str, Any]:
    # The name of the file is the id of the document.
    try:
        return {"id": path.name, **json.loads(path.read_bytes())}
    except (ValueError, TypeError, RecursionError) as error:
        # Its server writes in place: one that was ended over it leaves half a document behind.
        from provd.base.errors import UsageError

        raise UsageError(f"{path} is no whole document ({error}); mend it or take it away, and begin again") from None


def _documents(source: Path) -> dict[str, list[Any]]:
    from provd.base.errors import UsageError

    try:
        if source.is_file():
            if source.stat().st_size > _LARGEST:
                raise UsageError(f"{source} is larger than {_LARGEST >> 20} MiB")
            content = json.loads(source.read_bytes())
            if not isinstance(content, dict):
                raise UsageError(f"{source} has no devices and configs in it")
            return {kind: content.get(kind, []) for kind in ("devices", "configs")}
        found = {}
        for kind in ("devices", "configs"):
            folder = source / kind
            if not folder.is_dir():
                raise UsageError(f"{source} is no database of a wazo-provd: it has no folder {kind}")
            found[kind] = [
                _document(path) for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith(".")
            ]
    except OSError as error:
        raise UsageError(f"{error.filename or source} cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, RecursionError) as error:
        raise UsageError(f"{source} holds something that is no document: {error}") from None
    return found
