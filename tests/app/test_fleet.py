"""The fleet in memory: nothing inconsistent gets in, and memory agrees with the journal in the end."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import get_args

import pytest

from provd.app.fleet import WRITE_EVERY, Fleet
from provd.app.ports import Delete, Put
from provd.app.tables import _KEYS, Tables
from provd.base.errors import ConflictError, NotFoundError, StorageError, UsageError
from provd.base.secrets import Secret
from provd.base.types import Mac
from provd.domain.records import (
    AuditEntry,
    Code,
    Device,
    Kept,
    Level,
    Line,
    Lock,
    Profile,
    Reservation,
    StoredFact,
    Tenant,
)
from tests.app.fakes import BOLT, OTHER, PHONE, BrokenJournal, MemoryJournal, SlowJournal, claimed, group, line, tenant


def fleet_with(*records: object, journal: type[MemoryJournal] = MemoryJournal) -> tuple[Fleet, MemoryJournal]:
    kept = journal(*records)
    fleet = Fleet(kept)
    fleet.load()
    return fleet, kept


async def put(fleet: Fleet, *records: object) -> None:
    await fleet.change(lambda: [Put(record) for record in records])


def test_a_new_store_gets_the_master_tenant():
    fleet, journal = fleet_with()
    assert fleet.tables.tenant("master") is not None
    assert (Tenant, "master") in journal.records


def test_secrets_in_settings_come_back_as_secrets():
    fleet, _ = fleet_with(replace(tenant(), settings={"admin.password": "s3cret"}))
    assert fleet.tables.tenants["north"].settings == {"admin.password": Secret("s3cret")}


async def test_a_change_is_in_memory_and_in_the_journal_and_its_revision_rises():
    fleet, journal = fleet_with(tenant(), line(), claimed())
    await put(fleet, replace(fleet.tables.devices[PHONE], lines=("n1",)))
    assert fleet.tables.devices[PHONE].revision == 2
    assert journal.device(PHONE) == fleet.tables.devices[PHONE]
    assert fleet.tables.holders("n1") == (PHONE,)
    await put(fleet, replace(fleet.tables.devices[PHONE], lines=()))
    assert fleet.tables.holders("n1") == ()


async def test_a_line_is_on_as_many_devices_as_it_may_be():
    fleet, _ = fleet_with(tenant(), line("n1", max_devices=2), claimed(PHONE, "n1"), claimed(OTHER), claimed(BOLT))
    await put(fleet, replace(fleet.tables.devices[OTHER], lines=("n1",)))
    assert fleet.tables.holders("n1") == (PHONE, OTHER)
    with pytest.raises(ConflictError, match="'n1' is on 2 other devices"):
        await put(fleet, replace(fleet.tables.devices[BOLT], lines=("n1",)))
    assert fleet.tables.holders("n1") == (PHONE, OTHER)
    with pytest.raises(ConflictError, match="is on 2 devices"):
        await put(fleet, line("n1"))
    await put(fleet, replace(fleet.tables.devices[PHONE], lines=()), replace(fleet.tables.devices[BOLT], lines=("n1",)))
    assert set(fleet.tables.holders("n1")) == {OTHER, BOLT}


async def test_a_device_with_ports_holds_lines_of_several_tenants():
    fleet, _ = fleet_with(tenant(), tenant("south"), line(), line("s1", "south"), claimed(PHONE))
    await put(fleet, replace(fleet.tables.devices[PHONE], lines=("n1", "s1"), ports=(1, 4)))
    assert fleet.tables.holders("s1") == (PHONE,)
    for ports in ((1,), (2, 2)):
        with pytest.raises(ConflictError, match="a port of its own"):
            await put(fleet, replace(fleet.tables.devices[PHONE], ports=ports))


def code(name: str = "c1", owner: str = "n1", digest: str = "d1") -> Code:
    return Code(id=name, digest=digest, code=Secret("1"), line=owner, tenant="north")


async def test_codes_are_found_by_digest_and_by_line():
    fleet, _ = fleet_with(tenant(), line(), line("n2"), code())
    with pytest.raises(ConflictError, match="such a code already"):
        await put(fleet, code("c2", "n2"))
    assert fleet.tables.code_of("d1") == code()
    with pytest.raises(NotFoundError, match="no line 'n3'"):
        await put(fleet, code("c2", "n3", "d2"))
    assert fleet.tables.code_of("d2") is None
    with pytest.raises(ConflictError, match="has codes"):
        await fleet.change(lambda: [Delete(line())])
    await put(fleet, code("c1", "n2"))
    assert (fleet.tables.codes_of("n1"), fleet.tables.codes_of("n2")) == ((), (code("c1", "n2"),))
    await fleet.change(lambda: [Delete(code())])
    assert (fleet.tables.code_of("d1"), fleet.tables.codes_of("n2")) == (None, ())


async def test_the_audit_is_written_with_its_change():
    fleet, journal = fleet_with(tenant(), line())
    entry = AuditEntry(at=1.0, by="root", action="line.delete", kind="line", object="n1")
    await fleet.change(lambda: [Put(entry), Delete(line())])
    assert journal.batches[-1] == [Delete(line()), Put(entry)]
    await fleet.change(lambda: [Put(entry)])
    assert journal.batches[-1] == [Put(entry)]


async def test_what_was_seen_is_written_in_lots():
    fleet, journal = fleet_with(tenant())
    phones = [claimed(Mac(f"02aaaa{number:06x}"), last_seen=1.0) for number in range(250)]
    await fleet.change(lambda: [Put(phone) for phone in phones])
    for now in (10.0, 12.0):
        for phone in phones:
            fleet.note(replace(fleet.tables.device(phone.mac), last_seen=now), now)
    assert fleet.unwritten == 250
    before = len(journal.batches)
    for now in (12.0, 12.1, 12.2):
        fleet.flush(now, most=100)
    assert [len(batch) for batch in journal.batches[before:]] == [100, 100, 50]
    assert fleet.unwritten == 0
    assert {journal.records[Device, phone.mac].last_seen for phone in phones} == {12.0}


async def test_what_is_written_behind_is_written_again_as_it_is_then():
    fleet, journal = fleet_with(tenant(), journal=BrokenJournal)
    lock = Lock(id="site", kind="site", wrong=1)
    fleet.keep(Put(lock), Put(replace(lock, id="other")))
    fleet.keep(Put(replace(lock, wrong=2)), Delete(replace(lock, id="other")))
    journal.broken = False
    fleet.flush(1.0)
    assert [record for record in journal.records.values() if isinstance(record, Lock)] == [replace(lock, wrong=2)]
    batches = len(journal.batches)
    fleet.flush(2.0)
    assert len(journal.batches) == batches
    with pytest.raises(UsageError, match="Tenant is not written behind"):
        fleet.keep(Put(tenant()))


@pytest.mark.parametrize(
    ("change", "error", "reason"),
    [
        (Put(claimed(PHONE, tenant="nowhere")), NotFoundError, "no tenant 'nowhere'"),
        (Put(claimed(PHONE, "n9")), NotFoundError, "has no line 'n9'"),
        (Put(claimed(PHONE, "s1")), NotFoundError, "tenant 'north' has no line 's1'"),
        (Put(claimed(PHONE, "n1")), ConflictError, "line 'n1' is on another device"),
        (Put(claimed(PHONE, "n2", "n2")), ConflictError, "only once"),
        (Put(claimed(PHONE, profile="leaf-tenant")), NotFoundError, "no group profile"),
        (Put(claimed(PHONE, profile="none")), NotFoundError, "no group profile"),
        (Put(line("n9", "nowhere")), NotFoundError, "no tenant"),
        (Put(line("n1", "south")), ConflictError, "on a device of tenant 'north'"),
        (Delete(line("n1")), ConflictError, "is on device"),
        (Delete(tenant()), ConflictError, "has devices"),
        (Delete(tenant("south")), ConflictError, "has lines"),
        (Delete(Tenant(id="master", name="")), ConflictError, "cannot be deleted"),
        (Put(group("root", "leaf")), ConflictError, "inherit from itself"),
        (Put(group("root", "none")), NotFoundError, "no profile 'none'"),
        (Delete(group("root")), ConflictError, "parent of another"),
        (Delete(group("leaf")), ConflictError, "in use by devices"),
        (Put(StoredFact(fact="F", at=1.0)), UsageError, "StoredFact is not kept"),
    ],
)
async def test_what_does_not_fit_changes_nothing(change, error, reason):
    fleet, journal = fleet_with(
        tenant(),
        tenant("south"),
        line(),
        line("n2"),
        line("s1", "south"),
        group("root"),
        group("leaf", "root"),
        Profile(id="leaf-tenant", level=Level.TENANT, applies_to="north"),
        claimed(OTHER, "n1", profile="leaf"),
        claimed(PHONE),
    )
    before = (dict(fleet.tables.devices), dict(fleet.tables.lines), dict(fleet.tables.profiles), fleet.generation)
    writes = len(journal.batches)
    with pytest.raises(error, match=reason):
        await fleet.change(lambda: [change])
    after = (dict(fleet.tables.devices), dict(fleet.tables.lines), dict(fleet.tables.profiles), fleet.generation)
    assert after == before
    assert len(journal.batches) == writes
    assert fleet.tables.holders("n1") == (OTHER,)


async def test_a_line_may_move_between_devices_in_one_change():
    fleet, journal = fleet_with(tenant(), line(), claimed(PHONE, "n1"), claimed(OTHER))
    await put(fleet, claimed(OTHER, "n1"), claimed(PHONE))
    assert fleet.tables.holders("n1") == (OTHER,)
    assert len(journal.batches[-1]) == 2


async def test_a_profile_edit_bumps_numbers_and_touches_no_device():
    devices = [claimed(Mac(f"02aaaa{number:06x}"), profile="desk") for number in range(500)]
    fleet, journal = fleet_with(tenant(), group("desk"), *devices)
    generation, batches = fleet.generation, len(journal.batches)
    await put(fleet, group("desk", sip__server="new"))
    assert fleet.generation == generation + 1
    assert fleet.tables.profiles["desk"].revision == 2
    assert [len(batch) for batch in journal.batches[batches:]] == [1]
    assert all(fleet.tables.devices[device.mac] is device for device in devices)


async def test_a_record_that_takes_the_key_of_a_deleted_one_starts_above_it():
    fleet, _ = fleet_with(tenant(), replace(line(), revision=7))
    await fleet.change(lambda: [Delete(line())])
    await put(fleet, line())
    assert fleet.tables.lines["n1"].revision == 8


async def test_a_change_that_the_journal_refuses_is_taken_back():
    fleet, _ = fleet_with(tenant(), line(), claimed(), journal=BrokenJournal)
    with pytest.raises(StorageError):
        await put(fleet, claimed(PHONE, "n1"), line("n2"), replace(line(), number="12"))
    assert fleet.tables.devices[PHONE].lines == ()
    assert fleet.tables.holders("n1") == ()
    assert fleet.tables.line("n2") is None
    assert fleet.tables.lines["n1"].number == ""
    # A file may have been rendered meanwhile: the numbers go on.
    assert fleet.tables.devices[PHONE].revision == 3


async def test_a_refused_deletion_brings_the_record_back():
    fleet, _ = fleet_with(tenant(), claimed(), journal=BrokenJournal)
    with pytest.raises(StorageError):
        await fleet.change(lambda: [Delete(claimed())])
    assert fleet.tables.devices[PHONE].tenant == "north"


async def test_taking_back_keeps_what_was_seen_meanwhile():
    fleet, journal = fleet_with(tenant(), line(), claimed(), journal=SlowJournal)
    journal.fails = True
    change = asyncio.ensure_future(put(fleet, claimed(PHONE, "n1")))
    await asyncio.sleep(0)
    assert fleet.tables.devices[PHONE].lines == ("n1",)
    fleet.note(replace(fleet.tables.devices[PHONE], ip="10.0.0.7"), 100.0)
    journal.open.set()
    with pytest.raises(StorageError):
        await change
    device = fleet.tables.devices[PHONE]
    assert (device.lines, device.ip) == ((), "10.0.0.7")
    fleet.flush(101.0)
    assert journal.device(PHONE) == device


async def test_changes_wait_for_each_other():
    fleet, journal = fleet_with(tenant(), line(), claimed(PHONE), claimed(OTHER), journal=SlowJournal)
    first = asyncio.ensure_future(put(fleet, claimed(PHONE, "n1")))
    second = asyncio.ensure_future(put(fleet, claimed(OTHER, "n1")))
    await asyncio.sleep(0)
    journal.open.set()
    await first
    with pytest.raises(ConflictError, match="on another device"):
        await second


def test_a_device_that_is_merely_seen_is_written_now_and_then():
    fleet, journal = fleet_with(claimed(tenant="master"))
    start = len(journal.batches)
    for second in range(12):
        fleet.note(replace(fleet.tables.devices[PHONE], last_seen=float(1000 + second)), 1000.0 + second)
    assert len(journal.batches) - start == 3
    assert WRITE_EVERY == 5.0
    fleet.flush(1012.0)
    assert journal.device(PHONE).last_seen == 1011.0
    assert journal.device(PHONE).revision == 1
    fleet.flush(1013.0)
    assert len(journal.batches) - start == 4


def test_an_urgent_note_is_written_at_once():
    fleet, journal = fleet_with(claimed(tenant="master"))
    fleet.note(replace(fleet.tables.devices[PHONE], ip="10.0.0.1"), 1000.0)
    fleet.note(replace(fleet.tables.devices[PHONE], ip="10.0.0.2"), 1000.1, urgent=True)
    assert journal.device(PHONE).ip == "10.0.0.2"


def test_a_note_that_failed_is_written_later():
    fleet, journal = fleet_with(claimed(tenant="master"), journal=BrokenJournal)
    fleet.note(replace(fleet.tables.devices[PHONE], ip="10.0.0.1"), 1000.0)
    assert journal.device(PHONE).ip == ""
    journal.broken = False
    fleet.flush(1001.0)
    assert journal.device(PHONE).ip == "10.0.0.1"


async def test_watchers_hear_of_every_device():
    fleet, _ = fleet_with(tenant(), claimed())
    heard = []
    fleet.watch(lambda before, after: heard.append((before and before.revision, after and after.revision)))
    fleet.note(replace(fleet.tables.devices[PHONE], version="2"), 1.0)
    fleet.note(replace(fleet.tables.devices[PHONE], last_seen=2.0), 2.0)
    await fleet.change(lambda: [Delete(claimed())])
    assert heard == [(None, 1), (1, 2), (2, None)]


async def test_an_empty_plan_writes_nothing():
    fleet, journal = fleet_with()
    batches = len(journal.batches)
    await fleet.change(list)
    assert len(journal.batches) == batches


def test_reading_is_by_kind():
    fleet, _ = fleet_with(tenant(), line(), claimed(), group("desk"))
    assert isinstance(fleet.tables.device(PHONE), Device)
    assert isinstance(fleet.tables.line("n1"), Line)
    assert list(fleet.tables.profiles) == ["desk"]


async def test_a_new_line_that_was_refused_leaves_no_number_behind():
    fleet, journal = fleet_with(tenant(), journal=BrokenJournal)
    with pytest.raises(StorageError):
        await put(fleet, line("n5"))
    journal.broken = False
    await put(fleet, line("n5"))
    assert fleet.tables.lines["n5"].revision == 2


async def test_reservations_are_kept_without_revisions():
    fleet, journal = fleet_with()
    generation = fleet.generation
    await put(fleet, Reservation(id="r1", ip="10.0.0.5", mac=PHONE))
    await put(fleet, Reservation(id="r1", ip="10.0.0.6", mac=PHONE))
    assert fleet.tables.reservations["r1"].ip == "10.0.0.6"
    assert fleet.generation == generation
    again = Fleet(journal)
    again.load()
    assert list(again.tables.reservations) == ["r1"]
    await again.change(lambda: [Delete(Reservation(id="r1", ip=""))])
    assert again.tables.reservation("r1") is None


async def test_deleting_what_is_not_there_is_no_error():
    fleet, journal = fleet_with()
    await fleet.change(lambda: [Delete(line("none"))])
    assert not any(isinstance(change, Delete) for batch in journal.batches for change in batch)


def test_a_device_that_was_deleted_meanwhile_is_not_written_again():
    fleet, journal = fleet_with(claimed(tenant="master"), journal=BrokenJournal)
    fleet.note(replace(fleet.tables.devices[PHONE], ip="10.0.0.1"), 1000.0)
    fleet.tables.remove(fleet.tables.devices[PHONE])
    journal.broken = False
    fleet.flush(1001.0)
    assert journal.batches == []


def test_every_kind_that_is_kept_has_a_table_and_a_key():
    tables = Tables()
    assert set(tables._rows) == set(get_args(Kept)) == set(_KEYS)
