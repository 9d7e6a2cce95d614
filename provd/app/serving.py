"""Files on request: which one is meant, at once where it is at hand, and what follows from its having been served."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from provd.app.cache import Cache
from provd.app.files import UNKNOWN, FileReply, FileRequest
from provd.app.making import Making, Work
from provd.app.replies import reply_of
from provd.app.resolve import Job, Resolver, split
from provd.app.statics import Statics
from provd.app.station import Station
from provd.base.clock import Clock
from provd.base.dataclass import dataclass
from provd.base.drafts import drafted
from provd.base.facts.files import FileServed, RenderFailed
from provd.base.types import Mac
from provd.domain.records import Device
from provd.plugin import FileRule

PENALTY = 2.0
"""Seconds that a phone of ours waits for each answer when its address has missed too often."""

Pause = Callable[[float], Awaitable[None]]

_file_served = drafted(FileServed)


@dataclass(frozen=True, slots=True)
class Given:
    """A file as a device was given it, at which address of ours, and whether over TLS."""

    body: bytes
    local: str
    secure: bool


class Serving:
    """The :class:`~provd.app.files.FileService`."""

    def __init__(
        self,
        station: Station,
        *,
        making: Making,
        clock: Clock,
        cache: Cache,
        pause: Pause,
    ) -> None:
        self._station = station
        self._clock = clock
        self._pause = pause
        self._resolver = Resolver(station)
        self._cache = cache
        self.making = making
        self._statics = Statics(station.knowledge, making.etag)
        self._asked: tuple[FileRequest, Job, Work | None] | None = None

    def reset(self) -> None:
        """Forget every rendered file: the site has changed."""
        self._asked = None
        self.making.reset()

    def let_go(self) -> None:
        """Hold no static file that nobody is just being served: some of them may be gone."""
        self._statics.forget()

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
            reply, work = self.making.kept(job) or self.making.unmade(job, now), None
            if reply is None:
                work = self.making.work(job)
                reply = self.making.at_hand(job, work)
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
        if asked is not None and asked[0] is request and self.making.fresh(*asked[1:]):
            _, job, work = asked
        else:
            job, work = self._resolved(request, now), None
        if job is not None and job.rule.kind == "static":
            return asyncio.ensure_future(self._static(request, job))
        answer = asyncio.get_running_loop().create_future()
        reply = UNKNOWN if job is None else self.making.kept(job)
        if reply is not None:
            answer.set_result(reply)
        elif job is not None:
            self.making.make(job, now, answer, work)
        return answer

    def _resolved(self, request: FileRequest, now: float) -> Job | None:
        self._station.refresh()
        return self._resolver.resolve(request, now)

    def _slowed(self, request: FileRequest, now: float) -> bool:
        station = self._station
        if not station.throttle.closed(request.peer, now):
            return False
        return request.direct and station.leases.holder(request.peer) is not None

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

    def own(self, device: Device, name: str, local: str, *, secure: bool) -> asyncio.Future[FileReply]:
        """A file for a device that has no MAC and has shown its key; an empty name is its first one."""
        self._station.refresh()
        answer = asyncio.get_running_loop().create_future()
        for own, plugin, rule in self._station.knowledge.own_files(device):
            if name.lower() in ("", own.lower()):
                job = Job(own, plugin, rule, device.model, device, device.mac, "", "", local, secure)
                reply = self.making.kept(job)
                if reply is None:
                    self.making.make(job, self._clock.now(), answer)
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
