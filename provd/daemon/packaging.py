"""Plugins as packages, put together: the manager, the dry run, and the long work that they are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

from provd.app.boot import Boot
from provd.app.context import ContextMaker
from provd.app.firmware.warehouse import Warehouse
from provd.app.packages import Shop
from provd.app.packages.ports import Candidate
from provd.app.packages.switching import Switching
from provd.app.packages.trial import Trial
from provd.app.works import Works
from provd.base.clock import Clock
from provd.base.facts import FactSink
from provd.config.plugins import PluginsSection
from provd.daemon.plugin_steps import StepRenderer
from provd.plugins.catalogue import PluginCatalogue
from provd.plugins.firmware.supply import Supply
from provd.plugins.package.gate import keys_of
from provd.plugins.package.manager import PluginManager, Terms
from provd.plugins.render import RenderPool


class Packaging:
    """``renderer`` serves phones, ``steps`` tasks; both hear when other templates are in force."""

    def __init__(
        self,
        section: PluginsSection,
        catalogue: PluginCatalogue,
        boot: Boot,
        maker: Callable[[], ContextMaker],
        clock: Clock,
        emit: FactSink,
        *,
        overrides: Path,
        renderer: RenderPool,
        steps: StepRenderer,
        patient: bool,
    ) -> None:
        async def switched(plugin: str) -> None:
            changed = catalogue.take(await asyncio.to_thread(catalogue.read))
            held = self._manager.held(plugin)
            if changed == {plugin} and held.in_force in held.versions:
                # A version never changes: what is compiled of it is good.
                renderer.moved(plugin)
                steps.moved(plugin)
            elif changed:
                renderer.reload()
                steps.reload()
            boot.station.refresh()

        async def warm(candidate: Candidate, templates: Iterable[str]) -> None:
            formats = sorted({rule.format for rule in candidate.manifest.files if rule.template})
            names = [(name, each) for each in formats for name in templates if name.endswith(".j2")]
            if not patient:
                await renderer.warm(candidate.templates, names)

        fleet = boot.station.fleet
        self._manager = PluginManager(
            catalogue, package_terms(section), clock, emit, overrides=overrides, changed=switched, warm=warm
        )
        works = Works(fleet, clock, emit, patient=patient)
        trial = Trial(boot.station, maker, self._manager)
        self.supply = Supply(catalogue.stock, clock, proxy=section.proxy)
        self.warehouse = Warehouse(self.supply, boot.station.knowledge, fleet.tables, works, clock, emit)
        if not patient:
            self.supply.tidy()
            self._manager.tidy()
        self.shop = Shop(self._manager, Switching(fleet, self._manager, trial, works), works, self.warehouse)

    def reload(self, section: PluginsSection) -> None:
        """Take over a changed configuration."""
        self._manager.terms = package_terms(section)
        self._manager.forget()
        self.supply.proxy = section.proxy


def package_terms(section: PluginsSection) -> Terms:
    """Whose packages come in, and from where."""
    return Terms(section.trust, keys_of(section.keys), section.sources, section.proxy)
