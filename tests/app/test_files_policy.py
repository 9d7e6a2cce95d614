"""Who gets which file, and what a refusal looks like."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provd.app.files import UNKNOWN
from provd.app.ports import Put
from provd.app.site import Site
from provd.app.throttle import HOLD
from provd.base.secrets import Secret
from provd.base.types import Mac
from provd.domain.records import DeviceState
from provd.plugin import FileRule
from tests.app.fakes import (
    ACME,
    BOLT,
    OTHER,
    PHONE,
    DictMemory,
    MemoryJournal,
    World,
    claimed,
    context_of,
    lease,
    line,
    tenant,
)

NAT = {"peer": "198.51.100.7", "direct": False}


def two_claimed_phones(**site: object) -> World:
    world = World(
        MemoryJournal(tenant(), line("n1"), line("n2"), claimed(PHONE, "n1"), claimed(OTHER, "n2")), site=Site(**site)
    )
    world.leases.held = {"10.0.0.5": PHONE, "10.0.0.6": OTHER}
    return world


async def test_the_first_boot_of_a_phone():
    world = World()
    world.dhcp(PHONE, "10.0.0.5")
    assert world.ids() == ["DEVICE-SIGHTED", "DEVICE-IDENTIFIED", "DEVICE-STATE"]
    assert not (await world.fetch(f"/{PHONE}.boot", "10.0.0.5")).found
    assert (world.facts[0].mac, world.facts[0].boot) == (PHONE, "t1")
    common = await world.fetch("/ACME-A1.cfg", "10.0.0.5", user_agent="Acme A1/1.2.3")
    assert context_of(common)["account"] is None
    own = await world.fetch("/02-AA-AA-00-00-01.cfg", "10.0.0.5", user_agent="Acme A1/1.2.3")
    assert context_of(own)["account"]["username"] == "ap02aaaa000001"
    assert world.device(PHONE).state is DeviceState.UNCLAIMED
    assert {fact.boot for fact in world.facts if fact.mac} == {"t1"}
    assert world.ids() == ["FILE-UNKNOWN", "DEVICE-IDENTIFIED", "FILE-SERVED", "FILE-SERVED", "DEVICE-STATE"]


async def test_a_file_of_the_last_run_is_given_to_the_same_phone_only_and_only_while_nothing_has_changed():
    before, after = two_claimed_phones(), two_claimed_phones()
    memory = DictMemory()
    for world in (before, after):
        world.boot._serving.making.memory = memory
    made = await before.fetch(f"/{PHONE}.cfg", "10.0.0.5")
    await before.fetch("/acme-a1.cfg", "10.0.0.5")
    assert len(memory.kept) == 1, "only files of devices"
    # The policy is asked first, whatever is remembered.
    assert await after.fetch(f"/{PHONE}.cfg", "10.0.0.6") is UNKNOWN
    assert await after.fetch(f"/{PHONE}.cfg", "10.0.0.99") is UNKNOWN
    assert memory.asked == 0
    recalled = after.boot.ready(after.ask(f"/{PHONE}.cfg", "10.0.0.5"))
    assert recalled is not None
    assert (recalled.body, recalled.mac, recalled.private) == (made.body, PHONE, True)
    after.boot.served(after.ask(f"/{PHONE}.cfg", "10.0.0.5"), recalled)
    assert after.device(PHONE).state is DeviceState.PROVISIONED
    assert memory.asked == 1
    assert after.boot.ready(after.ask(f"/{PHONE}.cfg", "10.0.0.5")) is recalled
    assert memory.asked == 1, "from then on it is in memory"
    assert after.renderer.jobs == []
    await after.fleet.change(lambda: [Put(replace(line("n1"), password=Secret("changed")))])
    changed = await after.fetch(f"/{PHONE}.cfg", "10.0.0.5")
    assert context_of(changed)["lines"][0]["password"] == "changed"
    assert context_of(await after.fetch(f"/{OTHER}.cfg", "10.0.0.6"))["lines"][0]["username"] == "user-n2"
    assert len(memory.kept) == 3


async def test_a_claimed_phone_gets_its_lines_and_is_provisioned():
    world = two_claimed_phones()
    reply = await world.fetch(f"{PHONE}.cfg", "10.0.0.5", via="tftp")
    assert [each["username"] for each in context_of(reply)["lines"]] == ["user-n1"]
    assert reply.private
    assert world.device(PHONE).state is DeviceState.PROVISIONED
    assert world.ids() == ["DEVICE-SIGHTED", "FILE-SERVED", "DEVICE-STATE", "DEVICE-PROVISIONED"]


async def test_a_neighbours_file_looks_exactly_like_an_unknown_one():
    world = two_claimed_phones()
    await world.fetch(f"/{OTHER}.cfg", "10.0.0.6")
    world.facts.clear()
    neighbour = world.boot.ready(world.ask(f"/{OTHER}.cfg", "10.0.0.5"))
    stranger = world.boot.ready(world.ask("/02aaaa00ffff.cfg", "10.0.0.5"))
    nothing = world.boot.ready(world.ask("/no-such-name", "10.0.0.5"))
    assert neighbour is stranger is nothing is UNKNOWN
    assert await world.boot.file(world.ask(f"/{OTHER}.cfg", "10.0.0.5")) is UNKNOWN
    assert [getattr(fact, "reason", "") for fact in world.facts][:1] == ["the address is leased to another device"]
    assert world.ids() == ["FILE-REFUSED", "FILE-REFUSED", "FILE-UNKNOWN", "FILE-REFUSED"]


async def test_a_refused_request_teaches_us_nothing():
    world = two_claimed_phones()
    before = world.device(OTHER)
    await world.fetch(f"/{OTHER}.cfg", "10.0.0.5", user_agent=f"Acme A1G/9.9 {OTHER}")
    await world.fetch(f"/{OTHER}.cfg", "203.0.113.9", user_agent=f"Acme A1G/9.9 {OTHER}")
    assert world.device(OTHER) == before


async def test_no_address_proves_anything_behind_a_proxy():
    world = two_claimed_phones()
    assert not (await world.fetch(f"/{PHONE}.cfg", "10.0.0.5", direct=False)).found


async def test_two_phones_behind_one_address_are_told_apart_by_token_and_mac():
    world = two_claimed_phones()
    tokens = {mac: world.tokens.token(mac) for mac in (PHONE, OTHER)}
    mine = await world.fetch(f"/{tokens[PHONE]}/{PHONE}.cfg", **NAT, user_agent="Acme A1/1.0")
    theirs = await world.fetch(f"/{tokens[OTHER].upper()}//{OTHER}.cfg", **NAT, user_agent="Acme A1G/2.0")
    assert context_of(mine)["lines"][0]["username"] == "user-n1"
    assert context_of(theirs)["lines"][0]["username"] == "user-n2"
    assert [world.device(mac).model for mac in (PHONE, OTHER)] == ["A1", "A1G"]
    assert not (await world.fetch(f"/{tokens[PHONE]}/{OTHER}.cfg", **NAT)).found
    assert not (await world.fetch(f"/{'a' * 26}/{PHONE}.cfg", **NAT)).found
    # The token stays in the URLs, or the next request would come without it.
    assert context_of(mine)["urls"]["files"] == f"http://10.0.0.1:8667/{tokens[PHONE]}"


async def test_a_common_file_below_a_token_keeps_the_token():
    world = two_claimed_phones()
    token = world.tokens.token(PHONE)
    reply = await world.fetch(f"/provision/{token}/acme-a1.cfg", **NAT)
    assert context_of(reply)["urls"]["files"].endswith(token)
    assert reply.private
    assert reply.mac == PHONE
    bare = await world.fetch("/provision/acme-a1.cfg", **NAT)
    assert context_of(bare)["urls"]["files"] == context_of(bare)["urls"]["base"]
    assert not bare.private
    assert bare.mac is None


async def test_where_tokens_are_wanted_the_lease_gives_the_token_and_the_token_the_file():
    world = two_claimed_phones(secrets="token")
    assert not (await world.fetch(f"/{PHONE}.cfg", "10.0.0.5")).found
    common = await world.fetch("/acme-a1.cfg", "10.0.0.5")
    files = context_of(common)["urls"]["files"]
    assert files == f"http://10.0.0.1:8667/{world.tokens.token(PHONE)}"
    assert common.private
    assert (await world.fetch(f"{files.partition('8667')[2]}/{PHONE}.cfg", **NAT)).found
    assert context_of(await world.fetch("/acme-a1.cfg", "10.0.0.99"))["urls"]["files"] == "http://10.0.0.1:8667"


async def test_a_revoked_token_opens_nothing():
    world = two_claimed_phones()
    token = world.tokens.token(PHONE)
    await world.fleet.change(lambda: [Put(replace(world.device(PHONE), token_epoch=1))])
    assert not (await world.fetch(f"/{token}/{PHONE}.cfg", **NAT)).found
    assert (await world.fetch(f"/{world.tokens.token(PHONE, 1)}/{PHONE}.cfg", **NAT)).found


async def test_a_phone_that_dhcp_gave_a_token_may_use_it_before_it_is_a_device():
    world = World(site=Site(secrets="token"))
    assert (await world.fetch(f"/{world.tokens.token(PHONE)}/{PHONE}.cfg", **NAT)).found
    assert world.device(PHONE).tenant == "master"


async def test_open_gives_to_everybody_but_believes_nobody_about_a_claimed_device():
    world = two_claimed_phones(secrets="open")
    reply = await world.fetch(f"/{PHONE}.cfg", "203.0.113.9", user_agent="Acme A1G/9.9")
    assert reply.found
    assert (world.device(PHONE).model, world.device(PHONE).ip) == ("A1", "")


async def test_an_unknown_phone_must_be_plausible():
    world = World(site=Site(secrets="open"))
    assert (await world.fetch(f"/{PHONE}.cfg")).found
    assert not (await world.fetch("/0c0000000001.cfg")).found
    assert (await world.fetch("/0c0000000001.cfg", user_agent="Acme A1/1.0")).found
    assert set(world.fleet.tables.devices) == {PHONE, Mac("0c0000000001")}


async def test_an_unknown_phone_is_refused_where_nothing_is_added():
    world = World(site=Site(secrets="open", auto_add=False))
    assert not (await world.fetch(f"/{PHONE}.cfg")).found
    assert "FILE-REFUSED" in world.ids()


async def test_new_phones_count_for_their_network():
    world = World(site=Site(secrets="open"), newcomers=1)
    assert (await world.fetch("/02aaaa000001.cfg", "10.0.0.5")).found
    assert not (await world.fetch("/02aaaa000002.cfg", "10.0.0.6")).found
    assert (await world.fetch("/02aaaa000003.cfg", "10.0.1.6")).found
    assert (await world.fetch("/02aaaa000004.cfg", "2001:db8::6")).found
    assert [fact.network for fact in world.facts if fact.ID == "DEVICE-LIMIT"] == ["10.0.0.0/24"]


async def test_two_vendors_with_the_same_name_pattern():
    world = World(site=Site(secrets="open"))
    assert (await world.fetch(f"/{BOLT}.cfg")).plugin == "bolt"
    assert (await world.fetch(f"/{PHONE}.cfg")).plugin == "acme"
    assert not (await world.fetch("/0c0000000001.cfg")).found


async def test_a_vague_model_yields_to_a_precise_one_and_not_back():
    world = World()
    world.dhcp(PHONE, "10.0.0.5", "acme A1")
    world.facts.clear()
    own = await world.fetch(f"/{PHONE}.cfg", "10.0.0.5", user_agent="Acme A1G/7.5.2b")
    assert context_of(own)["model"]["name"] == "A1G"
    assert context_of(own)["firmware"] == {"version": "7.5.2b", "parts": [7, 5, 2]}
    news = [fact for fact in world.facts if fact.ID == "DEVICE-IDENTIFIED"]
    assert [(fact.was, fact.model, fact.version) for fact in news] == [("Acme A1", "A1G", "7.5.2b")]
    world.dhcp(PHONE, "10.0.0.5", "acme A1")
    await world.fetch(f"/{PHONE}.cfg", "10.0.0.5")
    assert world.device(PHONE).model == "A1G"


async def test_a_common_name_tells_the_model_of_a_lease_holder():
    world = World()
    world.dhcp(PHONE, "10.0.0.5")
    await world.fetch("acme-a1g.cfg", "10.0.0.5", via="tftp")
    assert world.device(PHONE).model == "A1G"


async def test_a_mac_in_a_user_agent_shows_an_unclaimed_phone_but_moves_no_claimed_one():
    world = two_claimed_phones()
    await world.fetch("/acme-a1g.cfg", "203.0.113.9", user_agent="Acme A1G/1.0 02aaaa00000f")
    assert world.device(Mac("02aaaa00000f")).model == "A1G"
    await world.fetch("/acme-a1g.cfg", "203.0.113.9", user_agent=f"Acme A1G/1.0 {PHONE}")
    assert world.device(PHONE).model == "A1"


async def test_a_file_without_secrets_is_given_to_anybody():
    world = two_claimed_phones()
    reply = await world.fetch(f"/{PHONE}-ring.txt", "203.0.113.9")
    assert reply.found
    assert context_of(reply)["settings"]["admin"]["password"] is None
    assert context_of(reply)["lines"] == []


async def test_a_file_without_secrets_does_not_show_the_token_either():
    world = two_claimed_phones(secrets="token")
    stranger = await world.fetch(f"/{PHONE}-ring.txt", "203.0.113.9")
    context = context_of(stranger)
    assert context["urls"]["files"] == context["urls"]["base"]
    assert context["device"]["label"] == ""
    own = await world.fetch(f"/{world.tokens.token(PHONE)}/{PHONE}-ring.txt", "203.0.113.9")
    assert context_of(own)["urls"]["files"].endswith(world.tokens.token(PHONE))


async def test_a_router_with_a_lease_is_not_taken_for_the_phones_behind_it():
    world = two_claimed_phones(secrets="token")
    router = Mac("0c0000000001")
    world.leases.held["10.0.0.50"] = router
    reply = await world.fetch("/acme-a1.cfg", "10.0.0.50", user_agent="Acme A1/1.0 02aaaa00000f")
    assert context_of(reply)["urls"]["files"] == "http://10.0.0.1:8667"
    assert world.fleet.tables.device(router) is None
    assert world.device(Mac("02aaaa00000f")).model == "A1"


async def test_a_common_file_that_claims_secrets_needs_proof():
    world = two_claimed_phones()
    secret = tuple(replace(rule, secrets=True) if rule.kind == "common" else rule for rule in ACME.files)
    world.catalogue.manifests = (replace(ACME, files=(*secret, FileRule("never.cfg", "absent"))),)
    world.catalogue.revision += 1
    assert not (await world.fetch("/acme-a1.cfg", "203.0.113.9")).found
    assert (await world.fetch("/acme-a1.cfg", "10.0.0.5")).found
    world.facts.clear()
    assert not (await world.fetch("/never.cfg", "10.0.0.5")).found
    assert [fact.reason for fact in world.facts] == ["not offered"]


async def test_a_source_that_guesses_is_closed_and_a_token_still_opens():
    world = two_claimed_phones()
    guesser = {"peer": "203.0.113.9", "direct": False}
    for number in range(20):
        await world.fetch(f"/02aaaa0001{number:02}.cfg", **guesser)
    ids = world.ids()
    assert (ids.count("FILE-REFUSED"), ids.count("FILE-THROTTLED"), len(ids)) == (11, 1, 12)
    assert (await world.fetch(f"/{world.tokens.token(PHONE)}/{PHONE}.cfg", **guesser)).found
    world.clock.pass_(HOLD + 1)
    await world.fetch("/02aaaa000199.cfg", **guesser)
    assert world.ids()[-2:] == ["FILE-REFUSED", "FILE-THROTTLED"]


async def test_a_closed_source_gets_nothing_even_where_the_policy_is_open():
    world = two_claimed_phones(secrets="open", auto_add=False)
    for number in range(12):
        await world.fetch(f"/02aaaa0001{number:02}.cfg", "203.0.113.9")
    assert not (await world.fetch(f"/{PHONE}.cfg", "203.0.113.9")).found
    assert (await world.fetch(f"/{PHONE}.cfg", "203.0.113.10")).found


async def test_a_phone_of_ours_is_slowed_down_but_never_locked_out():
    world = two_claimed_phones()
    for number in range(12):
        await world.fetch(f"/02aaaa0001{number:02}.cfg", "10.0.0.5")
    world.paused.clear()
    assert world.boot.ready(world.ask(f"/{PHONE}.cfg", "10.0.0.5")) is None
    assert (await world.fetch(f"/{PHONE}.cfg", "10.0.0.5")).found
    assert world.paused == [2.0]


async def test_silly_paths():
    world = two_claimed_phones()
    for path in ("", "/", "//", "/../..", "/" + "a" * 5000, "/" + "x/" * 3000, "/\0\n.cfg"):
        assert await world.fetch(path) is UNKNOWN
    assert all(len(fact.name) <= 128 for fact in world.facts)


@pytest.mark.parametrize("name", [f"/{PHONE}.cfg?x", f"/{PHONE}.cfgx", f"/x{PHONE}.cfg", f"/{PHONE}-local.cfg"])
async def test_names_are_matched_whole(name):
    assert not (await two_claimed_phones().fetch(name, "10.0.0.5")).found


@pytest.mark.parametrize("via", ["http", "tftp"])
async def test_who_takes_over_the_address_of_a_phone_gets_what_an_unknown_file_gets(via):
    world = two_claimed_phones()
    world.neighbours.known = {"10.0.0.5": PHONE}
    assert (await world.fetch(f"/{PHONE}.cfg", "10.0.0.5", via=via)).found
    world.neighbours.known = {"10.0.0.5": Mac("0200000000ee")}
    world.clock.pass_(10)
    world.facts.clear()
    assert await world.fetch(f"/{PHONE}.cfg", "10.0.0.5", via=via) is UNKNOWN
    (fact,) = world.facts
    assert (fact.ID, fact.mac, fact.used_by) == ("FILE-REFUSED", PHONE, "02:00:00:00:00:ee")
    assert fact.reason == "another MAC uses the address that is leased to this device"
    # Nor is it taken for the other phone, or told a token.
    assert await world.fetch(f"/{OTHER}.cfg", "10.0.0.5", via=via) is UNKNOWN
    assert world.facts[-1].reason == "the address is leased to another device"
    token = world.tokens.token(PHONE)
    assert (await world.fetch(f"/{token}/{PHONE}.cfg", "10.0.0.5", via=via)).found, "the token is proof enough"


async def test_who_has_taken_over_an_address_is_not_told_the_token_of_the_phone():
    world = two_claimed_phones(secrets="token")
    world.neighbours.known = {"10.0.0.5": PHONE}
    token = world.tokens.token(PHONE)
    common = await world.fetch("/acme-a1.cfg", "10.0.0.5", user_agent="Acme A1/1.2.3")
    assert token.encode() in common.body
    world.neighbours.known = {"10.0.0.5": Mac("0200000000ee")}
    world.clock.pass_(10)
    common = await world.fetch("/acme-a1.cfg", "10.0.0.5", user_agent="Acme A1/1.2.3")
    assert common.found
    assert token.encode() not in common.body


async def test_a_phone_that_asks_dhcp_again_is_looked_at_anew():
    world = World()
    world.dhcp(PHONE, "10.0.0.5")
    world.neighbours.known = {"10.0.0.5": PHONE}
    assert (await world.fetch(f"/{PHONE}.cfg", "10.0.0.5", user_agent="Acme A1/1.2.3")).found
    repeater = Mac("0200000000ee")
    world.neighbours.known = {"10.0.0.5": repeater}
    world.clock.pass_(10)
    assert not (await world.fetch(f"/{PHONE}.cfg", "10.0.0.5", user_agent="Acme A1/1.2.3")).found
    world.dhcp(PHONE, "10.0.0.5")
    assert (await world.fetch(f"/{PHONE}.cfg", "10.0.0.5", user_agent="Acme A1/1.2.3")).found


async def test_after_a_restart_a_renewed_lease_shows_where_the_phone_is():
    world = two_claimed_phones()
    world.neighbours.known = {"10.0.0.5": PHONE}
    world.boot.bound(lease(PHONE, "10.0.0.5"), "", world.clock.now())
    world.neighbours.known = {"10.0.0.5": Mac("0200000000ee")}
    world.clock.pass_(10)
    assert await world.fetch(f"/{PHONE}.cfg", "10.0.0.5") is UNKNOWN


async def test_behind_a_proxy_nobody_is_asked_who_has_the_address():
    world = two_claimed_phones()
    await world.fetch(f"/{PHONE}.cfg", **NAT)
    await world.fetch(f"/{PHONE}.cfg", "203.0.113.9")
    assert world.neighbours.asked == 0
