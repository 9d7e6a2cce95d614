"""A dry run: what another version of a plugin would change in the files of the fleet, before any phone sees it."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, field
from heapq import heappush, heappushpop, nsmallest
from itertools import count
from typing import Any

from provd.app.context import SHARED, ContextMaker, Subject
from provd.app.packages.overridden import Reviewed
from provd.app.packages.ports import Candidate, Packages
from provd.app.ports import Renderer, RenderJob, Want
from provd.app.station import Station
from provd.app.works import Progress
from provd.base.dataclass import dataclass
from provd.base.errors import PluginError
from provd.base.types import mac_text
from provd.domain.names import name_for
from provd.domain.overrides import Override
from provd.domain.records import Device
from provd.plugin import FileRule, Manifest, Model

MOST_SHOWN = 20
"""Files whose differences are shown, and reasons that are told."""
LONGEST_DIFF = 4000
"""Lines of one file's difference."""

LONGEST_REASON = 500
"""Characters of one reason."""

_BEFORE, _AFTER = "before", "after"
_AT_ONCE = 48
"""Files that are being rendered at a time: the event loop has other things to do between them."""


@dataclass(slots=True)
class Outcome:
    """What would happen. Counts are files; ``unknown`` has the devices of each model that the new version lacks."""

    plugin: str
    before: str
    after: str
    devices: int = 0
    files: int = 0
    same: int = 0
    changed: int = 0
    appear: int = 0
    vanish: int = 0
    failed: int = 0
    unknown: dict[str, int] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)
    untold: int = 0
    """How many more reasons there are."""
    diffs: list[dict[str, str]] = field(default_factory=list)
    """``{device, name, diff}``: unified differences with every password as ``***``."""
    templates: list[dict[str, Any]] = field(default_factory=list)
    """The overridden templates whose default the other version changes or lacks, and what becomes of them."""

    @property
    def harmful(self) -> bool:
        """Whether some device would be worse off."""
        return bool(self.failed or self.vanish or self.unknown)


@dataclass(slots=True)
class _File:
    """One file of one device, or of one model, in the two versions; a rule is None where a version does not have it."""

    number: int
    whose: str
    name: str
    device: Device | None
    model: str
    before: FileRule | None
    after: FileRule | None
    subject: Subject | None = None
    context: Mapping[str, object] = field(default_factory=dict)
    """What was put together for the subject last."""


@dataclass(frozen=True, slots=True)
class _Side:
    """One of the two versions. Each has a maker of contexts of its own, which keeps what its models have in common."""

    label: str
    manifest: Manifest | None
    maker: ContextMaker
    renderer: Renderer
    overrides: Mapping[str, Override | None] = field(default_factory=dict)
    """Those that will be others with this version, by id."""
    models: dict[str, Model] = field(default_factory=dict)

    def model(self, name: str) -> Model:
        """The model of that name, or what is assumed; the very same object each time."""
        found = self.models.get(name)
        if found is None and self.manifest is not None:
            found = self.models[name] = self.manifest.assumed(name)
        return found or Model(name)


@dataclass(slots=True)
class _Found:
    """The outcome, and what is told of some: the first ones of the fleet, whichever is rendered first."""

    outcome: Outcome
    changed: list[_File] = field(default_factory=list)
    reasons: list[tuple[int, str]] = field(default_factory=list)
    """No more than are shown, with the last one of the fleet in front: each has its number as a negative one."""

    def tell(self, file: _File, reason: str) -> None:
        told = -file.number, f"{file.whose} {file.name}: {reason}"[:LONGEST_REASON]
        if len(self.reasons) < MOST_SHOWN:
            heappush(self.reasons, told)
        else:
            heappushpop(self.reasons, told)
            self.outcome.untold += 1


class Trial:
    """Renders every file of a plugin's devices with two versions of it and compares."""

    def __init__(self, station: Station, maker: Callable[[], ContextMaker], packages: Packages) -> None:
        self._station = station
        self._maker = maker
        self._packages = packages

    async def run(
        self,
        before: Candidate | None,
        after: Candidate | None,
        plugin: str,
        progress: Progress,
        templates: Sequence[Reviewed] = (),
    ) -> Outcome:
        """What goes over from one to the other; None stands for no such plugin at all. ``templates`` says what becomes
        of overridden ones.

        A file that cannot be rendered is counted and told, not raised.
        """
        outcome = Outcome(plugin, _version(before), _version(after))
        devices = [device for device in self._station.fleet.tables.devices.values() if device.plugin == plugin]
        outcome.devices = len(devices)
        outcome.templates = [each.shown for each in templates if each.state != "same"]
        fresh: dict[str, Override | None] = {each.kept.id: each.kept for each in templates}
        for device in devices if after is not None else ():
            if device.model and after is not None and after.manifest.model(device.model) is None:
                outcome.unknown[device.model] = outcome.unknown.get(device.model, 0) + 1
        files = list(_files(devices, before, after))
        outcome.files = progress.total = len(files)
        progress.doing = "rendering"
        folders = {
            label: candidate.templates
            for label, candidate in ((_BEFORE, before), (_AFTER, after))
            if candidate is not None
        }
        async with self._packages.trial(folders) as renderer:
            old, new = (
                _Side(label, None if candidate is None else candidate.manifest, self._maker(), renderer, overrides)
                for label, candidate, overrides in ((_BEFORE, before, {}), (_AFTER, after, fresh))
            )
            found = _Found(outcome)
            await _each(files, lambda file: self._compare(file, old, new, found), progress)
            outcome.reasons = [reason for _, reason in sorted(found.reasons, reverse=True)]
            for file in nsmallest(MOST_SHOWN, found.changed, key=lambda file: file.number):
                diff = await self._difference(file, old, new)
                outcome.diffs.append({"device": file.whose, "name": file.name, "diff": diff})
        return outcome

    async def _compare(self, file: _File, before: _Side, after: _Side, found: _Found) -> None:
        outcome = found.outcome
        old = await self._made(file, file.before, before)
        new = await self._made(file, file.after, after)
        # Ten thousand of them are not kept until the last one is compared; what is shown is put together masked anyway.
        file.subject, file.context = None, {}
        if isinstance(new, PluginError):
            if isinstance(old, PluginError):
                outcome.same += 1  # It is no worse than before.
                return
            outcome.failed += 1
            found.tell(file, str(new))
        elif new is None:
            outcome.vanish += 1
            found.tell(file, "is not offered any more")
        elif old is None or isinstance(old, PluginError):
            outcome.appear += 1
        elif old == new:
            outcome.same += 1
        else:
            outcome.changed += 1
            found.changed.append(file)

    async def _difference(self, file: _File, before: _Side, after: _Side) -> str:
        old = await self._made(file, file.before, before, masked=True)
        new = await self._made(file, file.after, after, masked=True)
        if not isinstance(old, bytes) or not isinstance(new, bytes):
            return ""
        lines = difflib.unified_diff(
            old.decode("utf-8", "replace").splitlines(), new.decode("utf-8", "replace").splitlines(), lineterm="", n=1
        )
        return "\n".join(line for number, line in enumerate(lines) if 2 <= number < LONGEST_DIFF)

    async def _made(
        self, file: _File, rule: FileRule | None, side: _Side, *, masked: bool = False
    ) -> bytes | PluginError | None:
        """What the file as it would be served is compared by, or the file with every password as ``***``."""
        manifest = side.manifest
        if rule is None or manifest is None:
            return None
        station = self._station
        device = file.device
        token = ""
        if device is not None and station.site.secrets == "token":
            token = "***" if masked else station.token(device.mac, device)
        model = side.model(file.model)
        subject = Subject(
            vendor=manifest.vendor,
            model=model,
            local=station.site.advertise or "192.0.2.1",
            device=device if rule.kind == "device" else None,
            token=token,
            secrets=rule.secrets,
            masked=masked,
            plugin=manifest.id,
        )
        try:
            # Mostly both versions know a model alike: what was put together for the one is good for the other.
            if file.subject != subject:
                file.subject, file.context = subject, side.maker.make(subject, station.site)
            context = file.context
            overlay = station.overlays.supposing(manifest.id, model.name, subject.device, side.overrides)
            # Of devices without settings of their own the first one's file is a pattern for the others', which costs
            # less than a digest; anybody else's file stays where it is rendered.
            alike = not masked and device is not None and not device.settings
            wants: Want = "file" if alike or masked else "digest"
            return await side.renderer.render(RenderJob(side.label, rule, context, SHARED, overlay, wants, alike))
        except PluginError as error:
            return PluginError(str(error).removeprefix(f"{side.label}: "))


def plain(outcome: Outcome) -> dict[str, Any]:
    """The outcome as plain values."""
    return asdict(outcome) | {"harmful": outcome.harmful}


def _version(candidate: Candidate | None) -> str:
    return "" if candidate is None else candidate.manifest.version


def _rules(candidate: Candidate | None, kind: str) -> dict[str, FileRule]:
    if candidate is None:
        return {}
    return {rule.name: rule for rule in candidate.manifest.files if rule.kind == kind}


def _files(devices: list[Device], before: Candidate | None, after: Candidate | None) -> Iterator[_File]:
    """Each device's own files, and the common files of each model that some device is of."""
    old, new = _rules(before, "device"), _rules(after, "device")
    names = sorted(old.keys() | new.keys())
    numbers = count()
    for device in devices:
        for name in names:
            yield _File(
                next(numbers),
                mac_text(device.mac),
                name_for(name, device.mac, device.model),
                device,
                device.model,
                old.get(name),
                new.get(name),
            )
    old, new = _rules(before, "common"), _rules(after, "common")
    for model in sorted({device.model for device in devices}):
        called = _common(after or before, model)
        for name in sorted(old.keys() | new.keys()):
            shown = name.replace("{common}", called)
            yield _File(next(numbers), model or "(any)", shown, None, model, old.get(name), new.get(name))


def _common(candidate: Candidate | None, model: str) -> str:
    """How people know the file that the model's devices have in common."""
    names = () if candidate is None else candidate.manifest.assumed(model).common
    return names[0] if names else "{common}"


async def _each(files: list[_File], compare: Callable[[_File], Awaitable[None]], progress: Progress) -> None:
    """So many at a time, and one after the other when one of them raises."""
    waiting = iter(files)
    turn = asyncio.Lock()

    async def some() -> None:
        for file in waiting:
            await compare(file)
            progress.done += 1
            # A file that is filled in is there at once: one in a turn of the event loop, and phones between them.
            async with turn:
                await asyncio.sleep(0)

    tasks = [asyncio.ensure_future(some()) for _ in range(min(_AT_ONCE, len(files)))]
    try:
        for task in tasks:
            await task
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
