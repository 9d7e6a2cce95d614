"""Names of jobs: equal only when the file would be the same."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from provd.app.ports import RenderJob
from provd.base.errors import PluginError
from provd.plugin import FileRule
from provd.plugins.render_memory import KeptFiles

RULE = FileRule("{mac}.cfg", "device", template="device.cfg.j2")


class DictShelf:
    def __init__(self) -> None:
        self.bodies: dict[bytes, bytes] = {}

    def __len__(self) -> int:
        return len(self.bodies)

    def find(self, name: bytes) -> bytes | None:
        return self.bodies.get(name)

    def seal(self, name: bytes, body: bytes) -> bytes:
        return name + body

    def write(self, entries: Iterable[bytes]) -> None:
        self.bodies.update({entry[:16]: entry[16:] for entry in entries})


class Digests:
    def __init__(self) -> None:
        self.of = {"acme": "d1", "bolt": "d1"}

    def __call__(self, plugin: str) -> str:
        if plugin not in self.of:
            raise PluginError(f"there is no plugin {plugin!r}")
        return self.of[plugin]


def job(plugin: str = "acme", rule: FileRule = RULE, **context: object) -> RenderJob:
    whole = {"lines": [{"password": "p"}], "settings": {"ntp": {"server": "a"}}, **context}
    return RenderJob(plugin, rule, whole, frozenset({"settings"}))


def test_only_the_very_same_job_is_recalled():
    digests, shelf = Digests(), DictShelf()
    kept = KeptFiles(shelf, digests, b"key")
    assert not kept
    kept.remember(job(), b"file")
    assert kept.recall(job()) is None
    kept.write(kept.sealed(10))
    assert kept
    assert kept.recall(job()) == b"file"
    others = (
        job("bolt"),
        job(lines=[{"password": "q"}]),
        job(settings={"ntp": {"server": "b"}}),
        job(more=1),
        job(rule=FileRule("{mac}.cfg", "device", template="other.j2")),
        job(rule=FileRule("{mac}.cfg", "device", template="device.cfg.j2", format="xml")),
    )
    assert [kept.recall(other) for other in others] == [None] * len(others)
    digests.of["acme"] = "d2"
    assert kept.recall(job()) is None
    assert KeptFiles(shelf, Digests(), b"another key").recall(job()) is None


@pytest.mark.parametrize("odd", [job("gone"), job(value=object()), job(value=float("nan"))])
def test_what_has_no_name_is_not_kept(odd):
    shelf = DictShelf()
    kept = KeptFiles(shelf, Digests(), b"key")
    kept.remember(odd, b"x")
    assert kept.sealed(10) == []
    assert kept.recall(odd) is None


def test_it_is_written_little_by_little():
    kept = KeptFiles(DictShelf(), Digests(), b"key")
    for number in range(25):
        kept.remember(job(number=number), b"x")
    assert [len(kept.sealed(10)) for _ in range(4)] == [10, 10, 5, 0]
