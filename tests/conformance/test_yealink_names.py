"""Every name in a file is one that somebody has seen on phones of that series, not only on some phone of the vendor.

``yealink_series.txt`` has a line for each parameter (``static.`` left out): the series that have it (2, 3, 4, 5 and 8
for T2x to T8x, ``w`` for the W52P and W56P, ``b`` for later DECT bases) and the generations of firmware that it was met
in.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from provd.plugins.render_once import render_once
from tests.conformance.phones import CASES, ENGINE, PLUGINS
from tests.conformance.test_every_model import models
from tests.conformance.vendors.yealink import key_value, pattern

ROWS = [line.split() for line in Path(__file__).with_name("yealink_series.txt").read_text("ascii").splitlines()]
SERIES = {name: frozenset(series) for name, series, *_ in ROWS}
GENERATIONS = {name: frozenset(versions) for name, _, *versions in ROWS}
OF_V7X = {"auto_provision.mode", "auto_provision.schedule.periodic_minute", "features.pound_key.mode"}
"""Names of old firmware that were met on too few phones to tell the series; a common file has some of them whatever the
firmware, which is not known there."""


def series_of(name: str, kind: str) -> str:
    if kind == "dect":
        return "w" if name in ("W52P", "W56P") else "b"
    found = re.match(r"T(\d)", name)
    if found is None:
        return "4"
    return {"1": "2", "7": "8"}.get(found[1], found[1]) if name not in ("T32G", "T38G") else "2"


@pytest.mark.parametrize("phone", models("yealink"), ids=lambda phone: phone.model)
def test_every_name_is_one_of_its_series(phone) -> None:
    series = series_of(phone.model, phone.traits["kind"])
    newest = replace(phone, firmware=f"1.{phone.traits['generation'] or 87}.0.1")
    for case in CASES:
        body = render_once(PLUGINS / "yealink/templates", newest.job(case), engine=ENGINE)
        names = {pattern(name).removeprefix("static.") for name, _ in key_value(body)}
        strange = {name for name in names if series not in SERIES[name] and not GENERATIONS[name]}
        assert strange <= (
            OF_V7X if case not in ("claimed", "unclaimed") or phone.traits["flat"] or series == "2" else set()
        ), case
