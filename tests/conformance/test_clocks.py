"""What time it is on a phone: every zone of the database, from the file to the display, against Python's zoneinfo."""

from __future__ import annotations

import random
import re
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo

import pytest

from provd.app.limits import limits_rule, read
from provd.app.zones import Misfit, misfits, zone
from provd.base.types import Mac
from provd.plugin.phone import Handset, PhoneClass
from provd.plugins.render_once import render_once
from provd.simulate.load import phone_class
from tests.conformance.phones import ENGINE, MANIFESTS, PLUGINS, Phone, of_model
from tests.conformance.vendors import VENDORS

NAMES = files("tzdata").joinpath("zones").read_text().split()
TODAY = datetime(2026, 11, 26, tzinfo=UTC)
UNTIL = datetime(2031, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
SAMPLES = {name: vendor.clock for name, vendor in VENDORS.items() if vendor.clock}
QUICK = [name for name in SAMPLES if VENDORS[name].clock_part]

each_vendor = pytest.mark.parametrize("vendor", QUICK)


def phone_of(vendor: str) -> Phone:
    return of_model(SAMPLES[vendor])


@cache
def truth(name: str) -> ZoneInfo:
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, name)


@cache
def changes(name: str) -> list[datetime]:
    """Every change of the offset in these years, to the second."""
    found, moment = [], TODAY
    while moment < UNTIL:
        later = moment + timedelta(days=5)
        if moment.astimezone(truth(name)).utcoffset() != later.astimezone(truth(name)).utcoffset():
            low, high = moment, later
            while high - low > SECOND:
                middle = low + (high - low) // 2
                middle = middle.replace(microsecond=0)
                same = middle.astimezone(truth(name)).utcoffset() == moment.astimezone(truth(name)).utcoffset()
                low, high = (middle, high) if same else (low, middle)
            found.append(high)
        moment = later
    return found


@cache
def unfit(name: str) -> tuple[Misfit, ...]:
    """When the rule that files have of this zone is not the zone's, for all vendors alike."""
    return misfits(name, TODAY, UNTIL)


@cache
def kind_of(vendor: str) -> PhoneClass:
    return phone_class(PLUGINS / vendor)


def clock_of(vendor: str, name: str, template: str = "") -> object:
    """A simulated phone that has taken the file over; with ``template`` only that part of it."""
    phone = phone_of(vendor)
    job = phone.job("claimed", zone=zone(name))
    if template:
        rule = MANIFESTS[vendor].files[0].__class__("x", "device", template=template, format=job.rule.format)
        body = render_once(PLUGINS / vendor / "templates", job.__class__(vendor, rule, job.context), engine=ENGINE)
        found = re.findall(r"<(\S+)>(.*)</|^(\S+) = (.*)$", body.decode(), re.MULTILINE)
        pairs = [(a or c, b or d) for a, b, c, d in found]
    else:
        body = render_once(PLUGINS / vendor / "templates", job, engine=ENGINE)
        pairs = VENDORS[vendor].parse(body)
    model = MANIFESTS[vendor].model(phone.model)
    simulated = kind_of(vendor)(model, Handset(Mac(phone.mac)), random.Random(1))
    for key, value in pairs:
        if value in VENDORS[vendor].unset:
            simulated.settings.pop(key, None)
        else:
            simulated.settings[key] = value
    return simulated


def error(simulated: object, name: str, moment: datetime) -> timedelta:
    """By how much the display is fast."""
    return simulated.clock(moment) - moment.astimezone(truth(name)).replace(tzinfo=None)


def said(vendor: str, name: str) -> list[str]:
    """What the plugin says of this zone."""
    manifest = MANIFESTS[vendor]
    if not manifest.limits:
        return []
    job = phone_of(vendor).job("claimed", zone=zone(name))
    body = render_once(
        PLUGINS / vendor / "templates", job.__class__(vendor, limits_rule(manifest), job.context), engine=ENGINE
    )
    return [limit.reason for limit in read(body) if limit.setting == "time.zone"]


@pytest.mark.parametrize(
    ("vendor", "name"),
    [(vendor, name) for vendor in SAMPLES for name in NAMES[:: 1 if vendor in QUICK else 4]],
)
def test_it_is_right_today_and_until_2030_at_both_changes_of_each_year_or_it_is_said(vendor, name):
    simulated = clock_of(vendor, name, VENDORS[vendor].clock_part)
    wrong = unfit(name)
    months = [TODAY + timedelta(days=29 * number) for number in range(51)]
    around = [change + step for change in changes(name) for step in (-SECOND, timedelta())]
    errors = {
        moment: error(simulated, name, moment)
        for moment in [*months, *around]
        if not any(each.since <= moment < each.until for each in wrong)
    }
    late = {moment: by for moment, by in errors.items() if by}
    # Whatever is wrong is wrong around a change only, and was said.
    assert VENDORS[vendor].places or not set(late) & set(months)
    assert bool(late) == bool(said(vendor, name)), late


@pytest.mark.parametrize(
    ("name", "sentences"),
    [
        ("America/Santiago", ["starts 60 min early", "ends 60 min early"]),
        ("Africa/Cairo", ["ends 60 min early"]),
        ("America/Nuuk", ["starts 60 min late"]),
        ("Asia/Jerusalem", ["starts 180 min early"]),
        ("Pacific/Chatham", ["starts 15 min late", "ends 15 min late"]),
        ("Antarctica/Troll", []),
        ("Australia/Lord_Howe", []),
        ("Europe/Paris", []),
    ],
)
def test_what_is_said_of_a_change_is_how_wrong_it_is(name, sentences):
    lines = said("yealink", name)
    assert [sentence in line for sentence, line in zip(sentences, lines, strict=True)] == [True] * len(sentences)
    simulated = clock_of("yealink", name)
    for line in lines:
        minutes = int(re.search(r"(\d+) min", line)[1])
        start = "starts" in line
        change = next(
            each
            for each in changes(name)
            if (each.astimezone(truth(name)).utcoffset() > (each - SECOND).astimezone(truth(name)).utcoffset()) == start
        )
        step = -timedelta(minutes=minutes) if "early" in line else timedelta(minutes=minutes) - SECOND
        assert error(simulated, name, change + step)
        beyond = step - SECOND if "early" in line else step + SECOND
        assert not error(simulated, name, change + beyond)


@pytest.mark.parametrize(
    "name",
    [
        "Asia/Kolkata",
        "Asia/Kathmandu",
        "Australia/Adelaide",
        "America/St_Johns",
        "Pacific/Kiritimati",
        "America/New_York",
        "Europe/Paris",
        "Asia/Kabul",
        "Pacific/Marquesas",
        "Europe/Dublin",
    ],
)
@each_vendor
def test_a_whole_file_too(vendor, name):
    simulated = clock_of(vendor, name)
    for moment in [TODAY, *changes(name), *(change - SECOND for change in changes(name))]:
        assert not error(simulated, name, moment)


def test_a_phone_without_a_zone_says_nothing_of_the_time():
    assert clock_of("yealink", "").clock(TODAY) is None
