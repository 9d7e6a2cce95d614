"""``/provision/config``: the configuration file of the device whose key is shown."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol

from provd.app.activation.desk import ThingDesk
from provd.app.files import FileReply
from provd.base.clock import Clock
from provd.base.errors import StorageError
from provd.base.facts import FactSink
from provd.base.facts.files import FileServed
from provd.base.types import Mac, thing_key
from provd.domain.records import Device
from provd.http.activation.wire import READING, Reply, ThingRequest, error, not_allowed, retry

CONFIG = "/provision/config"
_MOST_OCTETS = 4096
_BUSY = 10


class OwnFiles(Protocol):
    """Makes files for devices that have shown their key."""

    def own(self, device: Device, name: str, local: str, *, secure: bool) -> Awaitable[FileReply]:
        """The file of that name, or the first one for an empty name."""
        ...


class Devices(Protocol):
    """Devices by their key."""

    def device(self, mac: Mac, /) -> Device | None:
        """The device, if it is there."""
        ...


class ConfigPaths:
    """A :class:`~provd.http.paths.Paths`: each device gets its own file, and nobody learns of another one's."""

    def __init__(self, desk: ThingDesk, devices: Devices, files: OwnFiles, clock: Clock, emit: FactSink) -> None:
        self._desk = desk
        self._devices = devices
        self._files = files
        self._clock = clock
        self._emit = emit

    def knows(self, path: str) -> bool:
        """Whether the path is one of ours."""
        return path == CONFIG or path.startswith(f"{CONFIG}/")

    def most_octets(self, _path: str) -> int:
        """How large a body may be; none is looked at."""
        return _MOST_OCTETS

    def too_large(self, request: ThingRequest) -> Reply:
        """The answer to a larger one."""
        return error(413) if request.method in READING else not_allowed("GET", "HEAD")

    async def answer(self, request: ThingRequest) -> Reply:
        """The device's file, 401 without a good key, 404 where there is no such file for it."""
        if request.method not in READING:
            return not_allowed("GET", "HEAD")
        try:
            thing = await self._desk.holder(request.key, request.peer)
        except StorageError:
            return retry(503, _BUSY)
        if thing is None:
            return error(401)
        device = self._devices.device(thing_key(thing.vendor, thing.model, thing.sn))
        if device is None:
            return error(404)
        name = request.path.removeprefix(CONFIG).lstrip("/")
        reply = await self._files.own(device, name, request.local, secure=request.secure)
        if not reply.found:
            return error(404)
        return self._given(request, device, name, reply)

    def _given(self, request: ThingRequest, device: Device, name: str, reply: FileReply) -> Reply:
        tags = {tag.strip().removeprefix("W/") for tag in request.headers.get("If-None-Match", "").split(",")}
        unchanged = bool({f'"{reply.etag}"', "*"} & tags)
        self._emit(
            FileServed(
                at=self._clock.now(),
                mac=device.mac,
                name=name or "config",
                via="http",
                peer=request.peer,
                size=len(reply.body),
                kind=reply.kind,
                plugin=reply.plugin,
                etag=reply.etag,
                unchanged=unchanged,
            )
        )
        # Nobody in between keeps what only a key opens.
        lines = f'ETag: "{reply.etag}"\r\nCache-Control: private, no-cache\r\n'
        if unchanged:
            return Reply(304, lines.encode("ascii"))
        return Reply(200, f"Content-Type: {reply.content_type}\r\n{lines}".encode("ascii"), bytes(reply.body))
