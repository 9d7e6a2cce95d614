"""What a phone cannot do of what it is told is said, in lines that can be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from provd.app.accounts import of_line
from provd.app.limits import limits_rule, read
from provd.app.zones import zone
from provd.base.secrets import Secret
from provd.domain.capability import shortfall
from provd.domain.nesting import nest
from provd.domain.records import Line
from provd.domain.settings import DEFAULTS, find
from provd.domain.vocabulary import KEY_TYPES
from provd.plugins.render_once import render_once
from tests.conformance.phones import ENGINE, MANIFESTS, PHONES, PLUGINS, Phone
from tests.conformance.test_writes import CASES, EVERYTHING, one_file

LANGUAGES = ("fr", "de", "es", "it", "pt", "nl", "pl", "ru", "sv", "nb", "fi", "cs", "el", "ja", "xx")
COUNTRIES = ("GB", "DE", "FR", "ES", "IT", "NL", "SE", "AT", "BR", "AU", "JP", "ZZ")
"""The last one is nowhere. English and the United States are what many fall back to."""


def limits_of(phone: Phone, values: Mapping[str, object]) -> dict[str, str]:
    """What the plugin's template says of a phone with as many lines as it has."""
    manifest = MANIFESTS[phone.vendor]
    if not manifest.limits:
        return {}
    settings = {**DEFAULTS, **values}
    name = settings.get("time.zone")
    lines = [
        of_line(place, Line(id=f"{place}", tenant="t", username=f"10{place}", password=Secret("x")), "x", settings)
        for place in range(1, phone.lines + 1)
    ]
    told = {"settings": {**nest(settings), "vendor": {}}, "zone": zone(name) if isinstance(name, str) else None}
    job = replace(phone.job("claimed", lines=lines, **told), rule=limits_rule(manifest))
    said = read(render_once(PLUGINS / phone.vendor / "templates", job, engine=ENGINE))
    return {limit.setting: limit.reason for limit in said}


@pytest.mark.parametrize("value", [True, False], ids=["valued", "bare"])
@pytest.mark.parametrize("phone", PHONES, ids=lambda phone: phone.model)
def test_what_its_template_says_of_a_phone_can_be_read_whatever_its_keys_do(phone: Phone, value: bool) -> None:
    others = {name: each for name, each in EVERYTHING.items() if not name.startswith(("keys.", "modules."))}
    for kind in KEY_TYPES:
        keys: dict[str, object] = {}
        for start in (*(f"keys.{number}" for number in range(1, phone.keys + 1)), "modules.1.keys.1"):
            keys |= {f"{start}.type": kind, f"{start}.line": 2}
            keys |= {f"{start}.value": '1;"\\', f"{start}.label": "x"} if value else {}
        for said in (others, {}):
            assert all(find(name) for name in limits_of(phone, {**said, **keys}))


@pytest.mark.parametrize(("name", "places"), [("locale.language", LANGUAGES), ("locale.country", COUNTRIES)])
@pytest.mark.parametrize("phone", PHONES, ids=lambda phone: phone.model)
def test_a_language_or_country_that_a_phone_does_not_have_is_told(phone: Phone, name: str, places: list[str]) -> None:
    manifest = MANIFESTS[phone.vendor]
    model = manifest.model(phone.model)
    assert model is not None
    files = {place: [one_file(phone, {name: place}, case) for case in CASES] for place in places}
    for place in places:
        if files[place] == files[places[-1]]:
            told = shortfall(manifest, model, name, place, phone.firmware) or limits_of(phone, {name: place}).get(name)
            assert told, f"{place} is nothing to it"
