"""Runs are carried out step by step; nothing that is done is done again."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from provd.app.ports import Put
from provd.app.tasks.ports import Held, HttpCall
from provd.base.errors import StorageError
from provd.domain.constraints import Attribute, Rule
from provd.domain.device_types import DeviceType
from provd.domain.records import MASTER_TENANT, AuditEntry, Device, DeviceState, RunState, TaskRun, TaskStep
from provd.domain.rulebook import Rulebook
from provd.domain.tasks import Done, Failed, HttpStep, Kind, NotYet, Retry, SetStep, Template, WaitStep
from tests.app.fakes import BOLT, OTHER, PHONE, BrokenJournal, group, line, tenant
from tests.app.tasks.kit import ASSET, CRM, FIRST_BOOT, WROTE, Shop, look, until


def setting(**more: object) -> Rulebook:
    steps = (SetStep(id="own", **more),)
    return Rulebook((Template(id="t", version=1, kind=Kind.ONETIME, devices=("*",), steps=steps),))


async def test_the_first_boot_of_a_device():
    shop = Shop(CRM, ASSET, WROTE)
    shop.seen()
    await shop.work()
    assert shop.told() == ["TASK-STARTED", "TASK-DONE"]
    assert [(call.statement, call.params) for call in shop.outside.calls] == [
        ("crm?", {"mac": "02:aa:aa:00:00:01"}),
        ("asset?", {}),
        ("w", {"c": "Ann"}),
    ]
    assert shop.world.device(PHONE).tenant == "north"
    assert shop.world.fleet.tables.metadata(PHONE).data == {"customer": "Ann", "no": 7}
    last = {type(change.record).__name__ for change in shop.world.journal.batches[-1]}
    assert {"Device", "Metadata", "TaskStep", "TaskRun", "AuditEntry"} <= last, "one transaction ends it"
    (entry,) = [c.record for c in shop.world.journal.batches[-1] if isinstance(c.record, AuditEntry)]
    assert (entry.by, entry.action, entry.object, entry.tenant) == ("task boot", "device.task", PHONE, "north")
    assert (shop.run.owner, shop.run.lease, shop.run.reason) == ("", 0.0, "")


async def test_what_is_not_there_yet_is_waited_for_and_nothing_before_is_asked_again():
    shop = Shop(CRM, NotYet("the asset"), ASSET, WROTE)
    shop.seen()
    await shop.work()
    assert (shop.run.state, shop.run.step, shop.run.reason) == (RunState.WAITING, "asset", "the asset")
    assert shop.told() == ["TASK-STARTED", "TASK-WAITING"]
    shop.world.clock.pass_(59)
    await shop.work()
    assert len(shop.outside.calls) == 2
    shop.world.clock.pass_(1)
    await shop.work()
    assert [call.statement for call in shop.outside.calls] == ["crm?", "asset?", "asset?", "w"]
    assert shop.told() == ["TASK-DONE"]


async def test_eight_tries_then_a_person():
    shop = Shop(*[Retry("no answer")] * 8, CRM, ASSET, WROTE)
    shop.seen()
    for _ in range(8):
        await shop.work()
        shop.world.clock.pass_(601)
    assert shop.run.state is RunState.FAILED
    assert shop.told() == ["TASK-STARTED", *["TASK-RETRY"] * 7, "TASK-FAILED"]
    await shop.world.fleet.change(lambda: [Put(shop.book.retried(shop.run))])
    await shop.work()
    assert shop.run.state is RunState.DONE


async def test_a_run_goes_on_after_a_crash_with_the_step_that_was_in_flight():
    shop = Shop(CRM)
    shop.outside.gate = asyncio.Event()
    shop.seen()
    at_work = asyncio.ensure_future(shop.work())
    shop.outside.gate.set()
    await asyncio.gather(at_work, return_exceptions=True)  # there is no second answer: it "crashes" in the second step
    again = Shop(ASSET, WROTE, records=tuple(shop.world.journal.records.values()))
    list(again.book.open(alone=True))
    await again.work()
    assert [call.statement for call in again.outside.calls] == ["asset?", "w"]
    assert again.run.state is RunState.DONE
    assert again.told() == ["TASK-DONE"]


@pytest.mark.parametrize("alone", [True, False])
async def test_what_only_looks_is_written_once_and_what_leaves_the_house_is_announced_before(alone):
    """A daemon that is alone writes that it has a run with what its first look-up gave."""

    def written() -> list[tuple[str, str, list[str]]]:
        """Of each transaction the run as it is then, and the steps that it has."""
        return [
            (run.state.value, run.step, [c.record.name for c in batch if isinstance(c.record, TaskStep)])
            for batch in shop.world.journal.batches
            for run in (c.record for c in batch if isinstance(c.record, TaskRun))
        ]

    shop = Shop(CRM, ASSET, WROTE)
    shop.claims.alone = alone
    shop.seen()
    await shop.work()
    steps = [("running", "asset", ["crm"]), ("running", "write", ["asset"]), ("running", "own", ["write"])]
    claimed = [] if alone else [("running", "", [])]
    assert written() == [("pending", "", []), *claimed, *steps, ("done", "", ["own"])]
    write = replace(FIRST_BOOT, steps=FIRST_BOOT.steps[2:3])
    shop = Shop(WROTE, rules=Rulebook((replace(write, steps=(replace(write.steps[0], params={}),)),)))
    shop.claims.alone = alone
    shop.seen()
    await shop.work()
    assert written() == [("pending", "", []), ("running", "", []), ("done", "", ["write"])]


async def test_a_run_that_is_cancelled_under_way_changes_nothing_any_more():
    shop = Shop(CRM, ASSET, WROTE)
    shop.seen()

    def cancel() -> None:
        shop.world.fleet.keep(Put(replace(shop.run, state=RunState.CANCELLED)))

    shop.outside.meanwhile = cancel
    await shop.work()
    assert (shop.run.state, len(shop.outside.calls)) == (RunState.CANCELLED, 1)
    assert shop.world.fleet.tables.steps_of(shop.run.id) == ()


@pytest.mark.parametrize(
    ("device", "more", "state", "reason"),
    [
        ({"tenant": "south"}, {"tenant": "north"}, "conflict", "the device belongs to tenant 'south', not to 'north'"),
        ({}, {"tenant": "nobody"}, "waiting", "tenant 'nobody'"),
        ({}, {"tenant": "north", "line": "s1"}, "conflict", "belongs to tenant 'north', its line to 'south'"),
        ({}, {"line": "x9"}, "waiting", "line 'x9' for tenant 'master'"),
        ({}, {"profile": "nothing"}, "waiting", "group profile 'nothing'"),
        ({}, {"profile": "secret", "tenant": "north"}, "waiting", "group profile 'secret' for tenant 'north'"),
        ({}, {"tenant": "north", "line": "n2"}, "conflict", "line 'n2' is on another device"),
        ({}, {"metadata": {"a": "{crm.x}"}}, "failed", "there is no crm.x"),
    ],
)
async def test_what_a_task_may_not_do_is_not_done(device, more, state, reason):
    shop = Shop(
        rules=setting(**more),
        records=(
            tenant("south"),
            line("n1"),
            line("n2"),
            line("s1", "south"),
            group("south:secret"),
            Device(mac=OTHER, tenant="north", lines=("n2",)),
            Device(mac=PHONE, **device),
        ),
    )
    list(shop.book.change(shop.book.rules))
    before = shop.world.device(PHONE)
    await shop.runner.perform(f"t:1:{PHONE}:1")
    assert (shop.run.state.value, reason in shop.run.reason) == (state, True), shop.run.reason
    assert shop.world.device(PHONE) == before


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"line": "s1"}, "line 's1' for tenant 'north'"),
        ({"line": "south:s2"}, "line 'south:s2' for tenant 'north'"),
        ({"line": "s9"}, "line 's9' for tenant 'north'"),
        ({"profile": "desk"}, "group profile 'desk' for tenant 'north'"),
        ({"profile": "south:desk"}, "group profile 'south:desk' for tenant 'north'"),
    ],
)
async def test_what_is_not_a_tenants_own_is_not_there_for_its_tasks(more, reason):
    """Neither what is there nor what is the site's can be told from what is not there."""
    shop = of_norths_type(**more)
    await shop.work()
    assert (shop.run.state, shop.run.reason) == (RunState.WAITING, reason)
    assert (shop.world.device(PHONE).lines, shop.world.device(PHONE).profile) == ((), "")


async def test_a_tenants_tasks_give_what_is_its_own():
    shop = of_norths_type(line="n1", profile="own", metadata={"peer": f"{OTHER}"})
    await shop.work()
    assert shop.run.state is RunState.DONE
    assert (shop.world.device(PHONE).lines, shop.world.device(PHONE).profile) == (("n1",), "north:own")


@pytest.mark.parametrize(("peer", "good"), [(OTHER, True), (BOLT, False), ("02aaaa0000ff", False)])
async def test_metadata_refer_to_devices_of_the_same_tenant(peer, good):
    rule = Rule(name="r", devices=("*",), attributes=(Attribute(name="peer", type="reference"),))
    shop = of_norths_type(rules=(rule,), metadata={"peer": peer})
    await shop.work()
    wrong = "r: peer must be the name of a device that is there"
    assert (shop.run.state is RunState.DONE, shop.run.reason) == (good, "" if good else wrong)


def of_norths_type(rules: tuple[Rule, ...] = (), **step: object) -> Shop:
    """A device of the north whose own type has a task of this one step."""
    said = {"step": [{"id": "own", "do": "set", **step}]}
    shop = Shop(
        rules=Rulebook(rules=rules),
        records=(
            *(tenant("south"), line("n1"), line("s1", "south"), line("south:s2", "south")),
            *(group("desk"), group("south:desk"), group("north:own")),
            DeviceType(id="north:a", devices=("acme/*",), tasks={"t": said}),
            Device(mac=PHONE, vendor="Acme", model="A1", tenant="north", first_seen=1.0),
            Device(mac=OTHER, vendor="Bolt", tenant="north", first_seen=1.0),
            Device(mac=BOLT, vendor="Bolt", tenant="south", first_seen=1.0),
        ),
    )
    list(shop.book.change(shop.book.given))
    return shop


async def test_a_task_gives_a_device_its_customer_profile_and_line():
    rules = setting(tenant="north", profile="desk", line="n1", metadata={"one": "{device.vendor}"})
    shop = Shop(rules=rules, records=(line("n1"), group("north:desk")))
    shop.seen()
    await shop.work()
    device = shop.world.device(PHONE)
    assert (device.tenant, device.profile, device.lines) == ("north", "north:desk", ("n1",))
    assert device.state is DeviceState.ASSIGNED
    assert shop.world.ids().count("DEVICE-STATE") == 2
    # The same once more changes nothing.
    await shop.world.fleet.change(lambda: shop.book.begin(shop.book.rules.templates[0], device))
    await shop.work()
    assert (shop.runs()[-1].state, shop.world.device(PHONE)) == (RunState.DONE, device)


async def test_metadata_against_the_rules_is_refused_as_a_whole():
    rules = setting(tenant="north", metadata={"class": "attic"})
    rule = Rule(name="r", devices=("*",), attributes=(Attribute(name="class", type="enum", values=("desk",)),))
    shop = Shop(rules=replace(rules, rules=(rule,)))
    shop.seen()
    await shop.work()
    assert (shop.run.state, shop.run.reason) == (RunState.FAILED, "r: class must be one of desk")
    assert shop.world.device(PHONE).tenant == MASTER_TENANT


async def test_a_periodic_task_comes_again_also_after_a_failure_and_keeps_little():
    every = Template(id="p", version=1, kind=Kind.PERIODIC, devices=("*",), every=100.0, steps=(look("a"),))
    shop = Shop(*[Done()] * 3, Failed("no"), *[Done()] * 3, rules=Rulebook((every,)))
    shop.seen()
    for _ in range(7):
        await shop.work()
        shop.world.clock.pass_(100)
    assert [(run.generation, run.state.value) for run in shop.runs()] == [(4, "failed"), (7, "done"), (8, "pending")]


async def test_a_later_run_waits_for_the_earlier_one_of_the_same_task():
    shop = Shop(CRM, NotYet("it"), ASSET, WROTE, CRM, ASSET, WROTE)
    shop.seen()
    await shop.work()
    second = FIRST_BOOT.run(PHONE, 2, shop.world.clock.now(), due=0.0)
    shop.world.fleet.keep(Put(shop.book.scheduled(second)))
    await shop.work()
    assert len(shop.outside.calls) == 2
    shop.world.clock.pass_(60)
    await shop.work()
    assert (len(shop.outside.calls), [run.id for run in shop.runs()]) == (7, [second.id]), "one after the other"


async def test_a_pause_lasts_from_the_step_before_whatever_happens_between():
    steps = (look("a"), WaitStep(id="rest", seconds=600.0), look("b"))
    shop = Shop(
        Done(), Done(), rules=Rulebook((Template(id="t", version=1, kind=Kind.ONETIME, devices=("*",), steps=steps),))
    )
    shop.seen()
    await shop.work()
    shop.world.clock.pass_(599)
    await shop.world.fleet.change(lambda: [Put(shop.book.retried(shop.run))])
    await shop.work()
    assert len(shop.outside.calls) == 1
    shop.world.clock.pass_(1)
    await shop.work()
    assert shop.run.state is RunState.DONE


async def test_a_request_has_the_key_of_its_run_and_step_and_values_cannot_leave_their_place():
    step = HttpStep(id="tell", server="s", method="POST", path="/d/{device.model}", body={"n": "{run.generation}"})
    shop = Shop(
        Done(), rules=Rulebook((Template(id="t", version=1, kind=Kind.ONETIME, devices=("*",), steps=(step,)),))
    )
    await shop.world.fleet.change(lambda: [Put(Device(mac=BOLT, model="../x?y"))])
    await shop.work()
    (call,) = shop.outside.calls
    assert call == HttpCall(
        server="s",
        method="POST",
        path="/d/..%2Fx%3Fy",
        key=f"t:1:{BOLT}:1:tell",
        body={"n": 1},
        what="tell record",
    )


async def test_when_the_store_takes_nothing_the_run_is_tried_again_later():
    shop = Shop(CRM, CRM, ASSET, WROTE, journal=BrokenJournal)
    shop.world.journal.broken = False
    shop.seen()
    shop.outside.meanwhile = lambda: setattr(shop.world.journal, "broken", True)
    with pytest.raises(StorageError):
        await shop.work()
    assert shop.run.state is RunState.RUNNING, "as the disk has it"
    assert shop.world.fleet.tables.steps_of(shop.run.id) == ()
    shop.outside.meanwhile = lambda: None
    shop.world.journal.broken = False
    await shop.runner.perform(shop.run.id)
    assert shop.run.state is RunState.DONE


async def test_no_more_runs_at_a_time_than_allowed_and_the_rest_follows():
    shop = Shop(*[NotYet("x")] * 20)
    shop.outside.gate = asyncio.Event()
    shop.runner.at_once = 3
    for number in range(20):
        mac = f"02aaaa0001{number:02x}"
        await shop.world.fleet.change(lambda mac=mac: [Put(Device(mac=mac))])
    shop.runner.start()
    await until(lambda: len(shop.outside.calls) == 3)
    for _ in range(50):
        await asyncio.sleep(0)
    assert (len(shop.outside.calls), shop.runner.going) == (3, 3)
    shop.outside.gate.set()
    await until(lambda: len(shop.outside.calls) == 20 and not shop.runner.going)
    await shop.runner.close()
    runs = shop.world.fleet.tables.task_runs.values()
    assert {run.state for run in runs} == {RunState.WAITING}


async def test_a_defect_in_one_run_is_told_and_harms_no_other():
    shop = Shop()

    def defect() -> None:
        raise ZeroDivisionError

    shop.outside.meanwhile = defect
    shop.seen()
    shop.runner.start()
    await until(lambda: shop.run.state is RunState.FAILED)
    await shop.runner.close()
    assert "INTERNAL-ERROR" in shop.world.ids()


async def test_a_run_that_is_cancelled_while_it_is_claimed_does_not_begin():
    shop = Shop(CRM)
    shop.seen()
    claim = shop.claims.claim

    async def cancelling(run, now):
        held = await claim(run, now)
        shop.world.fleet.keep(Put(replace(shop.run, state=RunState.CANCELLED)))
        return held

    shop.claims.claim = cancelling
    await shop.work()
    assert (shop.run.state, shop.outside.calls, shop.told()) == (RunState.CANCELLED, [], [])


async def test_a_run_that_another_daemon_has_is_looked_at_again_when_that_ones_lease_is_over():
    shop = Shop(CRM, ASSET, WROTE)
    shop.seen()
    now = shop.world.clock.now()
    theirs = replace(shop.run, state=RunState.RUNNING, owner="other", lease=now + 30, began=now)
    shop.claims.answers = [Held(theirs, (), ours=False), None]
    await shop.work()
    assert (shop.run, shop.outside.calls) == (theirs, [])
    shop.world.clock.pass_(30)
    await shop.work()
    assert shop.outside.calls == [], "somebody is just looking at it"
    shop.world.clock.pass_(5)
    await shop.work()
    assert shop.run.state is RunState.DONE


async def test_who_took_too_long_asks_anew_whether_the_run_is_still_its_own():
    shop = Shop(CRM, CRM, ASSET, WROTE)
    shop.seen()
    shop.outside.meanwhile = lambda: shop.world.clock.pass_(100 if len(shop.outside.calls) == 1 else 0)
    await shop.work()
    assert [call.statement for call in shop.outside.calls] == ["crm?", "crm?", "asset?", "w"]
    assert shop.run.state is RunState.DONE


@pytest.mark.parametrize("alone", [True, False])
async def test_a_run_whose_remaining_steps_were_removed_is_done(alone):
    shop = Shop(CRM, NotYet("the asset"))
    shop.claims.alone = alone
    shop.seen()
    await shop.work()
    assert shop.run.state is RunState.WAITING
    shop.world.ids()
    list(shop.book.change(Rulebook((replace(FIRST_BOOT, steps=FIRST_BOOT.steps[:1]),))))
    shop.world.clock.pass_(60)
    await shop.work()
    assert (shop.run.state, shop.run.step, shop.run.owner) == (RunState.DONE, "", "")
    assert shop.told() == ["TASK-DONE"]
    assert shop.world.journal.records[TaskRun, shop.run.id] == shop.run
    assert len(shop.outside.calls) == 2


async def test_an_attempt_that_was_overtaken_leaves_the_next_one_alone():
    shop = Shop(CRM, Done({"customer": "Ben", "tenant": "north"}), ASSET, WROTE)
    shop.seen()
    shop.outside.gate = asyncio.Event()
    first = asyncio.ensure_future(shop.work())
    await until(lambda: len(shop.outside.calls) == 1)
    shop.world.fleet.keep(Put(shop.book.scheduled(replace(shop.run, state=RunState.PENDING, owner="", lease=0.0))))
    second = asyncio.ensure_future(shop.work())
    await until(lambda: len(shop.outside.calls) == 2)
    shop.outside.gate.set()
    await asyncio.gather(first, second)
    assert shop.run.state is RunState.DONE
    assert shop.world.fleet.tables.metadata(PHONE).data["customer"] == "Ben"
    assert len(shop.outside.calls) == 4


async def test_what_waits_for_a_run_begins_when_that_one_is_cancelled():
    shop = Shop(NotYet("it"), CRM, ASSET, WROTE)
    shop.seen()
    await shop.work()
    second = FIRST_BOOT.run(PHONE, 2, shop.world.clock.now(), due=0.0)
    shop.world.fleet.keep(Put(shop.book.scheduled(second)))
    await shop.work()
    first = shop.runs()[0]
    shop.world.fleet.keep(Put(replace(first, state=RunState.CANCELLED)))
    shop.book.release(first)
    await shop.work()
    assert shop.states() == [RunState.DONE]
