"""What people, programs and the command line ask of the daemon: operations, the REST interface, the page, metrics.

Loaded when phones are served already; nothing that a phone asks for may need it, and nothing of the serving modules
imports this one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

# Loaded with the rest here, and not on the event loop at the first scrape.
import provd.observe.exposition  # noqa: F401
from provd.app.admin import Admin
from provd.app.bearer import Authority
from provd.app.caller import Caller
from provd.app.hooks.outbox import Outbox
from provd.app.zones import zone
from provd.base.facts.daemon import Reloaded
from provd.daemon.addresses import ServedAddresses
from provd.daemon.core import Core
from provd.daemon.degraded import Part
from provd.daemon.doors import Opened
from provd.daemon.edges import Edges
from provd.daemon.pages import pages
from provd.daemon.readers import Readers
from provd.daemon.rest import RestDaemon
from provd.daemon.telling import Telling
from provd.daemon.views import DaemonViews
from provd.http.api.interface import Api
from provd.http.control import ControlServer, Operation
from provd.http.page import PageServer


class Administration:
    """Everything that is asked over the control socket and over ``[api]``."""

    def __init__(
        self,
        core: Core,
        edges: Edges,
        readers: Readers,
        *,
        degraded: Callable[[], Iterable[Part]],
        started: float,
        telling: Telling,
        outbox: Outbox,
        reload: Callable[[], Reloaded],
    ) -> None:
        views = DaemonViews(core, edges, readers.timeline, core.clock, degraded, started)
        self._admin = admin = _admin(core, edges, telling, outbox)
        views.join(admin.diagnoses, telling.resyncer.comes)
        daemon = RestDaemon(core, edges, readers.timeline, readers.tail, status=lambda: status_of(views), reload=reload)
        readers.metrics.gauge("provd_devices", "Devices by state", "state", views.states)
        self._control = ControlServer(_operations(admin, views), readers.tail.watch, emit=core.emit, clock=core.clock)
        self._page = PageServer(
            views,
            readers.metrics.text,
            emit=core.emit,
            clock=core.clock,
            hosts=core.settings.api.hosts,
            api=Api(admin, Authority(core.fleet, core.clock).caller, daemon, emit=core.emit, clock=core.clock),
            parts=pages(core, admin, views),
        )

    async def serve(self, opened: Opened) -> None:
        """Answer on these sockets."""
        await self._control.serve(opened.control)
        for listener in opened.pages:
            await self._page.serve(listener)

    async def complete(self) -> None:
        """Take up what was left half done with plugins."""
        if self._admin.plugins is not None:
            await self._admin.plugins.complete()

    async def close(self, grace: float) -> None:
        """Let operations in hand finish within ``grace`` seconds, and answer no more."""
        await asyncio.gather(self._control.close(grace), self._page.close())


def _admin(core: Core, edges: Edges, telling: Telling, outbox: Outbox) -> Admin:
    return Admin(
        fleet=core.fleet,
        boot=core.boot,
        clock=core.clock,
        emit=core.emit,
        zone=zone,
        addresses=ServedAddresses(edges.dhcp, core.store, edges.reserved),
        codes=core.codes,
        resyncer=telling.resyncer,
        vendors=core.vendors,
        tasks=core.tasks,
        outbox=outbox,
        shop=core.packaging.shop,
        regions=core.regions,
        rollouts=core.rollouts,
    )


def _operations(admin: Admin, views: DaemonViews) -> Mapping[str, Operation]:
    def operation(name: str) -> Operation:
        async def perform(params: dict[str, Any]) -> Mapping[str, Any]:
            result = await admin.call(name, params, Caller(name="control"))
            return result if isinstance(result, Mapping) else {"items": result}

        return perform

    async def status(_params: dict[str, Any]) -> Mapping[str, Any]:
        return status_of(views)

    return {name: operation(name) for name in admin.operations} | {"status": status}


def status_of(views: DaemonViews) -> Mapping[str, Any]:
    """The status page as plain values."""
    view = views.status()
    return {
        "version": view.version,
        "dhcp": views.dhcp_mode.value,
        "listeners": [f"{listener.name} {listener.address}" for listener in view.listeners],
        "degraded": [f"{row.part}: {row.reason}" for row in view.degraded],
        **dict(view.counts),
        "states": {state: count for state, count in views.states().items() if count},
        "plugins": [f"{plugin.id} {plugin.version}" for plugin in view.plugins],
    }
