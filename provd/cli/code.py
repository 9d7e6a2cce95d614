"""``provd code|lock``: what is dialed on a phone so that it becomes somebody's, and who dialed wrong."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from provd.cli.commands import Group, as_json, by_id, deleted, given, listing, run
from provd.cli.output import Exit, show_json, show_one, show_rows

CODE_COLUMNS = ("id", "code", "tenant", "line", "number", "name", "state", "uses", "expires", "last_used")
MADE_COLUMNS = ("code", "line", "number", "name", "uses", "expires", "id")


@click.group(cls=Group)
def code() -> None:
    """Provisioning codes. Somebody dials one on a new phone, and the phone gets the code's line."""


code.add_command(
    listing(
        "code.list",
        CODE_COLUMNS,
        filters=("tenant", "line", "state"),
        flags=("reveal",),
        example="tenant=acme state=good",
    )
)
code.add_command(by_id("revoke", "code.revoke", "id", "Withdraw it: it stays in the list and is good for nothing."))
code.add_command(by_id("delete", "code.delete", "id", "Remove it with the memory of its uses.", gone=deleted))


@code.command("show")
@click.argument("identifier", metavar="ID")
@click.option("--reveal", is_flag=True, help="Show the code itself; this is written to the audit trail.")
@as_json
@click.pass_context
def show(ctx: click.Context, identifier: str, *, reveal: bool, as_json: bool) -> None:
    """One code and the devices that used it."""
    show_one(run(ctx, "code.show", id=identifier, reveal=reveal or None), as_json=as_json)


@code.command("add")
@click.option("--line", "lines", multiple=True, metavar="LINE", help="The line that it is for; repeatable.")
@click.option("--tenant", help="With --free: whose lines.")
@click.option("--free", is_flag=True, help="One for every line of the tenant that is on no device and has no code yet.")
@click.option("--expires", metavar="DURATION", help='How long it is good, such as 7d, or "never" (codes.expires).')
@click.option("--uses", type=click.IntRange(1, 10_000), help="How many phones may use it (codes.uses).")
@as_json
@click.pass_context
def add(
    ctx: click.Context,
    lines: tuple[str, ...],
    tenant: str | None,
    expires: str | None,
    uses: int | None,
    *,
    free: bool,
    as_json: bool,
) -> None:
    """Make codes. They are shown now; later only with --reveal, or on a sheet.

    Example: provd code add --line 101 --expires 7d
    """
    life = "0" if expires == "never" else expires
    wanted = given(line=list(lines) or None, tenant=tenant, free=free or None, expires=life, uses=uses)
    result = run(ctx, "code.add", **wanted)
    if as_json:
        show_json(result)
    elif "items" in result:
        show_rows([_made(each) for each in result["items"]], MADE_COLUMNS, as_json=False)
    else:
        show_one(_made(result), as_json=False)


def _made(record: Mapping[str, Any]) -> dict[str, Any]:
    """What matters of a new code, as people read it."""
    found = {name: record[name] for name in MADE_COLUMNS}
    return {**found, "code": record["grouped"]}


@code.command("sheet")
@click.option("--tenant", required=True, help="Whose codes.")
@click.option("--format", "form", type=click.Choice(["html", "csv"]), default="html", show_default=True)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="A file that only you can read.")
@as_json
@click.pass_context
def sheet(ctx: click.Context, tenant: str, form: str, output: Path | None, *, as_json: bool) -> None:
    """Every code of a tenant that is good, to be printed: a card for each line with a QR code, or CSV.

    Example: provd code sheet --tenant acme -o acme.html
    """
    result = run(ctx, "code.sheet", tenant=tenant, format=form)
    text = str(result["text"])
    if result["note"] and not as_json:
        click.echo(result["note"], err=True)
    if output is not None:
        _write(output, text)
        result = {name: value for name, value in result.items() if name != "text"} | {"file": str(output)}
        if not as_json:
            many = result["codes"] != 1
            click.echo(f"{result['codes']} {'codes are' if many else 'code is'} in {output}")
    elif not as_json:
        click.echo(text, nl=False)
    if as_json:
        show_json(result)


def _write(path: Path, text: str) -> None:
    """Codes are secrets: nobody else can read the file, whatever it was before."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(descriptor, 0o600)
            file.write(text)
    except OSError as error:
        click.echo(f"{path}: {error.strerror}", err=True)
        sys.exit(Exit.FAILURE)


LOCK_COLUMNS = ("id", "wrong", "locked", "wait", "tenant", "last")


@click.group(cls=Group)
def lock() -> None:
    """Wrong codes: of a device, of an address, of many devices behind one address, of the site."""


def _lifted(result: Mapping[str, Any]) -> str:
    return f"{result['lifted']} is lifted"


lock.add_command(listing("lock.list", LOCK_COLUMNS, filters=("kind",), example="kind=device"))
lock.add_command(by_id("lift", "lock.lift", "id", "Forget the wrong codes, and let in again.", gone=_lifted))
