"""Rendering on request, caching by revision, statics, and what is left when a template fails."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import replace

import pytest

from provd.app.files import UNKNOWN
from provd.app.making import RETRY
from provd.app.ports import Delete, Put, RenderJob
from provd.app.site import Site
from provd.base.types import Mac
from provd.domain.records import DeviceState, Level, Profile
from provd.plugin import FileRule
from tests.app.fakes import (
    ACME,
    OTHER,
    PHONE,
    BrokenJournal,
    DictMemory,
    FakeBuckets,
    FakeRenderer,
    MemoryJournal,
    World,
    claimed,
    context_of,
    group,
    line,
    tenant,
)
from tests.kit.patience import PATIENCE


def open_world(*records: object, journal: type[MemoryJournal] = MemoryJournal) -> World:
    base = (tenant(), line("n1"), line("n2"), claimed(PHONE, "n1", profile="desk"), claimed(OTHER, "n2"))
    return World(journal(*base, group("desk", "root"), group("root"), *records), site=Site(secrets="open"))


def rendered(world: World) -> list[str]:
    """Whose files were rendered since the last call."""
    whose = [job.context["device"]["mac"] or job.context["model"]["name"] for job in world.renderer.jobs]
    world.renderer.jobs.clear()
    return whose


async def fetch_all(world: World) -> list[str]:
    for path in (f"/{PHONE}.cfg", f"/{OTHER}.cfg", "/acme-a1.cfg"):
        assert (await world.fetch(path)).found
    return rendered(world)


async def test_a_file_is_rendered_once_and_kept():
    world = open_world()
    assert await fetch_all(world) == [PHONE, OTHER, "A1"]
    assert await fetch_all(world) == []
    first = world.boot.ready(world.ask(f"/{PHONE}.cfg"))
    assert first is world.boot.ready(world.ask(f"/{PHONE}.cfg"))


async def test_a_renderer_that_takes_no_job_keeps_nobody_waiting_for_the_next_one():
    world = open_world()
    making, renderer = world.boot._serving.making, world.renderer

    class Defect(FakeRenderer):
        def render(self, job: RenderJob) -> Awaitable[bytes]:  # type: ignore[override]
            raise TypeError(job.plugin)

    making.renderer = Defect()
    with pytest.raises(TypeError):
        await world.fetch(f"/{PHONE}.cfg")
    making.renderer = renderer
    async with asyncio.timeout(PATIENCE):
        assert (await world.fetch(f"/{PHONE}.cfg")).found


async def test_a_change_renders_what_it_concerns_and_nothing_else():
    world = open_world()
    await fetch_all(world)

    async def after(*records: object) -> list[str]:
        await world.fleet.change(lambda: [Put(record) for record in records])
        return await fetch_all(world)

    assert await after(group("desk", "root", sip__server="a")) == [PHONE]
    assert await after(group("root", sip__port=5061)) == [PHONE]
    assert await after(replace(line("n2"), number="12")) == [OTHER]
    assert await after(replace(tenant(), name="Far North")) == [PHONE, OTHER]
    assert await after(tenant("south")) == []
    assert await after(replace(world.device(OTHER), description="Reception")) == [OTHER]
    assert await after(Profile(id="all", level=Level.SITE, settings={"ntp.server": "t"})) == [PHONE, OTHER, "A1"]
    assert await after(Profile(id="v", level=Level.VENDOR, applies_to="acme")) == [PHONE, OTHER, "A1"]
    assert await after(Profile(id="m", level=Level.MODEL, applies_to="Acme/A1G")) == []
    assert await after(Profile(id="t", level=Level.TENANT, applies_to="north")) == [PHONE, OTHER]
    await world.fleet.change(lambda: [Delete(Profile(id="t"))])
    assert await fetch_all(world) == [PHONE, OTHER]
    world.catalogue.revision += 1
    assert await fetch_all(world) == [PHONE, OTHER, "A1"]


async def test_an_edit_of_a_shared_profile_costs_the_same_for_many_devices():
    many = [claimed(Mac(f"02aaaa1{number:05x}"), profile="desk") for number in range(300)]
    world = open_world(*many)
    writes = len(world.journal.batches)
    await world.fleet.change(lambda: [Put(group("desk", sip__server="x"))])
    assert [len(batch) for batch in world.journal.batches[writes:]] == [1]
    assert rendered(world) == []


async def test_being_served_and_seen_does_not_change_the_bytes():
    world = World()
    world.dhcp(PHONE, "10.0.0.5")
    first = await world.fetch(f"/{PHONE}.cfg", "10.0.0.5")
    assert world.device(PHONE).state is DeviceState.UNCLAIMED
    world.clock.pass_(3600)
    second = await world.fetch(f"/{PHONE}.cfg", "10.0.0.5")
    assert (first.body, first.etag) == (second.body, second.etag)
    assert len(world.renderer.jobs) == 1
    assert first.boot != second.boot


async def test_many_who_ask_at_once_wait_for_one_render_and_may_hang_up():
    world = open_world()
    world.renderer.gate = asyncio.Event()
    asking = [asyncio.ensure_future(world.boot.file(world.ask(f"/{PHONE}.cfg"))) for _ in range(5)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    asking[0].cancel()
    world.renderer.gate.set()
    replies = await asyncio.gather(*asking[1:])
    assert {reply.found for reply in replies} == {True}
    assert rendered(world) == [PHONE]


async def test_phones_of_one_model_wait_for_the_same_common_file_and_keep_their_own_boot():
    world = World()
    for number, mac in ((5, PHONE), (6, OTHER)):
        world.dhcp(mac, f"10.0.0.{number}", "acme A1")
    world.renderer.gate = asyncio.Event()
    asking = [asyncio.ensure_future(world.boot.file(world.ask("acme-a1.cfg", f"10.0.0.{last}"))) for last in (5, 6)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    world.renderer.gate.set()
    replies = await asyncio.gather(*asking)
    assert [(reply.mac, reply.boot) for reply in replies] == [(PHONE, "t1"), (OTHER, "t2")]
    assert len(world.renderer.jobs) == 1
    assert (await world.fetch("acme-a1.cfg", "10.0.0.5")).mac == PHONE


async def test_what_changes_during_a_render_is_rendered_again():
    world = open_world()
    world.renderer.gate = asyncio.Event()
    asking = asyncio.ensure_future(world.boot.file(world.ask(f"/{PHONE}.cfg")))
    await asyncio.sleep(0)
    await world.fleet.change(lambda: [Put(replace(line("n1"), number="77"))])
    world.renderer.gate.set()
    assert context_of(await asking)["lines"][0]["number"] == ""
    assert context_of(await world.fetch(f"/{PHONE}.cfg"))["lines"][0]["number"] == "77"


async def test_a_file_from_before_an_assignment_provisions_nobody():
    world = open_world()
    request = world.ask(f"/{PHONE}.cfg")
    old = await world.boot.file(request)
    await world.fleet.change(lambda: [Put(line("n3")), Put(replace(world.device(PHONE), lines=("n1", "n3")))])
    world.boot.served(request, old)
    assert world.device(PHONE).state is DeviceState.ASSIGNED
    await world.fetch(f"/{PHONE}.cfg")
    assert world.device(PHONE).state is DeviceState.PROVISIONED


async def test_a_failing_template_leaves_the_last_good_file():
    world = open_world()
    good = await world.fetch(f"/{PHONE}.cfg")
    world.renderer.fails = True
    await world.fleet.change(lambda: [Put(replace(line("n1"), number="77"))])
    world.facts.clear()
    bad = await world.fetch(f"/{PHONE}.cfg")
    assert bad.body == good.body
    failure = world.facts[0]
    assert (failure.ID, failure.last_good, failure.mac) == ("RENDER-FAILED", True, PHONE)
    # Not for each of five thousand phones again and again.
    await world.fetch(f"/{PHONE}.cfg")
    assert len(world.renderer.jobs) == 2
    world.renderer.fails = False
    world.clock.pass_(RETRY + 1)
    assert context_of(await world.fetch(f"/{PHONE}.cfg"))["lines"][0]["number"] == "77"


@pytest.mark.parametrize(
    ("records", "reason"),
    [((tenant(),), "line 'n1' is not among the records"), ((line("n1"),), "tenant 'north' is not among the records")],
)
async def test_no_file_takes_the_account_of_a_line_that_could_not_be_read(records, reason):
    world = World(MemoryJournal(*records, claimed(PHONE, "n1")), site=Site(secrets="open"))
    for _ in range(2):
        assert await world.fetch(f"/{PHONE}.cfg") is UNKNOWN, "the phone keeps what it has"
    assert [(fact.mac, fact.reason) for fact in world.facts if fact.ID == "RENDER-FAILED"] == [(PHONE, reason)]
    assert world.renderer.jobs == []
    assert (await world.fetch("/acme-a1.cfg")).found
    await world.fleet.change(lambda: [Put(tenant()), Put(line("n1"))])
    assert context_of(await world.fetch(f"/{PHONE}.cfg"))["lines"][0]["username"] == "user-n1"


async def test_the_last_good_file_of_a_former_owner_is_never_given():
    world = open_world(tenant("south"), line("s1", "south"))
    await world.fetch(f"/{PHONE}.cfg")
    world.renderer.fails = True
    moved = replace(world.device(PHONE), tenant="south", lines=("s1",), profile="")
    await world.fleet.change(lambda: [Put(moved)])
    assert await world.fetch(f"/{PHONE}.cfg") is UNKNOWN
    assert world.facts[-1].last_good is False


async def test_static_files_come_with_a_strong_tag_and_a_missing_one_is_told():
    world = open_world()
    assert not (await world.fetch("/acme.rom")).found
    assert world.ids()[-1] == "RENDER-FAILED"
    world.catalogue.statics["acme", "acme.rom"] = b"\x00" * 1000
    first, second = await world.fetch("/firmware/ACME.ROM"), await world.fetch("/acme.rom")
    assert first.large
    assert not first.private
    assert first.etag == second.etag
    world.catalogue.statics["acme", "acme.rom"] = b"\x01" * 1000
    world.clock.pass_(1.0)
    assert (await world.fetch("/acme.rom")).etag != first.etag


async def test_phones_that_ask_for_firmware_together_have_it_read_once():
    world = open_world()
    body = b"\x00" * 1000
    world.catalogue.statics["acme", "acme.rom"] = body
    replies = await asyncio.gather(*(world.boot.file(world.ask("/acme.rom")) for _ in range(20)))
    assert {id(reply.body) for reply in replies} == {id(body)}
    assert world.catalogue.looked == ["acme.rom"]
    assert len({reply.etag for reply in replies}) == 1


async def test_firmware_beside_a_plugin_is_found_by_its_name():
    world = open_world()
    assert not (await world.fetch("/bolt-9.1.rom")).found
    assert world.ids() == ["FILE-UNKNOWN"]
    world.catalogue.statics["bolt", "bolt-9.1.rom"] = b"\x7f" * 10
    reply = await world.fetch("/any/folder/bolt-9.1.rom")
    assert (reply.large, reply.private, reply.content_type) == (True, False, "application/octet-stream")
    assert world.ids() == ["FILE-SERVED"]


class _Image(bytes):
    """Never compared octet by octet: with a large one that would keep everybody waiting."""

    __slots__ = ()
    __hash__ = bytes.__hash__

    def __eq__(self, other: object) -> bool:
        raise AssertionError("compared")


async def test_an_image_that_was_read_anew_is_not_compared_with_the_one_before():
    world = open_world()
    replies = []
    for _ in range(2):
        world.catalogue.statics["acme", "acme.rom"] = _Image(1000)
        world.clock.pass_(1.0)
        replies.append(await world.fetch("/acme.rom"))
    assert replies[0].etag == replies[1].etag
    assert replies[0].body is not replies[1].body


async def test_of_two_files_of_one_name_a_phone_gets_that_of_its_own_plugin():
    world = open_world()
    world.catalogue.statics |= {("acme", "fw.rom"): b"acme", ("bolt", "fw.rom"): b"bolt"}
    assert (await world.fetch("/fw.rom")).body == b"acme"
    assert (await world.fetch("/fw.rom", user_agent="Bolt B9")).body == b"bolt"
    # Over TFTP there is no User-Agent, but a lease.
    world.dhcp(Mac("02bbbb000001"), "10.0.0.5", "bolt")
    assert (await world.fetch("/fw.rom", "10.0.0.5", via="tftp")).body == b"bolt"
    assert (await world.fetch("/fw.rom", "10.0.0.6")).body == b"acme"


async def test_firmware_for_a_phone_of_ours_is_told_in_its_timeline():
    world = World()
    world.dhcp(PHONE, "10.0.0.5")
    world.catalogue.statics["acme", "new.rom"] = b"x"
    reply = await world.fetch("/new.rom", "10.0.0.5")
    assert (reply.mac, reply.boot) == (PHONE, "t1")
    assert world.device(PHONE).state is DeviceState.IDENTIFIED


async def test_few_static_files_are_held_in_memory():
    world = open_world()
    rules = tuple(FileRule(f"rom-{number}", "static", f"rom-{number}", secrets=False) for number in range(10))
    world.catalogue.manifests = (replace(ACME, files=rules),)
    world.catalogue.revision += 1
    for number in range(10):
        world.catalogue.statics["acme", f"rom-{number}"] = bytes([number])
        assert (await world.fetch(f"/rom-{number}")).body == bytes([number])
    assert len(world.boot._serving._statics) == 8
    world.boot.let_go()
    assert len(world.boot._serving._statics) == 0
    assert (await world.fetch("/rom-3")).found


async def test_tags_are_keyed():
    one, two = open_world(), open_world()
    assert (await one.fetch(f"/{PHONE}.cfg")).etag != (await two.fetch(f"/{PHONE}.cfg")).etag


async def test_a_new_site_forgets_every_file():
    world = open_world()
    await fetch_all(world)
    world.boot.reconfigure(Site(secrets="open", advertise="new.example"), FakeBuckets(5))
    assert context_of(await world.fetch(f"/{PHONE}.cfg"))["urls"]["host"] == "new.example"


async def test_each_address_of_ours_has_its_own_urls():
    world = open_world()
    for local in ("10.0.0.1", "10.1.0.1", "10.0.0.1"):
        reply = await world.fetch(f"/{PHONE}.cfg", local=local)
        assert context_of(reply)["urls"]["base"] == f"http://{local}:8667"
    assert len(world.renderer.jobs) == 2


async def test_a_disabled_tenants_phone_stays_claimed_without_accounts():
    world = open_world()
    await world.fleet.change(lambda: [Put(replace(tenant(), enabled=False))])
    context = context_of(await world.fetch(f"/{PHONE}.cfg"))
    assert (context["claimed"], context["lines"], context["account"]) == (True, [], None)


async def test_a_broken_journal_keeps_phones_working():
    world = World(BrokenJournal(), site=Site(secrets="open"))
    assert (await world.fetch(f"/{PHONE}.cfg")).found
    assert world.device(PHONE).state is DeviceState.UNCLAIMED
    world.journal.broken = False
    world.fleet.flush(world.clock.now())
    assert world.journal.device(PHONE).state is DeviceState.UNCLAIMED


async def test_devices_that_are_silent_for_long_are_stale_and_come_back():
    world = World(site=Site(secrets="open", stale_after=100.0))
    await world.fetch(f"/{PHONE}.cfg")
    world.clock.pass_(101)
    assert world.boot.age(world.clock.now()) == 1
    assert world.boot.age(world.clock.now()) == 0
    assert world.device(PHONE).state is DeviceState.STALE
    world.dhcp(PHONE, "10.0.0.5")
    assert world.device(PHONE).state is DeviceState.IDENTIFIED


def test_nothing_is_told_of_an_unknown_file_that_was_delivered():
    world = World()
    world.boot.served(world.ask("/x"), UNKNOWN)
    assert world.ids() == []


async def test_an_unchanged_file_counts_as_served():
    world = open_world()
    request = world.ask(f"/{PHONE}.cfg")
    world.boot.served(request, await world.boot.file(request), unchanged=True)
    served = [fact for fact in world.facts if fact.ID == "FILE-SERVED"]
    assert [(fact.unchanged, fact.name, fact.kind) for fact in served] == [(True, f"{PHONE}.cfg", "device")]
    assert world.device(PHONE).state is DeviceState.PROVISIONED


async def test_a_file_like_others_is_made_at_once_under_the_same_rules():
    world = open_world()
    memory = world.boot._serving.making.memory = DictMemory()
    world.renderer.knows = True
    reply = world.boot.ready(world.ask(f"/{PHONE}.cfg"))
    assert reply is not None
    assert context_of(reply)["lines"][0]["username"] == "user-n1"
    assert rendered(world) == []
    assert len(memory.kept) == 1
    assert memory.asked == 0
    assert world.boot.ready(world.ask(f"/{PHONE}.cfg")) is reply
    await world.fleet.change(lambda: [Put(group("desk", "root", **{"ntp.server": "10.9.9.9"}))])
    changed = world.boot.ready(world.ask(f"/{PHONE}.cfg"))
    assert changed is not None
    assert context_of(changed)["settings"]["ntp"]["server"] == "10.9.9.9"


async def test_what_a_file_is_made_from_is_read_again_where_others_went_first():
    world = open_world()
    request = world.ask(f"/{PHONE}.cfg")
    assert world.boot.ready(request) is None
    await world.fleet.change(lambda: [Put(group("desk", "root", **{"ntp.server": "10.9.9.9"}))])
    assert context_of(await world.boot.file(request))["settings"]["ntp"]["server"] == "10.9.9.9"


async def test_a_phone_handed_over_where_others_went_first_gets_nothing_of_its_former_owner():
    world = open_world(line("n3"))
    request = world.ask(f"/{PHONE}.cfg")
    assert world.boot.ready(request) is None
    await world.fleet.change(lambda: [Put(replace(world.device(PHONE), lines=("n3",), token_epoch=1))])
    assert [each["username"] for each in context_of(await world.boot.file(request))["lines"]] == ["user-n3"]


async def test_a_phone_deleted_where_others_went_first_gets_no_accounts():
    world = open_world()
    request = world.ask(f"/{PHONE}.cfg")
    assert world.boot.ready(request) is None
    await world.fleet.change(lambda: [Delete(world.device(PHONE))])
    reply = await world.boot.file(request)
    assert not reply.found or context_of(reply)["lines"] == []


async def test_only_devices_without_settings_of_their_own_are_alike():
    world = open_world()
    device = world.device(PHONE)
    await world.fetch(f"/{PHONE}.cfg")
    await world.fleet.change(lambda: [Put(replace(device, settings={"ntp.server": "10.9.9.9"}))])
    await world.fetch(f"/{PHONE}.cfg")
    await world.fetch("/acme-a1.cfg")
    assert [job.alike for job in world.renderer.jobs] == [True, False, True]
