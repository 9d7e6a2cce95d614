"""``provd tenant|line|profile``: whose the phones are, their accounts, and settings for many."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, TextIO

import click

from provd.cli.commands import (
    Group,
    as_json,
    by_id,
    deleted,
    given,
    listing,
    parsed,
    run,
    settings_option,
    show_import,
    unset_option,
)
from provd.cli.output import errors_to_exit, show_one, show_rows

_identifier = click.argument("identifier", metavar="ID")


@click.group(cls=Group)
def tenant() -> None:
    """Owners of devices and lines. Phones that nobody has claimed belong to the tenant `master`."""


tenant.add_command(listing("tenant.list", ("id", "name", "enabled", "devices", "lines")))
tenant.add_command(by_id("show", "tenant.show", "id", "One tenant with its settings."))
tenant.add_command(
    by_id("delete", "tenant.delete", "id", "Remove it with its lines; its devices go back to master.", gone=deleted)
)


@tenant.command("add")
@_identifier
@click.option("--name")
@settings_option
@as_json
@click.pass_context
def tenant_add(
    ctx: click.Context, identifier: str, name: str | None, settings: tuple[str, ...], *, as_json: bool
) -> None:
    """Add a tenant.

    Example: provd tenant add acme --name "Acme Ltd" --set sip.server=10.0.0.5 --set time.zone=Europe/Madrid
    """
    show_one(run(ctx, "tenant.add", id=identifier, name=name, settings=parsed(settings)), as_json=as_json)


@tenant.command("set")
@_identifier
@click.option("--name")
@click.option("--enabled/--disabled", default=None)
@settings_option
@unset_option
@as_json
@click.pass_context
def tenant_set(
    ctx: click.Context,
    /,
    identifier: str,
    settings: tuple[str, ...],
    unset: tuple[str, ...],
    *,
    as_json: bool,
    **fields: str | bool | None,
) -> None:
    """Change a tenant; its devices fetch their new files when they next ask."""
    changes = {"settings": parsed(settings), "unset": list(unset) or None}
    show_one(run(ctx, "tenant.set", id=identifier, **changes, **fields), as_json=as_json)


@click.group(cls=Group)
def line() -> None:
    """SIP accounts that devices can be given."""


LINE_COLUMNS = ("id", "tenant", "number", "username", "display_name", "server", "device")
line.add_command(
    listing("line.list", LINE_COLUMNS, filters=("tenant",), flags=("free",), example="tenant=acme free=yes")
)
line.add_command(by_id("delete", "line.delete", "id", "Remove it, also from the device that has it.", gone=deleted))


def _show_line(record: Mapping[str, Any], *, as_json: bool) -> None:
    unset = {name: None for name, value in record.items() if name.endswith("port") and not value}
    show_one(record if as_json else {**record, **unset}, as_json=as_json)


@line.command("show")
@_identifier
@click.option("--reveal", is_flag=True, help="Show the password; this is written to the audit trail.")
@as_json
@click.pass_context
def line_show(ctx: click.Context, identifier: str, *, reveal: bool, as_json: bool) -> None:
    """One line and the device that has it; its password stays hidden."""
    _show_line(run(ctx, "line.show", id=identifier, reveal=reveal or None), as_json=as_json)


_port = click.IntRange(0, 65535)
_LINE_OPTIONS = (
    click.option("--number", help="Extension or telephone number, as shown on the phone."),
    click.option("--username", help="SIP user name; default on add: the id."),
    click.option("--auth-username", help="Where it differs from the user name."),
    click.option(
        "--password",
        help="Default on add: a random one. Everybody on this machine sees it in the process list; "
        "'-' reads it from standard input instead.",
    ),
    click.option("--display-name"),
    click.option("--server", help="Default: the setting sip.server."),
    click.option("--port", type=_port, help="Default: the setting sip.port; 0 goes back to it."),
    click.option("--transport", type=click.Choice(["udp", "tcp", "tls"]), help="Default: the setting sip.transport."),
    click.option("--backup-server"),
    click.option("--backup-port", type=_port),
    click.option("--outbound-proxy"),
    click.option("--outbound-port", type=_port),
    click.option("--max-devices", type=click.IntRange(1, 100), help="On how many devices it may be at a time."),
    click.option("--voicemail", help="Number to dial for it."),
)


def _line_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_LINE_OPTIONS):
        command = option(command)
    return command


def _password(fields: dict[str, Any]) -> dict[str, Any]:
    if fields.get("password") == "-":
        fields["password"] = sys.stdin.readline().rstrip("\r\n")
    if fields.get("password") == "":
        raise click.BadParameter("must not be empty", param_hint="--password")
    return fields


@line.command("add")
@_identifier
@click.option("--tenant", required=True, help="Its owner.")
@_line_options
@settings_option
@as_json
@click.pass_context
def line_add(
    ctx: click.Context, /, identifier: str, tenant: str, settings: tuple[str, ...], *, as_json: bool, **fields: Any
) -> None:
    """Add a line to a tenant.

    Example: provd line add 101 --tenant acme --number 101 --display-name "Ann" --password - < password.txt
    """
    made = given(**_password(fields), settings=parsed(settings))
    _show_line(run(ctx, "line.add", id=identifier, tenant=tenant, **made), as_json=as_json)


@line.command("set")
@_identifier
@_line_options
@settings_option
@unset_option
@as_json
@click.pass_context
def line_set(
    ctx: click.Context,
    /,
    identifier: str,
    settings: tuple[str, ...],
    unset: tuple[str, ...],
    *,
    as_json: bool,
    **fields: Any,
) -> None:
    """Change a line."""
    changes = given(**_password(fields), settings=parsed(settings), unset=list(unset) or None)
    _show_line(run(ctx, "line.set", id=identifier, **changes), as_json=as_json)


@line.command("import")
@click.argument("file", type=click.File("r", encoding="utf-8", errors="replace"))
@click.option("--dry-run", is_flag=True, help="Only say what would happen.")
@as_json
@click.pass_context
def line_import(ctx: click.Context, file: TextIO, *, dry_run: bool, as_json: bool) -> None:
    """Add or change lines from CSV: all rows, or none when one is wrong. FILE may be - for standard input.

    The first line names the columns: id, tenant and any of number, username, password, display_name, server … as
    `provd line show` has them. An empty cell changes nothing, and a new line without a password gets a random one.
    """
    result = run(ctx, "line.import", csv=file.read(), dry_run=dry_run)
    show_import(result, changed=result["changed"], as_json=as_json)


@click.group(cls=Group)
def profile() -> None:
    """Settings for many devices: by vendor, model, site, tenant or group.

    A stronger level wins: vendor < model < site < tenant < group < the device's own settings.
    """


LEVELS = ("vendor", "model", "site", "tenant", "group")
PROFILE_COLUMNS = ("id", "name", "level", "applies_to", "parents", "devices")
profile.add_command(listing("profile.list", PROFILE_COLUMNS, filters=("level",), example="level=site"))
profile.add_command(by_id("show", "profile.show", "id", "One profile with its settings."))
profile.add_command(by_id("delete", "profile.delete", "id", "Remove a profile that nothing uses.", gone=deleted))


@profile.command("settings")
@click.option("--model", metavar="NAME", help="Only what this model can be told, and what it cannot, and why.")
@click.option("--markdown", is_flag=True, help="As a page.")
@as_json
@click.pass_context
def profile_settings(ctx: click.Context, model: str | None, *, markdown: bool, as_json: bool) -> None:
    """Every setting there is: its values, its default, and which plugins write it."""
    with errors_to_exit():
        from provd.cli.offline import manifests
        from provd.plugins import vocabulary

        known = list(manifests(ctx.find_root().obj))
        if markdown:
            click.echo(vocabulary.markdown(known), nl=False)
            return
        of = vocabulary.model_named(known, model) if model else None
        rows = [row.shown() for row in vocabulary.rows(known, of)]
    columns = ("name", "values", "note") if model else ("name", "values", "default", "plugins", "doc")
    show_rows(rows, columns, as_json=as_json)


@profile.command("add")
@_identifier
@click.option("--name")
@click.option("--level", type=click.Choice(LEVELS), default="group", show_default=True)
@click.option("--applies-to", help="The vendor, Vendor/Model or tenant; nothing for site and group.")
@click.option("--parent", "parents", multiple=True, help="A profile whose settings come first; repeatable.")
@settings_option
@as_json
@click.pass_context
def profile_add(
    ctx: click.Context,
    /,
    identifier: str,
    settings: tuple[str, ...],
    parents: tuple[str, ...],
    *,
    as_json: bool,
    **fields: Any,
) -> None:
    """Add a profile.

    Example: provd profile add office --level site --set time.zone=Europe/Madrid --set ntp.server=10.0.0.1
    """
    result = run(ctx, "profile.add", id=identifier, parents=list(parents), settings=parsed(settings), **fields)
    show_one(result, as_json=as_json)


@profile.command("set")
@_identifier
@click.option("--name")
@click.option("--parent", "parents", multiple=True, help="All of its parents anew; '' alone leaves none.")
@settings_option
@unset_option
@as_json
@click.pass_context
def profile_set(
    ctx: click.Context,
    /,
    identifier: str,
    settings: tuple[str, ...],
    unset: tuple[str, ...],
    parents: tuple[str, ...],
    *,
    as_json: bool,
    **fields: Any,
) -> None:
    """Change a profile; devices fetch their new files when they next ask."""
    changes = {
        "parents": [parent for parent in parents if parent] if parents else None,
        "settings": parsed(settings),
        "unset": list(unset) or None,
    }
    show_one(run(ctx, "profile.set", id=identifier, **changes, **fields), as_json=as_json)
