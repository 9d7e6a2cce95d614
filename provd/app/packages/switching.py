"""Which version of a plugin is in force: preparing a change of it, making it, taking it back, taking all of it away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, replace

from provd.app.fleet import Fleet, Plan
from provd.app.packages.overridden import Reviewed, reviewed
from provd.app.packages.ports import BUNDLED, Candidate, Held, Packages
from provd.app.packages.trial import Trial, plain
from provd.app.ports import Change, Put
from provd.app.works import Progress, Works
from provd.base.dataclass import dataclass
from provd.base.errors import ConflictError, NotFoundError, UsageError
from provd.domain.overrides import Override
from provd.domain.records import Device
from provd.plugin import Manifest

PREPARE = "plugin.prepare"
TRY = "plugin.try"

NOWHERE = "none"
"""Where devices of a removed plugin may go: to no plugin at all, until evidence says otherwise."""


@dataclass(frozen=True, slots=True)
class Merging:
    """How news of the defaults go into overrides: ``by`` whom; ``change`` makes the change of the one with that id and
    has it audited."""

    by: str
    change: Callable[[str, Plan], Awaitable[None]]


class Switching:
    """The use cases. Its two kinds of long work are offered to ``works``."""

    def __init__(self, fleet: Fleet, packages: Packages, trial: Trial, works: Works) -> None:
        self._fleet = fleet
        self._packages = packages
        self._trial = trial
        self._turn = asyncio.Lock()
        works.offer(PREPARE, self._prepare)
        works.offer(TRY, self._try)

    async def _prepare(self, args: Mapping[str, object], progress: Progress) -> Mapping[str, object]:
        """Get a package onto the shelf and see what it would change."""
        package, plugin, version = (str(args.get(name) or "") for name in ("package", "plugin", "version"))
        if package:
            staged = await self._packages.take(package, progress)
        elif plugin and version in self._packages.held(plugin).versions:
            return await self._try({**args, "choice": version}, progress)
        else:
            staged = await self._packages.fetch(plugin, version, progress)
        tried = await self._tried(staged.plugin, staged.version, args, progress)
        return {**tried, "staged": asdict(staged)}

    async def _try(self, args: Mapping[str, object], progress: Progress) -> Mapping[str, object]:
        return await self._tried(str(args["plugin"]), str(args["choice"]), args, progress)

    async def _tried(
        self, plugin: str, choice: str, args: Mapping[str, object], progress: Progress
    ) -> Mapping[str, object]:
        held = self._packages.held(plugin)
        before = await self._packages.candidate(plugin, held.in_force)
        after = await self._packages.candidate(plugin, choice)
        templates = await self._reviewed(after, plugin, keep=bool(args.get("keep_templates")))
        outcome = await self._trial.run(before, after, plugin, progress, templates)
        return {"plugin": plugin, "choice": choice, "expect": held.in_force, "outcome": plain(outcome)}

    async def _reviewed(self, after: Candidate | None, plugin: str, *, keep: bool) -> list[Reviewed]:
        """What becomes of the overridden templates of a plugin when that is in force."""
        present = [each for each in self._fleet.tables.overrides.values() if each.plugin == plugin]
        if after is None or not present:
            return []
        return reviewed(present, await self._packages.texts(after), after.manifest.version, keep=keep)

    def _noted(self, plugin: str, merging: Merging | None) -> str:
        """What is noted with the switch, so that a crash in between does not leave the overrides behind."""
        overridden = any(each.plugin == plugin for each in self._fleet.tables.overrides.values())
        return merging.by if merging is not None and overridden else ""

    async def _merge(self, held: Held, merging: Merging | None) -> list[Override]:
        """Overridden templates take over what the version that has come in force has changed, where that fits."""
        if merging is None or not held.merging:
            return []
        kept: list[Override] = []
        after = await self._packages.candidate(held.plugin, held.in_force)
        for each in await self._reviewed(after, held.plugin, keep=False):
            if each.kept is not each.before:
                kept += await self._merged(each, merging)
        await self._packages.merged(held.plugin)
        return kept

    async def _merged(self, each: Reviewed, merging: Merging) -> list[Override]:
        kept: list[Override] = []

        def plan() -> list[Change]:
            # Somebody may have written another one meanwhile: that one is not touched.
            kept[:] = [each.kept] if self._fleet.tables.overrides.get(each.kept.id) is each.before else []
            return [Put(override) for override in kept]

        await merging.change(each.kept.id, plan)
        return kept

    async def complete(self, plugin: str, merging: Callable[[str], Merging]) -> list[Override]:
        """Do what a crash, or a database that was away, has left undone of a switch: ``merging`` is given by whom."""
        async with self._turn:
            held = self._packages.held(plugin)
            return await self._merge(held, merging(held.merging))

    async def switch(
        self, plugin: str, choice: str, expect: str | None, merging: Merging | None = None
    ) -> tuple[Held, list[Override]]:
        """Put a version in force. Gives also the overrides into which what has changed in their default was merged;
        without ``merging`` all stay as they are.

        ``expect`` is what was in force when its effects were looked at: ConflictError when that is another one by now.
        """
        held = self._packages.held(plugin)
        if expect is not None and held.in_force != expect:
            raise ConflictError(f"{plugin}: {held.in_force or 'what came with provd'} is in force by now; look again")
        if choice != BUNDLED and choice not in held.versions:
            raise NotFoundError(
                f"there is no {plugin} {choice} here; `provd plugin available` lists what can be fetched"
            )
        async with self._turn:
            noted = self._noted(plugin, merging)
            held = await self._packages.choose(plugin, choice, expect=expect, merging=noted)
            return held, await self._merge(held, merging)

    async def link(self, plugin: str, folder: str) -> Held:
        """Put a folder in force as it lies. Raises NotFoundError, and PluginError where the site does not want that."""
        return await self._packages.choose(plugin, folder)

    def previous(self, plugin: str) -> str:
        """What a rollback leads to. Raises ConflictError when there is nothing, or it is gone."""
        held = self._packages.held(plugin)
        if not held.history:
            raise ConflictError(f"{plugin}: nothing was in force before")
        return held.history[-1]

    async def rollback(
        self, plugin: str, expect: str | None = None, merging: Merging | None = None
    ) -> tuple[Held, list[Override]]:
        """Put in force again what was before; overrides go back as they came.

        ``expect`` is where it was seen to lead: ConflictError when that is somewhere else by now.
        """
        previous, present = self.previous(plugin), self._packages.held(plugin).in_force
        if expect is not None and previous != expect:
            raise ConflictError(f"{plugin}: {previous or 'what came with provd'} was before that by now; look again")
        async with self._turn:
            noted = self._noted(plugin, merging)
            held = await self._packages.choose(plugin, previous, back=True, expect=present, merging=noted)
            return held, await self._merge(held, merging)

    async def remove(self, plugin: str, version: str, to: str, manifests: Mapping[str, Manifest]) -> list[Device]:
        """Take one version off the shelf, or every package of a plugin. Gives the devices that went elsewhere.

        Raises ConflictError while devices use it and it is not said where they go.
        """
        held = self._packages.held(plugin)
        if version:
            await self._packages.discard(plugin, version)
            return []
        if held.in_force == BUNDLED and not held.versions:
            raise self._no_package(held, manifests)
        moved: list[Device] = []
        if await self._packages.candidate(plugin, BUNDLED) is None:
            moved = await self._emptied(plugin, to, manifests)
        await self._packages.choose(plugin, BUNDLED)
        for each in held.versions:
            await self._packages.discard(plugin, each)
        return moved

    def _no_package(self, held: Held, manifests: Mapping[str, Manifest]) -> UsageError:
        """Why that is not removed, and who can. A folder of the operator's is not: there is no other copy of it, and
        the daemon is mostly not allowed to write there."""
        if held.own:
            users = sum(device.plugin == held.plugin for device in self._fleet.tables.devices.values())
            told = f"{held.plugin} was not installed from a package: it is your folder {held.own}, which provd leaves"
            told += " alone; move it somewhere else and reload provd (systemctl reload provd)"
            return ConflictError(f"{told}; {_count(users)} {held.plugin}" if users else told)
        if held.plugin in manifests:
            return NotFoundError(f"{held.plugin} is no package; what came with provd is not removed")
        return NotFoundError(f"there is no plugin {held.plugin!r}")

    async def _emptied(self, plugin: str, to: str, manifests: Mapping[str, Manifest]) -> list[Device]:
        moved: list[Device] = []
        target = manifests.get(to)
        if to and to != NOWHERE and (target is None or to == plugin):
            raise UsageError(f"to: there is no other plugin {to!r}")

        def plan() -> list[Change]:
            users = [device for device in self._fleet.tables.devices.values() if device.plugin == plugin]
            if users and not to:
                raise ConflictError(
                    f"{_count(len(users))} {plugin}: say where they go (--to PLUGIN, or --to {NOWHERE})"
                )
            moved[:] = [_moved(device, target) for device in users]
            return [Put(device) for device in moved]

        await self._fleet.change(plan)
        return moved


def _count(users: int) -> str:
    return f"{users} devices use" if users > 1 else "1 device uses"


def _moved(device: Device, target: Manifest | None) -> Device:
    if target is None:
        return replace(device, plugin="", confidence=0)
    model = target.model(device.model)
    return replace(device, plugin=target.id, vendor=target.vendor, model="" if model is None else model.name)
