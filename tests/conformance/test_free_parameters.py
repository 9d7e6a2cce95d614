"""A vendor's own parameter that the file has as well: what the operator says counts, until he says nothing."""

from __future__ import annotations

import pytest

from provd.domain.nesting import nest
from provd.domain.settings import DEFAULTS
from provd.plugins.render_engine import Engine
from provd.plugins.render_once import render_once
from tests.conformance.phones import PLUGINS, of_model
from tests.conformance.vendors import VENDORS

ENGINE = Engine()
CASES = [
    ("T23P", "account.1.label", "Zoë <Núñez> & \"Co\" 'HQ'"),
    ("T23P", "phone_setting.phone_lock.unlock_pin", None),
    ("T48G", "auto_provision.repeat.minutes", "1440"),
    ("W52P", "handset.1.incoming_lines", "1"),
    ("SPA504G", "Line_Enable_1_", "Yes"),
    ("SPA504G", "Resync_Periodic", "86400"),
    ("SPA504G", "GPP_B", None),
]


RESET = {"yealink": "%NULL%", "cisco_spa": ""}


def last(model: str, name: str, value: str | None, case: str = "claimed") -> str | None:
    """What such a phone has in the end: the last of two lines with one name counts."""
    phone = of_model(model)
    settings = {**nest(DEFAULTS), "vendor": {name: value} if value != "nothing" else {}}
    body = render_once(PLUGINS / phone.vendor / "templates", phone.job(case, settings=settings), engine=ENGINE)
    return dict(VENDORS[phone.vendor].parse(body)).get(name)


@pytest.mark.parametrize(("model", "name", "usual"), CASES)
def test_what_is_taken_away_again_leaves_what_the_file_says(model: str, name: str, usual: str | None) -> None:
    assert last(model, name, "nothing") == usual
    assert last(model, name, "mine") == "mine"
    assert last(model, name, None) == (usual or RESET[of_model(model).vendor])
