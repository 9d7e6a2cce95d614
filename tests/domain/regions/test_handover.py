"""Each decision of a hand-over by itself."""

from __future__ import annotations

import pytest

from provd.base.errors import WireError
from provd.domain.regions import handover, speech
from provd.domain.regions.codes import Code
from provd.domain.regions.handover import Turn
from provd.domain.regions.home import MOVABLE, Home, HomeState, Kind, Tombstone, pause
from provd.domain.regions.speech import Heard, Said

NOW = 1_700_000_000.0


def at(state: HomeState, **more: object) -> Home:
    return Home(device_id="d", key_hash="k", state=state, **more)  # type: ignore[arg-type]


def leaving(**more: object) -> Home:
    found = handover.begun(at(HomeState.REG, epoch=3), "eu", "t1", NOW).home
    assert found is not None
    return Home(**{name: getattr(found, name) for name in Home.__slots__} | more)


def said(kind: Kind, **more: object) -> Said:
    device = speech.facts_of(at(HomeState.REG)) if kind is Kind.REGISTER else {}
    return Said(**{"kind": kind, "transfer": "t1", "device_id": "d", "epoch": 4, "device": device} | more)  # type: ignore[arg-type]


@pytest.mark.parametrize("state", sorted(MOVABLE))
def test_a_hand_over_has_a_new_epoch_and_is_told(state: HomeState) -> None:
    turn = handover.begun(at(state, epoch=3), "eu", "t1", NOW)
    assert turn.home is not None
    assert (turn.home.state, turn.home.epoch, turn.home.region, turn.home.rest) == ("REHOMING", 4, "eu", state.value)
    (out,) = turn.say
    assert (out.id, out.peer, out.kind, out.epoch, out.due) == ("t1", "eu", "register", 4, NOW)
    assert turn.home.served, "until the region has agreed"


def test_the_owner_serves_until_the_region_has_agreed_and_no_longer() -> None:
    home = leaving()
    (out,) = handover.begun(at(HomeState.REG, epoch=3), "eu", "t1", NOW).say
    agreed = handover.answered(home, out, speech.ACCEPTED, NOW, "t2")
    assert agreed is not None
    assert agreed.home is not None
    assert not agreed.home.served
    (release,) = agreed.say
    assert (release.id, release.kind) == ("t1", "release")
    told = handover.answered(agreed.home, release, speech.RELEASED, NOW, "t2")
    assert told is not None
    assert told.home is not None
    assert (told.home.state, told.hush, told.say) == (HomeState.REGIONAL, ("t1",), ())
    assert not told.home.served


@pytest.mark.parametrize(
    ("rest", "then"),
    [("REG", "QRY_FAIL"), ("GLOBAL", "QRY_FAIL"), ("PROVISIONED", "PROVISIONED"), ("ACTIVE", "ACTIVE")],
)
def test_who_is_refused_stays_what_he_was(rest: str, then: str) -> None:
    home = leaving(rest=rest)
    (out,) = handover.withdrawing(home, "", NOW).say
    turn = handover.answered(home, out, speech.WITHDRAWN, NOW, "t2")
    assert turn is not None
    assert turn.home is not None
    assert (turn.home.state, turn.home.epoch, turn.home.transfer, turn.home.served) == (then, 4, "", True)


def test_a_refusal_gives_its_reason_and_where_it_was() -> None:
    (out,) = handover.begun(at(HomeState.REG, epoch=3), "eu", "t1", NOW).say
    turn = handover.answered(leaving(), out, speech.refused(Code.EXISTS, "no"), NOW, "t2")
    assert turn is not None
    assert turn.home is not None
    assert (turn.home.state, turn.home.reason, turn.home.region) == ("QRY_FAIL", "13020: no", "eu")


def test_what_is_taken_back_may_go_elsewhere_at_once() -> None:
    home = leaving()
    (out,) = handover.withdrawing(home, "us", NOW).say
    turn = handover.answered(home, out, speech.WITHDRAWN, NOW, "t2")
    assert turn is not None
    assert turn.home is not None
    assert (turn.home.state, turn.home.region, turn.home.epoch, turn.hush) == ("REHOMING", "us", 5, ("t1",))
    assert [(each.id, each.peer) for each in turn.say] == [("t2", "us")]


def test_too_late_to_take_back_is_gone() -> None:
    home = leaving(source="first")
    (out,) = handover.withdrawing(home, "us", NOW).say
    turn = handover.answered(home, out, speech.PROVISIONED, NOW, "t2")
    assert turn is not None
    assert turn.ended
    assert turn.tombstone == Tombstone(device_id="d", region="eu", epoch=4, source="first", at=NOW)
    assert [(each.kind, each.peer, each.body) for each in turn.say] == [("moved", "first", {"region": "eu"})]


def test_an_answer_that_fits_nothing_is_asked_for_again() -> None:
    (out,) = handover.begun(at(HomeState.REG, epoch=3), "eu", "t1", NOW).say
    assert handover.answered(leaving(), out, Heard(result="perhaps"), NOW, "t2") is None


def test_a_region_takes_only_a_higher_epoch() -> None:
    taken, heard = handover.register_heard(None, None, said(Kind.REGISTER), "world", NOW)
    assert heard is speech.ACCEPTED
    assert taken is not None
    assert (taken.state, taken.epoch, taken.source, taken.served) == ("PROV_PEN", 4, "world", False)
    again = handover.register_heard(taken, None, said(Kind.REGISTER), "world", NOW)
    assert again == (None, speech.ACCEPTED), "the same once more"
    for epoch in (3, 4):
        other = said(Kind.REGISTER, transfer="t9", epoch=epoch)
        changed, heard = handover.register_heard(taken, None, other, "world", NOW)
        assert heard is not None
        assert (changed, heard.error) == (None, Code.EXISTS)
    stone = Tombstone(device_id="d", region="us", epoch=7)
    changed, heard = handover.register_heard(None, stone, said(Kind.REGISTER, epoch=7), "world", NOW)
    assert heard is not None
    assert heard.result == "refused", "an epoch never comes back"


def test_a_refusal_is_for_ever_and_so_is_not_given_to_what_will_pass() -> None:
    assert handover.register_heard(leaving(), None, said(Kind.REGISTER, transfer="t9", epoch=9), "x", NOW) == (
        None,
        None,
    )


def test_a_device_of_nobody_is_no_device() -> None:
    with pytest.raises(WireError):
        handover.register_heard(None, None, said(Kind.REGISTER, transfer=""), "world", NOW)
    with pytest.raises(WireError):
        handover.register_heard(None, None, said(Kind.REGISTER, device={"vin": 7}), "world", NOW)


def test_release() -> None:
    pending = at(HomeState.PROV_PEN, transfer="t1", epoch=4)
    changed, heard = handover.release_heard(pending, None, said(Kind.RELEASE))
    assert heard is speech.RELEASED
    assert changed is not None
    assert changed.agreed
    assert handover.release_heard(changed, None, said(Kind.RELEASE)) == (None, speech.RELEASED)
    here = at(HomeState.ACTIVE, transfer="t1", epoch=4)
    assert handover.release_heard(here, None, said(Kind.RELEASE)) == (None, speech.PROVISIONED)
    assert handover.release_heard(None, None, said(Kind.RELEASE)) == (None, speech.UNKNOWN)
    further = Tombstone(device_id="d", region="us", epoch=5)
    assert handover.release_heard(None, further, said(Kind.RELEASE)) == (None, speech.PROVISIONED), "it had come"


def test_withdraw() -> None:
    pending = at(HomeState.PROV_PEN, transfer="t1", epoch=4)
    turn = handover.withdraw_heard(pending, None, said(Kind.WITHDRAW), "world", NOW)
    assert isinstance(turn, Turn)
    assert (turn.home, turn.ended) == (None, True)
    assert turn.tombstone is not None
    assert (turn.tombstone.region, turn.tombstone.epoch) == ("world", 4)
    never = handover.withdraw_heard(None, None, said(Kind.WITHDRAW), "world", NOW)
    assert isinstance(never, Turn)
    late = handover.register_heard(None, never.tombstone, said(Kind.REGISTER), "world", NOW)[1]
    assert late is not None
    assert late.result == "refused", "what was withdrawn before it came is not accepted when it comes"
    here = at(HomeState.PROVISIONED, transfer="t1", epoch=4)
    assert handover.withdraw_heard(here, None, said(Kind.WITHDRAW), "world", NOW) is speech.PROVISIONED
    further = Tombstone(device_id="d", region="us", epoch=5)
    assert handover.withdraw_heard(None, further, said(Kind.WITHDRAW), "world", NOW) is speech.PROVISIONED


def test_only_the_region_itself_can_say_that_it_has_the_device() -> None:
    told = handover.provisioned_heard(leaving(), None, said(Kind.PROVISIONED), "eu", NOW)
    assert isinstance(told, Turn)
    for claim, sender in (
        (said(Kind.PROVISIONED), "us"),
        (said(Kind.PROVISIONED, epoch=9), "eu"),
        (said(Kind.PROVISIONED, transfer="t9"), "eu"),
    ):
        heard = handover.provisioned_heard(leaving(), None, claim, sender, NOW)
        assert isinstance(heard, Heard)
        assert heard.result == "refused"
    stone = Tombstone(device_id="d", region="eu", epoch=4)
    assert handover.provisioned_heard(None, stone, said(Kind.PROVISIONED), "eu", NOW) is speech.NOTED
    serving = at(HomeState.QRY_FAIL, epoch=4)
    heard = handover.provisioned_heard(serving, None, said(Kind.PROVISIONED), "eu", NOW)
    assert isinstance(heard, Heard)
    assert heard.result == "refused", "two owners are told and not hidden"


def test_tombstones_follow_the_device() -> None:
    stone = Tombstone(device_id="d", region="eu", epoch=4, source="first")
    turn = handover.moved_heard(None, stone, said(Kind.MOVED, epoch=5, region="us"), "eu", NOW)
    assert turn is not None
    assert turn.tombstone is not None
    assert (turn.tombstone.region, turn.tombstone.epoch) == ("us", 5)
    assert [each.peer for each in turn.say] == ["first"]
    assert handover.moved_heard(None, stone, said(Kind.MOVED, epoch=4, region="us"), "eu", NOW) is None
    overtaken = handover.moved_heard(leaving(), None, said(Kind.MOVED, epoch=6, region="us"), "eu", NOW)
    assert overtaken is not None
    assert overtaken.tombstone is not None
    assert (overtaken.tombstone.region, overtaken.ended) == ("us", True)
    assert (
        handover.moved_heard(at(HomeState.ACTIVE, epoch=4), stone, said(Kind.MOVED, epoch=5, region="us"), "eu", NOW)
        is None
    )


def test_who_asks_for_a_move_has_to_know_the_epoch() -> None:
    here = at(HomeState.ACTIVE, epoch=4)
    assert handover.move_heard(here, said(Kind.MOVE, region="us"), known=True) is speech.ACCEPTED
    assert handover.move_heard(here, said(Kind.MOVE, region="us"), known=False).error == Code.REGION_UNKNOWN
    assert handover.move_heard(here, said(Kind.MOVE, epoch=3, region="us"), known=True).error == Code.NOT_FOUND
    assert handover.move_heard(leaving(), said(Kind.MOVE, region="us"), known=True).error == Code.EXISTS


def test_pauses_double_up_to_five_minutes() -> None:
    assert [pause(number) for number in (1, 2, 3, 9, 10, 1000)] == [1, 2, 4, 256, 300, 300]
