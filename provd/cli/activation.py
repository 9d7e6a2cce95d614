"""``provd activation``: devices that are not phones."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TextIO

import click

from provd.cli.activation_group import group, share
from provd.cli.activation_vendor import content, vendor
from provd.cli.commands import Group, as_json, deleted, rows, run
from provd.cli.output import show_json, show_one, show_rows

_LINES_AT_ONCE = 5000
"""Lines of a file that are sent at once: the daemon has other things to do as well."""
_COLUMNS = ("sn", "state", "tenant", "until", "activated", "first_used", "extra")
_UNUSED_COLUMNS = ("vendor", "model", "sn", "tenant", "activated")
_MODEL_COLUMNS = ("vendor", "model", "tenant", "window", "recovery", "serial_is_mac")
_RANGE_COLUMNS = ("format", "first", "last", "casing", "serials")
_vendor, _model = click.argument("vendor"), click.argument("model")
_serial = click.argument("sn", metavar="SERIAL")
_limit = click.option("--limit", type=click.IntRange(min=1), help="At most so many.")


def _rules(command: Callable[..., None]) -> Callable[..., None]:
    """The options for the rules of a model."""
    for option in (
        click.option(
            "--serial-is-mac/--serial-is-anything",
            default=None,
            help="Whether a serial that is a MAC must come from our lease of that MAC.",
        ),
        click.option(
            "--recovery",
            type=click.Choice(["reissue", "off"]),
            help="reissue: a device that never showed its key may ask for another one from the same lease.",
        ),
        click.option("--window", metavar="DURATION", help="Such as 24h; 0 is the site's (activation.window)."),
    ):
        command = option(command)
    return command


@click.group(cls=Group)
def activation() -> None:
    """Devices that are not phones: they send vendor, model and serial, and get a key, once."""


activation.add_command(vendor)
activation.add_command(content)
activation.add_command(group)
activation.add_command(share)


@activation.group(cls=Group)
def model() -> None:
    """Models, each of a vendor; a vendor belongs to a tenant."""


@activation.group("range", cls=Group)
def serial_range() -> None:
    """Ranges of serials: a million devices in one line."""


@activation.group(cls=Group)
def serial() -> None:
    """Serials that are known, whether or not somebody has the device."""


@model.command("list")
@click.option("--vendor")
@_limit
@as_json
@click.pass_context
def model_list(ctx: click.Context, vendor: str | None, limit: int | None, *, as_json: bool) -> None:
    """Models and their windows in seconds."""
    filters = {"vendor": vendor} if vendor else {}
    show_rows(rows(ctx, "activation.model_list", filters, limit), _MODEL_COLUMNS, as_json=as_json)


@model.command("add")
@_vendor
@_model
@_rules
@click.option("--tenant", help="Whose vendor it is, when it is a new one.")
@as_json
@click.pass_context
def model_add(ctx: click.Context, /, *, as_json: bool, **given: object) -> None:
    """Add a model, and its vendor if it is new.

    Example: provd activation model add acme sensor-2 --tenant acme --window 24h
    """
    show_one(run(ctx, "activation.model_add", **given), as_json=as_json)


@model.command("set")
@_vendor
@_model
@_rules
@as_json
@click.pass_context
def model_set(ctx: click.Context, /, *, as_json: bool, **given: object) -> None:
    """Other rules; another window is for what is enabled from now on.

    Example: provd activation model set acme sensor-2 --recovery reissue
    """
    show_one(run(ctx, "activation.model_set", **given), as_json=as_json)


def _of_model(name: str, operation: str, text: str, group: click.Group, *, gone: bool = False) -> None:
    @group.command(name, help=text)
    @_vendor
    @_model
    @as_json
    @click.pass_context
    def command(ctx: click.Context, vendor: str, model: str, *, as_json: bool) -> None:
        _show(run(ctx, operation, vendor=vendor, model=model), gone=gone, as_json=as_json)


def _of_serial(name: str, operation: str, text: str, *, gone: bool = False) -> None:
    @activation.command(name, help=text)
    @_vendor
    @_model
    @_serial
    @as_json
    @click.pass_context
    def command(ctx: click.Context, vendor: str, model: str, sn: str, *, as_json: bool) -> None:
        _show(run(ctx, operation, vendor=vendor, model=model, sn=sn), gone=gone, as_json=as_json)


def _show(result: Mapping[str, Any], *, gone: bool, as_json: bool) -> None:
    if gone and not as_json:
        click.echo(deleted(result))
    else:
        show_one(result, as_json=as_json)


_of_model("show", "activation.model_show", "One model, and how many serials it has in which state.", model)
_of_model("delete", "activation.model_delete", "Remove it with its serials and their keys.", model, gone=True)
_of_serial("show", "activation.show", "One device.")
_of_serial("reenable", "activation.reenable", "End its key and open a full window: it has to activate again.")
_of_serial("disable", "activation.disable", "End its key, and give it no other.")
_of_serial("delete", "activation.delete", "Remove it with its key and its log.", gone=True)


@serial_range.command("list")
@_vendor
@_model
@as_json
@click.pass_context
def range_list(ctx: click.Context, vendor: str, model: str, *, as_json: bool) -> None:
    """The ranges of a model."""
    found = rows(ctx, "activation.range_list", {"vendor": vendor, "model": model}, None)
    show_rows(found, _RANGE_COLUMNS, as_json=as_json)


def _range_command(name: str, operation: str, text: str, *, gone: bool = False) -> None:
    @serial_range.command(name, help=text)
    @_vendor
    @_model
    @click.argument("form", metavar="FORMAT")
    @click.argument("first")
    @click.argument("last")
    @click.option("--casing", type=click.Choice(["upper", "lower"]), help="Of hexadecimal digits; upper unless said.")
    @as_json
    @click.pass_context
    def command(
        ctx: click.Context,
        vendor: str,
        model: str,
        form: str,
        first: str,
        last: str,
        casing: str | None,
        *,
        as_json: bool,
    ) -> None:
        wanted = {"vendor": vendor, "model": model, "format": form, "first": first, "last": last, "casing": casing}
        _show(run(ctx, operation, **wanted), gone=gone, as_json=as_json)


_range_command(
    "add",
    "activation.range_add",
    "Add a range. FORMAT is base10, base16, mac:48, mac-48 or mac.48; FIRST and LAST are written as serials are.\n\n"
    "Example: provd activation range add acme sensor-2 mac:48 01:02:03:04:05:00 01:02:03:04:05:FF",
)
_range_command("delete", "activation.range_delete", "Remove a range; devices that were enabled stay.", gone=True)


@serial_range.command("import")
@_vendor
@_model
@click.argument("file", type=click.File(encoding="utf-8"))
@as_json
@click.pass_context
def range_import(ctx: click.Context, vendor: str, model: str, file: TextIO, *, as_json: bool) -> None:
    """Add ranges from a CSV file: format,first,last[,casing]."""
    result = run(ctx, "activation.range_import", vendor=vendor, model=model, csv=file.read())
    _show_import(result, as_json=as_json)


@serial.command("add")
@_vendor
@_model
@_serial
@click.option("--extra", help="A note that is kept with it.")
@as_json
@click.pass_context
def serial_add(ctx: click.Context, vendor: str, model: str, sn: str, extra: str | None, *, as_json: bool) -> None:
    """Add one serial."""
    show_one(run(ctx, "activation.serial_add", vendor=vendor, model=model, sn=sn, extra=extra), as_json=as_json)


@serial.command("import")
@_vendor
@_model
@click.argument("file", type=click.File(encoding="utf-8"))
@as_json
@click.pass_context
def serial_import(ctx: click.Context, vendor: str, model: str, file: TextIO, *, as_json: bool) -> None:
    """Add serials from a CSV file: sn[,extra]. Those that are there stay as they are, so it can be repeated.

    Example: provd activation serial import acme sensor-2 serials.csv
    """
    total = {"rows": 0, "added": 0}
    for part in _parts(file):
        result = run(ctx, "activation.serial_import", vendor=vendor, model=model, csv=part)
        total = {name: total[name] + result[name] for name in total}
        if sys.stderr.isatty():
            click.echo(f"\r{total['rows']} lines", nl=False, err=True)
    if sys.stderr.isatty():
        click.echo(err=True)
    _show_import(total, as_json=as_json)


def _parts(file: TextIO) -> Iterator[str]:
    while lines := list(itertools.islice(file, _LINES_AT_ONCE)):
        yield "".join(lines)


def _show_import(result: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        show_json(result)
    else:
        click.echo(f"{result['added']} added, {result['rows'] - result['added']} were there")


@activation.command("list")
@_vendor
@_model
@_limit
@as_json
@click.pass_context
def list_serials(ctx: click.Context, vendor: str, model: str, limit: int | None, *, as_json: bool) -> None:
    """Serials of a model that were added or enabled, in their order."""
    found = rows(ctx, "activation.list", {"vendor": vendor, "model": model}, limit)
    show_rows(found, _COLUMNS, as_json=as_json)


@activation.command("log")
@_vendor
@_model
@_serial
@as_json
@click.pass_context
def log(ctx: click.Context, vendor: str, model: str, sn: str, *, as_json: bool) -> None:
    """When a device tried to activate, from where, and what became of it."""
    found = rows(ctx, "activation.log", {"vendor": vendor, "model": model, "sn": sn}, None)
    show_rows(found, ("at", "peer", "outcome"), as_json=as_json)


@activation.command("unused")
@_limit
@as_json
@click.pass_context
def unused(ctx: click.Context, limit: int | None, *, as_json: bool) -> None:
    """Devices that were activated and never showed their key: perhaps the answer was lost."""
    show_rows(rows(ctx, "activation.unused", {}, limit), _UNUSED_COLUMNS, as_json=as_json)


@activation.command("enable")
@_vendor
@_model
@_serial
@click.option("--tenant", help="Whose it is; the vendor's own tenant unless said.")
@click.option("--owner", help="A name of its owner's own.")
@as_json
@click.pass_context
def enable(
    ctx: click.Context, vendor: str, model: str, sn: str, tenant: str | None, owner: str | None, *, as_json: bool
) -> None:
    """Give a device to a tenant; from now on its window is open.

    Example: provd activation enable acme sensor-2 S0001 --tenant acme
    """
    wanted = {"vendor": vendor, "model": model, "sn": sn, "tenant": tenant, "owner": owner}
    show_one(run(ctx, "activation.enable", **wanted), as_json=as_json)


@activation.command("remap")
@_vendor
@_model
@_serial
@click.option("--old", required=True, metavar="SERIAL", help="The device that it replaces.")
@as_json
@click.pass_context
def remap(ctx: click.Context, vendor: str, model: str, sn: str, old: str, *, as_json: bool) -> None:
    """Put a device in the place of another one, which is nobody's from then on.

    Its owner, groups, settings, profile, metadata and templates go along; the key does not, it has to be activated.
    """
    show_one(run(ctx, "activation.remap", vendor=vendor, model=model, sn=sn, old=old), as_json=as_json)
