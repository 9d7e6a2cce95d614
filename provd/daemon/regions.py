"""Regions: from the settings to what this instance is, and the parts that hear, answer and say."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import secrets
import ssl
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path

from provd.app import ownership
from provd.app.regions.courier import Courier
from provd.app.regions.desk import HomeDesk
from provd.app.regions.first_boot import FirstBoots
from provd.app.regions.neighbour import Neighbour
from provd.app.regions.owners import Owners
from provd.app.regions.phones import Phones
from provd.app.regions.ports import Unreached
from provd.app.regions.turns import Terms
from provd.app.regions.upkeep import Upkeep
from provd.app.turns import persevere
from provd.base.errors import ConfigError, StorageError
from provd.base.facts.daemon import Degraded, InternalError, Recovered
from provd.base.types import Mac
from provd.config.regions import RegionSection
from provd.config.settings import Settings
from provd.daemon.core import Core
from provd.daemon.mqtt import SCHEME, Brokered
from provd.daemon.others import Others
from provd.daemon.secret_files import secret_in
from provd.daemon.translate import fresh_id, region_terms
from provd.domain.regions.home import Home, Region, Role
from provd.domain.regions.speech import Heard, Said
from provd.domain.regions.unit import Unit
from provd.http.regions.paths import RegionPaths
from provd.outbound.regions import RegionWeb, Way
from provd.outbound.web import Permit

_AGAIN = 2.0
_HOMES = "homes"
"""What is degraded while nobody knows where phones are."""


class Federation:
    """This instance among the others. Implements the regions' ports to the world outside by what is configured."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._section = core.settings.region
        self._web: RegionWeb | None = None
        self._degraded = ""
        self._closing: set[asyncio.Task[None]] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._tasks_beside: set[asyncio.Task[None]] = set()
        self.again = _AGAIN
        """Seconds between two attempts to learn where phones are."""
        now, emit = core.clock.now, core.emit
        self.ledger = core.home_ledger
        self.courier = Courier(self.ledger, self, self.terms, now, emit, transfer=fresh_id, owner=secrets.token_hex(8))
        self.neighbour = Neighbour(self.ledger, self.terms, now, emit, fresh_id)
        boots = FirstBoots(core.fleet, core.tasks)
        self.upkeep = Upkeep(self.ledger, boots, core.regions.enrol, now, emit)
        self._know_owners(Owners(self.ledger, self._tenants, lambda: self.terms().name, now, emit, boots))
        self.desk = HomeDesk(self.ledger, self.terms, now, emit, fresh=fresh_id, advice=self, spoke=self._spoken)
        self.neighbour.spoke = core.regions.spoke = self._spoken
        core.stored_homes.departed = self._departed
        core.regions.silent = lambda: self.courier.silent
        self.phones = Phones(
            self.ledger,
            self.terms,
            now,
            emit,
            fresh=fresh_id,
            advice=self,
            tokens=core.boot.station.tokens,
            spoke=self._spoken,
            forget=self._forget_phone,
        )
        self.neighbour.way = self.phones.way
        core.home_ledger.hear = self.phones.hear
        core.boot.station.elsewhere = self.phones
        self._others = Others(core.stored_homes, self.phones)
        self.brokered = Brokered(core, self.ledger, self.neighbour, self.desk)
        self.paths = RegionPaths(self.desk, self.neighbour, self.ledger, self.terms, now, emit)

    def _know_owners(self, owners: Owners) -> None:
        self.neighbour.owners = self.courier.owners = self.upkeep.owners = owners
        self._core.regions.tenants = self._tenants
        self._core.regions.lacking = lambda: owners.elsewhere

    def _tenants(self) -> Collection[str]:
        return self._core.fleet.tables.tenants

    def terms(self) -> Terms:
        """What this instance is at present."""
        return self._core.region_terms

    async def load(self) -> None:
        """Learn where phones are, before any of them asks; when that cannot be known yet, as soon as it can. What other
        daemons on the same database move from then on is heard of."""
        self._others.open(asyncio.get_running_loop())
        if await self._learned():
            return

        async def later() -> None:
            while True:
                await asyncio.sleep(self.again)
                if await self._learned():
                    self._core.emit(Recovered(at=self._core.clock.now(), part=_HOMES))
                    return

        task = asyncio.create_task(later())
        self._tasks_beside.add(task)
        task.add_done_callback(self._tasks_beside.discard)

    async def _learned(self) -> bool:
        try:
            await self.phones.load()
        except StorageError as error:
            if not self._tasks_beside:
                reason = f"where phones are at home cannot be read: {error}"
                self._core.emit(Degraded(at=self._core.clock.now(), part=_HOMES, reason=reason))
            return False
        return True

    async def _forget_phone(self, mac: Mac) -> None:
        """A phone has gone home elsewhere: nothing of it stays here."""
        device = self._core.fleet.tables.device(mac)
        if device is not None:
            await self._core.fleet.change(lambda: ownership.delete_device(self._core.fleet.tables, device))

    def open(self) -> None:
        """Begin to say what is owed, where there are others."""
        self._reach()
        self.brokered.open()
        self._go_on()

    def _go_on(self) -> None:
        alone = self.terms().role is Role.STANDALONE
        if alone == (not self._tasks):
            return
        if alone:
            for task in self._tasks:
                task.cancel()
                self._closing.add(task)
                task.add_done_callback(self._closing.discard)
            self._tasks = []
            return
        only = self._core.store.dialect.name == "sqlite"
        for work in (partial(self.courier.run, alone=only), self.upkeep.run):
            self._tasks.append(asyncio.create_task(persevere(work, self._defect)))

    def _defect(self, error: Exception) -> None:
        now, reason = self._core.clock.now(), f"{type(error).__name__}: {error}"
        self._core.emit(InternalError(at=now, where="regions", reason=reason))

    def reload(self, settings: Settings) -> None:
        """Take over another configuration."""
        self.brokered.reload(settings)
        if settings.region == self._section and not self._degraded:
            return
        self._section = settings.region
        self._core.region_terms = region_terms(self._section)
        self._reach()
        self._go_on()
        self._spoken()

    async def close(self) -> None:
        """Stop; what is owed stays owed."""
        await self.brokered.close()
        await self._others.close()
        await self.phones.close()
        tasks = [*self._tasks, *self._tasks_beside]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._web is not None:
            await self._web.close()
        await asyncio.gather(*self._closing, return_exceptions=True)

    def _spoken(self) -> None:
        self.courier.wake()
        self.upkeep.wake()

    def _departed(self, units: Sequence[Unit]) -> None:
        """A device has gone: so have its units, which stand among the devices."""
        task = asyncio.create_task(self._forget(units))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _forget(self, units: Sequence[Unit]) -> None:
        with contextlib.suppress(StorageError):  # the store has told of itself
            await self.upkeep.departed(units)

    async def say(self, region: Region, said: Said) -> Heard:
        """Hand on to the way that there is at present."""
        if region.url.partition(":")[0] == SCHEME:
            return await self.brokered.say(region, said)
        if self._web is None:
            raise Unreached(self._degraded)
        return await self._web.say(region, said)

    async def ask(self, server: str, home: Home) -> str:
        """The same."""
        if self._web is None:
            raise Unreached(self._degraded)
        return await self._web.ask(server, home)

    def counters(self) -> Mapping[str, float]:
        """What was said to others since the start."""
        return {
            "said": float(self.courier.sent),
            "answered": float(self.courier.heard),
            "unanswered": float(self.courier.failed),
        }

    def _reach(self) -> None:
        former, now = self._web, self._core.clock.now()
        try:
            self._web = RegionWeb(way_of(self._section), self._core.clock)
        except ConfigError as error:
            # What is wrong with a certificate must not keep phones from their files.
            self._web, self._degraded = None, str(error)
            self._core.emit(Degraded(at=now, part="regions", reason=str(error)))
        else:
            if self._degraded:
                self._degraded = ""
                self._core.emit(Recovered(at=now, part="regions"))
        if former is not None:
            task = asyncio.create_task(former.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)


def way_of(section: RegionSection) -> Way:
    """How others are reached. Raises ConfigError."""
    return Way(
        name=section.name,
        permit=Permit(tuple(ipaddress.ip_network(each) for each in section.allow), "region.allow"),
        plain=section.plain,
        tls=_tls(section),
        advisers={
            each.url: secret_in(each.secret_file, f"region.rule {each.url}")
            for each in section.rule
            if each.secret_file
        },
    )


def _tls(section: RegionSection) -> ssl.SSLContext | None:
    if not (section.ca or section.client_certificate):
        return None
    for file in (section.ca, section.client_certificate, section.client_key):
        if file and not Path(file).is_file():
            raise ConfigError(f"region: {file} cannot be read")
    try:
        context = ssl.create_default_context(cafile=section.ca or None)
        if section.client_certificate:
            context.load_cert_chain(section.client_certificate, section.client_key)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError(f"region: its certificates cannot be used: {error}") from None
    return context
