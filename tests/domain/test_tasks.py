"""Templates and runs: whose, when, and how they move on."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from provd.base.types import Mac
from provd.domain import tasks
from provd.domain.constraints import Attribute, Rule
from provd.domain.records import Device, RunState, TaskRun
from provd.domain.rulebook import Rulebook
from provd.domain.tasks import (
    Conflict,
    Done,
    Failed,
    Kind,
    Later,
    NotYet,
    Retry,
    Template,
    WaitStep,
    http_outcome,
    moved,
)

PHONE = Mac("02aaaa000001")
NOW = 1_000_000.0


def template(kind: Kind = Kind.ONETIME, **more: object) -> Template:
    base = {"id": "t", "version": 3, "devices": ("*",), "steps": (WaitStep(id="w", seconds=1.0),)}
    return Template(**{**base, "kind": kind, **more})


@pytest.mark.parametrize(
    ("pattern", "vendor", "model", "fitting"),
    [
        ("*", "", "", True),
        ("Acme/*", "Acme", "A1", True),
        ("acme/a1", "Acme", "A1", True),
        ("Acme/A1*", "Acme", "A1G", True),
        ("Acme/A1", "Acme", "A1G", False),
        ("Acme/*", "Bolt", "A1", False),
        ("Acme/*", "", "", False),
    ],
)
def test_a_template_belongs_to_devices_by_vendor_and_model(pattern, vendor, model, fitting):
    assert template(devices=(pattern,)).fits(Device(mac=PHONE, vendor=vendor, model=model)) is fitting


def test_the_id_of_a_run_names_template_version_device_and_generation():
    run = template().first(PHONE, NOW)
    assert run.id == "t:3:02aaaa000001:1"
    assert (run.state, run.due) == (RunState.PENDING, NOW)
    assert template().successor(run, NOW) is None


def test_a_periodic_task_keeps_its_rate_and_does_not_make_up_for_what_it_missed():
    every = template(Kind.PERIODIC, every=100.0)
    run = every.first(PHONE, NOW)
    assert every.successor(run, NOW + 5).due == NOW + 100
    late = every.successor(run, NOW + 250)
    assert (late.due, late.generation, late.id) == (NOW + 300, 2, "t:3:02aaaa000001:2")


def test_a_cron_task_runs_by_the_clock_on_the_wall_of_its_zone_also_when_that_is_changed():
    at_four = template(Kind.CRON, cron="30 4 * * *", zone=ZoneInfo("Europe/Madrid"))
    before = datetime(2026, 3, 28, 12, tzinfo=UTC).timestamp()
    first = at_four.first(PHONE, before)
    assert datetime.fromtimestamp(first.due, UTC) == datetime(2026, 3, 29, 2, 30, tzinfo=UTC)
    winter = at_four.first(PHONE, before - 86400)
    assert datetime.fromtimestamp(winter.due, UTC) == datetime(2026, 3, 28, 3, 30, tzinfo=UTC)


def test_a_reactive_task_is_armed_before_and_after():
    reactive = template(Kind.REACTIVE, fact="DEVICE-PROVISIONED")
    run = reactive.first(PHONE, NOW)
    assert run.state is RunState.ARMED
    assert reactive.successor(run, NOW).state is RunState.ARMED


def test_what_is_not_there_yet_is_looked_for_for_two_weeks():
    run, now, pauses = template().first(PHONE, NOW), NOW, []
    while run.state is not RunState.FAILED:
        run = moved(run, NotYet("the record"), now)
        if run.state is RunState.WAITING:
            assert run.reason == "the record"
            pauses.append(run.due - now)
            now = run.due
    assert pauses[:6] == [60, 300, 900, 3600, 3600, 3600]
    assert 14 * 86400 <= now - NOW < 14 * 86400 + 3600
    assert run.reason == "the record was not there for 14 days"


def test_what_does_not_answer_is_tried_eight_times_with_growing_pauses():
    run, pauses = template().first(PHONE, NOW), []
    while run.state is not RunState.FAILED:
        run = moved(run, Retry("503"), NOW)
        if run.state is RunState.RETRYING:
            pauses.append(run.due - NOW)
    assert pauses == [1, 2, 4, 8, 16, 32, 64]
    assert run.reason == "503 (8 tries)"


def test_a_server_that_asks_for_time_gets_it_up_to_a_day():
    run = template().first(PHONE, NOW)
    assert moved(run, Retry("429", 90.0), NOW).due == NOW + 90
    assert moved(run, Retry("429", 1e9), NOW).due == NOW + 86400


def test_the_other_outcomes():
    run = template().first(PHONE, NOW)
    assert moved(run, Failed("no"), NOW).state is RunState.FAILED
    assert moved(run, Conflict("taken"), NOW).state is RunState.CONFLICT
    later = moved(run, Later(NOW + 7), NOW)
    assert (later.state, later.due) == (RunState.PENDING, NOW + 7)
    again = tasks.again(moved(run, Failed("no"), NOW), NOW + 1)
    assert (again.state, again.due, again.reason, again.finished) == (RunState.PENDING, NOW + 1, "", 0.0)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, None),
        (204, None),
        (301, Failed("it answers 301: it sends us elsewhere")),
        (400, Failed("it answers 400")),
        (401, Failed("it answers 401")),
        (404, NotYet("the record")),
        (408, Retry("it answers 408")),
        (409, Failed("it answers 409")),
        (429, Retry("429: too many requests", 30.0)),
        (500, Retry("it answers 500")),
        (503, Retry("it answers 503", 30.0)),
    ],
)
def test_what_the_status_of_a_reply_means(status, outcome):
    assert http_outcome(status, 30.0, "the record") == outcome


def test_of_ended_runs_the_last_good_one_and_the_failed_ones_are_kept():
    def ended(generation: int, state: RunState) -> TaskRun:
        return TaskRun(id=str(generation), template="t", version=1, mac=PHONE, generation=generation, state=state)

    runs = [ended(n, RunState.FAILED if n % 2 else RunState.DONE) for n in range(1, 61)]
    gone = {run.generation for run in tasks.outdated(runs, "t")}
    assert {n for n in range(1, 61) if n not in gone} == {60, *range(21, 61, 2)}
    assert tasks.outdated(runs, "other") == []


def test_rules_on_metadata():
    attributes = (
        Attribute(name="site", required=True),
        Attribute(name="class", type="enum", values=("desk", "lobby")),
        Attribute(name="asset", type="number"),
        Attribute(name="leased", type="boolean"),
    )
    book = Rulebook((), (Rule(name="r", devices=("Acme/*",), attributes=attributes),))
    acme = Device(mac=PHONE, vendor="Acme")
    assert book.faults(acme, {"site": "x", "class": "desk", "asset": 1.5, "leased": False, "more": []}) == []
    assert book.faults(acme, {}) == ["r: site is missing"]
    assert book.faults(acme, {"site": 1, "class": "attic", "asset": True, "leased": 0}) == [
        "r: site must be a text",
        "r: class must be one of desk, lobby",
        "r: asset must be a number",
        "r: leased must be true or false",
    ]
    assert book.faults(Device(mac=PHONE, vendor="Bolt"), {}) == []
    assert Done().result == {}
