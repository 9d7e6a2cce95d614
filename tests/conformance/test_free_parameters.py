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


OTHERS = [
    ("6867i", "sip_line1_screen_name", "sip line1 screen name"),
    ("J179", "DISPLAY_NAME", "DISPLAY_NAME"),
    ("1230", "SNTP_ENABLE", "SNTP_ENABLE"),
    ("D65", "enable_check_sync", "enable_check_sync"),
    ("D785", "settings_refresh_timer", "settings_refresh_timer"),
    ("GXP1760", "P270", "P270"),
    ("GRP2614", "account.1.display.name", "account.1.display.name"),
    ("VVX411", "reg.1.label", "reg.1.label"),
    ("VVX411", "up.backlight.timeout", "up.backlight.timeout"),
]
BY_WHICH_IT_FINDS_ITS_FILES = [
    ("6867i", "auto_resync_days", "auto resync days"),
    ("GXP1760", "P193", "P193"),
    ("GRP2614", "provisioning.auto.minute", "provisioning.auto.minute"),
    ("VVX411", "prov.polling.period", "prov.polling.period"),
    ("VVX411", "device.prov.serverName", "device.prov.serverName"),
]
RESET = {"yealink": "%NULL%"}


def last(model: str, parameter: str, value: str | None, name: str = "") -> str | None:
    """What such a phone has in the end under that name: the last of two lines with one name counts."""
    phone = of_model(model)
    settings = {**nest(DEFAULTS), "vendor": {parameter: value} if value != "nothing" else {}}
    body = render_once(PLUGINS / phone.vendor / "templates", phone.job("claimed", settings=settings), engine=ENGINE)
    return dict(VENDORS[phone.vendor].parse(body)).get(name or parameter)


@pytest.mark.parametrize(("model", "name", "usual"), CASES)
def test_what_is_taken_away_again_leaves_what_the_file_says(model: str, name: str, usual: str | None) -> None:
    assert last(model, name, "nothing") == usual
    assert last(model, name, "mine") == "mine"
    assert last(model, name, None) == (usual or RESET.get(of_model(model).vendor, ""))


@pytest.mark.parametrize(("model", "parameter", "name"), OTHERS)
def test_other_vendors_files_do_the_same(model: str, parameter: str, name: str) -> None:
    usual = last(model, parameter, "nothing", name)
    assert last(model, parameter, "mine", name) == "mine"
    assert last(model, parameter, None, name) == (usual or "")


@pytest.mark.parametrize(("model", "parameter", "name"), BY_WHICH_IT_FINDS_ITS_FILES)
def test_how_a_phone_finds_its_files_is_not_forgotten(model: str, parameter: str, name: str) -> None:
    assert last(model, parameter, None, name) == last(model, parameter, "nothing", name)
