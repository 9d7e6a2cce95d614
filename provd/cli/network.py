"""``provd lease|reservation``: addresses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from provd.cli.commands import Group, as_json, by_id, deleted, listing, run
from provd.cli.output import show_one

LEASE_COLUMNS = ("ip", "mac", "state", "expires", "subnet", "hostname", "vendor_class")
RESERVATION_COLUMNS = ("id", "ip", "mac", "client_id", "hostname", "description")


@click.group(cls=Group)
def lease() -> None:
    """DHCP leases."""


def _endless(row: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**row, "expires": row["expires"] or "never"}


def _released(result: Mapping[str, Any]) -> str:
    return f"{result['released']} is free again"


lease.add_command(
    listing(
        "lease.list",
        LEASE_COLUMNS,
        filters=("mac", "subnet", "state"),
        example="state=active subnet=10.20.0.0/16",
        view=_endless,
    )
)
lease.add_command(
    by_id("release", "lease.release", "ip", "Free an address as if its holder had released it.", gone=_released)
)


@click.group(cls=Group)
def reservation() -> None:
    """Addresses kept for one client each."""


reservation.add_command(listing("reservation.list", RESERVATION_COLUMNS))
reservation.add_command(by_id("delete", "reservation.delete", "id", "Give the address back to the pool.", gone=deleted))


@reservation.command("add")
@click.argument("ip")
@click.option("--mac", help="The client by its MAC.")
@click.option("--client-id", help="Or by DHCP option 61, as hex digits.")
@click.option("--hostname")
@click.option("--description")
@as_json
@click.pass_context
def reservation_add(ctx: click.Context, /, ip: str, *, as_json: bool, **fields: str | None) -> None:
    """Keep an address for a client.

    Example: provd reservation add 10.20.0.9 --mac 80:5e:c0:11:22:33 --description "front door"
    """
    show_one(run(ctx, "reservation.add", ip=ip, **fields), as_json=as_json)
