"""Runs of units, among those of the devices."""

from __future__ import annotations

from dataclasses import replace

from provd.app.ports import Put
from provd.app.regions.first_boot import FirstBoots
from provd.domain.device_types import DeviceType
from provd.domain.records import RunState
from provd.domain.regions.home import Home
from provd.domain.regions.unit import Unit, UnitState
from provd.domain.rulebook import Rulebook
from tests.app.tasks.kit import Shop

MODEM = Unit(device_id="acme/m1/S1", unit_id="u1", type="modem", details={"name": "x1"})
HOME = Home(device_id="acme/m1/S1", tenant="north")


async def test_a_unit_waits_for_the_tasks_that_its_type_brings() -> None:
    tasks = {"first": {"step": [{"id": "rest", "do": "wait", "for": "1m"}]}}
    shop = Shop(records=(DeviceType(id="modems", devices=("modem/*",), tasks=tasks),), rules=Rulebook())
    boots = FirstBoots(shop.world.fleet, shop.book)
    await boots.begin(MODEM, HOME)
    (run,) = shop.runs(boots.key(MODEM))
    assert (run.template, boots.standing(MODEM)) == ("modems.first", (UnitState.REGISTERED, ""))
    shop.world.fleet.keep(Put(replace(run, state=RunState.FAILED, reason="no answer")))
    assert boots.standing(MODEM) == (UnitState.FAILED, f"{run.id}: no answer")
    shop.world.fleet.keep(Put(replace(run, state=RunState.DONE)))
    assert boots.standing(MODEM) == (UnitState.ACTIVE, "")
