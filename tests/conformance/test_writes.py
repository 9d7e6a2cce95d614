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


CASES = ("common", "unclaimed", "claimed")


def settings_and_lines(phone: Phone, settings: dict[str, object]) -> dict[str, object]:
    """What the settings change in the context of a phone that two lines have."""
    name = settings.get("time.zone")
    return {
        "settings": {**nest(settings), "vendor": {}},
        "zone": zone(name) if isinstance(name, str) else None,
        "lines": [
            of_line(place, Line(id=f"{place}", tenant="t", username=f"10{place}", password=Secret("x")), "x", settings)
            for place in range(1, min(phone.lines, 2) + 1)
        ],
    }


def one_file(phone: Phone, values: dict[str, object], case: str, sheet: FileRule | None = None) -> bytes:
    """A file of a phone of which nothing but this is said, and which two lines have when it is ``claimed``; ``sheet``
    is another one of the device's than its first."""
    settings = {**DEFAULTS, **values}
    changes = settings_and_lines(phone, settings)
    if case == "unclaimed":
        changes["account"] = {
            **phone.job("unclaimed").context["account"],
            "display_name": settings["dialing.text"],
            "server": settings.get("dialing.server") or "10.0.0.1",
            "port": settings.get("dialing.port") or 5060,
        }
    if case != "claimed":
        del changes["lines"]
    # Some ask for no file of their model.
    job = phone.job("unclaimed" if case not in phone.cases else case, **changes)
    job = replace(job, rule=sheet) if sheet else job
    return render_once(PLUGINS / phone.vendor / "templates", job, engine=ENGINE)


def files(phone: Phone, values: dict[str, object], sheet: FileRule | None = None) -> tuple[bytes, bytes, bytes]:
    """All three of them: that of the model, without and with lines."""
    one, two, three = (one_file(phone, values, case, sheet) for case in CASES)
    return one, two, three


def bases(name: str) -> list[dict[str, object]]:
    """What may be said beside the setting: nothing, keys that take it, its own group, the server whose port it is, all
    servers, everything."""
    start = name.rpartition(".")[0]
    others = {other: value for other, value in EVERYTHING.items() if other != name}
    servers = {other: value for other, value in others.items() if other.endswith(("server", "proxy"))}
    group = {other: value for other, value in others.items() if other.startswith(f"{start}.")}
    port_of = {other: (f"{other}_port", other.replace("server", "port")) for other in others}
    whose = {other: value for other, value in others.items() if name in port_of[other]}
    return [{}, KEYED, DIALS, {"keys.1.type": "line"}, group, whose, servers, others]


class Written:
    """Which settings change the files of one phone. Most of what is compared comes again with the next setting
    (everything said, nothing said, the keys), so each file is rendered once."""

    def __init__(self, phone: Phone) -> None:
        self._phone = phone
        self._rendered: dict[object, bytes] = {}

    def names(self) -> set[str]:
        return {name for name in EVERYTHING if self._changes(name)}

    def _changes(self, name: str) -> bool:
        values = [EVERYTHING[name], *([AGAIN[name]] if name in AGAIN else [])]
        # Where a file does change, that is mostly one with lines and with everything else said too.
        return any(
            self._file(base, case, sheet) != self._file({**base, name: value}, case, sheet)
            for sheet in (None, *self._phone.sheets)
            for base in reversed(bases(name))
            for case in reversed(CASES)
            for value in values
        )

    def _file(self, values: dict[str, object], case: str, sheet: FileRule | None) -> bytes:
        # False is not 0 in a file, though it is for Python.
        key = case, sheet and sheet.name, tuple(sorted((name, repr(value)) for name, value in values.items()))
        if key not in self._rendered:
            self._rendered[key] = one_file(self._phone, values, case, sheet)
        return self._rendered[key]


@pytest.mark.parametrize("phone", PHONES, ids=lambda phone: phone.model)
def test_a_setting_changes_the_files_of_exactly_the_models_that_it_is_said_of(phone: Phone) -> None:
    family, generation = phone.traits.get("family", 0), phone.traits.get("generation") or 87
    newest = replace(phone, firmware=f"{family}.{generation}.0.1" if family else phone.firmware)
    manifest = MANIFESTS[phone.vendor]
    model = manifest.model(phone.model)
    version = newest.firmware
    claimed = {name for name, value in EVERYTHING.items() if not shortfall(manifest, model, name, value, version)}
    assert Written(newest).names() == claimed


@pytest.mark.parametrize("generation", [70, 73, 80, 81, 82, 83])
@pytest.mark.parametrize("name", ["T48G", "T23P", "W60B"])
def test_and_of_exactly_the_firmware_that_knows_it(name: str, generation: int) -> None:
    phone = next(each for each in (*PHONES, *FAMILIES) if each.model == name)
    version = f"{phone.traits['family']}.{generation}.0.1"
    manifest = MANIFESTS[phone.vendor]
    model = manifest.model(phone.model)
    claimed = {name for name, value in EVERYTHING.items() if not shortfall(manifest, model, name, value, version)}
    assert Written(replace(phone, firmware=version)).names() == claimed


def test_every_setting_is_written_by_some_vendor() -> None:
    covered = {row for manifest in MANIFESTS.values() for writes in manifest.writes for row in writes.settings}
    missing = {
        name
        for name in (*KNOWN, *NUMBERED)
        if not any(name == start or name.startswith(f"{start}.") for start in covered)
    }
    assert missing <= {"display.logo_text", *LOCATED}
