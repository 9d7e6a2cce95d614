"""The page of a large site: what it shows is found little by little, and is what was asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from types import SimpleNamespace

import pytest

from provd.app.tables import Tables
from provd.app.turns import AT_A_TIME
from provd.base.types import Mac, ip_int
from provd.daemon.views import DaemonViews
from provd.dhcp.lease import Lease, LeaseState
from provd.domain.records import Device
from provd.observe.timeline import Timeline
from tests.kit.clock import FakeClock

FLEET = 2000


@pytest.fixture(scope="module")
def views() -> DaemonViews:
    tables = Tables()
    for i in range(FLEET):
        tables.put(Device(mac=Mac(f"02aaaa{i:06x}"), last_boot=float(i % 700), description=f"desk {i}"))
    leases = [
        Lease(
            ip=ip_int("10.0.0.1") + i, client=b"\1", mac=Mac(f"02aaaa{i:06x}"), state=LeaseState.ACTIVE, starts=0,
            expires=2_000_000_000, subnet="10.0.0.0/16",
        )
        for i in reversed(range(FLEET))
    ]  # fmt: skip
    core = SimpleNamespace(fleet=SimpleNamespace(tables=tables))
    return DaemonViews(core, SimpleNamespace(dhcp=SimpleNamespace(leases=lambda: leases)), Timeline(), FakeClock())


async def turns_of(work: Awaitable[object]) -> tuple[int, object]:
    """How many turns of the event loop some work took, and what it gave."""
    task, turns = asyncio.ensure_future(work), 0
    while not task.done():
        turns += 1
        await asyncio.sleep(0)
    return turns, task.result()


@pytest.mark.parametrize("query", ["", "desk 19", "nowhere"])
async def test_a_page_of_devices_or_leases_takes_as_many_turns_as_there_are_lots(views, query):
    for work in (views.devices(query, "", 0, 100), views.leases(query, 0, 100)):
        turns, _ = await turns_of(work)
        assert turns >= FLEET // AT_A_TIME


async def test_the_newest_boot_comes_first_and_offsets_go_on(views):
    first, rest = await views.devices("desk", "seen", 0, 3), await views.devices("desk", "seen", 3, 3)
    assert first.total == rest.total == FLEET
    assert [row.label for row in (*first.rows, *rest.rows)] == [f"desk {i}" for i in (1399, 699, 1398, 698, 1397, 697)]
    assert (await views.devices("", "stale", 0, 3)).total == 0


async def test_leases_come_in_the_order_of_their_addresses(views):
    found = await views.leases("10.0.0.0/16", 1, 2)
    assert ([row.ip for row in found.rows], found.total) == (["10.0.0.2", "10.0.0.3"], FLEET)
    assert (await views.leases("02aaaa000005", 0, 9)).total == 1
