"""Units prove that they are there."""

from __future__ import annotations

import pytest

from provd.domain.regions.codes import Code, Wrong
from provd.domain.regions.home import Home
from provd.domain.regions.messages import Chipset
from provd.domain.regions.unit import NONCE_SECONDS, UnitState, challenged, proof, registered, unit_of

HOME = Home(device_id="d", key_hash="k" * 64)
UNITS = [unit_of("d", Chipset(id=name, type="modem", sw="1"), 0.0) for name in ("a", "b")]


def test_a_round() -> None:
    asked = challenged(UNITS, "n", 10.0)
    right = {unit.unit_id: proof(HOME.key_hash, "n", unit.unit_id) for unit in asked}
    changed, wrong = registered(HOME, asked, right, 11.0)
    assert ([unit.state for unit in changed], wrong) == ([UnitState.REGISTERED] * 2, set())
    changed, wrong = registered(HOME, asked, right | {"b": right["a"]}, 11.0)
    assert ([unit.unit_id for unit in changed], wrong) == (["a"], {"b"})
    done, _ = registered(HOME, asked, right, 11.0)
    assert registered(HOME, done, right, 9999.0) == ([], set()), "what is done needs no proof"


@pytest.mark.parametrize(
    ("shown", "at", "code"),
    [
        ({"a": "x"}, 11.0, Code.NONCE),
        ({"a": proof("k" * 64, "n", "a")}, 10.0 + NONCE_SECONDS, Code.NONCE_TIMEOUT),
        ({"c": "x"}, 11.0, Code.COUNT_MISMATCH),
        ({}, 11.0, Code.COUNT_MISMATCH),
    ],
)
def test_what_is_wrong_has_its_number(shown: dict[str, str], at: float, code: Code) -> None:
    with pytest.raises(Wrong) as wrong:
        registered(HOME, challenged(UNITS, "n", 10.0), shown, at)
    assert wrong.value.code is code


def test_without_a_nonce_nothing_is_proved() -> None:
    with pytest.raises(Wrong):
        registered(HOME, UNITS, {"a": proof(HOME.key_hash, "", "a")}, 0.0)
