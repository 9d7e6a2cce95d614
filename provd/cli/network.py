"""``provd lease|reservation``: addresses."""

from __future__ import annotations

import click

from provd.cli.objects import as_json, by_id, listing, run
from provd.cli.output import show_one


@click.group()
def lease() -> None:
    """DHCP leases."""


lease.add_command(listing("lease.list", ("ip", "mac", "state", "expires", "subnet", "hostname", "vendor_class")))
lease.add_command(by_id("release", "lease.release", "ip", "Free an address as if its holder had released it."))


@click.group()
def reservation() -> None:
    """Addresses kept for one client."""


reservation.add_command(listing("reservation.list", ("id", "ip", "mac", "client_id", "hostname", "description")))
reservation.add_command(by_id("delete", "reservation.delete", "id", "Give the address back to the pool."))


@reservation.command("add")
@click.argument("ip")
@click.option("--mac", help="The client by its MAC.")
@click.option("--client-id", help="Or by DHCP option 61, as hex digits.")
@click.option("--hostname")
@click.option("--description")
@as_json
@click.pass_context
def reservation_add(ctx: click.Context, /, ip: str, *, as_json: bool, **fields: str | None) -> None:
    """Keep an address for a client."""
    show_one(run(ctx, "reservation.add", ip=ip, **fields), as_json=as_json)
