"""Drawing codes, and whether one is good."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provd.base.errors import ConflictError
from provd.base.secrets import Secret
from provd.domain.codes import KEYS, Form, Standing, Taken, dialed, draw, expires_at, grouped, standing, used
from provd.domain.reckoning import Leap
from provd.domain.records import Code

numbers = st.text(KEYS, min_size=1, max_size=8)


def code(**more: object) -> Code:
    return Code(**{"id": "c1", "digest": "d", "code": Secret("12345678"), "line": "1", "tenant": "t", **more})


@given(st.lists(numbers, max_size=30), numbers)
def test_a_number_clashes_exactly_when_one_begins_with_the_other(others: list[str], number: str) -> None:
    expected = any(number.startswith(other) or other.startswith(number) for other in others)
    assert Taken(others).clashes(number) is expected


@given(st.lists(numbers, max_size=30), st.randoms(use_true_random=False))
def test_a_drawn_code_clashes_with_nothing(others: list[str], random: object) -> None:
    taken = Taken([other for other in others if len(other) > 1])
    drawn = draw(Form(8, KEYS), taken, random.choice)  # type: ignore[attr-defined]
    assert len(drawn) == 8
    assert set(drawn) <= set(KEYS)
    assert not any(drawn.startswith(other) or other.startswith(drawn) for other in others if len(other) > 1)


def test_codes_are_drawn_evenly_from_the_whole_alphabet() -> None:
    form = Form(10, "0123456789")
    counted = Counter("".join(draw(form, Taken()) for _ in range(2000)))
    # 20,000 keys, 2,000 of each expected, a standard deviation of 42: seven of them is no accident.
    assert all(1700 < counted[key] < 2300 for key in form.alphabet)
    assert len({draw(form, Taken()) for _ in range(500)}) == 500


def test_no_room_is_said_and_does_not_take_for_ever() -> None:
    with pytest.raises(ConflictError, match="make codes longer"):
        draw(Form(6, "0123456789"), Taken("0123456789"))


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, Standing.GOOD),
        ({"expires": 100.0}, Standing.EXPIRED),
        ({"expires": 100.1}, Standing.GOOD),
        ({"uses": 0}, Standing.USED_UP),
        ({"revoked": 1.0, "uses": 0, "expires": 1.0}, Standing.REVOKED),
        ({"uses": 0, "expires": 1.0}, Standing.EXPIRED),
    ],
)
def test_standing(more: dict[str, object], expected: Standing) -> None:
    assert standing(code(**more), 100.0) is expected


def test_a_use_is_counted() -> None:
    once = used(code(uses=2), 5.0)
    assert (once.uses, once.used, once.last_used) == (1, 1, 5.0)
    assert standing(used(once, 6.0), 7.0) is Standing.USED_UP


def test_a_leap_of_the_clock_costs_a_code_nothing() -> None:
    leap = Leap(1000.0, 1000.0 + 365 * 86400)
    alive = code(created=500.0, expires=1600.0)
    assert standing(alive, leap.end + 500, leap) is Standing.GOOD
    assert standing(alive, leap.end + 600, leap) is Standing.EXPIRED
    assert expires_at(code(created=500.0, expires=900.0), leap) == 900.0, "it had expired before"
    assert expires_at(code(created=leap.end + 1, expires=leap.end + 61), leap) == leap.end + 61, "it came after"
    assert expires_at(code(), leap) == 0.0


def test_codes_are_written_for_people() -> None:
    assert grouped("12345678") == "1234 5678"
    assert grouped("1234567890") == "1234 5678 90"
    assert dialed("1234 5678") == dialed("1234-5678") == "12345678"
    assert dialed("*44\u00a01") == "*441"
