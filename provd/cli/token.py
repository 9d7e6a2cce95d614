"""``provd token``: who may use the REST interface."""

from __future__ import annotations

import click

from provd.cli.commands import Group, as_json, by_id, listing, run
from provd.cli.output import show_one


@click.group(cls=Group)
def token() -> None:
    """Bearer tokens of the REST interface. Works without a running daemon, too: that is how the first one is made."""


token.add_command(listing("token.list", ("id", "name", "tenant", "scopes", "state", "expires", "last_used")))
token.add_command(
    by_id(
        "revoke",
        "token.revoke",
        "id",
        "End a token: from now on it is refused.",
        gone=lambda result: f"{result['revoked']} is revoked",
    )
)


@token.command("add")
@click.argument("name")
@click.option("--tenant", help="Bound to this tenant; without it, to all of them.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(["read", "write", "admin"]),
    default=("read",),
    show_default=True,
    help="What it may do; each scope includes the ones before it.",
)
@click.option("--expires", metavar="DURATION", help="How long it is good for, such as 12h or 90d; default: for ever.")
@as_json
@click.pass_context
def token_add(
    ctx: click.Context,
    name: str,
    tenant: str | None,
    scopes: tuple[str, ...],
    expires: str | None,
    *,
    as_json: bool,
) -> None:
    """Make a token and show it, this once.

    NAME says what it is for. Example: provd token add backup-script --tenant acme --scope write --expires 90d
    """
    made = run(ctx, "token.add", name=name, tenant=tenant, scopes=list(scopes), expires=expires)
    if as_json:
        show_one(made, as_json=True)
        return
    click.echo(made["token"])
    click.echo("Keep it now: it cannot be shown again.", err=True)
