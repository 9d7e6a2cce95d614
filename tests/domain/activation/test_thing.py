import pytest

from provd.base.errors import ConflictError
from provd.domain.activation.thing import (
    Outcome,
    Thing,
    ThingState,
    disabled,
    enabled,
    reenabled,
    refusal,
    remapped,
)

NOW, DAY = 1_700_000_000.0, 86400
NEW = Thing(vendor="acme", model="m1", sn="S1")
PENDING = enabled(NEW, NOW, DAY, tenant="blue", owner="o", rid="r")


def activated(thing: Thing) -> Thing:
    from dataclasses import replace

    return replace(thing, state=ThingState.ACTIVATED, activated_at=NOW, key_hash="aa", first_used_at=NOW)


def test_the_window_is_half_open() -> None:
    assert PENDING.state_at(NOW) is ThingState.PENDING
    assert refusal(PENDING, NOW + DAY - 0.001) is None
    assert refusal(PENDING, NOW + DAY) is Outcome.EXPIRED
    assert PENDING.state_at(NOW + DAY) is ThingState.EXPIRED


def test_a_clock_that_is_behind_locks_nobody_out() -> None:
    assert refusal(PENDING, NOW - 7200) is None


@pytest.mark.parametrize(
    ("thing", "outcome"),
    [
        (NEW, Outcome.UNCLAIMED),
        (activated(PENDING), Outcome.ALREADY),
        (disabled(PENDING), Outcome.DISABLED),
    ],
)
def test_who_gets_no_key(thing: Thing, outcome: Outcome) -> None:
    assert refusal(thing, NOW) is outcome
    assert (outcome.status, outcome.won) == (409, False)


def test_statuses() -> None:
    won = {Outcome.ACTIVATED, Outcome.REISSUED, Outcome.AGAIN}
    assert {outcome for outcome in Outcome if outcome.status == 200} == won
    assert (Outcome.UNKNOWN_MODEL.status, Outcome.UNKNOWN_SERIAL.status) == (403, 404)
    rest = set(Outcome) - won - {Outcome.UNKNOWN_MODEL, Outcome.UNKNOWN_SERIAL}
    assert {outcome.status for outcome in rest} == {409}


@pytest.mark.parametrize("before", [PENDING, activated(PENDING), disabled(activated(PENDING))])
def test_re_enabling_opens_a_full_window_and_ends_the_key(before: Thing) -> None:
    again = reenabled(before, NOW + 5, DAY)
    assert (again.state, again.generation, again.key_hash) == (ThingState.PENDING, 2, "")
    assert (again.enabled_at, again.enabled_until) == (NOW + 5, NOW + 5 + DAY)
    assert (again.activated_at, again.first_used_at, again.tenant, again.rid) == (0, 0, "blue", "r")


def test_disabling_ends_the_key() -> None:
    assert disabled(activated(PENDING)).key_hash == ""
    assert disabled(disabled(PENDING)).state is ThingState.DISABLED


def test_what_nobody_has_is_neither_re_enabled_nor_disabled_nor_replaced() -> None:
    for change in (
        lambda: reenabled(NEW, NOW, DAY),
        lambda: disabled(NEW),
        lambda: remapped(NEW, Thing(vendor="acme", model="m1", sn="S2"), NOW, DAY),
        lambda: remapped(PENDING, PENDING, NOW, DAY),
        lambda: enabled(PENDING, NOW, DAY, tenant="red", owner="", rid=""),
    ):
        with pytest.raises(ConflictError):
            change()


def test_a_replacement_is_what_the_old_one_was() -> None:
    gone, fresh = remapped(activated(PENDING), Thing(vendor="acme", model="m1", sn="S2"), NOW + 9, DAY)
    assert (gone.sn, gone.state, gone.key_hash, gone.tenant) == ("S1", ThingState.UNCLAIMED, "", "")
    assert (fresh.sn, fresh.state, fresh.rid, fresh.tenant) == ("S2", ThingState.PENDING, "r", "blue")
