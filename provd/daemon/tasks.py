"""Tasks for devices: from the settings to templates, and the runner with what it needs of the world."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import secrets
from collections.abc import Iterator, Mapping

from provd.app import ownership
from provd.app.tasks.plugin_steps import PluginSteps
from provd.app.tasks.ports import Call, PluginCall
from provd.app.tasks.runner import Runner
from provd.base.clock import Clock
from provd.base.errors import ConfigError, StorageError
from provd.base.facts.daemon import Degraded, Recovered
from provd.base.secrets import Secret
from provd.config import tasks as sections
from provd.config.settings import Settings
from provd.config.tasks import TasksSection
from provd.daemon.core import Core
from provd.daemon.hooks import Hooking
from provd.daemon.secret_files import secret_in
from provd.daemon.templates import rulebook_of
from provd.domain.records import Device
from provd.domain.tasks import Outcome, Retry
from provd.outbound.outside import World
from provd.outbound.sql import Database, Reach
from provd.outbound.web import Permit, Server, Web
from provd.storage.claims import StoredClaims
from provd.storage.device_types import StoredKinds

_LOOK = 5.0
"""Seconds between two looks at types that another daemon may have changed."""


class Tasking:
    """The runner over the databases and servers that the settings name. Implements its port to them."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._section = core.settings.tasks
        self._world: World | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._spreading: set[asyncio.Task[None]] = set()
        self._following: asyncio.Task[None] | None = None
        self._degraded = ""
        self._claims = StoredClaims(core.store)
        self.hooks = Hooking(core)
        knowledge = core.boot.station.knowledge
        self._steps = PluginSteps(knowledge.manifest, knowledge.model, core.step_renderer, self.perform)

        def room_of(device: Device) -> ownership.Room:
            return ownership.room_of(knowledge.manifest(device.plugin), device)

        self.runner = Runner(
            fleet=core.fleet,
            book=core.tasks,
            claims=self._claims,
            outside=self,
            room_of=room_of,
            clock=core.clock,
            emit=core.emit,
            owner=secrets.token_hex(8),
            at_once=self._section.at_once,
            post=self.hooks.outbox,
        )

    async def open(self) -> None:
        """Take up what an earlier life has left, and serve."""
        await self.hooks.open()
        self._reach(self._section)
        self._spread(self._core.tasks.open(alone=self._claims.alone))
        self.runner.start()
        stored = StoredKinds(self._core.store)
        if not stored.alone:
            self._following = asyncio.create_task(self._follow(stored))

    async def _follow(self, stored: StoredKinds) -> None:
        """Types that another daemon on the same database has changed are those of the devices that come to us, too."""
        while True:
            await asyncio.sleep(_LOOK)
            with contextlib.suppress(StorageError):  # the store has told of itself
                await self._core.fleet.follow(stored.read)

    def reload(self, settings: Settings) -> None:
        """Take over other templates, databases and servers. What is at work goes on with those that it began with."""
        self.hooks.reload(settings)
        if settings.tasks == self._section and not self._degraded:
            return
        self._section = settings.tasks
        self.runner.at_once = self._section.at_once
        self._reach(self._section)
        self._spread(self._core.tasks.change(rulebook_of(self._section)))

    async def close(self) -> None:
        """Stop; every run stays where it stands."""
        await asyncio.gather(self.runner.close(), self.hooks.close())
        beside = [*self._spreading, *([] if self._following is None else [self._following])]
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        if self._world is not None:
            await self._world.close()
        await asyncio.gather(*self._closing)

    async def perform(self, call: Call) -> Outcome:
        """Hand on to the plugin, or to the world as it is at present."""
        if isinstance(call, PluginCall):
            return await self._steps.perform(call)
        if self._world is None:
            return Retry(self._degraded or "no world")
        return await self._world.perform(call)

    def counters(self) -> Mapping[str, float]:
        """Runs by state, and those at work."""
        found: dict[str, float] = {"at work": float(self.runner.going)}
        for run in self._core.fleet.tables.task_runs.values():
            found[run.state.value] = found.get(run.state.value, 0.0) + 1
        return found

    def _spread(self, turns: Iterator[None]) -> None:
        """See to the first devices at once and to the rest bit by bit."""
        next(turns, None)

        async def rest() -> None:
            for _ in turns:
                await asyncio.sleep(0)

        task = asyncio.create_task(rest())
        self._spreading.add(task)
        task.add_done_callback(self._spreading.discard)

    def _reach(self, section: TasksSection) -> None:
        former, now = self._world, self._core.clock.now()
        try:
            self._world = world_of(section, self._core.clock)
        except ConfigError as error:
            # What is wrong with one password must not keep phones from their files.
            self._world, self._degraded = None, str(error)
            self._core.emit(Degraded(at=now, part="tasks", reason=str(error)))
        else:
            if self._degraded:
                self._degraded = ""
                self._core.emit(Recovered(at=now, part="tasks"))
        if former is not None:
            task = asyncio.create_task(former.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)


def world_of(section: TasksSection, clock: Clock) -> World:
    """Databases and servers. Raises ConfigError where one cannot be used as it is configured."""
    databases = [
        Database(
            Reach(
                name=each.name,
                url=each.url,
                password=secret_in(each.secret_file, f"tasks.database {each.name}"),
                read_only=each.read_only,
                seconds=float(each.timeout),
            )
        )
        for each in section.database
    ]
    permit = Permit(tuple(ipaddress.ip_network(network) for network in section.allow))
    return World(databases, [_server(each) for each in section.server], Web(permit, clock))


def _server(section: sections.TaskServer) -> Server:
    where = f"tasks.server {section.name}"
    secret = secret_in(section.secret_file, where)
    return Server(
        name=section.name,
        url=section.url,
        headers={section.header: Secret(section.prefix + secret.reveal())} if secret else {},
        signing=secret_in(section.signing_secret_file, where),
    )
