"""``provd activation vendor`` and ``provd activation content``: what vendors of devices have beside their serials."""

from __future__ import annotations

import base64
from pathlib import Path

import click

from provd.base.errors import UsageError
from provd.cli.commands import Group, as_json, by_id, deleted, listing, rows, run
from provd.cli.output import errors_to_exit, show_one, show_rows

_LARGEST = 11 << 20
"""What fits into one call of the control socket."""
_vendor, _model = click.argument("vendor"), click.argument("model")
_name = click.argument("name", metavar="ID")
_CONTENT_COLUMNS = ("id", "type", "size", "protected", "updated", "meta")


@click.group(cls=Group)
def vendor() -> None:
    """Vendors: whose models and devices they are. Each belongs to a tenant."""


@vendor.group(cls=Group)
def token() -> None:
    """Tokens for the vendors' paths (X-Exosite-Token), each for one vendor."""


@click.group(cls=Group)
def content() -> None:
    """Contents that activated devices of a model may fetch."""


vendor.add_command(listing("activation.vendor_list", ("vendor", "tenant", "has_key", "created")))
vendor.add_command(by_id("show", "activation.vendor_show", "vendor", "One vendor and its models."))
vendor.add_command(
    by_id("delete", "activation.vendor_delete", "vendor", "Delete a vendor that has no models.", gone=deleted)
)


@vendor.command("add")
@_vendor
@click.option("--tenant", help="Whose it is.")
@as_json
@click.pass_context
def vendor_add(ctx: click.Context, vendor: str, tenant: str | None, *, as_json: bool) -> None:
    """Take a name. Example: provd activation vendor add acme --tenant acme"""
    show_one(run(ctx, "activation.vendor_add", vendor=vendor, tenant=tenant), as_json=as_json)


@vendor.command("move")
@_vendor
@click.option("--to", "tenant", required=True, metavar="TENANT")
@as_json
@click.pass_context
def vendor_move(ctx: click.Context, vendor: str, tenant: str, *, as_json: bool) -> None:
    """Give a vendor to another tenant with its models, contents and devices. Its key and its tokens are ended."""
    show_one(run(ctx, "activation.vendor_move", vendor=vendor, tenant=tenant), as_json=as_json)


@vendor.command("key")
@_vendor
@as_json
@click.pass_context
def vendor_key(ctx: click.Context, vendor: str, *, as_json: bool) -> None:
    """Give a vendor a key of its own (X-Exosite-CIK) and show it, this once. The one before it is ended."""
    made = run(ctx, "activation.vendor_key", vendor=vendor)
    _show_secret(made, "key", as_json=as_json)


@token.command("list")
@_vendor
@as_json
@click.pass_context
def token_list(ctx: click.Context, vendor: str, *, as_json: bool) -> None:
    """Tokens of a vendor, also those that have expired."""
    found = rows(ctx, "activation.token_list", {"vendor": vendor}, None)
    show_rows(found, ("id", "state", "created", "expires", "by"), as_json=as_json)


@token.command("add")
@_vendor
@_name
@click.option("--expires", metavar="DURATION", help="How long it is good for, such as 12h or 90d; default: for ever.")
@as_json
@click.pass_context
def token_add(ctx: click.Context, vendor: str, name: str, expires: str | None, *, as_json: bool) -> None:
    """Make a token and show it, this once. Example: provd activation vendor token add acme factory --expires 90d"""
    made = run(ctx, "activation.token_add", vendor=vendor, id=name, expires=expires)
    _show_secret(made, "token", as_json=as_json)


@token.command("delete")
@_vendor
@_name
@click.pass_context
def token_delete(ctx: click.Context, vendor: str, name: str) -> None:
    """End a token."""
    click.echo(deleted(run(ctx, "activation.token_delete", vendor=vendor, id=name)))


@content.command("list")
@_vendor
@_model
@as_json
@click.pass_context
def content_list(ctx: click.Context, vendor: str, model: str, *, as_json: bool) -> None:
    """Contents of a model."""
    found = rows(ctx, "activation.content_list", {"vendor": vendor, "model": model}, None)
    show_rows(found, _CONTENT_COLUMNS, as_json=as_json)


@content.command("show")
@_vendor
@_model
@_name
@as_json
@click.pass_context
def content_show(ctx: click.Context, vendor: str, model: str, name: str, *, as_json: bool) -> None:
    """One of them, with its SHA-256."""
    show_one(run(ctx, "activation.content_show", vendor=vendor, model=model, id=name), as_json=as_json)


@content.command("add")
@_vendor
@_model
@_name
@click.option("--meta", help="A description, which devices see as well.")
@click.option("--protected", is_flag=True, help="Only for devices that share a group with it.")
@as_json
@click.pass_context
def content_add(
    ctx: click.Context, vendor: str, model: str, name: str, meta: str | None, *, protected: bool, as_json: bool
) -> None:
    """Make room for a content; send what is in it afterwards."""
    wanted = {"vendor": vendor, "model": model, "id": name, "meta": meta, "protected": protected}
    show_one(run(ctx, "activation.content_add", **wanted), as_json=as_json)


@content.command("send")
@_vendor
@_model
@_name
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--type", "media", help="The media type that devices are told.")
@as_json
@click.pass_context
def content_send(
    ctx: click.Context, vendor: str, model: str, name: str, file: Path, media: str | None, *, as_json: bool
) -> None:
    """Put a file of up to 11 MiB into a content; devices get it from now on.

    Larger ones go over HTTP: PUT /provision/manage/content/MODEL/ID.
    """
    octets = file.read_bytes()
    with errors_to_exit():
        if len(octets) > _LARGEST:
            raise UsageError(f"{file} has more than 11 MiB: send it with PUT /provision/manage/content/{model}/{name}")
    data = base64.b64encode(octets).decode("ascii")
    wanted = {"vendor": vendor, "model": model, "id": name, "type": media, "data": data}
    show_one(run(ctx, "activation.content_send", **wanted), as_json=as_json)


@content.command("delete")
@_vendor
@_model
@_name
@click.pass_context
def content_delete(ctx: click.Context, vendor: str, model: str, name: str) -> None:
    """Delete a content, also from its groups."""
    click.echo(deleted(run(ctx, "activation.content_delete", vendor=vendor, model=model, id=name)))


def _show_secret(made: dict[str, object], what: str, *, as_json: bool) -> None:
    if as_json:
        show_one(made, as_json=True)
        return
    click.echo(made[what])
    click.echo("Keep it now: it cannot be shown again.", err=True)
