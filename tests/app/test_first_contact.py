"""A phone that nobody has seen costs the same, however many there are already."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any, Self

from provd.app.ports import Put
from provd.app.site import Site
from provd.base.types import Mac
from provd.domain.records import Device
from tests.app.fakes import MemoryJournal, World, claimed, group, line, tenant

MANY = 3000


class Opcodes:
    """Counts what Python does, loops inside comprehensions included."""

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> Self:
        sys.settrace(self._called)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def _called(self, frame: FrameType, _event: str, _argument: Any) -> Any:
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return self._step

    def _step(self, _frame: FrameType, event: str, _argument: Any) -> Any:
        self.count += event == "opcode"
        return self._step


async def newcomers(world: World, first: int) -> int:
    """Steps of ten phones' first files; the request and the answer, not the event loop between them."""
    counted = 0
    for number in range(first, first + 10):
        mac = Mac(f"02aaaa{number:06x}")
        request = world.ask(f"/{mac}.cfg", user_agent="Acme A1/1.2.3")
        with Opcodes() as opcodes:
            assert world.boot.ready(request) is None
            making = world.boot.file(request)
        reply = await making
        counted += opcodes.count
        with Opcodes() as opcodes:
            world.boot.served(request, reply)
        counted += opcodes.count
        assert world.device(mac).model == "A1"
    return counted


async def test_the_three_thousandth_phone_costs_what_the_first_one_does():
    world = World(MemoryJournal(tenant(), group("desk")), site=Site(secrets="open"), newcomers=100)
    await newcomers(world, 0)
    early = await newcomers(world, 0x1000)

    def fleet() -> list[Put]:
        lines = [Put(line(f"n{number}")) for number in range(MANY)]
        return lines + [Put(_phone(number)) for number in range(MANY)]

    await world.fleet.change(fleet)
    assert len(world.fleet.tables.devices) > MANY
    assert await newcomers(world, 0x2000) <= early * 1.02


def _phone(number: int) -> Device:
    return claimed(Mac(f"02aaab{number:06x}"), f"n{number}", profile="desk", ip="10.0.0.9")
