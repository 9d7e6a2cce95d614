"""Nothing that is set is passed over in silence: each value of each setting makes another file, or it is said why not.

Of the two families with most models: some that have every trait between them, and every generation of firmware.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from provd.app.limits import limits_rule, read
from provd.base.secrets import Secret
from provd.domain.capability import shortfalls
from provd.domain.settings import DEFAULTS, KNOWN, NUMBERED, validate
from provd.domain.vocabulary import CODECS, Setting
from provd.plugins.render_engine import Engine
from provd.plugins.render_once import render_once
from tests.conformance.phones import MANIFESTS, PLUGINS, Phone
from tests.conformance.test_every_model import models
from tests.conformance.test_writes import LOCATED, job_of, one_file

ENGINE = Engine()
VENDORS = ("cisco_spa", "yealink")
FIRMWARE = {
    "T23P": ("44.80.0.95", "44.81.0.70", "44.82.0.20", "44.83.0.120", "44.84.0.140"),
    "T28P": ("2.70.0.140", "2.73.0.50"),
    "T38G": ("38.70.0.125",),
    "W52P": ("25.73.0.20", "25.80.0.15", "25.81.0.60"),
    "W60B": ("77.81.0.30", "77.83.0.85", "77.85.0.20"),
    "W70B": ("146.85.0.20",),
    "SPA504G": ("7.4.9c", "7.5.2b", "7.5.7"),
}
COUNTS = {"lines", "keys", "modules", "module_keys", "memory_keys", "handsets", "units", "generation"}
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

ALIKE = (
    # A key that has a number dials it, whatever it is for; the SPA knows no difference.
    {"speed_dial", "park", "pickup", "group_pickup", "dnd", "forward", "voicemail"},
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


class Told:
    """A phone of which something is said: its files, and what is said of it in turn."""

    def __init__(self, phone: Phone) -> None:
        self._phone = phone
        self._manifest = MANIFESTS[phone.vendor]
        self._files: dict[object, tuple[bytes, ...]] = {}

    def files(self, said: dict[str, object]) -> tuple[bytes, ...]:
        key = tuple(sorted((name, repr(value)) for name, value in said.items()))
        if key not in self._files:
            self._files[key] = tuple(one_file(self._phone, said, case) for case in ("common", "unclaimed", "claimed"))
        return self._files[key]

    def excused(self, name: str, said: dict[str, object]) -> bool:
        """Whether the device's page says something of this setting."""
        made = {each: value for each, value in said.items() if value != DEFAULTS.get(each)}
        if name in shortfalls(self._manifest, self._manifest.model(self._phone.model), made, self._phone.firmware):
            return True
        job = replace(job_of(self._phone, said, "claimed"), rule=limits_rule(self._manifest))
        body = render_once(PLUGINS / self._phone.vendor / "templates", job, engine=ENGINE)
        return name in {limit.setting for limit in read(body)}


def silent(phone: Phone) -> Iterator[str]:
    told = Told(phone)
    for generic, setting in {name: each for name, each in {**KNOWN, **NUMBERED}.items() if name not in LOCATED}.items():
        name = generic.replace(".N", ".1")
        beside = {"sip.server": "s.example", **BESIDE.get(generic, {})}
        beside.pop(name, None)
        without = told.files(beside)
        seen: dict[tuple[bytes, ...], object] = {}
        changed = excused = 0
        for text in values(setting):
            value = validate({name: text})[name]
            said = {**beside, name: value.reveal() if isinstance(value, Secret) else value}
            if told.excused(name, said) or (
                generic == "firmware.step_below" and told.excused("firmware.step_url", said)
            ):
                excused += 1
                continue
            files = told.files(said)
            changed += files != without or text == DEFAULTS.get(name)
            if files in seen and not any({text, seen[files]} <= alike for alike in ALIKE):
                yield f"{name} = {text} is the same as {seen[files]}"
            seen[files] = text
        if seen and not changed:
            yield f"{name} changes nothing"


def traits(phone: Phone) -> set[tuple[str, object]]:
    """What may make its files other than those of other models."""
    found = {"lines": phone.lines, "keys": phone.keys, **phone.traits}
    kind = {name: bool(value) if name in COUNTS else value for name, value in found.items() if name not in NAMES}
    # What the templates ask of the numbers that have no trait of their own.
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
                found.append(phone)
        named = [phone for phone in models(vendor) if phone.model in FIRMWARE]
        found += [replace(phone, firmware=each) for phone in named for each in FIRMWARE[phone.model]]
    return found


@pytest.mark.parametrize("phone", kinds(), ids=lambda phone: f"{phone.model}-{phone.firmware}")
def test_every_value_makes_another_file_or_it_is_said_why_not(phone: Phone) -> None:
    assert list(silent(phone)) == []
