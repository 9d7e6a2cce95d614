"""How tests are dealt out to processes: long ones early and one by one, quick ones several at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from xdist.scheduler import LoadGroupScheduling

LONG = (
    *("tests/cli/", "tests/daemon/", "tests/e2e/", "tests/faults/", "tests/interop/"),
    *("tests/http/api/test_contract.py::test_a_stranger", "tests/http/api/test_contract.py::test_nor_about"),
)
"""Where a test may take seconds: it starts a daemon or another program."""
QUICK_AT_A_TIME = 8
"""Each portion is a message to a process, which waits for it."""
QUICK_LAST = 0.2
"""The part of the quick ones that nothing long stands behind, so that all processes come to their end together."""


def portions(tests: Sequence[str], group_of: Callable[[str], str]) -> list[list[str]]:
    """The tests in portions, in the order in which these are begun: groups, then long ones evenly among quick ones."""
    groups: dict[str, list[str]] = {}
    long: list[list[str]] = []
    quick: list[list[str]] = []
    for test in tests:
        group = group_of(test)
        if group != test:
            groups.setdefault(group, []).append(test)
        elif test.startswith(LONG):
            long.append([test])
        elif quick and len(quick[-1]) < QUICK_AT_A_TIME:
            quick[-1].append(test)
        else:
            quick.append([test])
    placed = [(number / len(long) * (1 - QUICK_LAST), portion) for number, portion in enumerate(long)]
    placed += [(number / len(quick), portion) for number, portion in enumerate(quick)]
    # The sort is stable, and the largest group takes longest.
    return sorted(groups.values(), key=len, reverse=True) + [portion for _, portion in sorted(placed, key=_place)]


def _place(placed: tuple[float, list[str]]) -> float:
    return placed[0]


class Scheduling(LoadGroupScheduling):
    """Deals portions out. What was done is forgotten: the one it comes from counts all of it anew after each test,
    which takes half a minute of a processor for some ten thousand."""

    def __init__(self, config: Any, log: Any = None) -> None:
        super().__init__(config, log)
        self._portion_of: dict[str, str] = {}
        self._numbers: Mapping[str, int] = {}

    def schedule(self) -> None:
        """Called when all processes have said which tests they know."""
        if self.collection is not None or not self._check_nodes_have_same_collection():
            super().schedule()
            return
        self.collection = list(next(iter(self.registered_collections.values())))
        self._numbers = {test: number for number, test in enumerate(self.collection)}
        for portion in portions(self.collection, super()._split_scope):
            self._portion_of.update(dict.fromkeys(portion, portion[0]))
            self.workqueue[portion[0]] = dict.fromkeys(portion, False)
        # Each process needs to know of a second test before it begins with its first.
        for node in self.nodes * 2:
            self._reschedule(node)

    def _split_scope(self, nodeid: str) -> str:
        return self._portion_of[nodeid]

    def mark_test_complete(self, node: Any, item_index: int, duration: float = 0) -> None:
        """Called after each test."""
        assert self.collection is not None
        test = self.collection[item_index]
        name = self._portion_of[test]
        portion = self.assigned_work[node][name]
        portion[test] = True
        if all(portion.values()):
            del self.assigned_work[node][name]
        self._reschedule(node)

    def _assign_work_unit(self, node: Any) -> None:
        name, portion = self.workqueue.popitem(last=False)
        self.assigned_work[node][name] = portion
        node.send_runtest_some([self._numbers[test] for test, done in portion.items() if not done])
