"""``provd device``: phones, and devices that fetch a key."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping
from typing import TextIO

import click

from provd.base.types import mac_text
from provd.cli.client import OtherVersionError, call
from provd.cli.commands import (
    Group,
    Row,
    as_json,
    by_id,
    deleted,
    listing,
    parsed,
    run,
    settings_option,
    show_import,
    unset_option,
)
from provd.cli.findings import show_findings
from provd.cli.output import Exit, show_json, show_one, show_rows
from provd.cli.syncing import follow, show_told

COLUMNS = ("mac", "vendor", "model", "version", "state", "tenant", "ip", "lines", "last_seen")
FILTERS = ("state", "tenant", "vendor", "model", "plugin", "profile", "ip", "query")


@click.group(cls=Group)
def device() -> None:
    """Phones: what is there, whose they are, what they are given.

    A MAC may be written in any form: 805ec0112233, 80:5E:C0:11:22:33, 805e.c011.2233. A device that fetches a key
    (see `provd activation`) stands among them as VENDOR/MODEL/SERIAL.
    """


def _row(row: Row) -> Row:
    """A device that has no MAC is known by its names."""
    return {**row, "mac": row["mac"] or mac_text(row["id"])}


device.add_command(listing("device.list", COLUMNS, filters=FILTERS, example="state=unclaimed vendor=Acme", view=_row))
device.add_command(by_id("reset", "device.reset", "mac", "Back to unclaimed, without settings; the tenant stays."))
device.add_command(
    by_id("delete", "device.delete", "mac", "Forget the device; it is added again when it asks.", gone=deleted)
)

_mac = click.argument("mac")
_local = click.option("--local", metavar="IP", help="Our address that the device talks to, for its URLs.")
_reveal = click.option("--reveal", is_flag=True, help="Show secrets; this is written to the audit trail.")


@device.command("show")
@_mac
@_local
@_reveal
@as_json
@click.pass_context
def device_show(ctx: click.Context, mac: str, local: str | None, *, reveal: bool, as_json: bool) -> None:
    """Everything known about one device; with --reveal also its token URL and temporary account.

    Below it stands what is wrong with it, if anything is (`provd device diagnose`).
    """
    show_one(run(ctx, "device.show", mac=mac, local=local, reveal=reveal or None), as_json=as_json)
    if not as_json:
        with contextlib.suppress(OtherVersionError):
            show_findings(call(ctx.find_root().obj, "device.diagnose", mac=mac), beside=True)


@device.command("diagnose")
@_mac
@as_json
@click.pass_context
def device_diagnose(ctx: click.Context, mac: str, *, as_json: bool) -> None:
    """Say what is wrong with a device and what to do, from its last steps. Exit code 1 when anything is.

    Also for a MAC that is no device here yet: the one on the label of a phone that does nothing.
    """
    found = run(ctx, "device.diagnose", mac=mac)
    if as_json:
        show_json(found)
    else:
        show_findings(found)
    if any(finding["level"] == "problem" for finding in found["findings"]):
        sys.exit(Exit.FAILURE)


@device.command("add")
@_mac
@click.option("--vendor", help="When the MAC does not tell it.")
@click.option("--model", help="As a plugin spells it, see `provd plugin list --json`.")
@click.option("--tenant", help="Its owner from the start; default: master.")
@click.option("--profile", help="Group profile.")
@click.option("--description")
@settings_option
@as_json
@click.pass_context
def device_add(
    ctx: click.Context, /, mac: str, settings: tuple[str, ...], *, as_json: bool, **fields: str | None
) -> None:
    """Announce a device before it is plugged in."""
    show_one(run(ctx, "device.add", mac=mac, settings=parsed(settings), **fields), as_json=as_json)
    _tell_notes(ctx, mac, parsed(settings))


@device.command("set")
@_mac
@click.option("--model")
@click.option("--vendor")
@click.option("--profile", help="Group profile; '' takes it away.")
@click.option("--description")
@settings_option
@unset_option
@click.option("--new-token", is_flag=True, help="Another token URL; the phone must learn it from option 66 or by hand.")
@as_json
@click.pass_context
def device_set(
    ctx: click.Context,
    /,
    mac: str,
    settings: tuple[str, ...],
    unset: tuple[str, ...],
    *,
    new_token: bool,
    as_json: bool,
    **fields: str | None,
) -> None:
    """Change a device's own settings or description."""
    changes = {"settings": parsed(settings), "unset": list(unset) or None, "new_token": new_token or None}
    show_one(run(ctx, "device.set", mac=mac, **changes, **fields), as_json=as_json)
    _tell_notes(ctx, mac, parsed(settings))


def _tell_notes(ctx: click.Context, mac: str, given: Mapping[str, object] | None) -> None:
    """Which of the settings just made do nothing on this device."""
    for item in run(ctx, "device.settings", mac=mac)["items"] if given else ():
        if item["note"] and item["name"] in (given or {}):
            click.echo(f"note: {item['name']}: {item['note']}", err=True)


@device.command("assign")
@_mac
@click.argument("lines", nargs=-1, required=True, metavar="LINE...")
@click.option("--port", type=click.IntRange(1), help="Of a gateway or DECT base: where the first line goes.")
@as_json
@click.pass_context
def device_assign(ctx: click.Context, mac: str, lines: tuple[str, ...], port: int | None, *, as_json: bool) -> None:
    """Put lines on a device; an unclaimed one moves to their tenant. The first line becomes account 1."""
    show_one(run(ctx, "device.assign", mac=mac, line=list(lines), port=port), as_json=as_json)


@device.command("unassign")
@_mac
@click.argument("lines", nargs=-1, metavar="[LINE]...")
@as_json
@click.pass_context
def device_unassign(ctx: click.Context, mac: str, lines: tuple[str, ...], *, as_json: bool) -> None:
    """Take these lines, or all, from a device; it stays with its tenant."""
    show_one(run(ctx, "device.unassign", mac=mac, line=list(lines) or None), as_json=as_json)


@device.command("transfer")
@_mac
@click.argument("tenant")
@click.option(
    "--new-token/--keep-token",
    default=None,
    help="Whether its URL becomes another one; default: yes, unless it could not learn it by itself.",
)
@as_json
@click.pass_context
def device_transfer(ctx: click.Context, mac: str, tenant: str, *, new_token: bool | None, as_json: bool) -> None:
    """Give a device to another tenant; nothing that the old one had set stays on it."""
    show_one(run(ctx, "device.transfer", mac=mac, tenant=tenant, new_token=new_token), as_json=as_json)


@device.command("sync")
@click.argument("mac", required=False)
@click.option("--tenant", help="All devices of this tenant.")
@click.option("--profile", help="All devices with this group profile.")
@click.option("--all", "everything", is_flag=True, help="All devices.")
@click.option("--per-second", type=click.IntRange(1, 1000), help="How many of many are told in a second; default: 10.")
@click.option("--no-wait", is_flag=True, help="Do not show how far it is.")
@as_json
@click.pass_context
def device_sync(
    ctx: click.Context,
    mac: str | None,
    tenant: str | None,
    profile: str | None,
    per_second: int | None,
    *,
    everything: bool,
    no_wait: bool,
    as_json: bool,
) -> None:
    """Tell a device, or many, to fetch its files now.

    Says which ways were tried: sip (its registration here), ami (its PBX), http (its own web server). A device that
    cannot be reached comes by itself; the answer says when.
    """
    many = bool(tenant or profile or everything)
    if many == bool(mac):
        raise click.UsageError("name either a MAC, or --tenant, --profile or --all")
    if mac:
        show_told(run(ctx, "device.sync", mac=mac), as_json=as_json)
        return
    started = run(
        ctx, "device.sync_many", tenant=tenant, profile=profile, all=everything or None, per_second=per_second
    )
    follow(ctx, started, wait=not no_wait, as_json=as_json)


@device.command("render")
@_mac
@click.argument("name", required=False)
@_local
@_reveal
@click.pass_context
def device_render(ctx: click.Context, mac: str, name: str | None, local: str | None, *, reveal: bool) -> None:
    """Print a file as the device would get it: its own file unless NAME is given. Passwords are ***."""
    result = run(ctx, "device.render", mac=mac, name=name, local=local, reveal=reveal or None)
    click.echo(result["text"], nl=False)


@device.command("settings")
@_mac
@click.option("--origin", is_flag=True, help="Also where each value comes from.")
@as_json
@click.pass_context
def device_settings(ctx: click.Context, mac: str, *, origin: bool, as_json: bool) -> None:
    """Show the settings in force for a device."""
    result = run(ctx, "device.settings", mac=mac)
    noted = any(item["note"] for item in result["items"])
    columns = ("name", "value", *(("origin",) if origin else ()), *(("note",) if noted else ()))
    show_rows(result["items"], columns, as_json=as_json)


@device.command("check")
@_mac
@as_json
@click.pass_context
def device_check(ctx: click.Context, mac: str, *, as_json: bool) -> None:
    """Say what a device cannot do of what it is told, by its model and firmware. Exit code 1 when there is any."""
    result = run(ctx, "device.check", mac=mac)
    if not result["items"] and not as_json:
        click.echo("it can do all that it is told")
        return
    show_rows(result["items"], ("setting", "reason"), as_json=as_json)
    if result["items"]:
        sys.exit(Exit.FAILURE)


@device.command("import")
@click.argument("file", type=click.File("r", encoding="utf-8", errors="replace"))
@click.option("--dry-run", is_flag=True, help="Only say what would happen.")
@as_json
@click.pass_context
def device_import(ctx: click.Context, file: TextIO, *, dry_run: bool, as_json: bool) -> None:
    """Add or change devices from CSV: all rows, or none when one is wrong. FILE may be - for standard input.

    The first line names the columns: mac, and any of vendor, model, tenant, profile, description, lines (several are
    separated by semicolons). An empty cell changes nothing.
    """
    result = run(ctx, "device.import", csv=file.read(), dry_run=dry_run)
    show_import(result, changed=result["changed"] - result["added"], as_json=as_json)


@device.command("export")
@click.pass_context
def device_export(ctx: click.Context) -> None:
    """Print all devices as CSV, as `import` reads it."""
    sys.stdout.write(run(ctx, "device.export")["csv"])
