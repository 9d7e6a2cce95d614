"""What a manifest says of its templates is so: a setting that a model can be told changes its file, others do not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from provd.app.accounts import of_line
from provd.app.ports import RenderJob
from provd.app.zones import zone
from provd.base.secrets import Secret
from provd.domain.capability import shortfall
from provd.domain.nesting import nest
from provd.domain.records import Line
from provd.domain.settings import DEFAULTS, KNOWN, NUMBERED, validate
from provd.plugin import FileRule
from provd.plugins.render_once import render_once
from tests.conformance import asked
from tests.conformance.phones import ENGINE, FAMILIES, MANIFESTS, PHONES, PLUGINS, Phone
from tests.e2e.test_transfer import OF_OLD

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


def told(values: dict[str, object], case: str) -> dict[str, Any]:
    """What templates are told where nothing but this is said, of two lines where the phone is ``claimed``."""
    settings = {**DEFAULTS, **values}
    name = settings.get("time.zone")
    context: dict[str, Any] = {
        "settings": {**nest(settings), "vendor": {}},
        "zone": zone(name) if isinstance(name, str) else None,
    }
    if case == "unclaimed":
        context["account"] = {
            "display_name": settings["dialing.text"],
            "server": settings.get("dialing.server") or "10.0.0.1",
            "port": settings.get("dialing.port") or 5060,
        }
    if case == "claimed":
        context["lines"] = [
            of_line(place, Line(id=f"{place}", tenant="t", username=f"10{place}", password=Secret("x")), "x", settings)
            for place in (1, 2)
        ]
    return context


def job_of(phone: Phone, values: dict[str, object], case: str, sheet: FileRule | None = None) -> RenderJob:
    """A file of that phone; ``sheet`` is another one of the device's than its first."""
    changes = told(values, case)
    if case == "unclaimed":
        changes["account"] = {**phone.job("unclaimed").context["account"], **changes["account"]}
    if case == "claimed":
        changes["lines"] = changes["lines"][: phone.lines]
    # Some ask for no file of their model.
    job = phone.job("unclaimed" if case not in phone.cases else case, **changes)
    return replace(job, rule=sheet) if sheet else job


def one_file(phone: Phone, values: dict[str, object], case: str, sheet: FileRule | None = None) -> bytes:
    """That file."""
    return render_once(PLUGINS / phone.vendor / "templates", job_of(phone, values, case, sheet), engine=ENGINE)


def files(phone: Phone, values: dict[str, object], sheet: FileRule | None = None) -> tuple[bytes, bytes, bytes]:
    """All three of them: that of the model, without and with lines."""
    one, two, three = (one_file(phone, values, case, sheet) for case in CASES)
    return one, two, three


Values = dict[str, object]
SERVERS = {name: value for name, value in EVERYTHING.items() if name.endswith(("server", "proxy"))}


def bases(name: str) -> Iterator[tuple[Values, Values]]:
    """What may be said beside the setting: nothing, keys that take it, its own group, the server whose port it is, all
    servers, everything. Each first as many settings have it in common, then without this one."""
    start = name.rpartition(".")[0]
    port_of = {other: (f"{other}_port", other.replace("server", "port")) for other in EVERYTHING}
    whose = {other: value for other, value in EVERYTHING.items() if name in port_of[other] and other != name}
    group = {other: value for other, value in EVERYTHING.items() if other.startswith(f"{start}.")}
    for among in (EVERYTHING, SERVERS, group):
        yield among, {other: value for other, value in among.items() if other != name}
    for beside in (whose, {"keys.1.type": "line"}, DIALS, KEYED, {}):
        yield beside, beside


def values_of(name: str) -> list[object]:
    return [EVERYTHING[name], *([AGAIN[name]] if name in AGAIN else [])]


@cache
def touched(name: str, case: str) -> tuple[asked.Path, ...]:
    """Where templates are told something else when the setting is said, whatever is said beside it."""
    found = {
        path
        for _, base in bases(name)
        for value in values_of(name)
        for path in asked.differences(told(base, case), told({**base, name: value}, case))
    }
    assert found
    return tuple(found)


class Written:
    """Which settings change the files of one phone.

    A template that looks at nothing of what a setting changes writes the same file whatever is said of it. So each file
    is rendered with what many settings have beside them, and what it looks at is taken down; with and without the
    setting it is compared only where it has looked.
    """

    def __init__(self, phone: Phone) -> None:
        self._phone = phone
        self._rendered: dict[object, bytes] = {}
        self._asked: dict[object, set[asked.Path]] = {}

    def names(self) -> set[str]:
        return {name for name in EVERYTHING if self._changes(name)}

    def _changes(self, name: str) -> bool:
        # Where a file does change, that is mostly one with lines and with everything else said too.
        return any(
            self._file(base, case, sheet) != self._file({**base, name: value}, case, sheet)
            for sheet in (None, *self._phone.sheets)
            for common, base in bases(name)
            for case in reversed(CASES)
            if asked.concerns(self._looks(common, case, sheet), touched(name, case))
            for value in values_of(name)
        )

    def _file(self, values: Values, case: str, sheet: FileRule | None) -> bytes:
        key = _key(values, case, sheet)
        if key not in self._rendered:
            self._rendered[key] = one_file(self._phone, values, case, sheet)
        return self._rendered[key]

    def _looks(self, values: Values, case: str, sheet: FileRule | None) -> set[asked.Path]:
        """What that file's template looks at."""
        key = _key(values, case, sheet)
        if key not in self._asked:
            job = job_of(self._phone, values, case, sheet)
            folder = str(PLUGINS / self._phone.vendor / "templates")
            watch = ["settings", "account"]
            body, found = asked.rendered(folder, job.rule.template, job.rule.format, job.context, watch)
            assert body == self._file(values, case, sheet)
            self._asked[key] = found
        return self._asked[key]


def _key(values: Values, case: str, sheet: FileRule | None) -> object:
    # False is not 0 in a file, though it is for Python.
    return case, sheet and sheet.name, tuple(sorted((name, repr(value)) for name, value in values.items()))


def of_first(name: str) -> object:
    """What is said of that setting; where it is the line of a key, one that every phone has."""
    return 1 if name.endswith(".line") else EVERYTHING[name]


@pytest.mark.parametrize("phone", PHONES, ids=lambda phone: phone.model)
def test_a_setting_changes_the_files_of_exactly_the_models_that_it_is_said_of(phone: Phone) -> None:
    family, generation = phone.traits.get("family", 0), phone.traits.get("generation") or 87
    newest = replace(phone, firmware=f"{family}.{generation}.0.1" if family else phone.firmware)
    manifest = MANIFESTS[phone.vendor]
    model = manifest.model(phone.model)
    version = newest.firmware
    claimed = {name for name in EVERYTHING if not shortfall(manifest, model, name, of_first(name), version)}
    assert Written(newest).names() == claimed


@pytest.mark.parametrize("generation", [70, 73, 80, 81, 82, 83])
@pytest.mark.parametrize("name", ["T48G", "T23P", "W60B"])
def test_and_of_exactly_the_firmware_that_knows_it(name: str, generation: int) -> None:
    phone = next(each for each in (*PHONES, *FAMILIES) if each.model == name)
    version = f"{phone.traits['family']}.{generation}.0.1"
    manifest = MANIFESTS[phone.vendor]
    model = manifest.model(phone.model)
    claimed = {name for name in EVERYTHING if not shortfall(manifest, model, name, of_first(name), version)}
    assert Written(replace(phone, firmware=version)).names() == claimed


def test_every_setting_is_written_by_some_vendor() -> None:
    covered = {row for manifest in MANIFESTS.values() for writes in manifest.writes for row in writes.settings}
    missing = {
        name
        for name in (*KNOWN, *NUMBERED)
        if not any(name == start or name.startswith(f"{start}.") for start in covered)
    }
    assert missing <= {"display.logo_text", *LOCATED}
