"""Rules on metadata: every kind of attribute, and how a rule stands with a device."""

from __future__ import annotations

import pytest

from provd.base.types import Mac
from provd.domain.constraints import Attribute, Rule, Standing
from provd.domain.records import Device
from provd.domain.rulebook import Rulebook


@pytest.mark.parametrize(
    ("attribute", "good", "bad", "fault"),
    [
        (Attribute(name="a"), "x", 5, "must be a text"),
        (Attribute(name="a", minimum=2, maximum=3), "abc", "abcd", "must be at most 3 characters"),
        (Attribute(name="a", type="number"), 1.5, True, "must be a number"),
        (Attribute(name="a", type="number", minimum=-5), -5, -6, "must be at least -5"),
        (Attribute(name="a", type="number", maximum=0.5), 0.5, 0.6, "must be at most 0.5"),
        (Attribute(name="a", type="boolean"), False, 0, "must be true or false"),
        (Attribute(name="a", type="enum", values=("x", "y")), "y", "z", "must be one of x, y"),
        (Attribute(name="a", type="array", minimum=1), [1], [], "must be at least 1 members"),
        (Attribute(name="a", type="array"), [], "text", "must be a list"),
        (Attribute(name="a", type="object"), {}, [], "must be an object"),
        (Attribute(name="a", type="reference"), "acme/m/1", "acme/m/2", "must be the name of a device that is there"),
    ],
)
def test_each_kind_takes_what_it_is_for(attribute: Attribute, good: object, bad: object, fault: str) -> None:
    there = {"acme/m/1"}.__contains__
    assert attribute.fault(good, there) == ""
    assert attribute.fault(bad, there) == fault


def test_a_rule_applies_is_in_effect_or_has_failed() -> None:
    rule = Rule(name="known", devices=("acme/*",), attributes=(Attribute(name="customer", required=True),))
    book = Rulebook(rules=(rule, Rule(name="other", devices=("bolt/*",), attributes=(Attribute(name="x"),))))
    device = Device(mac=Mac("acme~m~1"), vendor="Acme", model="m")
    states = [book.standing(device, data)[0][1:] for data in ({}, {"customer": "Ann"}, {"customer": 5})]
    assert states == [
        (Standing.APPLYING, ["known: customer is missing"]),
        (Standing.IN_EFFECT, []),
        (Standing.FAILED, ["known: customer must be a text"]),
    ]
    assert len(book.standing(device, {})) == 1
