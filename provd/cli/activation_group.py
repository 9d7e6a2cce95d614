"""``provd activation group`` and ``provd activation share``: who may fetch what, and who may enable devices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from provd.cli.commands import Group, as_json, deleted, rows, run
from provd.cli.output import show_json, show_one, show_rows

_MEMBER_COLUMNS = ("type", "member", "state", "expires", "meta")
_vendor, _model = click.argument("vendor"), click.argument("model")
_name = click.argument("name", metavar="ID")
_type = click.option(
    "--type",
    "kind",
    type=click.Choice(["sn", "content", "group"]),
    default="sn",
    show_default=True,
    help="What they are.",
)
_members = click.argument("members", nargs=-1, required=True)


@click.group(cls=Group)
def group() -> None:
    """Groups of serials, contents and groups: a protected content is for devices that share a group with it."""


@click.group(cls=Group)
def share() -> None:
    """Models that are shared: the other vendor may enable and disable devices of its own."""


def _show(found: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        show_json(found)
        return
    show_one({name: value for name, value in found.items() if name != "members"}, as_json=False)
    if found["members"]:
        click.echo()
        show_rows(found["members"], _MEMBER_COLUMNS, as_json=False)


@group.command("list")
@_vendor
@_model
@as_json
@click.pass_context
def group_list(ctx: click.Context, vendor: str, model: str, *, as_json: bool) -> None:
    """Groups of a model."""
    found = rows(ctx, "activation.group_list", {"vendor": vendor, "model": model}, None)
    show_rows(found, ("id", "meta", "created"), as_json=as_json)


@group.command("show")
@_vendor
@_model
@_name
@as_json
@click.pass_context
def group_show(ctx: click.Context, vendor: str, model: str, name: str, *, as_json: bool) -> None:
    """One of them with its members, those whose time is over as well."""
    _show(run(ctx, "activation.group_show", vendor=vendor, model=model, id=name), as_json=as_json)


@group.command("add")
@_vendor
@_model
@_name
@click.option("--meta", help="A description.")
@as_json
@click.pass_context
def group_add(ctx: click.Context, vendor: str, model: str, name: str, meta: str | None, *, as_json: bool) -> None:
    """Add a group without members.

    Example: provd activation group add acme sensor-2 beta
    """
    _show(run(ctx, "activation.group_add", vendor=vendor, model=model, id=name, meta=meta), as_json=as_json)


@group.command("put")
@_vendor
@_model
@_name
@_members
@_type
@click.option("--expires", metavar="DURATION", help="For so long (30d); for good unless said.")
@click.option("--meta", help="A note at each of them.")
@as_json
@click.pass_context
def group_put(
    ctx: click.Context,
    /,
    vendor: str,
    model: str,
    name: str,
    members: tuple[str, ...],
    kind: str,
    *,
    as_json: bool,
    **rest: str | None,
) -> None:
    """Put members into a group, all of them or none.

    Example: provd activation group put acme sensor-2 beta S0001 S0002 --expires 30d
    """
    wanted = {"vendor": vendor, "model": model, "id": name, "type": kind, "member": list(members)}
    _show(run(ctx, "activation.group_put", **wanted, **rest), as_json=as_json)


@group.command("drop")
@_vendor
@_model
@_name
@_members
@_type
@as_json
@click.pass_context
def group_drop(
    ctx: click.Context, vendor: str, model: str, name: str, members: tuple[str, ...], kind: str, *, as_json: bool
) -> None:
    """Take members from a group."""
    wanted = {"vendor": vendor, "model": model, "id": name, "type": kind, "member": list(members)}
    _show(run(ctx, "activation.group_drop", **wanted), as_json=as_json)


@group.command("delete")
@_vendor
@_model
@_name
@click.pass_context
def group_delete(ctx: click.Context, vendor: str, model: str, name: str) -> None:
    """Delete a group; what it granted is granted no longer."""
    click.echo(deleted(run(ctx, "activation.group_delete", vendor=vendor, model=model, id=name)))


@share.command("list")
@_vendor
@_model
@as_json
@click.pass_context
def share_list(ctx: click.Context, vendor: str, model: str, *, as_json: bool) -> None:
    """The vendors that a model is shared with."""
    found = rows(ctx, "activation.share_list", {"vendor": vendor, "model": model}, None)
    show_rows(found, ("partner", "since"), as_json=as_json)


@share.command("add")
@_vendor
@_model
@click.argument("partner")
@as_json
@click.pass_context
def share_add(ctx: click.Context, vendor: str, model: str, partner: str, *, as_json: bool) -> None:
    """Share a model with another vendor."""
    show_one(run(ctx, "activation.share_add", vendor=vendor, model=model, partner=partner), as_json=as_json)


@share.command("delete")
@_vendor
@_model
@click.argument("partner")
@click.pass_context
def share_delete(ctx: click.Context, vendor: str, model: str, partner: str) -> None:
    """Share it no longer; devices that were enabled stay whose they are."""
    click.echo(deleted(run(ctx, "activation.share_delete", vendor=vendor, model=model, partner=partner)))
