"""A world with tasks: a runner that a test drives, and a scripted world outside."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from provd.app import ownership
from provd.app.ports import Put
from provd.app.tasks.ports import Call, Held
from provd.app.tasks.runner import Runner
from provd.base.types import Mac
from provd.domain.records import RunState, TaskRun
from provd.domain.rulebook import Rulebook
from provd.domain.tasks import Done, Kind, Outcome, SetStep, SqlStep, Template
from tests.app.fakes import PHONE, MemoryJournal, World, tenant


class Script:
    """Answers calls in order; says what was asked. Holds an answer back while ``gate`` is shut."""

    def __init__(self, *outcomes: Outcome) -> None:
        self.outcomes = deque(outcomes)
        self.calls: list[Call] = []
        self.gate: asyncio.Event | None = None
        self.meanwhile: Callable[[], None] = lambda: None

    async def perform(self, call: Call) -> Outcome:
        self.calls.append(call)
        self.meanwhile()
        if self.gate is not None:
            await self.gate.wait()
        return self.outcomes.popleft()


class FreeClaims:
    """A run is had for the asking, unless a test has other ``answers``."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.alone = False
        self.answers: list[Held | None] = []

    async def claim(self, run: TaskRun, now: float) -> Held | None:
        if self.answers:
            return self.answers.pop(0)
        await self._world.journal.commit([Put(run)])
        return Held(run, self._world.fleet.tables.steps_of(run.id))


def look(name: str, **params: str) -> SqlStep:
    return SqlStep(id=name, database="db", statement=f"{name}?", params=params)


FIRST_BOOT = Template(
    id="boot",
    version=1,
    kind=Kind.ONETIME,
    devices=("*",),
    steps=(
        look("crm", mac="{device.mac}"),
        look("asset"),
        SqlStep(id="write", database="db", statement="w", params={"c": "{crm.customer}"}, write=True),
        SetStep(id="own", tenant="{crm.tenant}", metadata={"customer": "{crm.customer}", "no": "{asset.no}"}),
    ),
)
CRM, ASSET, WROTE = Done({"customer": "Ann", "tenant": "north"}), Done({"no": 7}), Done({"rows": 1})


class Shop:
    """``await shop.work()`` carries out whatever is due now, to its end."""

    def __init__(
        self, *outcomes: Outcome, rules: Rulebook | None = None, records: tuple[object, ...] = (), **more: object
    ) -> None:
        journal = more.pop("journal", MemoryJournal)
        self.world = World(journal(tenant(), *records), rules=rules or Rulebook((FIRST_BOOT,)), **more)
        self.book = self.world.tasks
        self.outside = Script(*outcomes)
        self.claims = FreeClaims(self.world)
        self.runner = Runner(
            fleet=self.world.fleet,
            book=self.book,
            claims=self.claims,
            outside=self.outside,
            room_of=lambda _device: ownership.NO_ROOM,
            clock=self.world.clock,
            emit=self.world.facts.append,
            owner="me",
        )

    async def work(self) -> None:
        while (key := self.book.schedule.take(self.world.clock.now())) is not None:
            await self.runner.perform(key)
            self.book.over(key)

    def seen(self, mac: Mac = PHONE) -> None:
        self.world.dhcp(mac, "10.0.0.9")

    def runs(self, mac: Mac = PHONE) -> list[TaskRun]:
        return sorted(self.world.fleet.tables.runs_of(mac), key=lambda run: (run.template, run.generation))

    @property
    def run(self) -> TaskRun:
        (found,) = self.runs()
        return found

    def states(self) -> list[RunState]:
        return [run.state for run in self.runs()]

    def told(self) -> list[str]:
        return [each for each in self.world.ids() if each.startswith("TASK-")]


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until that is so."""
    for _ in range(10_000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it does not come to that")
