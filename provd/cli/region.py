"""``provd region``: which instance is the home of which device."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from typing import Any, TextIO

import click

from provd.cli.commands import Group, as_json, by_id, given, rows, run
from provd.cli.output import show_json, show_one, show_rows

COLUMNS = ("name", "url", "enabled", "draining", "answers", "devices", "lacks")
DEVICE_COLUMNS = ("device", "state", "region", "epoch", "since", "reason")
MISSING_COLUMNS = ("tenant", "devices")
SAID_COLUMNS = ("device", "to", "kind", "attempts", "due", "reason")
UNIT_COLUMNS = ("id", "type", "state", "reason")
_TITLES = {
    "missing": "tenants that are not here (provd tenant add), and their devices, which are the master's until then"
}
_LINES_AT_ONCE = 10_000
_DEVICES_AT_ONCE = 1000
_TRUE = {"yes", "true", "1"}

_url = click.option("--url", help="Where it is reached: https://eu.example")
_endpoint = click.option("--endpoint", help="What devices are told that are at home there; the URL unless said.")
_secret = click.option(
    "--secret-file", type=click.File(encoding="utf-8"), help="File with the secret that the two instances share."
)


@click.group(cls=Group)
def region() -> None:
    """Regions: other instances that are the home of devices ([region])."""


@region.command("list")
@as_json
@click.pass_context
def list_regions(ctx: click.Context, *, as_json: bool) -> None:
    """The instances that this one knows, and how many devices are there or on their way."""
    found = rows(ctx, "region.list", {}, None)
    show_rows(found if as_json else [_row(each) for each in found], COLUMNS, as_json=as_json)


def _row(each: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**each, "devices": ", ".join(f"{state} {number}" for state, number in each["devices"].items())}


region.add_command(by_id("show", "region.show", "name", "One of them."))
region.add_command(by_id("retry", "region.retry", "device", "Try the hand-over of a device again at once."))


@region.command("add")
@click.argument("name")
@_url
@_endpoint
@_secret
@as_json
@click.pass_context
def add(
    ctx: click.Context,
    name: str,
    url: str | None,
    endpoint: str | None,
    secret_file: TextIO | None,
    *,
    as_json: bool,
) -> None:
    """Add an instance, by the name that it has in its own configuration.

    Example: provd region add eu --url https://eu.example --secret-file /etc/provd/eu.secret
    """
    wanted = given(url=url, endpoint=endpoint, secret=_text(secret_file))
    show_one(run(ctx, "region.add", name=name, **wanted), as_json=as_json)


@region.command("set")
@click.argument("name")
@_url
@_endpoint
@_secret
@click.option(
    "--on/--off", "enabled", default=None, help="Whether devices are sent there; either ends that it is being deleted."
)
@as_json
@click.pass_context
def set_region(
    ctx: click.Context,
    name: str,
    url: str | None,
    endpoint: str | None,
    secret_file: TextIO | None,
    *,
    enabled: bool | None,
    as_json: bool,
) -> None:
    """Change what is known of an instance."""
    wanted = given(url=url, endpoint=endpoint, secret=_text(secret_file), enabled=enabled)
    show_one(run(ctx, "region.set", name=name, **wanted), as_json=as_json)


def _text(file: TextIO | None) -> str | None:
    return None if file is None else file.read().strip()


@region.command("delete")
@click.argument("name")
@click.option("--to", metavar="REGION", help="Where devices go that are at home there; or the name of this instance.")
@click.option("--lost", is_flag=True, help="It is gone for good: what waits to be said to it is never said.")
@as_json
@click.pass_context
def delete_region(ctx: click.Context, name: str, to: str | None, *, lost: bool, as_json: bool) -> None:
    """Delete a region in which no device has its home.

    With --to its devices are asked for first, and no others are sent to it: delete it once more when they have gone.
    "provd region set NAME --on" calls that off.
    """
    found = run(ctx, "region.delete", name=name, **given(to=to, lost=lost or None))
    if as_json:
        show_one(found, as_json=True)
    elif found["deleted"]:
        click.echo(f"{name} is deleted")
    else:
        click.echo(f"{found['moving']} devices are asked to go to {to}: delete it when they have (provd region status)")


@region.command("status")
@click.argument("device", required=False)
@as_json
@click.pass_context
def status(ctx: click.Context, device: str | None, *, as_json: bool) -> None:
    """How many devices are in which state and which hand-overs are stuck; or all about one device."""
    found = run(ctx, "region.device", device=device) if device else run(ctx, "region.status")
    if as_json:
        show_json(found)
        return
    lists = {name: value for name, value in found.items() if isinstance(value, list)}
    plain = {name: value for name, value in found.items() if name not in lists and not isinstance(value, dict)}
    show_one({**plain, **found.get("devices", {})}, as_json=False)
    for name, columns in (
        ("units", UNIT_COLUMNS),
        ("stuck", DEVICE_COLUMNS),
        ("waiting", SAID_COLUMNS),
        ("missing", MISSING_COLUMNS),
    ):
        if lists.get(name):
            click.echo(f"\n{_TITLES.get(name, name)}:")
            show_rows(lists[name], columns, as_json=False)


@region.command("move")
@click.argument("device")
@click.option("--to", metavar="REGION", help="Where to; without it the hand-over under way is taken back.")
@as_json
@click.pass_context
def move(ctx: click.Context, device: str, to: str | None, *, as_json: bool) -> None:
    """Send a device home to another region, wherever it is now.

    Example: provd region move acme/sensor-2/S0001 --to us
    """
    show_one(run(ctx, "region.move", device=device, **given(to=to)), as_json=as_json)


@region.command("import")
@click.argument("file", type=click.File(encoding="utf-8"))
@as_json
@click.pass_context
def import_table(ctx: click.Context, file: TextIO, *, as_json: bool) -> None:
    """Write the table of devices and their regions from a CSV file: device_id,region ([[region.rule]] by = "table")."""
    total = {"rows": 0, "devices": 0}
    lines = file.readlines()
    for start in range(0, len(lines), _LINES_AT_ONCE):
        result = run(ctx, "region.import", csv="".join(lines[start : start + _LINES_AT_ONCE]))
        total = {name: total[name] + result[name] for name in total}
    show_one(total, as_json=as_json)


@region.command("register")
@click.argument("file", type=click.File(encoding="utf-8"))
@as_json
@click.pass_context
def register(ctx: click.Context, file: TextIO, *, as_json: bool) -> None:
    """Register devices from a CSV file with a first line of names: device_id, system_id, vin, kind, primary, tenant,
    vendor, model, sn, country, key_sha256. Other columns become attributes.

    Each thousand devices become a request, which ``provd region request`` shows.
    """
    devices = [_device(row) for row in csv.DictReader(file)]
    made = [
        run(ctx, "region.register", devices=devices[start : start + _DEVICES_AT_ONCE])
        for start in range(0, len(devices), _DEVICES_AT_ONCE)
    ]
    show_rows(made, ("name", "state", "total", "done"), as_json=as_json)


_OWN = frozenset(
    {
        "device_id",
        "system_id",
        "sub_system_id",
        "vin",
        "kind",
        "tenant",
        "vendor",
        "model",
        "sn",
        "country",
        "key_sha256",
    }
)


def _device(row: Mapping[str | None, Any]) -> dict[str, object]:
    device: dict[str, object] = {str(name): value for name, value in row.items() if name in _OWN and value}
    if row.get("primary"):
        device["primary"] = str(row["primary"]).lower() in _TRUE
    attributes = {name: value for name, value in row.items() if name and name not in {*_OWN, "primary"} and value}
    return {**device, "attributes": attributes} if attributes else device


@region.command("request")
@click.argument("name")
@as_json
@click.pass_context
def request(ctx: click.Context, name: str, *, as_json: bool) -> None:
    """How far a request of many devices is, and what is wrong with some of them."""
    found = run(ctx, "region.request", name=name)
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    show_one({key: value for key, value in found.items() if key != "failures"}, as_json=False)
    if found["failures"]:
        click.echo()
        show_rows(found["failures"], ("device_id", "error", "reason"), as_json=False)
