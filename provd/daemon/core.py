"""Everything behind the edges: store, plugins, renderer, fleet and boot. The command line uses it without a daemon."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path

from provd.app.activation.badges import Badges
from provd.app.activation.contents import Contents
from provd.app.activation.desk import ThingDesk
from provd.app.activation.devices import ThingDevices
from provd.app.activation.groups import Groups, Shares
from provd.app.activation.office import VendorOffice
from provd.app.activation.registry import Registry
from provd.app.bearer import Authority
from provd.app.boot import Boot
from provd.app.codes.office import Office
from provd.app.context import ContextMaker
from provd.app.dialing import AccountBook, DialDesk
from provd.app.firmware.choosing import Images
from provd.app.firmware.rollouts import Rollouts
from provd.app.fleet import Fleet
from provd.app.ports import FileRenderer
from provd.app.regions.phones import is_phone, phone_in
from provd.app.regions.register import Regions
from provd.app.regions.watching import Watching
from provd.app.resync.notes import Notes
from provd.app.site_catalogue import SiteCatalogue
from provd.app.tasks.book import TaskBook
from provd.app.tokens import Tokens
from provd.app.zones import zone
from provd.base.clock import Clock
from provd.base.errors import PluginError
from provd.base.facts import FactSink
from provd.base.types import Mac
from provd.config.settings import Settings
from provd.daemon.packaging import Packaging
from provd.daemon.plugin_steps import StepRenderer
from provd.daemon.rendered import RenderKeeper
from provd.daemon.templates import SectionReader, rulebook_of
from provd.daemon.translate import bounds_of, fresh_id, newcomers_of, region_terms, site_of, terms_of
from provd.domain.reckoning import Leap
from provd.guard.bucket import KeyedBuckets
from provd.net.netlink import NeighbourTable
from provd.plugins.catalogue import PluginCatalogue, bundled_plugins
from provd.plugins.render import RenderPool
from provd.storage.ledger import StoredLedger
from provd.storage.region_ledger import StoredRegions
from provd.storage.rendered import RenderedFiles
from provd.storage.store import Store

MISSES_AT_ONCE = 10
MISSES_PER_HOUR = 20
"""How often a source may ask for files that it may not have."""


class Holders:
    """Who holds an address: the DHCP server once it serves, nobody before or without it."""

    def __init__(self) -> None:
        self.ask: Callable[[str], Mac | None] = _nobody

    def holder(self, ip: str) -> Mac | None:
        """The MAC with an active lease of that address, or None."""
        return self.ask(ip)


def _nobody(_ip: str) -> Mac | None:
    return None


PATIENCE = 5.0
"""Seconds for which a daemon that starts waits for whoever has the database."""


def plugin_folders(settings: Settings) -> tuple[Path, ...]:
    """Where plugins are looked for; a later folder outranks an earlier one."""
    return (bundled_plugins(), *settings.plugins.paths, settings.server.state_dir / "plugins")


class Core:
    """The parts and how they know each other. Constructing it opens the database and reads the plugins.

    ``watched`` may put something between the use cases and the renderer; ``leap`` is one of the clock that codes must
    not suffer from. ``keeps`` is for the daemon: what is rendered is kept on disk for the next start, and a command
    that has the database is waited for.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        emit: FactSink,
        *,
        watched: Callable[[FileRenderer], FileRenderer] = lambda renderer: renderer,
        leap: Leap | None = None,
        keeps: bool = False,
    ) -> None:
        state = settings.server.state_dir
        self.settings = settings
        self.clock = clock
        self.emit = emit
        # A command that looked for a daemon just before there was one has the database for a moment.
        self.store = Store.open(settings.database.url, state, clock, emit, patience=PATIENCE if keeps else 0.0)
        self.catalogue = PluginCatalogue(plugin_folders(settings), state, clock, emit)
        self.images = Images(self.catalogue.stock)
        self.holders = Holders()
        self.fleet = Fleet(self.store)
        self.fleet.load()
        self.renderer = RenderPool(self.template_folders, clock, emit)
        self.step_renderer = StepRenderer(self.template_folders, clock, emit)
        derive = self.store.vault.derive
        self.keeper = self._keeping(state) if keeps else None
        site = site_of(settings)
        tokens = Tokens(derive("device tokens"))
        self.neighbours = NeighbourTable()
        self.boot = Boot(
            fleet=self.fleet,
            catalogue=SiteCatalogue(self.catalogue, self.fleet.tables, clock, emit),
            leases=self.holders,
            neighbours=self.neighbours,
            renderer=watched(self.renderer),
            tokens=tokens,
            zone=zone,
            clock=clock,
            emit=emit,
            site=site,
            misses=KeyedBuckets(MISSES_PER_HOUR / 3600, MISSES_AT_ONCE, 10_000),
            newcomers=newcomers_of(site),
            prefix=secrets.token_hex(2),
            etag_key=derive("etags"),
            memory=None if self.keeper is None else self.keeper.memory,
            images=self.images,
        )
        self.packaging = self._packaging(tokens, patient=not keeps)
        self.notes = Notes(self.fleet, self.boot.station.knowledge, clock)
        self.rollouts = self._rolling()
        self.tasks = TaskBook(self.fleet, clock, rulebook_of(settings.tasks), SectionReader())
        self.codes = Office(
            station=self.boot.station,
            key=self.store.vault.derive("provisioning codes"),
            terms=terms_of(settings.codes),
            clock=clock,
            emit=emit,
            leap=leap,
        )
        beside = ThingDevices(self.fleet, self.tasks, clock)
        ledger = self.thing_ledger = StoredLedger(self.store, beside)
        self.things = ThingDesk(ledger, clock, emit, self.holders.holder)
        self.vendors = self._vendor_office(ledger)
        self._begin_regions(StoredRegions(self.store, ledger.statements, beside))
        self.dialing: DialDesk = self.codes.desk
        self.accounts: AccountBook = self.codes.accounts

    def _vendor_office(self, ledger: StoredLedger) -> VendorOffice:
        section, audited = self.settings.activation, (ledger, self.things.now, self.emit)
        return VendorOffice(
            registry=Registry(*audited, section.window),
            contents=Contents(*audited, bounds_of(section)),
            groups=Groups(*audited),
            shares=Shares(*audited),
            badges=Badges(*audited, Authority(self.fleet, self.clock).caller, self._is_open),
        )

    def _begin_regions(self, stored: StoredRegions) -> None:
        self.stored_homes = stored
        self.home_ledger = Watching(stored, is_phone)
        self.region_terms = region_terms(self.settings.region)
        self.regions = Regions(self.home_ledger, lambda: self.region_terms, self.clock.now, self.emit, fresh_id)
        self.regions.holder = self._holder

    def _holder(self, device_id: str) -> str | None:
        mac = phone_in(device_id)
        device = None if mac is None else self.fleet.tables.device(mac)
        return None if device is None else device.tenant

    def _is_open(self, tenant: str) -> bool:
        found = self.fleet.tables.tenant(tenant)
        return found is not None and found.enabled

    def _keeping(self, state: Path) -> RenderKeeper:
        derive = self.store.vault.derive
        rendered = RenderedFiles(state, derive("rendered files"), self.clock, self.emit)
        return RenderKeeper(rendered, self.catalogue, derive("names of rendered files"))

    def _rolling(self) -> Rollouts:
        rollouts = Rollouts(self.fleet, self.images, self.notes, self.clock, self.emit)
        self.packaging.warehouse.needed = lambda held: rollouts.needed(held.name, held.version)
        return rollouts

    def template_folders(self, plugin: str) -> tuple[Path, ...]:
        """Where a plugin's templates are looked for: the operator's overrides first."""
        override = self.settings.server.state_dir / "overrides" / plugin
        try:
            own = self.catalogue.template_root(plugin)
        except PluginError:
            return ()
        return (override, own) if override.is_dir() else (own,)

    def _packaging(self, tokens: Tokens, *, patient: bool) -> Packaging:
        packaging = Packaging(
            self.settings.plugins,
            self.catalogue,
            self.boot,
            lambda: ContextMaker(self.fleet.tables, tokens, zone, self.images),
            self.clock,
            self.emit,
            overrides=self.settings.server.state_dir / "overrides",
            renderer=self.renderer,
            steps=self.step_renderer,
            patient=patient,
        )
        packaging.warehouse.released = self._let_go
        return packaging

    def _let_go(self) -> None:
        self.boot.let_go()
        self.catalogue.let_go()

    def plugins_changed(self) -> None:
        """The catalogue has another version of a plugin in force, or another template."""
        self.renderer.reload()
        self.step_renderer.reload()
        self.boot.station.refresh()

    async def close(self) -> None:
        """Stop long work and the renderer, and let the store write what it was given."""
        await self.packaging.shop.works.close()
        await self.renderer.close()
        await self.step_renderer.close()
        if self.keeper is not None:
            self.keeper.close()
        self.neighbours.close()
        self.store.close()
