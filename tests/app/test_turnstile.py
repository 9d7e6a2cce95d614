"""Wrong codes: who is locked out, who is not, and that neither a restart nor a clock changes that."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provd.app.codes import turnstile
from provd.app.codes.turnstile import source_of
from provd.app.dialing import Outcome
from provd.domain.lockout import Rules
from provd.domain.records import Heartbeat
from tests.app.dialing_kit import TERMS, Floor, phone
from tests.app.fakes import World

ONE, TWO = phone(1), phone(2)
HOUR = 3600.0


async def test_five_wrong_codes_lock_the_phone_for_an_hour() -> None:
    floor = Floor(ONE)
    _, digits = floor.code()
    assert await floor.guesses(ONE, 5) == ["unknown"] * 5
    locked = await floor.dials(ONE, digits)
    assert (locked.outcome, locked.text, locked.wait) == (Outcome.LOCKED, "Locked, wait 60 min", HOUR)
    assert floor.device(ONE).lines == (), "a good code is not looked at either"
    floor.clock.pass_(HOUR - 1)
    assert (await floor.dials(ONE, digits)).text == "Locked, wait 1 s"
    floor.clock.pass_(1)
    assert (await floor.dials(ONE, digits)).good
    assert f"device:{ONE.mac}" not in floor.tables.locks, "who has redeemed a code begins anew"


async def test_a_locked_phone_is_told_of_once_a_minute() -> None:
    floor = Floor(ONE)
    await floor.guesses(ONE, 5)
    for _ in range(10):
        await floor.dials(ONE, "1")
    (fact,) = floor.told("CODE-LOCKED")
    assert (fact.mac, fact.lock, fact.wait) == (ONE.mac, f"device:{ONE.mac}", 3600)  # type: ignore[attr-defined]
    floor.clock.pass_(60)
    await floor.dials(ONE, "1")
    assert len(floor.told("CODE-LOCKED")) == 2


async def test_neighbours_behind_the_same_nat_do_not_suffer() -> None:
    floor = Floor(ONE, TWO)
    _, digits = floor.code()
    await floor.guesses(ONE, 5, peer="192.0.2.1")
    await floor.guesses(None, 50, peer="192.0.2.1")
    assert (await floor.dials(None, "1", peer="192.0.2.1")).outcome is Outcome.LOCKED
    assert (await floor.dials(TWO, digits, peer="192.0.2.1")).good


async def test_who_nobody_knows_is_counted_by_address() -> None:
    floor = Floor()
    assert await floor.guesses(None, 11) == ["no-device"] * 10 + ["locked"]
    (alarm,) = floor.told("CODE-GUESSING")
    assert (alarm.lock, alarm.wrong, alarm.wait) == ("source:10.0.0.9", 10, 3600)  # type: ignore[attr-defined]
    assert (await floor.dials(None, "1", peer="10.0.0.8")).outcome is Outcome.NO_DEVICE
    assert (await floor.dials(None, "1", peer="2001:db8::1")).outcome is Outcome.NO_DEVICE


async def test_behind_a_pbx_the_phones_own_address_counts() -> None:
    floor = Floor()
    await floor.guesses(None, 10, via="rest", peer="10.0.0.2", ip="10.0.0.77")
    assert set(floor.tables.locks) == {"source:10.0.0.77", "site"}


async def test_many_invented_phones_behind_one_address_close_it_to_new_ones() -> None:
    invented = [phone(100 + number, first_seen=1_000_000.0) for number in range(12)]
    floor = Floor(*invented)
    _, digits = floor.code()
    for each in invented[:10]:
        await floor.guesses(each, 5, peer="192.0.2.1")
    (alarm,) = floor.told("CODE-GUESSING")
    assert (alarm.lock, alarm.wrong) == ("crowd:192.0.2.1", 10)  # type: ignore[attr-defined]
    assert (await floor.dials(invented[11], digits, peer="10.0.0.8")).good, "elsewhere it is one phone"


async def test_a_closed_crowd() -> None:
    floor = Floor(ONE, TWO, *(phone(100 + number) for number in range(10)), phone(200, first_seen=2_000_000.0))
    _, digits = floor.code()
    for number in range(10):
        await floor.guesses(phone(100 + number), 5, peer="192.0.2.1")
    await floor.dials(TWO, "1", peer="10.0.0.8")  # an honest mistake, made elsewhere
    floor.clock.pass_(2.0)
    newcomer = phone(200, first_seen=2_000_000.0)
    assert (await floor.dials(newcomer, digits, peer="192.0.2.1")).outcome is Outcome.LOCKED
    assert (await floor.dials(TWO, digits, peer="192.0.2.1")).outcome is Outcome.LOCKED
    assert (await floor.dials(ONE, digits, peer="192.0.2.1")).good, "it was there and made no mistake"


async def test_one_phone_that_goes_on_for_days_is_no_crowd() -> None:
    floor = Floor(ONE)
    for _ in range(48):
        await floor.dials(ONE, "1")
        floor.clock.pass_(HOUR)
    assert all(lock.wrong < 2 for lock in floor.tables.locks.values() if lock.kind == "crowd")
    assert floor.told("CODE-GUESSING") == []


async def test_too_many_wrong_codes_in_a_day_close_the_site_to_newcomers() -> None:
    late = phone(200, first_seen=2_000_000.0)
    phones = [phone(100 + number) for number in range(5)]
    floor = Floor(ONE, late, *phones, terms=replace(TERMS, rules=Rules(site_tries=20)))
    _, digits = floor.code()
    for number, each in enumerate(phones[:4]):
        await floor.guesses(each, 5, peer=f"10.0.{number}.1")
    (alarm,) = floor.told("CODE-GUESSING")
    assert (alarm.lock, alarm.wrong) == ("site", 20)  # type: ignore[attr-defined]
    assert (await floor.dials(late, digits)).outcome is Outcome.LOCKED
    assert (await floor.dials(None, digits)).outcome is Outcome.LOCKED
    assert (await floor.dials(ONE, digits)).good
    floor.clock.pass_(86400.0)
    _, digits = floor.code("n2")
    assert (await floor.dials(late, digits)).good


# --- restarts and clocks


def restarted(floor: Floor, wall: float) -> Floor:
    """The same site after a restart, when the clock shows that."""
    floor.fleet.flush(floor.clock.now())
    world = World(floor.journal)
    world.clock.time = wall
    return Floor(journal=floor.journal, world=world)


@pytest.mark.parametrize("jump", [0.0, 30.0, -50_000.0, 86400.0 * 3650, 7200.0])
async def test_a_lock_has_the_same_rest_after_a_restart_whatever_the_clock_shows(jump: float) -> None:
    floor = Floor(ONE)
    await floor.guesses(ONE, 5)
    floor.clock.pass_(600)
    floor.office.turnstile.beat()
    after = restarted(floor, floor.clock.now() + jump)
    closed = after.office.turnstile.closed(after.device(ONE), "10.0.0.9")
    assert closed is not None
    assert closed.wait == 3000.0
    again = restarted(after, after.clock.now() - 1_000_000.0)
    closed = again.office.turnstile.closed(again.device(ONE), "10.0.0.9")
    assert closed is not None
    assert closed.wait == 3000.0
    again.clock.pass_(3000.0)
    assert again.office.turnstile.closed(again.device(ONE), "10.0.0.9") is None


async def test_a_clock_that_is_set_right_while_we_run_lifts_nothing_and_expires_nothing() -> None:
    floor = Floor(ONE, TWO)
    code, digits = floor.code()
    gone, _ = floor.code("n2", expires=5.0)
    await floor.guesses(ONE, 5)
    floor.clock.pass_(10 * 86400)
    floor.office.leapt(10 * 86400)
    closed = floor.office.turnstile.closed(floor.device(ONE), "10.0.0.9")
    assert closed is not None
    assert closed.wait == HOUR
    assert floor.tables.codes[code.id].expires == code.expires + 10 * 86400
    assert floor.tables.codes[gone.id] == gone
    assert (await floor.dials(TWO, digits)).good
    after = restarted(floor, floor.clock.now())
    closed = after.office.turnstile.closed(after.device(ONE), "10.0.0.9")
    assert closed is not None
    assert closed.wait == HOUR


async def test_a_killed_daemon_has_noted_its_life_a_minute_ago_at_most() -> None:
    floor = Floor(ONE)
    await floor.guesses(ONE, 5)
    for _ in range(100):
        floor.clock.pass_(5.0)
        floor.office.turnstile.beat()
    beat = floor.tables.heartbeat("daemon")
    assert beat is not None
    assert floor.clock.now() - beat.at < 65.0
    writes = sum(isinstance(change.record, Heartbeat) for batch in floor.journal.batches for change in batch)
    assert writes < 12


def test_without_a_lock_nothing_is_written() -> None:
    floor = Floor(ONE)
    floor.journal.batches.clear()
    for _ in range(100):
        floor.clock.pass_(60.0)
        floor.office.turnstile.beat()
    assert floor.journal.batches == []


async def test_what_says_nothing_any_more_is_forgotten() -> None:
    floor = Floor(ONE)
    await floor.dials(ONE, "1")
    await floor.dials(None, "1")
    assert set(floor.tables.locks) == {f"device:{ONE.mac}", "source:10.0.0.9", "site"}
    floor.clock.pass_(HOUR)
    floor.office.turnstile.beat()
    assert set(floor.tables.locks) == {"site"}
    floor.clock.pass_(86400.0)
    floor.office.turnstile.beat()
    assert floor.tables.locks == {}
    assert not [key for kind, key in floor.journal.records if kind.__name__ == "Lock"]


async def test_a_flood_of_addresses_has_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turnstile, "MOST_ADDRESSES", 100)
    floor = Floor(terms=replace(TERMS, rules=Rules(site_tries=10**6)))
    for number in range(1000):
        floor.clock.pass_(1.0)
        await floor.dials(None, "1", peer=f"10.1.{number >> 8}.{number & 255}")
    assert len(floor.tables.locks) <= 101
    assert "source:10.1.3.231" in floor.tables.locks, "the newest one"


def test_what_an_address_counts_as() -> None:
    assert source_of("10.0.0.9") == "10.0.0.9"
    assert source_of("2001:db8:1:2:3::4") == source_of("2001:db8:1:2::9%eth0") == "2001:db8:1:2::/64"
    assert source_of("") == "unknown"
    assert source_of("pbx.example") == "pbx.example"
