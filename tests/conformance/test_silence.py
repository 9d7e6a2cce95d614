"""Nothing that is set is passed over in silence: each value of each setting makes another file, or it is said why not.

Of every vendor: models that have every trait between them; and, of two, every generation of firmware.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from provd.app.accounts import of_line
from provd.app.limits import limits_rule, read
from provd.app.ports import RenderJob
from provd.base.secrets import Secret
from provd.domain.capability import shortfalls
from provd.domain.records import Line
from provd.domain.settings import DEFAULTS, KNOWN, NUMBERED, validate
from provd.domain.vocabulary import CODECS, KEY_TYPES, Setting
from provd.plugin import FileRule
from provd.plugins.render_once import render_once
from tests.conformance.phones import ENGINE, MANIFESTS, PLUGINS, Phone
from tests.conformance.test_every_model import models
from tests.conformance.test_writes import LOCATED, job_of, one_file
from tests.conformance.vendors import VENDORS

FIRMWARE = {
    "T23P": ("44.80.0.95", "44.81.0.70", "44.82.0.20", "44.83.0.120", "44.84.0.140"),
    "T28P": ("2.70.0.140", "2.73.0.50"),
    "T38G": ("38.70.0.125",),
    "W52P": ("25.73.0.20", "25.80.0.15", "25.81.0.60"),
    "W60B": ("77.81.0.30", "77.83.0.85", "77.85.0.20"),
    "W70B": ("146.85.0.20",),
    "SPA504G": ("7.4.9c", "7.5.2b", "7.5.7"),
}
COUNTS = {
    *("lines", "keys", "modules", "module_keys", "memory_keys", "handsets", "units", "unit_keys", "generation"),
    *("page", "pages", "side", "side_pages", "main", "main_pages", "prg", "top", "fixed", "line_keys", "physical"),
}
"""Traits of which it only matters whether they are 0."""

NAMES = {"psn", "family", "firmware"}
"""Traits that are names."""

ANY_URL = ("http://one.example/a.bin", "https://two.example/b.bin")
ANY_CODE = ("*55", "#1")
ANY_HOST = ("one.example", "192.0.2.9")
VALUES: dict[str, tuple[object, ...]] = {
    "locale.language": ("en", "es", "fr", "de", "it", "pt", "ru", "zh", "zh-TW", "nl", "pl", "tr", "da", "ja"),
    "locale.country": ("ES", "US", "FR", "DE", "GB", "IN", "JP", "LT", "ZA", "AR"),
    "time.zone": ("Europe/Madrid", "Asia/Kathmandu", "America/St_Johns", "Pacific/Kiritimati"),
    "audio.codecs": (*CODECS, "g722,pcma,g729,pcmu,g726-32"),
    "audio.ringtone": (1, 2, 11, 12),
    "dialplan.rules": ("1xx", "1xx,0[1-9]x.", "+x.", "*1x"),
    "resync.minutes": (5, 60, 1440, 10080),
    "resync.at": ("05:15", "23:55"),
    "firmware.step_below": ("99.1", "0.1"),
    "network.dns": ("192.0.2.1", "192.0.2.2"),
    "network.backup_dns": ("192.0.2.1", "192.0.2.2"),
    "files.key": ("0123456789abcdef", "fedcba9876543210"),
    "dect.pin": ("1234", "87654321"),
    "handsets.N.lines": ("2", "2,1"),
    "handsets.N.dial_lines": ("2", "2,1"),
    "handsets.N.default_line": (1, 2),
    "keys.N.line": (1, 2),
    "modules.N.keys.N.line": (1, 2),
}
BESIDE: dict[str, dict[str, object]] = {
    "sip.registrar_port": {"sip.registrar": "r.example"},
    "sip.backup_port": {"sip.backup_server": "b.example"},
    "sip.backup_registrar": {"sip.backup_server": "b.example"},
    "sip.backup_registrar_port": {"sip.backup_server": "b.example", "sip.backup_registrar": "c.example"},
    "sip.outbound_port": {"sip.outbound_proxy": "o.example"},
    "syslog.port": {"syslog.server": "192.0.2.8"},
    "syslog.level": {"syslog.server": "192.0.2.8"},
    "dialing.port": {"dialing.server": "d.example"},
    "feature.pickup": {"keys.1.type": "pickup"},
    "feature.pickup_group": {"keys.1.type": "group_pickup"},
    "phonebook.name": {"phonebook.url": "http://b.example/b.xml"},
    "firmware.step_url": {"firmware.url": "http://f.example/f.rom", "firmware.step_below": "99.1"},
    "firmware.step_below": {"firmware.url": "http://f.example/f.rom", "firmware.step_url": "http://f.example/s.rom"},
    "handsets.N.default_line": {"handsets.1.lines": "1,2"},
    "handsets.N.dial_lines": {"handsets.1.lines": "1"},
    "keys.N.type": {"keys.1.value": "101", "feature.pickup": "*8"},
    "keys.N.value": {"keys.1.type": "blf"},
    "keys.N.label": {"keys.1.type": "blf", "keys.1.value": "101"},
    "keys.N.line": {"keys.1.type": "blf", "keys.1.value": "101"},
    "keys.N.pickup": {"keys.1.type": "blf_pickup", "keys.1.value": "101"},
}
BESIDE |= {
    f"modules.N.{name}": {other.replace("keys.1.", "modules.1.keys.1."): value for other, value in beside.items()}
    for name, beside in BESIDE.items()
    if name.startswith("keys.")
}
"""What a setting belongs to."""

Said = dict[str, object]
ALIKE = (
    # A key that has a number dials it, whatever it is for; the SPA knows no difference.
    {"speed_dial", "park", "pickup", "group_pickup", "dnd", "forward", "voicemail"},
    # And where calls are parked is watched like anybody.
    {"blf", "park"},
)
"""Values that may make the same file."""


def values(setting: Setting) -> tuple[object, ...]:
    name = setting.name
    if name in VALUES:
        return VALUES[name]
    if setting.kind in ("flag", "number"):
        return (True, False) if setting.kind == "flag" else (setting.form.low, setting.form.high)
    if setting.form.choices:
        return setting.form.choices
    if name.endswith("url") or name.startswith("action."):
        return ANY_URL
    return ANY_CODE if name.startswith("feature.") or name.endswith("pickup") else ANY_HOST


def around(name: str) -> set[str]:
    """The setting, and the one without which it means nothing."""
    if "keys." in name:
        return {name, f"{name.rpartition('.')[0]}.type"}
    if name.startswith("sip.backup_"):
        return {name, "sip.backup_server"}
    return {
        name,
        {"firmware.step_below": "firmware.step_url", "sip.outbound_port": "sip.outbound_proxy"}.get(name, name),
    }


class Told:
    """A phone of which something is said: its files, and what is said of it in turn."""

    def __init__(self, phone: Phone) -> None:
        self._phone = phone
        self._manifest = MANIFESTS[phone.vendor]
        self._files: dict[object, bytes] = {}
        # Most of what can be said changes the file of a phone with lines: the others are made where it does not.
        self._all = [("claimed", sheet) for sheet in (None, *phone.sheets)]
        self._all += [(case, sheet) for case in ("unclaimed", "common") for sheet in (None, *phone.sheets)]

    def same(self, one: Said, other: Said) -> bool:
        """Whether no file of the phone tells one from the other."""
        return all(self._file(one, case, sheet) == self._file(other, case, sheet) for case, sheet in self._all)

    def _file(self, said: Said, case: str, sheet: FileRule | None) -> bytes:
        key = case, sheet and sheet.name, tuple(sorted((name, repr(value)) for name, value in said.items()))
        if key not in self._files:
            self._files[key] = one_file(self._phone, said, case, sheet)
        return self._files[key]

    def same_jobs(self, one: RenderJob, other: RenderJob) -> bool:
        """The same of two jobs of its first file, which are also those of its sheets."""
        folder = PLUGINS / self._phone.vendor / "templates"
        return all(
            render_once(folder, replace(one, rule=rule), engine=ENGINE)
            == render_once(folder, replace(other, rule=rule), engine=ENGINE)
            for rule in (one.rule, *self._phone.sheets)
        )

    def excused(self, name: str, said: Said) -> bool:
        """Whether the device's page says something of this setting, or of that without which it means nothing."""
        return self.short(name, said) or bool(around(name) & self.limits(job_of(self._phone, said, "claimed")))

    def short(self, name: str, said: Said) -> bool:
        """Whether its manifest does, or what holds for all vendors."""
        made = {each: value for each, value in said.items() if value != DEFAULTS.get(each)}
        model = self._manifest.model(self._phone.model)
        return bool(around(name) & {*shortfalls(self._manifest, model, made, self._phone.firmware)})

    def limits(self, job: RenderJob) -> set[str]:
        """What the plugin's own template speaks of."""
        if not self._manifest.limits:
            return set()
        folder = PLUGINS / self._phone.vendor / "templates"
        body = render_once(folder, replace(job, rule=limits_rule(self._manifest)), engine=ENGINE)
        return {limit.setting for limit in read(body)}


def silent(phone: Phone) -> Iterator[str]:
    """Values that make the same file as another one, or as if nothing had been said, and nobody is told."""
    told = Told(phone)
    for generic, setting in {name: each for name, each in {**KNOWN, **NUMBERED}.items() if name not in LOCATED}.items():
        name = generic.replace(".N", ".1")
        beside = {"sip.server": "s.example", **BESIDE.get(generic, {})}
        beside.pop(name, None)
        made: list[tuple[object, Said]] = []
        for text in values(setting):
            value = validate({name: text})[name]
            said = {**beside, name: value.reveal() if isinstance(value, Secret) else value}
            if told.short(name, said):
                continue
            for other, its in made:
                alike = any({text, other} <= group for group in ALIKE)
                if not alike and told.same(said, its) and not (told.excused(name, said) or told.excused(name, its)):
                    yield f"{name} = {text} is the same as {other}"
            made.append((text, said))
        # What holds anyhow makes the same file when it is said.
        anyhow = 1 if name.endswith(".line") else setting.default
        nothing = all(text != anyhow and told.same(said, beside) for text, said in made)
        if made and nothing and not any(told.excused(name, said) for _, said in made):
            yield f"{name} changes nothing"


def bare_keys(phone: Phone) -> Iterator[str]:
    """Keys that say nothing but what they are for."""
    told = Told(phone)
    server: Said = {"sip.server": "s.example"}
    for name in ("keys.1.type", "modules.1.keys.1.type"):
        nothing = {**server, name: "none"}
        for text in KEY_TYPES:
            said = {**server, name: text}
            if text != "none" and not told.excused(name, said) and told.same(said, nothing):
                yield f"{name} = {text} is nothing without a value"


def of_second(phone: Phone) -> Iterator[str]:
    """What is said of the second line only, where the first has another value of those that the phone knows."""
    told = Told(phone)
    model = MANIFESTS[phone.vendor].model(phone.model)
    # Where lines are sockets nothing but people dials the number of the mailbox.
    own = () if model is None or model.ports else ("feature.voicemail",)
    for name in (*(each.name for each in KNOWN.values() if each.of_line), *own):
        known = [text for text in values(KNOWN[name]) if not told.short(name, {name: text, **BESIDE.get(name, {})})]
        for first, text in zip(known, known[1:] + known[:1], strict=True):
            beside = {"sip.server": "s.example", **BESIDE.get(name, {}), name: first}
            job = second_job(phone, beside, {name: text})
            same = first != text and told.same_jobs(job, second_job(phone, beside, {}))
            if same and not around(name) & told.limits(job):
                yield f"{name} = {text} of the second line changes nothing where it is {first} of the first"


def second_job(phone: Phone, values: Said, own: Said) -> RenderJob:
    """Two lines, the second of which has something of its own."""
    job = job_of(phone, values, "claimed")
    line = Line(
        id="2",
        tenant="t",
        username="102",
        password=Secret("x"),
        voicemail=str(own.get("feature.voicemail", "")),
        settings={name: value for name, value in own.items() if name != "feature.voicemail"},
    )
    last = of_line(2, line, "x", {**DEFAULTS, **values})
    return replace(job, context={**job.context, "lines": [*job.context["lines"][:1], last]})


def traits(phone: Phone) -> set[tuple[str, object]]:
    """What may make its files other than those of other models."""
    found = {"lines": phone.lines, "keys": phone.keys, **phone.traits}
    kind = {name: bool(value) if name in COUNTS else value for name, value in found.items() if name not in NAMES}
    # What the templates ask of the numbers that have no trait of their own.
    kind["several"] = phone.lines > 1
    kind |= {"V7x": (phone.traits.get("generation") or 99) < 80, "short": phone.traits.get("family") == 124}
    return set(kind.items())


def kinds() -> list[Phone]:
    """Models that have every trait between them, those with few lines and keys first; and each firmware named above."""
    found: list[Phone] = []
    for vendor in VENDORS:
        met: set[tuple[str, object]] = set()
        for phone in sorted(models(vendor), key=lambda each: 10 * each.lines + each.keys):
            if not traits(phone) <= met:
                met |= traits(phone)
                found.append(small(phone))
        named = [phone for phone in models(vendor) if phone.model in FIRMWARE]
        found += [replace(small(phone), firmware=each) for phone in named for each in FIRMWARE[phone.model]]
    return found


def small(phone: Phone) -> Phone:
    """The same with two lines and one expansion module at most: more of them are more of the same in its file."""
    fewer = {"modules": 1} if phone.traits.get("modules") else {}
    return replace(phone, lines=min(phone.lines, 2), traits=phone.traits | fewer)


@pytest.mark.parametrize("phone", kinds(), ids=lambda phone: f"{phone.model}-{phone.firmware}")
def test_every_value_makes_another_file_or_it_is_said_why_not(phone: Phone) -> None:
    assert list(silent(phone)) == []


@pytest.mark.parametrize("phone", kinds(), ids=lambda phone: f"{phone.model}-{phone.firmware}")
def test_a_key_that_lacks_its_number_does_something_or_it_is_said(phone: Phone) -> None:
    assert list(bare_keys(phone)) == []


@pytest.mark.parametrize(
    "phone", [phone for phone in kinds() if phone.lines > 1], ids=lambda phone: f"{phone.model}-{phone.firmware}"
)
def test_what_is_said_of_the_second_line_alone_is_done_or_it_is_said_why_not(phone: Phone) -> None:
    assert list(of_second(phone)) == []
