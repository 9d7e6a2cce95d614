"""What is said reaches a phone as it was said, and is gone when it is said no longer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from provd.app.limits import limits_rule, read
from provd.app.ports import RenderJob
from provd.plugins.render_once import render_once
from tests.conformance.phones import ENGINE, MANIFESTS, PHONES, PLUGINS, Phone
from tests.conformance.test_writes import CASES, EVERYTHING, job_of, one_file
from tests.conformance.vendors import MARK, VENDORS, Pairs

MEANT = ("admin.password", "user.password", "keys.1.value", "modules.1.keys.1.value")
"""Texts that mean something to a machine: a name on the display may be written a little differently."""

OF_LINE = ("username", "auth_username", "password")
CHARACTERS = "\"'\\;,=|<>&%#$[]{}()?!*+~^`@:/ é"
SERVER: dict[str, object] = {"sip.server": "s.example"}


def job_with(phone: Phone, name: str, text: str) -> RenderJob:
    """A claimed phone of which that is said; of its first line, if it is a field of lines."""
    if name not in OF_LINE:
        beside = {f"{name.removesuffix('value')}type": "speed_dial"} if name.endswith(".value") else {}
        return job_of(phone, {**SERVER, **beside, name: text}, "claimed")
    job = job_of(phone, SERVER, "claimed")
    first, *others = job.context["lines"]
    return replace(job, context={**job.context, "lines": [{**first, name: text}, *others]})


def pairs(phone: Phone, job: RenderJob) -> Pairs:
    """What stands in its file."""
    return VENDORS[phone.vendor].parse(render_once(PLUGINS / phone.vendor / "templates", job, engine=ENGINE))


def lost(phone: Phone, name: str, characters: str, marked: Pairs) -> Iterator[str]:
    """Which of these its file has otherwise, where it has ``MARK`` in those pairs."""
    text = f"a{characters}b"
    if pairs(phone, job_with(phone, name, text)) == [(each, value.replace(MARK, text)) for each, value in marked]:
        return
    if len(characters) == 1:
        yield characters
        return
    middle = len(characters) // 2
    for half in (characters[:middle], characters[middle:]):
        yield from lost(phone, name, half, marked)


def altered(phone: Phone) -> Iterator[str]:
    """Characters that a file has otherwise than they were said, and nobody is told."""
    rule = limits_rule(MANIFESTS[phone.vendor])
    for name in (*MEANT, *OF_LINE):
        marked = pairs(phone, job_with(phone, name, MARK))
        for character in lost(phone, name, CHARACTERS, marked) if any(MARK in value for _, value in marked) else ():
            job = replace(job_with(phone, name, f"a{character}b"), rule=rule)
            told = read(render_once(PLUGINS / phone.vendor / "templates", job, engine=ENGINE))
            if not any(limit.setting == ("sip.server" if name in OF_LINE else name) for limit in told):
                yield f"{name} with {character}"


@pytest.mark.parametrize("phone", PHONES, ids=lambda phone: phone.model)
def test_a_text_is_written_as_it_is_or_it_is_said_that_it_is_not(phone: Phone) -> None:
    assert list(altered(phone)) == []


@pytest.mark.parametrize("phone", PHONES, ids=lambda phone: phone.model)
def test_what_is_said_no_longer_leaves_no_parameter_as_it_was(phone: Phone) -> None:
    vendor = VENDORS[phone.vendor]
    for case in CASES:
        full = {name for name, _ in vendor.parse(one_file(phone, EVERYTHING, case))}
        bare = {name for name, _ in vendor.parse(one_file(phone, SERVER, case))}
        assert vendor.replaces or full - bare <= set(vendor.orders)
