"""What the REST interface asks of the daemon."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from provd.app.dialing import DialDesk
from provd.base.facts import Fact
from provd.base.facts.daemon import Reloaded
from provd.base.types import Mac
from provd.config.dhcp import DhcpSubnet
from provd.daemon.core import Core
from provd.daemon.edges import Edges
from provd.domain.records import AuditEntry
from provd.observe.tail import Tail
from provd.observe.timeline import Timeline


class RestDaemon:
    """Implements the interface's port ``Daemon``. ``reload`` applies the configuration file, or raises ConfigError."""

    def __init__(
        self,
        core: Core,
        edges: Edges,
        timeline: Timeline,
        tail: Tail,
        *,
        status: Callable[[], Mapping[str, Any]],
        reload: Callable[[], Reloaded],
    ) -> None:
        self._core = core
        self._edges = edges
        self._timeline = timeline
        self._tail = tail
        self._status = status
        self._reload = reload

    def status(self) -> Mapping[str, Any]:
        """How the daemon is."""
        return self._status()

    def subnets(self) -> Sequence[Mapping[str, Any]]:
        """The networks of the DHCP server and how full they are."""
        usage = self._edges.engine.usage()
        return [_subnet(subnet, *usage.get(subnet.network, (0, 0))) for subnet in self._edges.subnets]

    def reload(self) -> Mapping[str, Any]:
        """Apply the configuration file as it is now."""
        done = self._reload()
        return {"changed": _words(done.changed), "restart_needed": _words(done.restart_needed)}

    def boots(self, mac: Mac) -> Sequence[tuple[str, Sequence[Fact]]]:
        """What happened to a device lately."""
        return [(boot.id, [step.fact for step in boot.steps]) for boot in self._timeline.boots(mac)]

    async def audit(
        self, tenant: str | None, kind: str | None, subject: str | None, before: int | None, limit: int
    ) -> Sequence[AuditEntry]:
        """The audit, newest first."""

        def read() -> Sequence[AuditEntry]:
            return self._core.store.audit(tenant=tenant, kind=kind, subject=subject, before=before, limit=limit)

        return await asyncio.to_thread(read)

    def watch(self, wanted: Callable[[Fact], bool]) -> AbstractAsyncContextManager[AsyncIterator[str]]:
        """Facts from now on as JSON lines."""
        return self._tail.watch(wanted=wanted)

    @property
    def dial(self) -> DialDesk | None:
        """Who redeems dialed codes."""
        return self._core.dialing


def _words(text: str) -> list[str]:
    return text.split(",") if text else []


def _subnet(section: DhcpSubnet, free: int, size: int) -> Mapping[str, Any]:
    return {
        "id": section.network,
        "network": section.network,
        "pools": list(section.pools),
        "routers": list(section.routers),
        "dns": list(section.dns),
        "ntp": list(section.ntp),
        "domain": section.domain,
        "lease": section.lease,
        "free": free,
        "size": size,
    }
