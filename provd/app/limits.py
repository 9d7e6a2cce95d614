"""What a device cannot do of what it is told: by its manifest, by its vendor's template, and by the clock."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from provd.app import effective
from provd.app.context import SHARED, ContextMaker, Subject
from provd.app.firmware.choosing import VERSION
from provd.app.ports import Renderer, RenderJob
from provd.app.station import Station
from provd.app.zones import misfits
from provd.base.clock import Clock
from provd.base.dataclass import dataclass
from provd.base.errors import PluginError
from provd.domain.records import Device
from provd.plugin import FileRule, Manifest

AHEAD = timedelta(days=5 * 365)
"""How far the clock of a device is looked at."""
_LINE = re.compile(r"(?P<setting>[a-z][a-z0-9_.]*): (?P<reason>\S.*)")


@dataclass(frozen=True, slots=True)
class Limit:
    """A setting in force that the device does not carry out, or not as it is meant, and why."""

    setting: str
    reason: str


def limits_rule(manifest: Manifest) -> FileRule:
    """The rule by which a plugin's limits are rendered. Its secrets are masked in any case."""
    return FileRule("limits", "device", template=manifest.limits, format="text")


def read(body: bytes) -> tuple[Limit, ...]:
    """The lines ``setting: reason`` of a rendered template. Raises PluginError when a line is none."""
    found = []
    for line in body.decode("utf-8").splitlines():
        if not line.strip():
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise PluginError(f"limits: {line.strip()[:60]!r} is not of the form 'setting: reason'")
        found.append(Limit(match["setting"], match["reason"]))
    return tuple(found)


class Limits:
    """Asks what the plugin of a device writes and what it says, and the clock."""

    def __init__(self, station: Station, renderer: Renderer, maker: ContextMaker, clock: Clock) -> None:
        self._station = station
        self._renderer = renderer
        self._maker = maker
        self._clock = clock

    async def of(self, device: Device, local: str) -> tuple[Limit, ...]:
        """The limits of the device as it is set up now. ``local`` is the address of ours that it talks to.

        Raises PluginError.
        """
        station = self._station
        station.refresh()
        manifest = station.knowledge.manifest(device.plugin)
        if manifest is None:
            return ()
        found = effective.for_device(station.fleet.tables, device)
        notes = station.knowledge.notes(device, found)
        model = station.knowledge.model(device.plugin, device.model)
        subject = Subject(device.vendor, model, local, device=device, secrets=True, masked=True, plugin=manifest.id)
        context = self._maker.make(subject, station.site)
        said: tuple[Limit, ...] = ()
        if manifest.limits:
            overlay = station.overlays.of(manifest.id, device.model, device)
            job = RenderJob(manifest.id, limits_rule(manifest), context, SHARED, overlay)
            body = await self._renderer.render(job)
            said = read(bytes(body))
        unwritten = [Limit(name, reason) for name, reason in sorted(notes.items())]
        if (
            self._maker.images is not None
            and VERSION not in notes
            and isinstance(version := found.values.get(VERSION), str)
        ):
            lacking = self._maker.images.lacking(device, model.name, version)
            unwritten += [Limit(VERSION, lacking)] if lacking else []
        return (*said, *unwritten, *self._of_clock(context.get("zone")))

    def _of_clock(self, zone: object) -> Iterator[Limit]:
        """What the rules of the zone get wrong in the next years, whatever the phone."""
        if not isinstance(zone, dict):
            return
        name, now = str(zone["name"]), datetime.fromtimestamp(self._clock.now(), UTC)
        wrong = misfits(name, now, now + AHEAD)
        if not wrong:
            return
        first = wrong[0]
        error = f"{abs(first.minutes)} min {'fast' if first.minutes > 0 else 'slow'}"
        since, until = (f"{each:%Y-%m-%d}" for each in (max(first.since, now), first.until))
        why = zone.get("reason") or "its rules are about to change"
        more = f"; {len(wrong) - 1} more such times follow" if len(wrong) > 1 else ""
        yield Limit("time.zone", f"{name}: the clock will be {error} from {since} to {until}: {why}{more}")
