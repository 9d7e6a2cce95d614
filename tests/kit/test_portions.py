"""Portions of tests, and who deals them out."""

from __future__ import annotations

import random
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from tests.kit.portions import QUICK_AT_A_TIME, Scheduling, portions

QUICK = [f"tests/app/test_a.py::test_{number}" for number in range(1000)]
LONG = [f"tests/faults/test_b.py::test_{number}" for number in range(40)]
SMALL = [f"tests/app/test_c.py::test_{number}@small" for number in range(2)]
LARGE = [f"tests/app/test_d.py::test_{number}@large" for number in range(3)]


def group_of(test: str) -> str:
    return test.rpartition("@")[2]


def mixed() -> list[str]:
    tests = QUICK + LONG + SMALL + LARGE
    random.Random(1).shuffle(tests)
    return tests


def test_each_test_is_in_one_portion() -> None:
    dealt = [test for portion in portions(mixed(), group_of) for test in portion]
    assert Counter(dealt) == Counter(mixed())


def test_groups_stay_together_and_the_largest_is_first() -> None:
    first, second, *others = portions(mixed(), group_of)
    assert (sorted(first), sorted(second)) == (LARGE, SMALL)
    assert not any("@" in test for portion in others for test in portion)


def test_long_ones_are_alone_and_early() -> None:
    found = portions(mixed(), group_of)
    places = [number for number, portion in enumerate(found) if portion[0] in LONG]
    assert all(len(found[place]) == 1 for place in places)
    assert places[0] < 5
    assert 0.7 < places[-1] / len(found) < 0.9
    assert max(map(len, found)) == QUICK_AT_A_TIME


class Process:
    """One that does what it is told as long as it knows what comes next."""

    shutting_down = False
    gateway = SimpleNamespace(id="gw")

    def __init__(self) -> None:
        self.told: list[int] = []
        self.done: list[int] = []

    def send_runtest_some(self, numbers: list[int]) -> None:
        assert not self.shutting_down
        self.told += numbers

    def shutdown(self) -> None:
        self.shutting_down = True

    @property
    def ready(self) -> bool:
        return len(self.told) > len(self.done) + (not self.shutting_down)


def started(tests: list[str], count: int = 3) -> tuple[Scheduling, list[Any]]:
    options = {"tx": [f"{count}*popen"]}
    scheduling = Scheduling(SimpleNamespace(getvalue=options.get))
    processes = [Process() for _ in range(count)]
    for process in processes:
        scheduling.add_node(process)
    for process in processes:
        scheduling.add_node_collection(process, tests)
    assert scheduling.collection_is_completed
    scheduling.schedule()
    return scheduling, processes


def run(scheduling: Scheduling, processes: list[Any]) -> None:
    while ready := [process for process in processes if process.ready]:
        for process in ready:
            number = process.told[len(process.done)]
            process.done.append(number)
            scheduling.mark_test_complete(process, number)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 9, 1045])
def test_every_test_is_done_once_and_all_come_to_an_end(count: int) -> None:
    tests = mixed()[:count]
    scheduling, processes = started(tests)
    run(scheduling, processes)
    assert sorted(number for process in processes for number in process.done) == list(range(count))
    assert all(process.shutting_down for process in processes)
    assert scheduling.tests_finished
    assert not scheduling.has_pending


def test_what_a_process_leaves_undone_is_done_by_others() -> None:
    scheduling, processes = started(mixed())
    gone = processes.pop()
    for number in gone.told[:2]:
        scheduling.mark_test_complete(gone, number)
    assert scheduling.remove_node(gone) == mixed()[gone.told[2]]
    run(scheduling, processes)
    done = {number for process in processes for number in process.done} | {*gone.told[:2]}
    assert done == set(range(len(mixed())))
