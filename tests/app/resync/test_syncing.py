"""``device.sync`` and its relatives, as the command line and the interface for programs call them."""

import asyncio
import json
from dataclasses import replace

import pytest

from provd.app.admin import Admin, Caller, Scope
from provd.app.ports import Delete
from provd.app.resyncing import Heard
from provd.base.errors import ConflictError, ForbiddenError, NotFoundError, UsageError
from provd.domain.records import Profile
from tests.app.fakes import OTHER, PHONE, MemoryJournal, claimed, line, tenant
from tests.app.resync.site import MASTER, SEEN, FakeWay, Site, journal, virtual

ANN = Caller(name="ann")
NORTH = Caller(name="api token 1", tenant="north", scopes=frozenset({Scope.WRITE}))
READER = Caller(name="api token 2", scopes=frozenset({Scope.READ}))


def admin_of(site, *, daemon=True):
    return Admin(
        fleet=site.fleet,
        boot=site.boot,
        clock=site.clock,
        emit=site.facts.append,
        zone=lambda _: None,
        resyncer=site.resync if daemon else None,
    )


async def call(site, name, caller=ANN, /, **params):
    result = await admin_of(site).call(name, params, caller)
    json.dumps(result)
    return result


@virtual
async def test_one_device():
    sip, web = FakeWay("sip", Heard.NO_WAY), FakeWay("http", Heard.ACCEPTED)
    async with Site(journal(), sip, web) as site:
        assert await call(site, "device.sync", mac="02:AA:AA:00:00:01") == {
            "mac": "02:aa:aa:00:00:01",
            "told": [
                {"way": "sip", "heard": "no-way", "detail": "no-way"},
                {"way": "http", "heard": "accepted", "detail": "accepted"},
            ],
            "fetched": False,
            "comes": "within 1 min",
        }
        (audited,) = [fact for fact in site.facts if fact.ID == "ADMIN-CHANGED"]
        assert (audited.action, audited.mac, audited.by) == ("device.sync", PHONE, "ann")


@virtual
async def test_who_may_and_whom():
    async with Site(journal(), FakeWay("sip", Heard.ACCEPTED)) as site:
        with pytest.raises(ForbiddenError):
            await call(site, "device.sync", READER, mac=PHONE)
        with pytest.raises(NotFoundError):
            await call(site, "device.sync", NORTH, mac=PHONE)
        with pytest.raises(NotFoundError):
            await call(site, "device.sync", mac=OTHER)
        await site.assign()
        assert await call(site, "device.sync", NORTH, mac=PHONE)


@virtual
async def test_nobody_is_told_without_a_daemon_or_before_it_was_seen():
    async with Site(journal(last_seen=0.0)) as site:
        with pytest.raises(ConflictError, match="never seen"):
            await call(site, "device.sync", mac=PHONE)
        for name, params in (("device.sync", {"mac": PHONE}), ("device.sync_many", {"all": True})):
            with pytest.raises(ConflictError, match="no daemon runs"):
                await admin_of(site, daemon=False).call(name, params, ANN)


def fleet():
    desk = Profile(id="desk")
    north = [replace(claimed(f"02aaaa0000{number:02x}", **SEEN), profile="desk") for number in range(1, 11)]
    south = [replace(claimed(f"02bbbb0000{number:02x}", **SEEN), tenant="south") for number in range(1, 6)]
    unseen = claimed("02cccc000001")
    return MemoryJournal(MASTER, tenant(), tenant("south"), line(), desk, *north, *south, unseen)


@pytest.mark.parametrize(
    ("params", "caller", "count"),
    [
        ({"all": True}, ANN, 15),
        ({"tenant": "south"}, ANN, 5),
        ({"profile": "desk"}, ANN, 10),
        ({"profile": "desk", "tenant": "north"}, ANN, 10),
        ({"all": True}, NORTH, 10),
    ],
)
def test_many_devices(params, caller, count):
    @virtual
    async def many():
        sip = FakeWay("sip", Heard.ACCEPTED)
        async with Site(fleet(), sip) as site:
            started = await call(site, "device.sync_many", caller, **params, per_second=5)
            assert (started["devices"], started["per_second"], started["told"]) == (count, 5.0, 0)
            await asyncio.sleep(10)
            assert len(sip.told) == count
            site.has_fetched(sip.told[0][0])
            progress = await call(site, "device.sync_progress", caller, campaign=started["campaign"])
            assert (progress["told"], progress["fetched"], progress["unanswered"]) == (count, 1, 0)

    many()


@virtual
async def test_nothing_named_does_not_mean_everything():
    async with Site(fleet(), FakeWay("sip", Heard.ACCEPTED)) as site:
        for params, error in (
            ({}, UsageError),
            ({"tenant": "nowhere"}, NotFoundError),
            ({"profile": "desk", "tenant": "south"}, NotFoundError),
            ({"all": True, "per_second": 0}, UsageError),
            ({"all": True, "per_second": 1001}, UsageError),
        ):
            with pytest.raises(error):
                await call(site, "device.sync_many", **params)
        with pytest.raises(NotFoundError):
            await call(site, "device.sync_many", NORTH, tenant="south")


@virtual
async def test_progress_is_its_owners():
    async with Site(fleet(), FakeWay("sip", Heard.ACCEPTED)) as site:
        whole = await call(site, "device.sync_many", all=True)
        own = await call(site, "device.sync_many", NORTH, all=True)
        with pytest.raises(NotFoundError):
            await call(site, "device.sync_progress", NORTH, campaign=whole["campaign"])
        assert await call(site, "device.sync_progress", NORTH, campaign=own["campaign"])
        for _ in range(25):
            await call(site, "device.sync_many", tenant="south")
        with pytest.raises(NotFoundError):
            await call(site, "device.sync_progress", campaign=whole["campaign"])


@virtual
async def test_a_device_that_is_deleted_meanwhile_is_not_waited_for():
    async with Site(fleet(), FakeWay("sip", Heard.ACCEPTED)) as site:
        started = await call(site, "device.sync_many", tenant="south", per_second=1)
        await asyncio.sleep(2.5)
        await site.fleet.change(lambda: [Delete(site.device("02bbbb000005"))])
        await asyncio.sleep(10)
        progress = await call(site, "device.sync_progress", campaign=started["campaign"])
        assert progress["told"] == progress["devices"] == 5


@virtual
async def test_a_campaign_that_is_overtaken_ends():
    async with Site(fleet(), FakeWay("sip", Heard.ACCEPTED)) as site:
        slow = await call(site, "device.sync_many", tenant="south", per_second=1)
        await asyncio.sleep(1.5)
        quick = await call(site, "device.sync_many", tenant="south", per_second=100)
        await asyncio.sleep(1)
        for started in (slow, quick):
            progress = await call(site, "device.sync_progress", campaign=started["campaign"])
            assert progress["told"] == progress["devices"] == 5
