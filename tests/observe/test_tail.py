import asyncio
import json

from provd.observe.hub import FactHub
from provd.observe.tail import Tail
from provd.observe.timeline import Timeline
from tests.observe.kit import MAC, OTHER, degraded, served, sighted


async def test_a_watcher_sees_what_happens_from_now_on():
    tail = Tail()
    tail([degraded()])
    async with tail.watch() as lines:
        tail([sighted(), degraded()])
        assert [json.loads(await anext(lines))["fact"] for _ in range(2)] == ["DEVICE-SIGHTED", "DEGRADED"]


async def test_a_watcher_of_one_device_sees_only_that():
    tail = Tail()
    async with tail.watch(OTHER) as lines:
        waiting = asyncio.ensure_future(anext(lines))
        await asyncio.sleep(0)
        tail([served(mac=MAC), degraded()])
        tail([served(mac=OTHER)])
        assert json.loads(await waiting)["mac"] == OTHER


async def test_who_is_too_slow_misses_facts_and_is_told_how_many():
    tail = Tail(queue=2)
    async with tail.watch() as lines:
        tail([served()] * 10)
        found = [json.loads(await anext(lines)) for _ in range(3)]
        assert found[0]["text"].startswith("FILE-SERVED mac=80:5e:c0:11:22:33 boot=b1")
        assert (found[2]["fact"], found[2]["missed"], found[2]["time"]) == ("TAIL-MISSED", 8, found[1]["time"])
        tail([degraded()])
        assert json.loads(await anext(lines))["fact"] == "DEGRADED"


async def test_who_has_left_costs_nothing():
    tail = Tail()
    async with tail.watch() as lines:
        pass
    tail([served()])
    assert lines._facts == type(lines._facts)()


async def test_the_tail_of_a_device_begins_with_its_last_facts_and_goes_on_without_a_gap():
    timeline = Timeline(facts=2)
    tail = Tail(past=timeline.facts)
    hub = FactHub(asyncio.get_running_loop().call_soon)
    hub.add("timeline", timeline)
    hub.add("tail", tail)
    for size in range(4):
        hub.emit(served(mac=MAC, size=size))
    hub.emit(served(mac=OTHER))
    hub.flush()
    # Told already, but not handed on yet.
    hub.emit(served(mac=MAC, size=4))
    async with tail.watch(MAC) as lines:
        hub.emit(served(mac=MAC, size=5))
        await asyncio.sleep(0)
        hub.emit(served(mac=MAC, size=6))
        found = [json.loads(await anext(lines)) for _ in range(5)]
        assert [(line["size"], line.get("past", False)) for line in found] == [
            (2, True), (3, True), (4, False), (5, False), (6, False),
        ]  # fmt: skip
        assert not lines._facts


async def test_the_tail_of_all_devices_has_no_past():
    tail = Tail(past=lambda _mac: (served(),))
    async with tail.watch() as lines:
        tail([degraded()])
        assert json.loads(await anext(lines))["fact"] == "DEGRADED"
