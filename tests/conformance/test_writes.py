"""What a manifest says of its templates is so: a setting that a model can be told changes its file, others do not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provd.app.accounts import of_line
from provd.app.zones import zone
from provd.base.secrets import Secret
from provd.domain.capability import shortfall
from provd.domain.nesting import nest
from provd.domain.records import Line
from provd.domain.settings import DEFAULTS, KNOWN, NUMBERED, validate
from provd.plugin import FileRule
from provd.plugins.render_engine import Engine
from provd.plugins.render_once import render_once
from tests.conformance.phones import FAMILIES, MANIFESTS, PHONES, PLUGINS, Phone
from tests.e2e.test_transfer import OF_OLD

ENGINE = Engine()
LOCATED = {"firmware.version"}
"""What templates see as something else: as the URL of the image."""
EVERYTHING = {
    name: value.reveal() if isinstance(value, Secret) else value
    for name, value in validate(OF_OLD).items()
    if name not in LOCATED
}


KEYED: dict[str, object] = {
    "keys.1.type": "blf_pickup",
    "keys.1.value": "101",
    "keys.2.type": "group_pickup",
    "keys.3.type": "pickup",
}
"""Keys that say no code of their own."""


DIALS: dict[str, object] = {"keys.1.type": "speed_dial", "keys.1.value": "101"}
"""A key that any phone with keys has."""


AGAIN: dict[str, object] = {
    "locale.country": "FR",
    "admin.password": "24680",
    "vlan.priority": 3,
    "web.enabled": True,
    "firmware.url": "http://rom.old.example/2_9_26_firmware.eff",
}
"""Another value, of what some have from the factory or want in a form of their own."""


def files(phone: Phone, values: dict[str, object], sheet: FileRule | None = None) -> tuple[bytes, bytes, bytes]:
    """The three files of a phone of which nothing but this is said, and which two lines have; ``sheet`` is another one
    of the device's than its first."""
    settings = {**DEFAULTS, **values}
    name = settings.get("time.zone")
    shared = {"settings": {**nest(settings), "vendor": {}}, "zone": zone(name) if isinstance(name, str) else None}
    lines = [
        of_line(place, Line(id=f"{place}", tenant="t", username=f"10{place}", password=Secret("x")), "x", settings)
        for place in (1, 2)
    ]
    account = {
        **phone.job("unclaimed").context["account"],
        "display_name": settings["dialing.text"],
        "server": settings.get("dialing.server") or "10.0.0.1",
        "port": settings.get("dialing.port") or 5060,
    }
    changes = ({}, {"account": account}, {"lines": lines[: phone.lines]})
    # Some ask for no file of their model.
    first = "common" if "common" in phone.cases else "unclaimed"
    cases = zip((first, "unclaimed", "claimed"), changes, strict=True)
    templates = PLUGINS / phone.vendor / "templates"
    jobs = [phone.job(case, **shared, **change) for case, change in cases]
    if sheet:
        jobs = [replace(job, rule=sheet) for job in jobs]
    one, two, three = (render_once(templates, job, engine=ENGINE) for job in jobs)
    return one, two, three


def bases(name: str) -> list[dict[str, object]]:
    """What may be said beside the setting: nothing, the server whose port it is, all servers, its own group,
    everything, keys that take it."""
    start = name.rpartition(".")[0]
    others = {other: value for other, value in EVERYTHING.items() if other != name}
    servers = {other: value for other, value in others.items() if other.endswith(("server", "proxy"))}
    group = {other: value for other, value in others.items() if other.startswith(f"{start}.")}
    port_of = {other: (f"{other}_port", other.replace("server", "port")) for other in others}
    whose = {other: value for other, value in others.items() if name in port_of[other]}
    return [{}, whose, servers, group, others, KEYED, DIALS, {"keys.1.type": "line"}]


def changes(phone: Phone, name: str) -> bool:
    values = [EVERYTHING[name], *([AGAIN[name]] if name in AGAIN else [])]
    return any(
        files(phone, base, sheet) != files(phone, {**base, name: value}, sheet)
        for sheet in (None, *phone.sheets)
        for base in bases(name)
        for value in values
    )


@pytest.mark.parametrize("phone", PHONES, ids=lambda phone: phone.model)
def test_a_setting_changes_the_files_of_exactly_the_models_that_it_is_said_of(phone: Phone) -> None:
    family, generation = phone.traits.get("family", 0), phone.traits.get("generation") or 87
    newest = replace(phone, firmware=f"{family}.{generation}.0.1" if family else phone.firmware)
    manifest = MANIFESTS[phone.vendor]
    model = manifest.model(phone.model)
    version = newest.firmware
    claimed = {name for name, value in EVERYTHING.items() if not shortfall(manifest, model, name, value, version)}
    assert {name for name in EVERYTHING if changes(newest, name)} == claimed


@pytest.mark.parametrize("generation", [70, 73, 80, 81, 82, 83])
@pytest.mark.parametrize("name", ["T48G", "T23P", "W60B"])
def test_and_of_exactly_the_firmware_that_knows_it(name: str, generation: int) -> None:
    phone = next(each for each in (*PHONES, *FAMILIES) if each.model == name)
    version = f"{phone.traits['family']}.{generation}.0.1"
    manifest = MANIFESTS[phone.vendor]
    model = manifest.model(phone.model)
    claimed = {name for name, value in EVERYTHING.items() if not shortfall(manifest, model, name, value, version)}
    assert {name for name in EVERYTHING if changes(replace(phone, firmware=version), name)} == claimed


def test_every_setting_is_written_by_some_vendor() -> None:
    covered = {row for manifest in MANIFESTS.values() for writes in manifest.writes for row in writes.settings}
    missing = {
        name
        for name in (*KNOWN, *NUMBERED)
        if not any(name == start or name.startswith(f"{start}.") for start in covered)
    }
    assert missing <= {"display.logo_text", *LOCATED}
