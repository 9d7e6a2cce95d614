"""Files on request: rendered when asked for, kept by revision, rendered once however many ask at the same time."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field, replace

from provd.app import effective
from provd.app.cache import Cache, Entry, Quick
from provd.app.context import SHARED, ContextMaker, Subject
from provd.app.files import UNKNOWN, FileReply, FileRequest
from provd.app.ports import FileRenderer, RenderJob, RenderMemory
from provd.app.replies import again, owner_of, reply_of
from provd.app.resolve import Job, Resolver, split
from provd.app.sealed import key_in, phrase_of
from provd.app.statics import Statics
from provd.app.station import Station
from provd.base.clock import Clock
from provd.base.drafts import drafted
from provd.base.errors import PluginError
from provd.base.facts.files import FileServed, RenderFailed
from provd.base.types import Mac
from provd.domain.overrides import Overlay
from provd.domain.records import Device
from provd.domain.sealing import coding_of, encrypt
from provd.plugin import FileRule

PENALTY = 2.0
"""Seconds that a phone of ours waits for each answer when its address has missed too often."""

RETRY = 30.0
"""Seconds until a template that failed is tried again with the same records."""

_FAILURES = 1000

Pause = Callable[[float], Awaitable[None]]

_NEVER: Quick = (-1, 0, 0, "")  # a state that no fleet is in

_file_served = drafted(FileServed)
_render_job = drafted(RenderJob)
_subject = drafted(Subject)


@dataclass(frozen=True, slots=True)
class Given:
    """A file as a device was given it, at which address of ours, and whether over TLS."""

    body: bytes
    local: str
    secure: bool


@dataclass(slots=True)
class _Work:
    """What a file is made from, with the revisions of all that, and the phrase that it is encrypted with."""

    job: RenderJob
    quick: Quick
    revisions: Hashable
    phrase: str


@dataclass(slots=True)
class _Making:
    """A file that is being rendered, and who waits for it, each with what it asked."""

    job: Job
    work: _Work
    revisions: Hashable
    waiting: list[tuple[Job, asyncio.Future[FileReply]]] = field(default_factory=list)
    broken: PluginError | None = None  # what came of it with the operator's overrides: it is being made without them


class Serving:
    """The :class:`~provd.app.files.FileService`."""

    def __init__(
        self,
        station: Station,
        *,
        renderer: FileRenderer,
        maker: ContextMaker,
        clock: Clock,
        cache: Cache,
        etag_key: bytes,
        pause: Pause,
        memory: RenderMemory | None = None,
    ) -> None:
        self._station = station
        self._renderer = renderer
        self._maker = maker
        self._clock = clock
        self._cache = cache
        self._etag_key = etag_key
        self._pause = pause
        self._memory = memory
        self._resolver = Resolver(station)
        self._rendering: dict[Hashable, _Making] = {}
        self._failures: dict[Hashable, tuple[Hashable, float]] = {}
        self._statics = Statics(station.knowledge, self._etag)
        self._asked: tuple[FileRequest, Job, _Work | None] | None = None

    def reset(self) -> None:
        """Forget every rendered file: the site has changed."""
        self._asked = None
        self._cache.clear()
        self._failures.clear()

    def ready(self, request: FileRequest) -> FileReply | None:
        """The answer if it is in memory, else None."""
        now = self._clock.now()
        if self._slowed(request, now):
            return None
        job = self._resolved(request, now)
        if job is None:
            return UNKNOWN
        if job.rule.kind == "static":
            reply, work = self._seen(job, now), None
        else:
            reply, work = self._kept(job), None
            if reply is None:
                work = self._work(job)
                reply = self._at_hand(job, work)
        if reply is None:
            self._asked = (request, job, work)
        return reply

    def file(self, request: FileRequest) -> asyncio.Future[FileReply]:
        """The answer. A future that whoever has hung up may cancel; a task for each file would cost as much as that
        file's answer."""
        now = self._clock.now()
        if self._slowed(request, now):
            self._asked = None
            return asyncio.ensure_future(self._late(request))
        return self._file(request, now)

    async def _late(self, request: FileRequest) -> FileReply:
        await self._pause(PENALTY)
        return await self._file(request, self._clock.now())

    def _file(self, request: FileRequest, now: float) -> asyncio.Future[FileReply]:
        # Transports ask `ready` first; what that found out about this very request need not be found out again.
        asked, self._asked = self._asked, None
        job: Job | None
        if asked is not None and asked[0] is request and self._fresh(*asked[1:]):
            _, job, work = asked
        else:
            job, work = self._resolved(request, now), None
        if job is not None and job.rule.kind == "static":
            return asyncio.ensure_future(self._static(request, job))
        answer = asyncio.get_running_loop().create_future()
        reply = UNKNOWN if job is None else self._kept(job)
        if reply is not None:
            answer.set_result(reply)
        elif job is not None:
            self._make(job, now, answer, work)
        return answer

    def _resolved(self, request: FileRequest, now: float) -> Job | None:
        self._station.refresh()
        return self._resolver.resolve(request, now)

    def _slowed(self, request: FileRequest, now: float) -> bool:
        station = self._station
        if not station.throttle.closed(request.peer, now):
            return False
        return request.direct and station.leases.holder(request.peer) is not None

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

    def _kept(self, job: Job) -> FileReply | None:
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

    def _work(self, job: Job) -> _Work:
        """Everything is read now: what comes of it belongs to exactly these revisions."""
        context = self._maker.make(self._subject(job), self._station.site)
        alike = job.device is None or not job.device.settings
        render = _render_job(job.plugin, job.rule, context, SHARED, self._overlay(job), "file", alike)
        return _Work(render, self._quick(job), self._revisions(job), self._phrase(job))

    def _fresh(self, job: Job, work: _Work | None) -> bool:
        """Whether nothing has changed since: others may have gone first, and the device have become somebody else's."""
        if work is None:
            return True  # a static file is nobody's; of another one without a device nobody knows whose token is in it
        device = job.device
        same = device is not None and self._station.fleet.tables.device(device.mac) is device
        return same and self._quick(job) == work.quick

    def _at_hand(self, job: Job, work: _Work) -> FileReply | None:
        """The file if it takes no rendering: others like it were rendered, or a device's was before the last start and
        nothing that it is made from has changed."""
        memory = None if job.device is None else self._memory
        body = self._renderer.at_hand(work.job)
        if body is None:
            body = memory.recall(work.job) if memory else None
        elif memory is not None:
            memory.remember(work.job, body)
        try:
            return None if body is None else self._keep(job, work, body)
        except PluginError:
            return None  # rendering tells it

    def _phrase(self, job: Job) -> str:
        return phrase_of(self._station.fleet.tables, job.device) if job.device and job.rule.encryption else ""

    def _keep(self, job: Job, work: _Work, body: bytes) -> FileReply:
        """The answer with a file that was made. Raises PluginError when it cannot be encrypted."""
        sent = encrypt(body, work.phrase, job.rule.encryption) if work.phrase else body
        brings = key_in(work.job, job.device, self._station.knowledge)
        reply = reply_of(job, sent, self._etag(sent), brings, coding_of(job.rule.encryption, work.phrase))
        self._cache.put(job.key, Entry(reply, work.quick, work.revisions, owner_of(job)))
        return reply

    def _make(self, job: Job, now: float, answer: asyncio.Future[FileReply], work: _Work | None = None) -> None:
        work = work or self._work(job)
        key, revisions = job.key, work.revisions
        failed = self._failures.get(key)
        if failed is not None and failed[0] == revisions and now < failed[1]:
            answer.set_result(self._last_good(job))
            return
        running = (key, revisions)
        making = self._rendering.get(running)
        if making is None:
            making = self._rendering[running] = _Making(job, work, revisions)
            self._begin(running, making)
        # Whoever asked first may hang up; the others still want their file.
        making.waiting.append((job, answer))

    def _begin(self, running: Hashable, making: _Making) -> None:
        rendering = asyncio.ensure_future(self._renderer.render(making.work.job))
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
        making = self._rendering[running]
        if self._again(making, rendering):
            self._begin(running, making)
            return
        del self._rendering[running]
        try:
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
        if self._memory is not None and job.device is not None:
            self._memory.remember(work.job, body)
        return reply

    def _failed(self, making: _Making, error: PluginError) -> FileReply:
        now, job = self._clock.now(), making.job
        if len(self._failures) >= _FAILURES:
            self._failures.clear()
        self._failures[job.key] = (making.revisions, now + RETRY)
        last = self._last_good(job)
        self._station.emit(
            RenderFailed(
                at=now,
                mac=job.mac,
                boot=job.boot,
                name=job.name,
                plugin=job.plugin,
                reason=str(error),
                last_good=last.found and making.broken is None,
                overrides=",".join(self._overlay(job).overrides),
                default=making.broken is not None and last.found,
            )
        )
        return last

    def _last_good(self, job: Job) -> FileReply:
        entry = self._cache.get(job.key)
        if entry is None or entry.owner != owner_of(job):
            return UNKNOWN
        # Revision 0: an old file does not make the device provisioned.
        return replace(entry.reply, mac=job.mac, boot=job.boot, revision=0)

    async def _static(self, request: FileRequest, job: Job) -> FileReply:
        kept = await self._statics.file((job.plugin, job.rule.template, job.near), self._clock.now())
        return self._missing(request, job) if kept is None else reply_of(job, kept[0], kept[1])

    def _seen(self, job: Job, now: float) -> FileReply | None:
        kept = self._statics.seen((job.plugin, job.rule.template, job.near), now)
        return None if kept is None else reply_of(job, kept[0], kept[1])

    def _missing(self, request: FileRequest, job: Job) -> FileReply:
        now = self._clock.now()
        if not job.plugin:
            self._resolver.missing(request, job, now)
            return UNKNOWN
        reason = f"the static file {job.rule.template!r} is not there"
        self._station.emit(
            RenderFailed(at=now, mac=job.mac, boot=job.boot, name=job.name, plugin=job.plugin, reason=reason)
        )
        return UNKNOWN

    def _etag(self, body: bytes | memoryview) -> str:
        # Keyed: whoever sees an ETag on the way cannot try passwords against it.
        return hashlib.blake2b(body, digest_size=16, key=self._etag_key).hexdigest()

    def own(self, device: Device, name: str, local: str, *, secure: bool) -> asyncio.Future[FileReply]:
        """A file for a device that has no MAC and has shown its key; an empty name is its first one."""
        self._station.refresh()
        answer = asyncio.get_running_loop().create_future()
        for own, plugin, rule in self._station.knowledge.own_files(device):
            if name.lower() in ("", own.lower()):
                job = Job(own, plugin, rule, device.model, device, device.mac, "", "", local, secure)
                reply = self._kept(job)
                if reply is None:
                    self._make(job, self._clock.now(), answer)
                else:
                    answer.set_result(reply)
                return answer
        answer.set_result(UNKNOWN)
        return answer

    def last(self, mac: Mac, rule: FileRule) -> Given | None:
        """The file by that rule that the device was given last, if it is still at hand."""
        found = self._cache.newest(lambda key: key[0] == rule.kind and key[1] == mac and key[3] == rule.name)
        return None if found is None else Given(bytes(found[1].reply.body), local=found[0][4], secure=found[0][5])

    def served(self, request: FileRequest, reply: FileReply, *, unchanged: bool = False) -> None:
        """Tell the fact and move the device on."""
        if not reply.found:
            return
        now = self._clock.now()
        name = split(request.path)[1]
        self._station.emit(
            _file_served(
                now, reply.mac, reply.boot, name, request.via, request.peer, len(reply.body), reply.kind, reply.plugin,
                reply.etag, unchanged,
            )
        )  # fmt: skip
        device = None if reply.mac is None else self._station.fleet.tables.device(reply.mac)
        if device is not None:
            if reply.brings and reply.brings != device.sealed:
                device = self._station.fleet.note(replace(device, sealed=reply.brings), now, urgent=True)
            self._station.roster.served(device, now, boot=reply.boot, name=name, revision=reply.revision)
            if reply.revision:
                self._station.fetched(device, reply.revision, now)
                self._station.elsewhere.came(device.mac)
