"""Whose runs there are: they come with the device and go with it, in the same transaction."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from provd.app.ports import Delete, Put
from provd.app.site import Site
from provd.base.errors import ConflictError, StorageError
from provd.base.facts.devices import DeviceProvisioned
from provd.domain import tasks
from provd.domain.device_types import DeviceType
from provd.domain.records import Device, Metadata, RunState, TaskRun, TaskStep
from provd.domain.rulebook import Rulebook
from provd.domain.tasks import Kind, Template, WaitStep
from tests.app.fakes import BOLT, PHONE, BrokenJournal, SlowJournal, claimed, tenant
from tests.app.tasks.kit import CRM, FIRST_BOOT, Shop, until

WAIT = (WaitStep(id="rest", seconds=60.0),)


def of(name: str, *devices: str, kind: Kind = Kind.ONETIME, version: int = 1, **more: object) -> Template:
    return Template(id=name, version=version, kind=kind, devices=devices, steps=WAIT, **more)


def kinds(batch: list) -> set[str]:
    return {type(change.record).__name__ for change in batch}


def test_a_device_that_is_seen_gets_its_run_in_the_transaction_of_its_own_row():
    shop = Shop()
    shop.seen()
    (batch,) = [batch for batch in shop.world.journal.batches if any(isinstance(c.record, TaskRun) for c in batch)]
    assert kinds(batch) == {"Device", "TaskRun"}
    assert shop.run.id == f"boot:1:{PHONE}:1"
    shop.seen()
    assert shop.run.generation == 1


async def test_and_so_does_one_that_asks_for_a_file_or_is_added():
    shop = Shop(site=Site(secrets="open"))
    await shop.world.fetch(f"/{PHONE}.cfg", user_agent=f"Acme A1/1.0 {PHONE}")
    assert shop.run.state is RunState.PENDING
    await shop.world.fleet.change(lambda: [Put(Device(mac=BOLT))])
    assert [run.id for run in shop.runs(BOLT)] == [f"boot:1:{BOLT}:1"]
    assert kinds(shop.world.journal.batches[-1]) == {"Device", "TaskRun"}


def test_a_run_that_the_disk_did_not_take_is_written_with_the_next_flush():
    shop = Shop(journal=BrokenJournal, newcomers=5)
    shop.seen()
    journal = shop.world.journal
    assert not any(kind is TaskRun for kind, _ in journal.records)
    journal.broken = False
    shop.world.fleet.flush(shop.world.clock.now())
    assert (TaskRun, shop.run.id) in journal.records
    assert (Device, PHONE) in journal.records


async def test_a_change_that_is_refused_leaves_no_run_behind():
    shop = Shop()
    with pytest.raises(ConflictError):
        await shop.world.fleet.change(lambda: [Put(Device(mac=PHONE, lines=("x", "x")))])
    assert shop.runs() == []
    await shop.work()
    assert shop.told() == []


REFUSED = Put(Device(mac=BOLT, lines=("x", "x")))


async def test_a_change_that_is_refused_takes_no_run_from_the_schedule():
    shop = Shop()
    shop.seen()
    with pytest.raises(ConflictError):
        await shop.world.fleet.change(lambda: [Delete(shop.world.device(PHONE)), REFUSED])
    assert shop.book.schedule.take(shop.world.clock.now()) == shop.run.id


OWN = DeviceType(id="all", devices=("*",), tasks={"own": {"step": [{"id": "rest", "do": "wait", "for": "1m"}]}})


async def test_nor_does_one_of_types():
    shop = Shop(records=(OWN,), rules=Rulebook())
    shop.seen()
    with pytest.raises(ConflictError):
        await shop.world.fleet.change(
            lambda: [Delete(OWN), *shop.book.retyped(shop.book.with_types({}), {OWN.id}), REFUSED]
        )
    assert shop.book.schedule.take(shop.world.clock.now()) == shop.run.id == f"all.own:{shop.run.version}:{PHONE}:1"


@pytest.mark.parametrize("change", ["gone", "typed", "cancelled", "begun"])
async def test_a_run_that_was_due_while_a_change_was_taken_back_is_due_again(change):
    shop = Shop(journal=SlowJournal, records=(OWN,), rules=Rulebook())
    shop.seen()
    fleet, book, due = shop.world.fleet, shop.book, shop.world.clock.now()
    known = shop.run
    template = book.rules.template(known.template)
    plans = {
        "gone": lambda: [Delete(shop.world.device(PHONE))],
        "typed": lambda: [Delete(OWN), *book.retyped(book.with_types({}), {OWN.id})],
        "cancelled": lambda: [Put(tasks.ended(known, RunState.CANCELLED, due))],
        "begun": lambda: book.begin(template, shop.world.device(PHONE)),
    }
    if change == "begun":
        known = tasks.ended(known, RunState.CANCELLED, due)
        fleet.keep(*book.expect([Put(known)]))
    shop.world.journal.fails = True
    made = asyncio.ensure_future(fleet.change(plans[change]))
    await until(lambda: shop.runs() != [known])
    before = book.schedule.take(due)  # what is not durable yet is not begun either
    assert before == (None if change == "begun" else known.id)
    if before is not None:
        await shop.runner.perform(before)  # it finds nothing to do
        book.over(before)
    shop.world.journal.open.set()
    with pytest.raises(StorageError):
        await made
    assert shop.runs() == [known]
    assert book.schedule.take(due) == (None if change == "begun" else known.id)
    assert book.schedule.take(due) is None


async def test_a_run_that_is_at_work_while_its_end_is_taken_back_goes_on_when_its_lease_is_over():
    shop = Shop(CRM, journal=SlowJournal)
    shop.claims.alone, shop.outside.gate = True, asyncio.Event()
    shop.seen()
    key = shop.book.schedule.take(shop.world.clock.now())
    work = asyncio.ensure_future(shop.runner.perform(key))
    await until(lambda: shop.run.state is RunState.RUNNING)
    running = shop.run
    shop.world.journal.fails = True
    made = asyncio.ensure_future(
        shop.world.fleet.change(lambda: [Put(tasks.ended(running, RunState.CANCELLED, shop.world.clock.now()))])
    )
    await until(lambda: shop.run.state is RunState.CANCELLED)
    shop.outside.gate.set()
    await work  # it was cancelled, as far as it can see
    shop.book.over(key)
    shop.world.journal.open.set()
    with pytest.raises(StorageError):
        await made
    assert shop.run == running
    assert shop.book.schedule.deadline == running.lease


async def test_a_change_that_nobody_waits_for_any_more_has_its_runs():
    shop = Shop(journal=SlowJournal)
    made = asyncio.ensure_future(shop.world.fleet.change(lambda: [Put(Device(mac=BOLT))]))
    await until(lambda: shop.runs(BOLT) != [])
    assert shop.book.schedule.take(shop.world.clock.now()) is None, "it is not durable yet"
    made.cancel()
    await asyncio.gather(made, return_exceptions=True)
    assert shop.book.schedule.take(shop.world.clock.now()) == f"boot:1:{BOLT}:1"


@pytest.mark.parametrize("fails", [False, True])
async def test_a_run_that_is_retried_is_begun_once_when_that_is_durable(fails):
    shop = Shop(journal=SlowJournal)
    shop.seen()
    later = replace(shop.run, state=RunState.WAITING, due=shop.world.clock.now() + 60.0)
    shop.world.fleet.keep(*shop.book.expect([Put(later)]))
    shop.world.journal.fails = fails
    made = asyncio.ensure_future(shop.world.fleet.change(lambda: [Put(shop.book.retried(shop.run))]))
    await until(lambda: shop.run.state is RunState.PENDING)
    assert shop.book.schedule.take(shop.world.clock.now()) is None
    shop.world.journal.open.set()
    await asyncio.gather(made, return_exceptions=True)
    assert shop.book.schedule.deadline == (later.due if fails else shop.world.clock.now())
    assert shop.book.schedule.take(later.due) == shop.run.id
    assert shop.book.schedule.take(9e9) is None


async def test_runs_follow_what_the_device_turns_out_to_be():
    shop = Shop(rules=Rulebook((of("any", "*"), of("acme", "Acme/*"), of("old", "Acme/A1"), of("new", "Acme/A1G"))))
    await shop.world.fleet.change(lambda: [Put(Device(mac=PHONE))])
    assert [run.template for run in shop.runs()] == ["any"]
    shop.world.fleet.note(Device(mac=PHONE, vendor="Acme", model="A1"), 1.0)
    assert [run.template for run in shop.runs()] == ["acme", "any", "old"]
    shop.world.fleet.note(Device(mac=PHONE, vendor="Acme", model="A1G"), 2.0)
    assert [run.template for run in shop.runs()] == ["acme", "any", "new"]


def test_other_templates_add_and_remove_runs_but_not_those_that_are_done():
    shop = Shop(rules=Rulebook((of("a", "*"), of("b", "*"))))
    shop.seen()
    a, b = shop.runs()
    shop.world.fleet.keep(Put(replace(b, state=RunState.DONE)), Put(TaskStep(run=a.id, name="x")))
    list(shop.book.change(Rulebook((of("b", "*", version=2), of("c", "*")))))
    assert [run.id for run in shop.runs()] == [b.id, f"b:2:{PHONE}:1", f"c:1:{PHONE}:1"]
    assert shop.world.fleet.tables.steps_of(a.id) == ()
    before = shop.runs()
    list(shop.book.change(shop.book.rules))
    assert shop.runs() == before


async def test_a_device_that_is_deleted_takes_everything_with_it():
    shop = Shop()
    shop.seen()
    shop.world.fleet.keep(Put(TaskStep(run=shop.run.id, name="crm")), Put(Metadata(mac=PHONE, data={"a": 1})))
    await shop.world.fleet.change(lambda: [Delete(shop.world.device(PHONE))])
    assert shop.runs() == []
    left = {kind.__name__ for kind, _ in shop.world.journal.records}
    assert not left & {"TaskRun", "TaskStep", "Metadata"}
    assert shop.book.schedule.take(9e9) is None


async def test_what_was_found_for_one_customer_is_not_there_for_the_next():
    shop = Shop(records=(tenant("south"), claimed(PHONE)), rules=Rulebook((of("done", "*"), of("going", "*"))))
    list(shop.book.change(shop.book.rules))
    done, going = shop.runs()
    secret = {"customer": "north's"}
    shop.world.fleet.keep(
        Put(replace(done, state=RunState.DONE, began=1.0, finished=2.0)),
        Put(replace(going, state=RunState.WAITING, began=1.0, step="x", reason="north's record", due=9e9)),
        Put(TaskStep(run=done.id, name="a", result=secret)),
        Put(TaskStep(run=going.id, name="a", result=secret)),
        Put(Metadata(mac=PHONE, data=secret)),
    )
    await shop.world.fleet.change(lambda: [Put(replace(shop.world.device(PHONE), tenant="south"))])
    assert "north" not in str(shop.runs())
    assert shop.states() == [RunState.DONE, RunState.PENDING], "what is done stays done, what was going begins again"
    assert shop.world.fleet.tables.metadata(PHONE) is None
    assert shop.world.fleet.tables.steps_of(done.id) == shop.world.fleet.tables.steps_of(going.id) == ()


def test_after_a_start_everybody_who_lacks_a_run_gets_one_and_what_was_at_work_goes_on_at_once():
    at_work = TaskRun(
        id=f"boot:1:{PHONE}:1", template="boot", version=1, mac=PHONE, state=RunState.RUNNING, owner="dead", lease=9e9
    )
    shop = Shop(records=(Device(mac=PHONE), Device(mac=BOLT), at_work))
    list(shop.book.open(alone=True))
    assert {shop.book.schedule.take(shop.world.clock.now()) for _ in "123"} == {
        f"boot:1:{PHONE}:1",
        f"boot:1:{BOLT}:1",
        None,
    }
    other = Shop(records=(Device(mac=PHONE), at_work))
    list(other.book.open(alone=False))
    assert other.book.schedule.take(8e9) is None, "another daemon may be at it until the lease ends"


def test_a_fact_starts_a_reactive_run_and_one_more_when_it_comes_while_that_is_at_work():
    shop = Shop(rules=Rulebook((of("told", "Acme/*", kind=Kind.REACTIVE, fact="DEVICE-PROVISIONED"),)))
    shop.seen()
    assert shop.states() == [RunState.ARMED]
    fact = DeviceProvisioned(at=1.0, mac=PHONE, tenant="north", name="x", lines=1)
    shop.book([replace(fact, mac=BOLT), replace(fact, mac=None), fact, fact])
    assert shop.states() == [RunState.PENDING], "it has not begun: once is enough"
    shop.world.fleet.keep(Put(replace(shop.run, state=RunState.RUNNING, began=2.0)))
    shop.book([fact, fact])
    assert [(run.generation, run.state) for run in shop.runs()] == [(1, RunState.RUNNING), (2, RunState.PENDING)]
    assert shop.book.before(shop.runs()[1])
    for run in shop.runs():
        shop.world.fleet.keep(Put(replace(run, state=RunState.CANCELLED)))
    shop.book([fact])
    assert len(shop.runs()) == 2, "what was cancelled does not come again"


def test_by_hand_a_task_runs_once_more_under_a_number_of_its_own():
    shop = Shop()
    shop.seen()
    device = shop.world.device(PHONE)
    with pytest.raises(ConflictError, match="is pending: cancel or retry it"):
        shop.book.begin(FIRST_BOOT, device)
    shop.world.fleet.keep(Put(replace(shop.run, state=RunState.DONE)))
    (first, *_) = shop.book.begin(FIRST_BOOT, device)
    assert first.record.id == f"boot:1:{PHONE}:2"
    with pytest.raises(ConflictError, match="does not belong to a"):
        shop.book.begin(of("x", "Other/*"), device)
    with pytest.raises(ConflictError, match="is done"):
        shop.book.retried(shop.run)
