"""A fleet whose files are filled in after patterns comes to the very outcome of one in which each is rendered."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from provd.app.context import ContextMaker
from provd.app.packages.ports import BUNDLED, Candidate
from provd.app.packages.trial import Outcome, Trial
from provd.app.ports import Renderer, RenderJob
from provd.app.site import Site
from provd.app.works import Progress
from provd.app.zones import zone
from provd.base.types import Mac
from provd.domain.records import Device
from provd.plugins.catalogue import bundled_plugins
from provd.plugins.loader import load
from provd.plugins.render import RenderPool
from tests.app.fakes import MemoryJournal, World, claimed, line, tenant
from tests.app.packages.shelf import FixedPackages
from tests.kit.clock import FakeClock

YEALINK = bundled_plugins() / "yealink"
MODELS = ("T21P", "T23P", "T27P", "T48G", "W52P", "T99X")
CHANGES = {
    "a comment": ("device.cfg.j2", "{# other #}"),
    "a line of all": ("device.cfg.j2", "features.other = 1\n"),
    "of one model": ("device.cfg.j2", "{% if model.name == 'T27P' %}\nfeatures.other = 1\n{% endif %}\n"),
    "of some phones, by a text that is looked at": (
        "device.cfg.j2",
        "{% if lines and '7' in lines[0].number %}\nfeatures.other = {{ lines[0].password }}\n{% endif %}\n",
    ),
    "one that fails for some": (
        "device.cfg.j2",
        "{% if lines and lines[0].number|int % 9 == 0 %}\n{{ nobody }}\n{% endif %}\n",
    ),
    "of the common file": ("common.cfg.j2", "{% set minutes = 7 %}"),
}


class Each:
    """Renders each file, alike or not."""

    def __init__(self, pool: Renderer) -> None:
        self._pool = pool
        self.told: list[bool] = []

    def render(self, job: RenderJob) -> Awaitable[bytes]:
        self.told.append(job.alike)
        return self._pool.render(replace(job, alike=False))


class Templates(FixedPackages):
    """Two versions of a plugin in folders, rendered by the processes that do it in a daemon."""

    def __init__(self, old: Path, new: Path, *, patterns: bool) -> None:
        super().__init__()
        self.folders = {BUNDLED: old, "new": new}
        self.patterns = patterns
        self.jobs: list[bool] = []

    async def candidate(self, plugin: str, choice: str) -> Candidate | None:
        folder = self.folders[choice]
        return Candidate(choice, load(folder), (folder / "templates",))

    @asynccontextmanager
    async def trial(self, folders: Mapping[str, Sequence[Path]]) -> AsyncIterator[Renderer]:
        pool = RenderPool(lambda label: folders[label], FakeClock(), lambda _: None)
        await pool.start()
        each = Each(pool)
        try:
            yield pool if self.patterns else each
        finally:
            self.jobs = each.told
            await pool.close()


def fleet() -> list[Device]:
    """Phones of several models: claimed ones, one whose name cannot be written, unclaimed ones, some with settings of
    their own."""
    devices = []
    for number in range(60):
        mac, model = Mac(f"805ec0{number:06x}"), MODELS[number % len(MODELS)]
        own = {"sip.server": "own.example"} if number % 11 == 0 else {}
        kind = {"vendor": "Yealink", "plugin": "yealink", "model": model, "settings": own}
        devices.append(claimed(mac, *([f"n{number}"] if number % 5 else []), **kind))
    return devices


async def outcome(new: Path, *, patterns: bool) -> tuple[Outcome, Templates]:
    lines = [
        replace(line(f"n{number}"), number=f"{number}", display_name="x\ny" if number == 13 else f"Ann {number}")
        for number in range(60)
    ]
    world = World(MemoryJournal(tenant(), *lines, *fleet()), Site())
    packages = Templates(YEALINK, new, patterns=patterns)
    trial = Trial(world.boot.station, lambda: ContextMaker(world.fleet.tables, world.tokens, zone), packages)
    sides = [await packages.candidate("yealink", choice) for choice in (BUNDLED, "new")]
    return await trial.run(*sides, "yealink", Progress()), packages


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_the_outcome_is_that_of_rendering_each_file(change, tmp_path) -> None:
    shutil.copytree(YEALINK, tmp_path / "yealink", ignore=shutil.ignore_patterns("golden", "__pycache__"))
    template, text = change
    with (tmp_path / "yealink" / "templates" / template).open("a") as file:
        file.write("" if template == "device.cfg.j2" else text)
    if template == "device.cfg.j2":
        path = tmp_path / "yealink" / "templates" / template
        path.write_text(path.read_text().replace('{% include "handsets.cfg.j2" %}\n', text, 1))
    filled, _ = await outcome(tmp_path / "yealink", patterns=True)
    each, packages = await outcome(tmp_path / "yealink", patterns=False)
    assert filled == each
    assert (filled.devices, filled.unknown) == (60, {"T99X": 10})
    assert filled.changed or filled.failed or text.startswith("{#")
    assert filled.same, "and some are not concerned, or fail in both"
    assert packages.jobs.count(True) > 100
    assert packages.jobs.count(False) > 10
