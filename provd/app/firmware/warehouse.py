"""The use cases of packages: getting one, taking one in, and letting go of one that nobody needs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from urllib.parse import unquote, urlsplit

from provd.app import effective
from provd.app.firmware import offer
from provd.app.firmware.choosing import VERSION, choose
from provd.app.firmware.offer import Asked
from provd.app.firmware.ports import Depot, Held
from provd.app.knowledge import Knowledge
from provd.app.tables import Tables
from provd.app.works import Progress, Works
from provd.base.clock import Clock
from provd.base.errors import ConflictError, UsageError
from provd.base.facts import FactSink
from provd.base.facts.firmware import FirmwareDropped, FirmwareKept
from provd.base.types import Mac, mac_text
from provd.domain.firmware import same
from provd.domain.records import Device, Work
from provd.plugin.firmware import Package

FETCH = "firmware.fetch"
_AT_ONCE = 100
_NAMED = 3


class Warehouse:
    """Offers its long work to ``works``. ``needed`` names what else needs a package, beside devices."""

    def __init__(
        self, depot: Depot, knowledge: Knowledge, tables: Tables, works: Works, clock: Clock, emit: FactSink
    ) -> None:
        self._depot = depot
        self._knowledge = knowledge
        self._tables = tables
        self._works = works
        self._clock = clock
        self._emit = emit
        self.needed: Callable[[Held], str] = lambda _held: ""
        self.released: Callable[[], None] = lambda: None
        """Is called when a package was taken away: nobody has to hold its files in memory any longer."""
        works.offer(FETCH, self._fetch)

    @property
    def held(self) -> Sequence[Held]:
        """Every package that is here."""
        return self._depot.held()

    def present(self, asked: Asked) -> Held:
        """The package that is here. Raises NotFoundError, UsageError."""
        return offer.present(self.held, asked)

    async def begin(self, asked: Asked, url: str) -> Work:
        """Begin to fetch a package. Raises what is wrong with the request at once."""
        made, release = offer.wanted(self._knowledge.catalogue.manifests, asked)
        source = url or (release.source if release is not None else "")
        if not source:
            package = self._package(made.plugin, made.name)
            where = f" Get it there: {package.obtain}." if package and package.obtain else ""
            raise UsageError(
                f"nobody may hand out {made.name} {made.version}.{where} Then: provd firmware upload FILE"
                f" --name {made.name} --version {made.version}; or name a mirror of your own (--url)"
            )
        args = {"name": made.name, "version": made.version, "plugin": made.plugin, "url": source, "by": asked.by}
        more = {"sha256": asked.sha256, "models": list(asked.models), "kind": asked.kind, "unpack": asked.unpack}
        return await self._works.start(FETCH, {**args, **more}, asked.by)

    async def _fetch(self, args: Mapping[str, object], progress: Progress) -> Mapping[str, object]:
        models, url = args.get("models"), str(args["url"])
        asked = Asked(
            name=str(args["name"]),
            version=str(args["version"]),
            plugin=str(args["plugin"]),
            models=tuple(map(str, models)) if isinstance(models, list) else (),
            kind=str(args["kind"]),
            sha256=str(args["sha256"]),
            called=unquote(urlsplit(url).path.rpartition("/")[2]),
            unpack=args["unpack"] is True,
            origin=url,
            by=str(args["by"]),
        )
        made, _ = offer.wanted(self._knowledge.catalogue.manifests, asked)
        held = self._told(await self._depot.fetch(made, url, progress))
        return {"plugin": held.plugin, "name": held.name, "version": held.version, "sha256": held.sha256}

    def expected(self, asked: Asked) -> None:
        """Look whether this could be taken in, before it is sent. Raises UsageError, NotFoundError, ConflictError."""
        offer.wanted(self._knowledge.catalogue.manifests, asked)

    async def receive(self, octets: AsyncIterable[bytes], announced: int = 0) -> str:
        """Lay what somebody sends into the entry, so many octets as far as known; gives its name there."""
        return await self._depot.receive(octets, announced)

    async def take(self, entry: str, asked: Asked) -> Held:
        """Keep what was laid into the entry. Raises UsageError, PluginError, StorageError; then it is not here."""
        made, _ = offer.wanted(self._knowledge.catalogue.manifests, asked)
        return self._told(await self._depot.take(entry, replace(made, origin=asked.called), Progress()))

    async def forget(self, entry: str) -> None:
        """What was laid into the entry is not wanted after all."""
        await self._depot.forget(entry)

    async def drop(self, asked: Asked) -> Held:
        """Take a package away. Raises ConflictError while something needs it."""
        held = self.present(asked)
        users = [mac async for mac in self._users(held)]
        if users:
            some = ", ".join(mac_text(mac) for mac in users[:_NAMED])
            more = f" and {len(users) - _NAMED} more" if len(users) > _NAMED else ""
            raise ConflictError(f"{held.name} {held.version} is in use: {some}{more} are to run it ({VERSION})")
        if reason := self.needed(held):
            raise ConflictError(f"{held.name} {held.version} is in use: {reason}")
        await self._depot.discard(held)
        self.released()
        now = self._clock.now()
        self._emit(FirmwareDropped(at=now, plugin=held.plugin, name=held.name, version=held.version, by=asked.by))
        return held

    async def _users(self, held: Held) -> AsyncIterator[Mac]:
        """Devices whose files lead to this package."""
        here = self.held
        for number, device in enumerate(tuple(self._tables.devices.values()), 1):
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)  # Others have something to do as well.
            if device.plugin == held.plugin and device.model in held.models and self._leads(device, held, here):
                yield device.mac

    def _leads(self, device: Device, held: Held, here: Sequence[Held]) -> bool:
        version = effective.for_device(self._tables, device).values.get(VERSION)
        if not isinstance(version, str):
            return False
        if same(version, held.version):
            return True
        chosen = choose(here, device.plugin, device.model, version)
        return chosen is not None and held in (chosen.held, chosen.step)

    def _package(self, plugin: str, name: str) -> Package | None:
        manifest = self._knowledge.manifest(plugin)
        return None if manifest is None else manifest.package(name)

    def _told(self, held: Held) -> Held:
        self._emit(
            FirmwareKept(
                at=self._clock.now(),
                plugin=held.plugin,
                name=held.name,
                version=held.version,
                size=held.size,
                sha256=held.sha256,
                checked=held.checked,
                origin=held.origin,
                by=held.by,
            )
        )
        return held
