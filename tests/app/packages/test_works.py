"""Long work: begun once, watched, called off, and carried on by the next daemon."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from provd.app.fleet import Fleet
from provd.app.works import MOST_KEPT, Progress, Works
from provd.base.errors import NotFoundError, PluginError, StorageError, UsageError
from provd.domain.records import Work, WorkState
from tests.app.fakes import BrokenJournal, FakeClock, MemoryJournal


class Bench:
    """Works over a journal, with one kind of work that waits until it is let go."""

    def __init__(self, journal: MemoryJournal | None = None, *, patient: bool = False) -> None:
        self.journal = journal or MemoryJournal()
        self.clock = FakeClock()
        self.facts: list[object] = []
        fleet = Fleet(self.journal)
        fleet.load()
        self.works = Works(fleet, self.clock, self.facts.append, patient=patient)
        self.go = asyncio.Event()
        self.begun = 0
        self.works.offer("dig", self.dig)
        self.works.offer("fail", self.fail)

    async def dig(self, args: Mapping[str, object], progress: Progress) -> Mapping[str, object]:
        self.begun += 1
        progress.doing, progress.done, progress.total = "digging", 3, 10
        await self.go.wait()
        return {"dug": args["deep"]}

    async def fail(self, args: Mapping[str, object], _progress: Progress) -> Mapping[str, object]:
        raise PluginError("the signature does not fit") if args else ZeroDivisionError("division by zero")


async def test_work_is_on_disk_before_it_begins_and_its_result_afterwards() -> None:
    bench = Bench()
    work = await bench.works.start("dig", {"deep": 5}, "ann")
    assert bench.journal.records[Work, work.id].state is WorkState.RUNNING
    await asyncio.sleep(0)
    assert bench.works.progress(work.id) == Progress("digging", 3, 10)
    bench.go.set()
    over = await bench.works.wait(work.id)
    assert (over.state, over.result, over.by) == (WorkState.DONE, {"dug": 5}, "ann")
    assert bench.journal.records[Work, work.id] == over
    assert bench.works.progress(work.id) == Progress()
    assert [fact.ID for fact in bench.facts] == ["OPERATION-STARTED", "OPERATION-ENDED"]


async def test_the_same_work_is_not_begun_twice_at_a_time() -> None:
    bench = Bench()
    first = await bench.works.start("dig", {"deep": 5}, "ann")
    assert await bench.works.start("dig", {"deep": 5}, "bob") == first
    other = await bench.works.start("dig", {"deep": 6}, "bob")
    bench.go.set()
    await bench.works.wait(first.id)
    await bench.works.wait(other.id)
    again = await bench.works.start("dig", {"deep": 5}, "ann")
    assert again.id != first.id
    await bench.works.wait(again.id)
    assert bench.begun == 3


async def test_what_goes_wrong_is_the_reason() -> None:
    bench = Bench()
    work = await bench.works.start("fail", {"a": 1}, "ann")
    assert (await bench.works.wait(work.id)).reason == "the signature does not fit"
    work = await bench.works.start("fail", {}, "ann")
    over = await bench.works.wait(work.id)
    assert over.state is WorkState.FAILED
    assert "ZeroDivisionError" in over.reason
    assert "INTERNAL-ERROR" in [fact.ID for fact in bench.facts]


async def test_calling_off() -> None:
    bench = Bench()
    work = await bench.works.start("dig", {"deep": 5}, "ann")
    over = await bench.works.cancel(work.id)
    assert (over.state, over.reason) == (WorkState.CANCELLED, "called off")
    assert await bench.works.cancel(work.id) == over


async def test_the_next_daemon_goes_on_with_it() -> None:
    bench = Bench()
    work = await bench.works.start("dig", {"deep": 5}, "ann")
    await asyncio.sleep(0)
    await bench.works.close()
    assert bench.journal.records[Work, work.id].state is WorkState.RUNNING

    after = Bench(bench.journal)
    after.works.resume()
    after.works.resume()
    after.go.set()
    assert (await after.works.wait(work.id)).result == {"dug": 5}
    assert after.begun == 1


async def test_one_that_a_newer_provd_began() -> None:
    bench = Bench(MemoryJournal(Work(id="w1", kind="fly", started=1.0)))
    bench.works.resume()
    assert "does not know the work 'fly'" in (await bench.works.wait("w1")).reason


async def test_a_process_that_ends_with_its_command_waits() -> None:
    bench = Bench(patient=True)
    bench.go.set()
    assert (await bench.works.start("dig", {"deep": 1}, "ann")).state is WorkState.DONE


async def test_what_there_is_none_of() -> None:
    bench = Bench()
    with pytest.raises(UsageError, match="no such work"):
        await bench.works.start("fly", {}, "ann")
    with pytest.raises(NotFoundError, match="no operation 'x'"):
        bench.works.find("x")
    assert bench.works.progress("x") == Progress()


async def test_a_store_that_is_down() -> None:
    journal = BrokenJournal()
    journal.broken = False
    bench = Bench(journal)
    work = await bench.works.start("dig", {"deep": 5}, "ann")
    journal.broken = True
    with pytest.raises(StorageError):
        await bench.works.start("dig", {"deep": 6}, "ann")
    bench.go.set()
    assert (await bench.works.wait(work.id)).state is WorkState.RUNNING, "it is done again after the next start"


async def test_old_ones_go() -> None:
    many = [Work(id=f"w{n}", kind="dig", state=WorkState.DONE, finished=float(n)) for n in range(MOST_KEPT + 20)]
    bench = Bench(MemoryJournal(*many))
    bench.go.set()
    work = await bench.works.start("dig", {"deep": 5}, "ann")
    await bench.works.wait(work.id)
    kept = [record for record in bench.journal.records.values() if isinstance(record, Work)]
    assert len(kept) == MOST_KEPT
    assert "w20" not in {each.id for each in kept}
    assert "w21" in {each.id for each in kept}
