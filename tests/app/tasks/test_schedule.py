from __future__ import annotations

from dataclasses import replace

from provd.app.tasks.schedule import Schedule
from provd.base.types import Mac
from provd.domain.records import RunState, TaskRun


def run(name: str, due: float, state: RunState = RunState.PENDING, **more: object) -> TaskRun:
    return TaskRun(id=name, template="t", version=1, mac=Mac("02aaaa000001"), state=state, due=due, **more)


def test_runs_come_when_they_are_due_and_those_that_came_first_first():
    schedule = Schedule()
    for each in (run("b", 2.0), run("a", 1.0), run("c", 1.0)):
        schedule.put(each)
    assert schedule.deadline == 1.0
    assert schedule.take(0.5) is None
    assert [schedule.take(1.0), schedule.take(1.0), schedule.take(1.0)] == ["a", "c", None]
    assert (schedule.deadline, len(schedule)) == (2.0, 1)


def test_the_last_word_about_a_run_counts():
    schedule = Schedule()
    schedule.put(run("a", 1.0))
    schedule.put(run("a", 5.0))
    assert schedule.take(4.0) is None
    schedule.put(run("a", 2.0))
    schedule.put(run("a", 2.0))
    assert (schedule.take(9.0), schedule.take(9.0)) == ("a", None)


def test_what_has_ended_waits_for_a_fact_or_is_gone_does_not_come():
    schedule = Schedule()
    for each in (run("a", 1.0), run("b", 1.0), run("c", 1.0)):
        schedule.put(each)
    schedule.put(run("a", 1.0, RunState.DONE))
    schedule.put(run("b", 0.0, RunState.ARMED))
    schedule.drop("c")
    schedule.drop("never there")
    assert (schedule.take(9.0), schedule.deadline) == (None, None)


def test_a_run_at_work_is_looked_at_when_its_lease_is_over():
    schedule = Schedule()
    schedule.put(run("a", 1.0, RunState.RUNNING, lease=50.0))
    assert schedule.take(49.0) is None
    schedule.put(replace(run("b", 60.0), state=RunState.WAITING))
    assert (schedule.take(50.0), schedule.deadline) == ("a", 60.0)


def test_what_somebody_is_at_is_not_given_again_before_that_is_over():
    schedule = Schedule()
    schedule.again(run("a", 1.0))
    assert schedule.take(1.0) == "a"
    schedule.again(run("a", 1.0))
    assert schedule.take(1.0) is None
    assert schedule.over("a"), "it has to be put as it is by then"
    assert not schedule.over("a")
    schedule.put(run("a", 1.0))
    assert schedule.take(1.0) == "a"
    assert not schedule.over("a"), "nobody has asked for it"


def test_who_is_at_it_and_says_when_it_goes_on_has_the_last_word():
    schedule = Schedule()
    schedule.put(run("a", 1.0))
    schedule.take(1.0)
    schedule.again(run("a", 1.0))
    schedule.put(run("a", 5.0))
    assert not schedule.over("a")
    assert (schedule.take(4.0), schedule.take(5.0)) == (None, "a")
