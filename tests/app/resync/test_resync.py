"""The whole use case on a clock of its own: a change, the ways to the phone, its file, and a crash in between."""

import asyncio
from dataclasses import replace

import pytest

from provd.app import ownership
from provd.app.ports import Delete, Put
from provd.app.resync.agenda import ATTEMPTS
from provd.app.resyncing import Heard
from provd.base.errors import StorageError
from provd.base.secrets import Secret
from provd.domain.records import DeviceState, PendingResync
from tests.app.fakes import OTHER, PHONE, BrokenJournal, MemoryJournal, claimed, line, tenant
from tests.app.resync.site import FLOW, MASTER, SEEN, FakeWay, Site, journal, virtual


@virtual
async def test_a_phone_that_is_assigned_is_told_and_comes():
    sip = FakeWay("sip", Heard.ACCEPTED)
    async with Site(journal(), sip) as site:
        await site.assign()
        assert site.note().reason == "assign"
        assert site.journal.batches[-1] == [Put(site.device(PHONE)), Put(site.note())]
        await asyncio.sleep(1)
        assert site.told() == [("RESYNC-SENT", "sip"), ("RESYNC-ACCEPTED", "sip")]
        assert sip.told[0][1].event == "check-sync"
        site.has_fetched()
        assert site.told()[-1][0] == "RESYNC-DONE"
        assert site.note() is None
        await asyncio.sleep(10_000)
    assert len(sip.told) == 1
    assert PendingResync not in {kind for kind, _ in site.journal.records}


@virtual
async def test_a_fetch_of_the_older_file_does_not_count():
    async with Site(journal(), FakeWay("sip", Heard.ACCEPTED)) as site:
        await site.assign()
        device = site.device(PHONE)
        site.resync.fetched(device, device.revision - 1, site.clock.now())
        assert site.note() is not None


@virtual
async def test_the_file_that_is_really_served_counts():
    site = Site(journal(), FakeWay("sip", Heard.ACCEPTED))
    site.leases.held["10.0.0.9"] = PHONE
    async with site:
        await site.assign()
        reply = await site.fetch(f"/{PHONE}.cfg")
        assert reply.found
        assert site.note() is None
        assert site.facts[-1].ID == "RESYNC-DONE"


@virtual
async def test_one_way_after_the_other():
    sip, ami, web = (
        FakeWay("sip", Heard.SILENT, takes=32),
        FakeWay("ami", Heard.REFUSED),
        FakeWay("http", Heard.ACCEPTED),
    )
    async with Site(journal(), sip, ami, web) as site:
        await site.assign()
        await asyncio.sleep(40)
        assert site.told() == [
            ("RESYNC-SENT", "sip"),
            ("RESYNC-SENT", "ami"),
            ("RESYNC-SENT", "http"),
            ("RESYNC-ACCEPTED", "http"),
        ]


@virtual
async def test_nobody_answers_and_it_is_said_when_the_phone_comes():
    sip = FakeWay("sip", Heard.NO_WAY)
    async with Site(journal(), sip) as site:
        await site.assign()
        await asyncio.sleep(1)
        (fact,) = [fact for fact in site.facts if fact.ID == "RESYNC-UNANSWERED"]
        assert (fact.comes, fact.tried, fact.last) == ("within 1 min", "sip: no-way", False)
        await asyncio.sleep(100_000)
        assert len(sip.told) == ATTEMPTS
        facts = [fact for fact in site.facts if fact.ID == "RESYNC-UNANSWERED"]
        assert [fact.last for fact in facts] == [False, True]
        assert facts[1].comes == "when it is switched on and connected again: not seen since 14:03 UTC"
        assert site.note().attempts == ATTEMPTS
        site.has_fetched()
        assert site.facts[-1].ID == "RESYNC-DONE"


@virtual
async def test_a_promise_that_is_not_kept_is_followed_by_another_way():
    ami, web = FakeWay("ami", Heard.PASSED_ON), FakeWay("http", Heard.ACCEPTED)
    async with Site(journal(), ami, web) as site:
        await site.assign()
        await asyncio.sleep(30)
        assert site.told() == [("RESYNC-SENT", "ami"), ("RESYNC-SENT", "http"), ("RESYNC-ACCEPTED", "http")]


@virtual
async def test_a_phone_with_a_line_is_told_by_the_line_that_it_still_has():
    ami = FakeWay("ami", Heard.PASSED_ON)
    claimed_phone = claimed(PHONE, "n1", **SEEN, settings={"admin.password": Secret("old")})
    async with Site(MemoryJournal(MASTER, tenant(), line(), claimed_phone), ami) as site:
        await site.fleet.change(lambda: ownership.reset(site.fleet.tables, PHONE))
        await asyncio.sleep(1)
        (_, order) = ami.told[0]
        assert (order.event, order.lines, order.tenant) == ("resync", ("user-n1",), "north")
        assert order.passwords == (Secret("old"), Secret("acme"))
        assert site.note().reason == "reset"
        # Given to another one before it has come: it still has its first file.
        await site.assign()
        await asyncio.sleep(1)
        (_, order) = ami.told[1]
        assert (order.lines, order.passwords) == (("user-n1",), (Secret("old"), Secret("acme")))


@virtual
async def test_changes_that_come_together_are_one_order():
    sip = FakeWay("sip", Heard.ACCEPTED, takes=0.5)
    async with Site(journal(), sip) as site:
        await site.assign("n1")
        await site.assign("n2")
        site.resync.wanted(site.device(PHONE), "code")
        await asyncio.sleep(20)
        assert len(sip.told) == 1
        assert site.note().revision == site.device(PHONE).revision


@virtual
async def test_a_change_while_it_is_told_is_told_again():
    sip = FakeWay("sip", Heard.ACCEPTED, takes=5)
    async with Site(journal(), sip) as site:
        await site.assign("n1")
        await asyncio.sleep(1)
        await site.assign("n2")
        await asyncio.sleep(20)
        assert len(sip.told) == 2


@virtual
async def test_who_registers_is_told_at_once():
    sip = FakeWay("sip", Heard.NO_WAY, Heard.ACCEPTED)
    async with Site(journal(), sip) as site:
        await site.assign()
        await asyncio.sleep(10)
        site.resync.registered(PHONE)
        await asyncio.sleep(0.1)
        assert site.told()[-1] == ("RESYNC-ACCEPTED", "sip")
        site.resync.registered(OTHER)
        await asyncio.sleep(10)
        assert len(sip.told) == 2


@virtual
async def test_after_a_crash_the_next_run_tells_it():
    first = Site(journal(), FakeWay("sip", Heard.ACCEPTED))
    first.notes.flow_of = {f"ap{PHONE}": FLOW}.get
    await first.assign()
    # Killed here: nothing was sent. The next daemon has the disk and nothing else.
    sip = FakeWay("sip", Heard.ACCEPTED)
    async with Site(MemoryJournal(*first.journal.records.values()), sip) as site:
        await asyncio.sleep(5)
        ((_, order),) = sip.told
        assert order.flow == FLOW
        assert site.note().account == f"ap{PHONE}"
        site.has_fetched()
    async with Site(MemoryJournal(*site.journal.records.values()), sip):
        await asyncio.sleep(10_000)
    assert len(sip.told) == 1


@virtual
async def test_crash_after_crash_does_not_send_for_ever():
    records, sip = journal().records.values(), FakeWay("sip", Heard.SILENT)
    site = Site(MemoryJournal(*records), sip)
    await site.assign()
    for _ in range(ATTEMPTS + 5):
        async with Site(MemoryJournal(*site.journal.records.values()), sip) as site:
            await asyncio.sleep(5)
    assert len(sip.told) == ATTEMPTS


@virtual
async def test_what_the_disk_refuses_is_not_told():
    disk = BrokenJournal(*journal().records.values())
    sip = FakeWay("sip", Heard.ACCEPTED)
    async with Site(disk, sip) as site:
        with pytest.raises(StorageError):
            await site.assign()
        await asyncio.sleep(100)
        assert (site.note(), sip.told, site.told()) == (None, [], [])


@virtual
async def test_a_deleted_device_takes_its_note_with_it():
    sip = FakeWay("sip", Heard.NO_WAY)
    async with Site(journal(), sip) as site:
        await site.assign()
        await asyncio.sleep(1)
        await site.fleet.change(lambda: [Delete(site.device(PHONE))])
        assert site.note() is None
        await asyncio.sleep(10_000)
    assert len(sip.told) == 1


@virtual
async def test_a_phone_that_was_never_seen_is_not_told():
    sip = FakeWay("sip", Heard.NO_WAY)
    async with Site(journal(last_seen=0.0), sip) as site:
        await site.assign()
        await asyncio.sleep(100)
        assert (site.note(), sip.told) == (None, [])


@virtual
async def test_a_setting_or_a_sighting_alone_is_not_told():
    sip = FakeWay("sip", Heard.NO_WAY)
    async with Site(journal(), sip) as site:
        await site.fleet.change(lambda: [Put(replace(site.device(PHONE), settings={"locale.language": "es"}))])
        site.fleet.note(replace(site.device(PHONE), state=DeviceState.UNCLAIMED), site.clock.now())
        await asyncio.sleep(100)
        assert (site.note(), sip.told) == (None, [])


@virtual
async def test_a_vendor_whose_phones_cannot_be_told():
    sip = FakeWay("sip", Heard.ACCEPTED)
    async with Site(journal(), sip, advice=None) as site:
        await site.assign()
        await asyncio.sleep(1)
        (fact,) = [fact for fact in site.facts if fact.ID == "RESYNC-UNANSWERED"]
        assert fact.tried == "devices of this vendor cannot be told"
        assert fact.comes == "within 1 min"
        assert sip.told == []


@virtual
async def test_a_phone_that_neither_can_be_told_nor_asks_by_itself():
    async with Site(journal(), FakeWay("sip", Heard.NO_WAY), writes=("vlan",)) as site:
        await site.assign()
        await asyncio.sleep(1)
        (fact,) = [fact for fact in site.facts if fact.ID == "RESYNC-UNANSWERED"]
        assert fact.comes == "when it is restarted: it does not ask by itself"


@virtual
async def test_a_phone_that_has_been_silent_for_days_is_not_expected_within_a_minute():
    async with Site(journal(last_seen=1_000_000.0 - 3 * 86400), FakeWay("sip", Heard.NO_WAY)) as site:
        await site.assign()
        await asyncio.sleep(1)
        (fact,) = [fact for fact in site.facts if fact.ID == "RESYNC-UNANSWERED"]
        assert fact.comes == "when it is switched on and connected again: not seen since 1970-01-09 13:46 UTC"


@virtual
async def test_a_phone_that_is_here_and_does_not_come_in_time_is_to_be_restarted():
    async with Site(journal(), FakeWay("sip", Heard.NO_WAY)) as site:
        await site.assign()
        await asyncio.sleep(600)
        site.fleet.note(replace(site.device(PHONE), last_seen=site.clock.now()), site.clock.now())
        assert site.resync.comes(site.device(PHONE)) == (
            "when it is restarted: it was to ask by 14:04 UTC, and has not"
        )


@virtual
async def test_who_asks_hears_what_was_tried():
    sip, web = FakeWay("sip", Heard.NO_WAY), FakeWay("http", Heard.ACCEPTED, takes=2)
    async with Site(journal(), sip, web) as site:
        told = await site.resync.sync(site.device(PHONE))
        assert [(each.way, each.heard) for each in told] == [("sip", Heard.NO_WAY), ("http", Heard.ACCEPTED)]
        assert site.resync.comes(site.device(PHONE)) == "within 1 min"
        one, two = await asyncio.gather(*(site.resync.sync(site.device(PHONE)) for _ in range(2)))
        assert one == two


@virtual
async def test_who_asks_is_not_kept_waiting_for_ever():
    async with Site(journal(), FakeWay("sip", Heard.ACCEPTED, takes=3600)) as site:
        assert await site.resync.sync(site.device(PHONE)) == ()


@virtual
async def test_who_comes_before_it_is_told():
    sip = FakeWay("sip", Heard.ACCEPTED, takes=5)
    async with Site(journal(), sip) as site:
        asked = asyncio.create_task(site.resync.sync(site.device(PHONE)))
        await asyncio.sleep(1)
        site.has_fetched()
        assert await asked == ()
        await asyncio.sleep(100)
        assert [fact.ID for fact in site.facts if fact.ID.startswith("RESYNC")] == [
            "RESYNC-DONE",
            "RESYNC-SENT",
            "RESYNC-ACCEPTED",
        ]


@virtual
async def test_five_thousand_devices_at_a_pace():
    many = [replace(claimed(f"02aaaa{number:06x}"), tenant="master", last_seen=1.0) for number in range(5000)]
    sip = FakeWay("sip", Heard.ACCEPTED, takes=0.2)
    async with Site(MemoryJournal(MASTER, tenant(), *many), sip) as site:
        sip.called = lambda device: site.resync.fetched(device, device.revision, site.clock.now())
        campaign = await site.resync.sync_many(list(site.fleet.tables.devices.values()), 10.0)
        await asyncio.sleep(100)
        assert 990 <= len(sip.told) <= 1010
        assert 990 <= campaign.fetched == len(campaign.heard) <= 1010
        await asyncio.sleep(450)
        assert (len(sip.told), campaign.fetched, campaign.unanswered) == (5000, 5000, 0)
        assert site.resync.pending == 0


@virtual
async def test_one_person_does_not_wait_behind_five_thousand_devices():
    many = [replace(claimed(f"02aaaa{number + 9:06x}"), tenant="master", last_seen=1.0) for number in range(5000)]
    async with Site(journal(*many), FakeWay("sip", Heard.ACCEPTED)) as site:
        await site.resync.sync_many(many, 10.0)
        await asyncio.sleep(3)
        began = site.clock.now()
        assert await site.resync.sync(site.device(PHONE))
        assert site.clock.now() - began < 1


@virtual
async def test_nor_behind_a_delivery_that_is_assigned_at_once():
    many = [replace(claimed(f"02aaaa{number + 9:06x}"), tenant="master", last_seen=1.0) for number in range(500)]
    lines = [line(f"m{number}") for number in range(500)]
    sip = FakeWay("sip", Heard.SILENT, takes=32.0)
    async with Site(journal(*many, *lines), sip) as site:

        def plan():
            pairs = zip(many, lines, strict=True)
            return [put for one, own in pairs for put in ownership.assign(site.fleet.tables, one.mac, [own.id])]

        await site.fleet.change(plan)
        assert site.resync.pending == 500
        await asyncio.sleep(10)
        sip.heard, sip.takes = [Heard.ACCEPTED], 0.1
        began = site.clock.now()
        assert await site.resync.sync(site.device(PHONE))
        assert site.clock.now() - began < 1
        await site.assign()
        site.resync.wanted(site.device(PHONE), "code")
        await asyncio.sleep(1)
        assert [mac for mac, _ in sip.told].count(PHONE) == 2
