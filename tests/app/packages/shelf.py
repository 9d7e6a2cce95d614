"""A shelf in memory: what lies on it, who offers what, and renderers that write down what each version makes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from provd.app.context import ContextMaker
from provd.app.firmware.warehouse import Warehouse
from provd.app.packages import Shop
from provd.app.packages.ports import BUNDLED, Candidate, Held, Offered, Offers, Staged
from provd.app.packages.switching import Switching
from provd.app.packages.trial import Trial
from provd.app.ports import Renderer, RenderJob
from provd.app.works import Progress, Works
from provd.base.errors import ConflictError, NotFoundError, PluginError
from provd.plugin import Manifest
from tests.app.fakes import ACME, World

Making = Callable[[RenderJob], bytes]


@dataclass
class FixedPackages:
    """Implements ``Packages``. ``kinds`` has a manifest and what its templates make for each (plugin, choice)."""

    kinds: dict[tuple[str, str], tuple[Manifest, Making]] = field(default_factory=dict)
    shelf: dict[str, Held] = field(default_factory=dict)
    offered: tuple[Offered, ...] = ()
    fetched: list[tuple[str, str]] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    refuses: str = ""
    templates: dict[tuple[str, str], Mapping[str, str]] = field(default_factory=dict)

    def lay(self, manifest: Manifest, choice: str, making: Making) -> None:
        """This version lies there from now on."""
        self.kinds[manifest.id, choice] = manifest, making
        if choice != BUNDLED:
            held = self.held(manifest.id)
            self.shelf[manifest.id] = replace(held, versions=(*held.versions, choice))

    def held(self, plugin: str) -> Held:
        return self.shelf.get(plugin, Held(plugin))

    def every(self) -> Sequence[Held]:
        return list(self.shelf.values())

    async def offers(self, progress: Progress) -> Offers:
        progress.doing = "asking"
        return Offers(self.offered)

    async def fetch(self, plugin: str, version: str, progress: Progress) -> Staged:
        progress.doing = "fetching"
        self.fetched.append((plugin, version))
        return self._staged(plugin, version or "2.0.0")

    async def take(self, name: str, progress: Progress) -> Staged:
        progress.doing = "checking"
        self.taken.append(name)
        return self._staged("acme", "2.0.0")

    def _staged(self, plugin: str, version: str) -> Staged:
        if self.refuses:
            raise PluginError(self.refuses)
        return Staged(plugin, version, "0" * 64, "id=acme", "bronze")

    async def candidate(self, plugin: str, choice: str) -> Candidate | None:
        found = self.kinds.get((plugin, choice))
        return None if found is None else Candidate(choice, found[0], (Path(f"/{plugin}/{choice or 'bundled'}"),))

    async def texts(self, candidate: Candidate) -> Mapping[str, str]:
        return self.templates.get((candidate.manifest.id, candidate.choice), {})

    async def choose(
        self, plugin: str, choice: str, *, back: bool = False, expect: str | None = None, merging: str = ""
    ) -> Held:
        await asyncio.sleep(0)  # somebody else may come first
        held = self.held(plugin)
        if expect not in (None, held.in_force):
            raise ConflictError(f"{held.in_force or 'what came with provd'} is in force by now")
        history = held.history[:-1] if back else (*held.history, held.in_force)
        self.shelf[plugin] = replace(held, in_force=choice, history=history, merging=merging)
        return self.shelf[plugin]

    async def merged(self, plugin: str) -> None:
        self.shelf[plugin] = replace(self.held(plugin), merging="")

    async def discard(self, plugin: str, version: str) -> None:
        held = self.held(plugin)
        if held.in_force == version:
            raise ConflictError(f"{plugin} {version} is in force")
        if version not in held.versions:
            raise NotFoundError(f"there is no {plugin} {version}")
        self.shelf[plugin] = replace(held, versions=tuple(each for each in held.versions if each != version))

    @asynccontextmanager
    async def trial(self, folders: Mapping[str, Sequence[Path]]) -> AsyncIterator[Renderer]:
        makings = {}
        for label, (folder,) in folders.items():
            plugin, choice = folder.parts[1:]
            makings[label] = self.kinds[plugin, BUNDLED if choice == "bundled" else choice][1]
        yield _Renderer(makings)


def acme_shelf(*, bundled: bool = True) -> FixedPackages:
    """Acme's plugin came with provd unless said otherwise, and version 2.0.0 of it lies on the shelf."""
    packages = FixedPackages(
        offered=(Offered("acme", "2.0.0", "Acme", "made up", 1000, fits=True, source="http://plugins.example/"),)
    )
    if bundled:
        packages.lay(ACME, BUNDLED, lambda _: b"old")
    packages.lay(ACME, "2.0.0", lambda _: b"new")
    packages.shelf["bolt"] = Held("bolt", "2.0.0", ("2.0.0",), (BUNDLED,))
    return packages


def shop_of(world: World, packages: FixedPackages) -> Shop:
    """The use cases over this shelf; what is begun is over when the call returns."""
    fleet = world.fleet

    def maker() -> ContextMaker:
        return ContextMaker(fleet.tables, world.tokens, lambda _: None)

    works = Works(fleet, world.clock, world.facts.append, patient=True)
    trial = Trial(world.boot.station, maker, packages)
    warehouse = Warehouse(
        world.depot, world.boot.station.knowledge, fleet.tables, works, world.clock, world.facts.append
    )
    return Shop(packages, Switching(fleet, packages, trial, works), works, warehouse)


@dataclass
class _Renderer:
    makings: Mapping[str, Making]

    async def render(self, job: RenderJob) -> bytes:
        return self.makings[job.plugin](job)
