"""``provd webhook``: servers that hear of facts."""

from __future__ import annotations

import click

from provd.cli.commands import Group, as_json, by_id, listing, rows, run
from provd.cli.output import show_one, show_rows

COLUMNS = ("id", "state", "waiting", "dead", "last", "reason", "url")
DEAD_COLUMNS = ("id", "fact", "at", "died", "attempts", "reason")


@click.group(cls=Group)
def webhook() -> None:
    """Webhooks: who is told of facts ([[webhook]] in the configuration), how they are, what was given up."""


webhook.add_command(listing("webhook.list", COLUMNS))
webhook.add_command(by_id("show", "webhook.show", "id", "One endpoint."))


@webhook.command("dead")
@click.argument("name")
@as_json
@click.pass_context
def dead(ctx: click.Context, name: str, *, as_json: bool) -> None:
    """The letters to an endpoint that were given up; with --json what is in them."""
    show_rows(rows(ctx, "webhook.dead", {"id": name}, None), DEAD_COLUMNS, as_json=as_json)


@webhook.command("replay")
@click.argument("name")
@click.argument("letters", nargs=-1, metavar="[LETTER]...")
@as_json
@click.pass_context
def replay(ctx: click.Context, name: str, letters: tuple[str, ...], *, as_json: bool) -> None:
    """Send dead letters again, these or all of them; what waits is tried at once, too."""
    show_one(run(ctx, "webhook.replay", id=name, letters=list(letters) or None), as_json=as_json)
