"""The writer with a database connection that does what the test says."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest
from sqlalchemy.dialects import sqlite

from provd.app.ports import Put
from provd.base.errors import StorageError
from provd.base.facts import Fact
from provd.base.facts.daemon import Degraded, Recovered
from provd.base.types import Mac
from provd.dhcp.lease import Lease, LeaseState
from provd.domain.records import StoredFact
from provd.storage.batch import Planner, Statement
from provd.storage.pace import Pace
from provd.storage.session import BusyError, RefusedError, UnavailableError
from provd.storage.step import Execute, Step
from provd.storage.vault import Vault
from provd.storage.writer import Limits, Writer
from tests.kit.patience import PATIENCE
from tests.storage.conftest import StillClock


class ScriptedSession:
    """Notes every transaction; ``script`` says how the next ones end; with ``gated`` each waits for ``gate``."""

    def __init__(self) -> None:
        self.writes: list[list[Statement]] = []
        self.entered: queue.SimpleQueue[None] = queue.SimpleQueue()
        self.gate = threading.Semaphore(0)
        self.gated = False
        self.script: deque[Exception | None] = deque()
        self.refuses: Callable[[Sequence[Statement]], bool] = lambda _statements: False
        self.interrupted = threading.Event()
        self.closed = False
        self.patient = True
        self.patience: list[bool] = []
        self.heard = 0.0

    def write(self, statements: Sequence[Statement], steps: Sequence[Step] = ()) -> None:
        self.writes.append(list(statements))
        self.patience.append(self.patient)
        self.entered.put(None)
        if self.gated:
            assert self.gate.acquire(timeout=PATIENCE)
        outcome = self.script.popleft() if self.script else None
        if outcome is not None:
            raise outcome
        if self.refuses(statements):
            raise RefusedError("no")
        for step in steps:
            step.run(lambda _sql, _parameters: [])

    def wait(self, *, long: bool) -> None:
        self.patient = long

    def interrupt(self) -> None:
        self.interrupted.set()
        self.gate.release()

    def close(self) -> None:
        self.closed = True

    async def in_write(self) -> None:
        await asyncio.to_thread(self.entered.get, timeout=PATIENCE)


class Desk:
    """A writer, its session, and everything it said."""

    def __init__(self) -> None:
        self.session = ScriptedSession()
        self.facts: list[Fact] = []
        self.heard: list[tuple[str, StorageError | None]] = []
        self.news = asyncio.Event()
        self.writers: list[Writer] = []

    def writer(self, pace: Pace | None = None, **limits: Any) -> Writer:
        planner = Planner(Vault({"k": bytes(32)}), sqlite.dialect(paramstyle="qmark"))
        writer = Writer(self.session, planner, StillClock(), self._hear, Limits(**limits), pace)
        self.writers.append(writer)
        return writer

    def _hear(self, fact: Fact) -> None:
        self.facts.append(fact)
        self.news.set()

    def done(self, name: str) -> Callable[[StorageError | None], None]:
        def done(error: StorageError | None) -> None:
            self.heard.append((name, error))
            self.news.set()

        return done

    async def until(self, count: int) -> None:
        async with asyncio.timeout(PATIENCE):
            while len(self.heard) < count:
                self.news.clear()
                await self.news.wait()

    async def until_fact(self, kind: type[Fact]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not any(isinstance(fact, kind) for fact in self.facts):
                self.news.clear()
                await self.news.wait()


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    desk = Desk()
    yield desk
    desk.session.gated = False
    desk.session.gate.release()
    for writer in desk.writers:
        writer.close(drain=True)


def a_lease(ip: int) -> Put:
    return Put(Lease(ip=ip, client=b"c", mac=Mac("805ec0112233"), state=LeaseState.ACTIVE, starts=1, expires=2))


def a_fact() -> Put:
    return Put(StoredFact(fact="F", at=1.0))


def rows(statement: Statement) -> int:
    return statement[0].count("(?")


async def test_what_gathers_during_a_commit_is_written_in_one_statement(desk: Desk) -> None:
    writer = desk.writer()
    desk.session.gated = True
    writer.submit([a_lease(0)], desk.done("first"))
    await desk.session.in_write()
    for ip in range(1, 51):
        writer.submit([a_lease(ip)], desk.done(f"{ip}"))
    assert desk.heard == [], "nothing is acknowledged before it is written"
    desk.session.gate.release(2)
    await desk.until(51)
    assert [[rows(statement) for statement in write] for write in desk.session.writes] == [[1], [50]]
    assert desk.heard == [("first", None)] + [(f"{ip}", None) for ip in range(1, 51)]


async def test_facts_do_not_hold_up_leases(desk: Desk) -> None:
    writer = desk.writer(batch_facts=3)
    desk.session.gated = True
    writer.submit([a_fact()], None, low=True)
    await desk.session.in_write()
    for _ in range(8):
        writer.submit([a_fact()], desk.done("fact"), low=True)
    writer.submit([a_lease(1)], desk.done("lease"))
    desk.session.gate.release(4)
    await desk.until(9)
    assert [[rows(statement) for statement in write] for write in desk.session.writes] == [[1], [1, 3], [3], [2]]
    assert desk.heard[0] == ("lease", None)


async def test_a_batch_is_bounded(desk: Desk) -> None:
    writer = desk.writer(batch=2)
    desk.session.gated = True
    for ip in range(5):
        writer.submit([a_lease(ip)], desk.done(""))
    desk.session.gate.release(9)
    await desk.until(5)
    assert max(rows(statement) for write in desk.session.writes for statement in write) <= 2


async def test_more_than_may_wait_is_refused_at_once(desk: Desk) -> None:
    writer = desk.writer(waiting=2, waiting_facts=1)
    desk.session.gated = True
    writer.submit([a_lease(0)], desk.done("written"))
    await desk.session.in_write()
    for name in ("waits", "waits", "refused"):
        writer.submit([a_lease(1)], desk.done(name))
    for name in ("fact waits", "fact refused"):
        writer.submit([a_fact()], desk.done(name), low=True)
    writer.submit([a_lease(2)], None)
    assert desk.heard == [], "not from inside submit"
    await desk.until(2)
    assert [name for name, error in desk.heard if "2 writes behind" in str(error)] == ["refused"]
    assert [name for name, error in desk.heard if "1 writes behind" in str(error)] == ["fact refused"]
    assert writer.refused == 3
    desk.session.gate.release(9)
    await desk.until(6)
    assert [error for _, error in desk.heard[2:]] == [None] * 4


async def test_a_refused_batch_is_tried_again_one_by_one(desk: Desk) -> None:
    writer = desk.writer()
    desk.session.gated = True
    desk.session.refuses = lambda statements: any(13 in parameters for _, parameters in statements)
    writer.submit([a_lease(0)], None)
    await desk.session.in_write()
    for ip in (12, 13, 14):
        writer.submit([a_lease(ip)], desk.done(f"{ip}"))
    desk.session.gate.release(9)
    await desk.until(3)
    assert [(name, str(error)) for name, error in desk.heard] == [("12", "None"), ("13", "no"), ("14", "None")]
    assert desk.facts == []
    assert not writer.degraded


async def test_an_unavailable_store_refuses_all_and_says_so_once(desk: Desk) -> None:
    writer = desk.writer(probe=60)
    desk.session.script += [UnavailableError("disk full")] * 2
    for name in ("a", "b"):
        writer.submit([a_lease(1)], desk.done(name))
        await desk.until(len(desk.heard) + 1)
    assert [str(error) for _, error in desk.heard] == ["disk full"] * 2
    assert writer.degraded
    writer.submit([a_lease(1)], desk.done("c"))
    await desk.until(3)
    await desk.until_fact(Recovered)
    assert [type(fact) for fact in desk.facts] == [Degraded, Recovered]
    assert desk.facts[0].reason == "disk full"  # type: ignore[attr-defined]
    assert not writer.degraded


async def test_what_makes_the_store_unavailable_in_between_counts_for_the_rest(desk: Desk) -> None:
    writer = desk.writer(probe=60)
    desk.session.gated = True
    desk.session.script += [None, RefusedError("one is bad"), None, UnavailableError("gone")]
    writer.submit([a_lease(0)], None)
    await desk.session.in_write()
    for ip in (1, 2, 3, 4):
        writer.submit([a_lease(ip)], desk.done(f"{ip}"))
    desk.session.gate.release(9)
    await desk.until(4)
    assert [str(error) for _, error in desk.heard] == ["None", "gone", "gone", "gone"]
    assert len(desk.session.writes) == 4


async def test_it_finds_out_by_itself_that_the_store_works_again(desk: Desk) -> None:
    writer = desk.writer(probe=0.01)
    desk.session.script += [UnavailableError("disk full")] * 3
    writer.submit([a_lease(1)], desk.done(""))
    await desk.until_fact(Recovered)
    assert len(desk.session.writes) == 4
    assert desk.session.writes[-1][0][0].startswith("UPDATE tenant")
    assert len(desk.facts) == 2


async def test_a_lost_connection_is_tried_once_more(desk: Desk) -> None:
    writer = desk.writer()
    desk.session.script += [UnavailableError("terminated", disconnected=True)]
    writer.submit([a_lease(1)], desk.done(""))
    await desk.until(1)
    assert desk.heard == [("", None)]
    assert len(desk.session.writes) == 2
    assert desk.facts == []


async def test_nothing_ends_the_thread(desk: Desk) -> None:
    writer = desk.writer()
    desk.session.script += [RuntimeError("a defect with a secret in its text")]
    writer.submit([a_lease(1)], desk.done(""))
    await desk.until(1)
    assert str(desk.heard[0][1]) == "RuntimeError while writing"
    writer.submit([a_lease(1)], desk.done(""))
    await desk.until(2)
    assert desk.heard[1] == ("", None)


async def test_a_write_that_hangs_is_broken_off(desk: Desk) -> None:
    writer = desk.writer(patience=0.05)
    desk.session.gated = True
    writer.submit([a_lease(1)], desk.done(""))
    await desk.until(1)
    assert desk.session.interrupted.is_set()


async def test_a_write_that_comes_on_is_waited_for(desk: Desk) -> None:
    writer = desk.writer(patience=0.05)
    desk.session.gated = True
    desk.session.heard = time.monotonic() + 3600  # it answers and answers
    writer.submit([a_lease(1)], desk.done(""))
    await asyncio.sleep(0.3)
    assert not desk.session.interrupted.is_set()
    desk.session.heard = 0.0
    await desk.until(1)
    assert desk.session.interrupted.is_set()


async def test_a_large_write_is_waited_for_as_long_as_it_is_large(desk: Desk) -> None:
    writer = desk.writer(patience=0.05, patience_for_change=0.05)
    desk.session.gated = True
    changes = [a_lease(number) for number in range(1, 6)]
    began = time.monotonic()
    writer.submit(changes, desk.done(""))
    await desk.until(1)
    assert desk.session.interrupted.is_set()
    assert time.monotonic() - began >= 0.05 + 5 * 0.05


async def test_who_waits_behind_a_write_that_hangs_is_refused_with_it(desk: Desk) -> None:
    writer = desk.writer(patience=0.05, probe=PATIENCE)
    desk.session.gated = True
    desk.session.script.append(UnavailableError("silent"))
    writer.submit([a_lease(1)], desk.done("in hand"))
    await desk.session.in_write()
    writer.submit([a_lease(2)], desk.done("waiting"))
    await desk.until(2)
    assert {name: str(error) for name, error in desk.heard} == {"in hand": "silent", "waiting": "silent"}
    assert len(desk.session.writes) == 1, "not tried in vain"


async def test_who_waits_behind_a_write_that_fails_quickly_is_tried(desk: Desk) -> None:
    writer = desk.writer(patience=PATIENCE, probe=PATIENCE)
    desk.session.gated = True
    desk.session.script.append(UnavailableError("disk full"))
    writer.submit([a_lease(1)], desk.done("in hand"))
    await desk.session.in_write()
    writer.submit([a_lease(2)], desk.done("waiting"))
    await asyncio.sleep(0)
    desk.session.gated = False
    desk.session.gate.release()
    await desk.until(2)
    assert {name: str(error) for name, error in desk.heard} == {"in hand": "disk full", "waiting": "None"}


async def test_closing_breaks_off_a_write_that_hangs(desk: Desk) -> None:
    writer = desk.writer(patience=0.05)
    desk.session.gated = True
    writer.submit([a_lease(1)], desk.done(""))
    await desk.session.in_write()
    writer.close(drain=True)
    assert desk.session.closed
    await desk.until(1)


async def test_closing_without_draining_refuses_what_waits(desk: Desk) -> None:
    writer = desk.writer(patience=0.05)
    desk.session.gated = True
    writer.submit([a_lease(1)], desk.done("in hand"))
    await desk.session.in_write()
    writer.submit([a_lease(2)], desk.done("waiting"))
    writer.close(drain=False)
    writer.submit([a_lease(3)], desk.done("late"))
    await desk.until(3)
    assert {name: str(error) for name, error in desk.heard} == {
        "in hand": "None",
        "waiting": "the store was closed",
        "late": "the store is closed",
    }
    assert len(desk.session.writes) == 1


async def test_a_callback_that_raises_is_its_own_problem(desk: Desk) -> None:
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
    writer = desk.writer()
    desk.session.gated = True

    def raises(_error: StorageError | None) -> None:
        raise RuntimeError("mine")

    writer.submit([a_lease(0)], None)
    await desk.session.in_write()
    writer.submit([a_lease(1)], raises)
    writer.submit([a_lease(2)], desk.done("neighbour"))
    desk.session.gate.release(2)
    await desk.until(1)
    assert desk.heard == [("neighbour", None)]
    assert str(complaints[0]["exception"]) == "mine"


async def test_an_empty_submission_is_answered(desk: Desk) -> None:
    desk.writer().submit([], desk.done("nothing"))
    await desk.until(1)
    assert desk.heard == [("nothing", None)]


async def test_a_loop_that_never_rests_still_hears_of_its_leases(desk: Desk) -> None:
    """Without standing aside for the writer's thread each of these commits takes up to seconds."""
    loop = asyncio.get_running_loop()
    writer = desk.writer()
    resting = False

    def work() -> None:
        for _ in range(1000):
            pass
        if not resting:
            loop.call_soon(work)

    work()
    began = loop.time()
    for count in range(1, 31):
        writer.submit([a_lease(count)], desk.done(""))
        await desk.until(count)
    resting = True
    assert loop.time() - began < 3


class NotedStep:
    """A step that says when it is run; ``fails`` are the errors of its first runs."""

    def __init__(self, key: str, order: list[str], *, wrote: bool = True, fails: Sequence[Exception] = ()) -> None:
        self.key = (key,)
        self.weight = 1
        self.wrote = wrote
        self._order = order
        self._fails = deque(fails)

    def run(self, execute: Execute) -> None:
        self._order.append(self.key[0])
        if self._fails:
            raise self._fails.popleft()


async def test_steps_of_a_transaction_are_run_in_the_order_of_their_keys(desk: Desk) -> None:
    order: list[str] = []
    writer = desk.writer()
    for key in "bca":
        writer.submit((), desk.done(key), step=NotedStep(key, order))
    await desk.until(3)
    assert (order, len(desk.session.writes)) == (["a", "b", "c"], 1)
    assert desk.heard == [("b", None), ("c", None), ("a", None)]


async def test_a_step_that_fails_sinks_alone(desk: Desk) -> None:
    order: list[str] = []
    writer = desk.writer()
    writer.submit((), desk.done("a"), step=NotedStep("a", order))
    writer.submit((), desk.done("b"), step=NotedStep("b", order, fails=[RefusedError("no"), RefusedError("no")]))
    await desk.until(2)
    assert order == ["a", "b", "a", "b"]
    assert [(name, type(error)) for name, error in desk.heard] == [("a", type(None)), ("b", RefusedError)]


async def test_a_step_is_run_again_after_a_lost_connection(desk: Desk) -> None:
    order: list[str] = []
    lost = UnavailableError("gone", disconnected=True)
    desk.writer().submit((), desk.done("a"), step=NotedStep("a", order, fails=[lost]))
    await desk.until(1)
    assert (order, desk.heard) == (["a", "a"], [("a", None)])


async def test_a_step_that_only_reads_does_not_end_the_degraded_state(desk: Desk) -> None:
    order: list[str] = []
    writer = desk.writer(probe=3600)
    desk.session.script.append(UnavailableError("disk full"))
    writer.submit([a_lease(1)], desk.done("lease"))
    await desk.until(1)
    writer.submit((), desk.done("look"), step=NotedStep("a", order, wrote=False))
    await desk.until(2)
    assert writer.degraded
    writer.submit((), desk.done("write"), step=NotedStep("a", order))
    await desk.until(3)
    assert not writer.degraded


async def test_the_loop_waits_for_no_lock_and_the_thread_does(desk: Desk) -> None:
    writer = desk.writer(pace=Pace())
    order: list[str] = []
    desk.session.script += [None, BusyError("locked")]
    writer.submit([a_lease(1)], desk.done("before"))
    await desk.until(1)
    writer.submit([a_lease(2)], desk.done("lease"))
    writer.submit([a_fact()], desk.done("fact"), low=True)
    writer.submit((), desk.done("step"), step=NotedStep("a", order))
    await desk.until(4)
    assert desk.heard == [("before", None), ("lease", None), ("step", None), ("fact", None)]
    assert (order, desk.facts, writer.degraded) == (["a"], [], False)
    assert desk.session.patience == [False, False, True]
    # And it may be that the lock stays.
    desk.session.script += [BusyError("locked")]
    writer.submit([a_lease(3)], desk.done("late"))
    await desk.until(5)
    assert isinstance(desk.heard[-1][1], BusyError)
    assert desk.session.patience[3:] == [True], "for a while nothing is written on the loop"
    await desk.until_fact(Degraded)


def test_a_loop_that_has_ended_is_not_called(desk_without_loop: ScriptedSession) -> None:
    planner = Planner(Vault({"k": bytes(32)}), sqlite.dialect(paramstyle="qmark"))
    writer = Writer(desk_without_loop, planner, StillClock(), lambda _fact: None, Limits())

    async def submit() -> None:
        desk_without_loop.gated = True
        writer.submit([a_lease(1)], lambda _error: None)
        await desk_without_loop.in_write()

    asyncio.run(submit())
    desk_without_loop.gate.release()
    writer.close(drain=True)
    assert len(desk_without_loop.writes) == 1


@pytest.fixture
def desk_without_loop() -> ScriptedSession:
    return ScriptedSession()
