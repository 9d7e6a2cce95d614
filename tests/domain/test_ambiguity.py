"""Whether two names can be one: decided for every pair, and checked against trying all of them."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

import pytest

from provd.domain.ambiguity import clashes, meet, shapes
from provd.domain.described import manifest_of
from provd.domain.site_models import SiteModel
from tests.app.fakes import ACME

OWN = SiteModel(id="x1", vendor="Zeta", model="X1", generic=("zeta-x1.cfg",), specific=("zeta-{mac}.cfg",))


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        ("a.cfg", "A.CFG", "a.cfg"),
        ("a.cfg", "b.cfg", ""),
        ("y{mac}.cfg", "y000000000045.cfg", "y000000000045.cfg"),
        ("{mac}.cfg", "y000000000045.cfg", ""),
        ("{mac}", "{mac}.cfg", ""),
        ("a{mac}", "{mac}a", "a00000000000a"),
        ("{mac}00", "{mac}", ""),
        ("{mac}-x", "{mac}-{mac}", ""),
        ("{mac}.cfg", "00-11-22-33-44-55.cfg", "00-11-22-33-44-55.cfg"),
        ("{mac}.cfg", "00-11:22-33-44-55.cfg", ""),
        ("{mac}.cfg", "000000000000.cfg", ""),
        ("cfg{mac}", "cfg00:00:00:00:00:00", ""),
        ("{mac}.cfg", "000000000001.cfg", "000000000001.cfg"),
    ],
)
def test_two_names_meet_or_they_do_not(one: str, other: str, both: str) -> None:
    assert meet(one, other) == meet(other, one) == both


def test_the_decision_is_that_of_trying_everything() -> None:
    """Over an alphabet of two digits, and with names made to nearly fit."""
    rng = random.Random(5)
    names = [*("".join(rng.choices("0a", k=size)) for size in (12, 13, 14) for _ in range(4))]
    patterns = ["{mac}", "0{mac}", "{mac}a", "a{mac}0", *names]
    every = {pattern: _all(pattern) for pattern in patterns}
    for one, other in itertools.combinations(patterns, 2):
        found = meet(one, other)
        assert bool(found) == bool(every[one] & every[other])
        if found:
            assert _fits(found, one)
            assert _fits(found, other)


def _all(pattern: str) -> set[str]:
    return {pattern.replace("{mac}", "".join(digits)) for digits in itertools.product("0a", repeat=12)}


def _fits(name: str, pattern: str) -> bool:
    return any(
        len(name) == len(shape) and all(letter in each for letter, each in zip(name, shape, strict=True))
        for shape in shapes(pattern)
    )


def why(own: SiteModel, *others: SiteModel) -> list[str]:
    return [f"{clash.field}: {clash.reason}" for clash in clashes(own, others, [ACME])]


def test_what_nobody_else_claims_is_good() -> None:
    assert why(OWN) == []
    beside = SiteModel(id="x2", vendor="Zeta", model="X2", generic=("zeta-x2.cfg",), specific=("zeta-{mac}.cfg",))
    assert why(OWN, beside) == [], "the device tells whose own file it is"
    assert why(replace(OWN, specific=("{mac}.cfg",))) == [], "the plugin's devices have one of that name, too"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"generic": ("acme-a1.cfg",)}, "generic: the plugin acme would answer"),
        (
            {"generic": ("02aaaa000001.cfg",)},
            "generic: the plugin acme would answer '02aaaa000001.cfg' too, by '{mac}.cfg'",
        ),
        ({"model": "a1g"}, "model: the plugin acme knows a model 'a1g'"),
        ({"ouis": ("02aaaa",)}, "ouis: 02aaaa is a MAC prefix of the plugin acme"),
        ({"user_agents": ("Acm",)}, "user_agents: the plugin acme looks at what begins with"),
        ({"generic": ("zeta-00-11-22-33-44-55.cfg",)}, "would both answer 'zeta-00-11-22-33-44-55.cfg'"),
        ({"specific": ("z{mac}.cfg", "Z{MAC}.cfg".replace("MAC", "mac"))}, "would both answer 'z000000000000.cfg'"),
    ],
)
def test_what_somebody_else_claims_is_named(change: dict, reason: str) -> None:
    names = {name for model in ACME.models for name in model.common}
    if change.get("generic") == ("acme-a1.cfg",):
        change = {"generic": (min(names),)}
    found = why(replace(OWN, **change))
    assert any(reason in each for each in found), found


def test_models_of_the_site_are_told_apart_as_well() -> None:
    other = replace(OWN, id="x2", user_agents=("Zeta X",), ouis=("02cccc",))
    found = why(replace(OWN, user_agents=("zeta x1",), ouis=("02cccc",)), other)
    assert [each.partition(":")[0] for each in found] == ["model", "generic", "user_agents", "ouis"]


def test_such_a_model_is_a_plugin_to_everything_else() -> None:
    manifest = manifest_of(replace(OWN, user_agents=("Zeta X1",), ouis=("02cccc",), lines=3))
    assert (manifest.id, manifest.models[0].lines, manifest.models[0].common) == ("site-x1", 3, ("zeta-x1.cfg",))
    assert [(rule.name, rule.kind, rule.secrets) for rule in manifest.files] == [
        ("{common}", "common", False),
        ("zeta-{mac}.cfg", "device", True),
    ]
    assert manifest.dhcp[0].options[66].text == "{base}/"
