"""Files that are made from templates: kept by revision, made once however many ask at the same time."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Hashable
from dataclasses import field, replace

from provd.app import effective
from provd.app.cache import Cache, Entry, Quick
from provd.app.context import SHARED, ContextMaker, Subject
from provd.app.files import UNKNOWN, FileReply
from provd.app.ports import FileRenderer, RenderJob, RenderMemory
from provd.app.replies import again, owner_of, reply_of
from provd.app.resolve import Job
from provd.app.sealed import key_in, phrase_of
from provd.app.station import Station
from provd.base.clock import Clock
from provd.base.dataclass import dataclass
from provd.base.drafts import drafted
from provd.base.errors import PluginError
from provd.base.facts.files import RenderFailed
from provd.domain.overrides import Overlay
from provd.domain.records import Device
from provd.domain.sealing import coding_of, encrypt

RETRY = 30.0
"""Seconds until a template that failed is tried again with the same records."""

_FAILURES = 1000

_NEVER: Quick = (-1, 0, 0, "")  # a state that no fleet is in

_render_job = drafted(RenderJob)
_subject = drafted(Subject)


@dataclass(slots=True)
class Work:
    """What a file is made from, with the revisions of all that, and the phrase that it is encrypted with."""

    job: RenderJob
    quick: Quick
    revisions: Hashable
    phrase: str


@dataclass(slots=True)
class _Making:
    """A file that is being rendered, and who waits for it, each with what it asked."""

    job: Job
    work: Work
    revisions: Hashable
    waiting: list[tuple[Job, asyncio.Future[FileReply]]] = field(default_factory=list)
    broken: PluginError | None = None  # what came of it with the operator's overrides: it is being made without them


class Making:
    """Makes them, keeps them in ``cache``, and where one fails gives the last good one to whose it was."""

    def __init__(
        self,
        station: Station,
        *,
        renderer: FileRenderer,
        maker: ContextMaker,
        clock: Clock,
        cache: Cache,
        etag_key: bytes,
        memory: RenderMemory | None = None,
    ) -> None:
        self.renderer = renderer
        self.memory = memory
        self._station = station
        self._maker = maker
        self._clock = clock
        self._cache = cache
        self._etag_key = etag_key
        self._rendering: dict[Hashable, _Making] = {}
        self._failures: dict[Hashable, tuple[Hashable, float]] = {}

    def reset(self) -> None:
        """Forget every file: the site has changed."""
        self._cache.clear()
        self._failures.clear()

    def _quick(self, job: Job) -> Quick:
        station, device = self._station, job.device
        revision, sealed = (0, "") if device is None else (device.revision, device.sealed)
        if job.rule.kind == "thing":
            sealed = self._known(job)
        return station.fleet.generation + self._maker.stamp, revision, station.knowledge.revision, sealed

    def _revisions(self, job: Job) -> Hashable:
        tables = self._station.fleet.tables
        if job.device is not None:
            made_from: Hashable = (effective.device_revisions(tables, job.device), self._known(job))
        else:
            made_from = effective.model_revisions(tables, self._vendor(job), job.model)
        return self._station.knowledge.revision, self._maker.stamp, made_from, self._overlay(job).digest

    def _overlay(self, job: Job) -> Overlay:
        return self._station.overlays.of(job.plugin, job.model, job.device)

    def _known(self, job: Job) -> str:
        """What a file of a device that is no phone depends on beside the device: its metadata."""
        found = None if job.mac is None or job.rule.kind != "thing" else self._station.fleet.tables.metadata(job.mac)
        return "" if found is None else json.dumps(dict(found.data), sort_keys=True, default=str)

    def _vendor(self, job: Job) -> str:
        manifest = self._station.knowledge.manifest(job.plugin)
        return "" if manifest is None else manifest.vendor

    def kept(self, job: Job) -> FileReply | None:
        """The file as it was made before, None when it was not or is not that any more."""
        entry = self._cache.get(job.key)
        if entry is None:
            return None
        quick = self._quick(job)
        if entry.quick != quick:
            if entry.revisions != self._revisions(job):
                return None
            entry.quick = quick
        if entry.reply.boot != job.boot or entry.reply.mac != job.mac:
            entry.reply = again(job, entry.reply)
        return entry.reply

    def work(self, job: Job) -> Work:
        """Everything is read now: what comes of it belongs to exactly these revisions."""
        context = self._maker.make(self._subject(job), self._station.site)
        alike = job.device is None or not job.device.settings
        render = _render_job(job.plugin, job.rule, context, SHARED, self._overlay(job), "file", alike)
        return Work(render, self._quick(job), self._revisions(job), self._phrase(job))

    def fresh(self, job: Job, work: Work | None) -> bool:
        """Whether nothing has changed since: others may have gone first, and the device have become somebody else's."""
        if work is None:
            return True  # a static file is nobody's; of another one without a device nobody knows whose token is in it
        device = job.device
        same = device is not None and self._station.fleet.tables.device(device.mac) is device
        return same and self._quick(job) == work.quick

    def at_hand(self, job: Job, work: Work) -> FileReply | None:
        """The file if it takes no rendering: others like it were rendered, or a device's was before the last start and
        nothing that it is made from has changed."""
        memory = None if job.device is None else self.memory
        body = self.renderer.at_hand(work.job)
        if body is None:
            body = memory.recall(work.job) if memory else None
        elif memory is not None:
            memory.remember(work.job, body)
        try:
            return None if body is None else self._keep(job, work, body)
        except PluginError:
            return None  # rendering tells it

    def unmade(self, job: Job, now: float) -> FileReply | None:
        """The answer with a file that must not be made, None for one that may: a record of a line of the device, or of
        its tenant, could not be read. Without its accounts the file would take them away from the phone."""
        device = job.device
        lost = None if device is None or not job.rule.secrets else self._lost(device)
        if lost is None:
            return None
        failed = self._failures.get(job.key)
        if failed is None or failed[0] != lost or now >= failed[1]:
            self._tell_failure(job, lost, f"{lost} is not among the records", now)
        return self._last_good(job)

    def _lost(self, device: Device) -> str | None:
        tables = self._station.fleet.tables
        for key in device.lines:
            line = tables.line(key)
            if line is None:
                return f"line {key!r}"
            owner = line.tenant if device.ports else device.tenant
            if tables.tenant(owner) is None:
                return f"tenant {owner!r}"
        return None

    def _phrase(self, job: Job) -> str:
        return phrase_of(self._station.fleet.tables, job.device) if job.device and job.rule.encryption else ""

    def _keep(self, job: Job, work: Work, body: bytes) -> FileReply:
        """The answer with a file that was made. Raises PluginError when it cannot be encrypted."""
        sent = encrypt(body, work.phrase, job.rule.encryption) if work.phrase else body
        brings = key_in(work.job, job.device, self._station.knowledge)
        reply = reply_of(job, sent, self.etag(sent), brings, coding_of(job.rule.encryption, work.phrase))
        self._cache.put(job.key, Entry(reply, work.quick, work.revisions, owner_of(job)))
        return reply

    def make(self, job: Job, now: float, answer: asyncio.Future[FileReply], work: Work | None = None) -> None:
        """Have it made; ``answer`` gets what comes of it, once for all who ask meanwhile."""
        if work is None and (reply := self.unmade(job, now)) is not None:
            answer.set_result(reply)
            return
        work = work or self.work(job)
        key, revisions = job.key, work.revisions
        failed = self._failures.get(key)
        if failed is not None and failed[0] == revisions and now < failed[1]:
            answer.set_result(self._last_good(job))
            return
        running = (key, revisions)
        making = self._rendering.get(running)
        if making is None:
            making = _Making(job, work, revisions)
            self._begin(running, making)  # where that fails there is nothing to wait for
            self._rendering[running] = making
        # Whoever asked first may hang up; the others still want their file.
        making.waiting.append((job, answer))

    def _begin(self, running: Hashable, making: _Making) -> None:
        rendering = asyncio.ensure_future(self.renderer.render(making.work.job))
        rendering.add_done_callback(lambda body: self._made(running, body))

    def _again(self, making: _Making, rendering: asyncio.Future[bytes]) -> bool:
        """Whether it is to be made without the overrides that have failed: no phone is left without a file."""
        work, error = making.work, None if rendering.cancelled() else rendering.exception()
        overlay = work.job.overlay
        if not overlay.overrides or not isinstance(error, PluginError) or self._last_good(making.job).found:
            return False
        # What comes of it is kept as the last good one of a file that is still to be made.
        making.broken = error
        making.work = replace(work, job=replace(work.job, overlay=overlay.default), quick=_NEVER, revisions=None)
        return True

    def _made(self, running: Hashable, rendering: asyncio.Future[bytes]) -> None:
        making = self._rendering.pop(running)
        try:
            if self._again(making, rendering):
                self._begin(running, making)
                self._rendering[running] = making
                return
            reply = self._rendered(making, rendering)
        except asyncio.CancelledError:
            for _, answer in making.waiting:
                answer.cancel()
            return
        except Exception as error:  # noqa: BLE001 - it is told by those who wait
            for _, answer in making.waiting:
                if not answer.done():
                    answer.set_exception(error)
            return
        for job, answer in making.waiting:
            if not answer.done():
                same = reply.boot == job.boot or not reply.found
                answer.set_result(reply if same else replace(reply, mac=job.mac, boot=job.boot))

    def _subject(self, job: Job) -> Subject:
        model = self._station.knowledge.model(job.plugin, job.model)
        masked = False
        vendor, home = self._vendor(job), job.home
        return _subject(
            vendor, model, job.local, job.secure, job.device, job.token, job.rule.secrets, masked, job.plugin, home
        )

    def _rendered(self, making: _Making, rendering: asyncio.Future[bytes]) -> FileReply:
        job, work = making.job, making.work
        try:
            body = rendering.result()
            reply = self._keep(job, work, body)
        except PluginError as error:
            return self._failed(making, making.broken or error)
        if making.broken is not None:
            return self._failed(making, making.broken)
        if self._failures:
            self._failures.pop(job.key, None)
        if self.memory is not None and job.device is not None:
            self.memory.remember(work.job, body)
        return reply

    def _failed(self, making: _Making, error: PluginError) -> FileReply:
        job = making.job
        self._tell_failure(job, making.revisions, str(error), self._clock.now(), default=making.broken is not None)
        return self._last_good(job)

    def _tell_failure(self, job: Job, revisions: Hashable, reason: str, now: float, *, default: bool = False) -> None:
        if len(self._failures) >= _FAILURES:
            self._failures.clear()
        self._failures[job.key] = (revisions, now + RETRY)
        last = self._last_good(job)
        self._station.emit(
            RenderFailed(
                at=now,
                mac=job.mac,
                boot=job.boot,
                name=job.name,
                plugin=job.plugin,
                reason=reason,
                last_good=last.found and not default,
                overrides=",".join(self._overlay(job).overrides),
                default=default and last.found,
            )
        )

    def _last_good(self, job: Job) -> FileReply:
        entry = self._cache.get(job.key)
        if entry is None or entry.owner != owner_of(job):
            return UNKNOWN
        # Revision 0: an old file does not make the device provisioned.
        return replace(entry.reply, mac=job.mac, boot=job.boot, revision=0)

    def etag(self, body: bytes | memoryview) -> str:
        """The ETag of octets."""
        # Keyed: whoever sees an ETag on the way cannot try passwords against it.
        return hashlib.blake2b(body, digest_size=16, key=self._etag_key).hexdigest()
