"""Watches what devices are given, and tells of settings that they do not carry out."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Hashable, Sequence
from typing import ClassVar

from provd.app import effective
from provd.app.boot import Boot
from provd.base.clock import Clock
from provd.base.errors import ProvdError
from provd.base.facts import Fact, FactSink
from provd.base.facts.files import FileServed, SettingBeyondDevice
from provd.base.types import Mac
from provd.domain.records import Device, Line
from provd.domain.settings import KNOWN

_LOCAL = "127.0.0.1"
_WAITING = 1000
_KNOWN = 10_000


class LimitWatch:
    """A reader of facts with a task of its own: one device after the other, those of a kind once.

    A kind are devices of one model and firmware with the same settings, whose lines say the same but for who has them.
    """

    HEARD: ClassVar = frozenset[type[Fact]]({FileServed})
    """The facts that it reads."""

    def __init__(self, boot: Boot, clock: Clock, emit: FactSink) -> None:
        self._boot = boot
        self._clock = clock
        self._emit = emit
        self._waiting: deque[Mac] = deque(maxlen=_WAITING)
        self._some = asyncio.Event()
        self._judged: set[Hashable] = set()
        self._seen: set[Hashable] = set()
        self._as_of: Hashable = None

    def __call__(self, facts: Sequence[Fact]) -> None:
        """Read facts: devices that were given a new file of their own are looked at."""
        for fact in facts:
            if isinstance(fact, FileServed) and fact.kind == "device" and not fact.unchanged and fact.mac is not None:
                self._waiting.append(fact.mac)
                self._some.set()

    async def run(self) -> None:
        """Look at them, for as long as the daemon lives."""
        while True:
            await self._some.wait()
            while self._waiting:
                device = self._boot.station.fleet.tables.device(self._waiting.popleft())
                if device is not None and not self._alike(device):
                    await self.look(device)
                    # A fleet that boots has a thousand of them waiting here, and its phones are not to wait for that.
                    await asyncio.sleep(0)
            self._some.clear()

    def _alike(self, device: Device) -> bool:
        """Whether one that is told the same was looked at: nobody puts together settings to find that out."""
        if device.settings:
            return False
        fleet, stamp = self._boot.station.fleet, self._boot.station.stamp
        if self._as_of != (stamp, fleet.tables.stamp):
            self._as_of = (stamp, fleet.tables.stamp)
            self._seen.clear()
        kind = (device.vendor, device.model, device.version, device.plugin, device.tenant, device.profile)
        group = (*kind, self._lines(device))
        if group in self._seen:
            return True
        self._seen.add(group)
        return False

    async def look(self, device: Device) -> None:
        """Tell what this device cannot do, unless one of its kind was told of."""
        kind = self._kind(device)
        if kind in self._judged:
            return
        if len(self._judged) >= _KNOWN:
            self._judged.clear()
        self._judged.add(kind)
        # What fails here is told of when the device's own file is rendered, or by `device check`.
        with contextlib.suppress(ProvdError):
            for limit in await self._boot.limits(device, _LOCAL):
                self._emit(
                    SettingBeyondDevice(
                        at=self._clock.now(),
                        mac=device.mac,
                        model=device.model,
                        setting=limit.setting,
                        reason=limit.reason,
                    )
                )

    def _kind(self, device: Device) -> Hashable:
        station = self._boot.station
        values = effective.for_device(station.fleet.tables, device).values
        said = tuple((name, repr(value)) for name, value in sorted(values.items()) if name in KNOWN)
        return station.stamp, device.plugin, device.model, device.version, self._lines(device), hash(said)

    def _lines(self, device: Device) -> Hashable:
        """What its lines say for themselves."""
        lines = self._boot.station.fleet.tables.lines
        return tuple(_said(lines[key]) for key in device.lines if key in lines)


def _said(line: Line) -> Hashable:
    """Where a line is and what is set for it: all that another device's line may have as well."""
    server = (line.server, line.port, line.transport, line.backup_server, line.backup_port)
    way = (line.outbound_proxy, line.outbound_port, line.voicemail)
    return (*server, *way, tuple((name, repr(value)) for name, value in sorted(line.settings.items())))
