"""The life of the daemon: start, READY, reload, drain, end."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import importlib
import itertools
import os
import resource
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provd import __version__
from provd.app.fleet import Fleet
from provd.app.overheard import Overheard
from provd.app.turns import persevere
from provd.base.errors import ConfigError, ProvdError
from provd.base.facts.daemon import InternalError, OutOfDescriptors, Ready, Reloaded, ReloadFailed, Stopped, Stopping
from provd.config.load import load
from provd.config.settings import Settings
from provd.daemon.core import Core
from provd.daemon.degraded import DegradedParts
from provd.daemon.doors import Doors
from provd.daemon.edges import Edges
from provd.daemon.garbage import GarbageRounds
from provd.daemon.handover import Handover
from provd.daemon.limit_watch import LimitWatch
from provd.daemon.readers import Readers, TimedRenderer
from provd.daemon.regions import Federation
from provd.daemon.reloads import applies, changes
from provd.daemon.tasks import Tasking
from provd.daemon.telling import Telling
from provd.daemon.timekeeper import Timekeeper
from provd.daemon.translate import bounds_of, newcomers_of, site_of, terms_of
from provd.observe.sdnotify import ServiceManager

if TYPE_CHECKING:
    from provd.daemon.administration import Administration

ADMINISTRATION = (
    "prometheus_client",
    "provd.app.diagnosis.gather",
    "provd.app.admin",
    "provd.daemon.pages",
    "provd.http.api.interface",
    "provd.daemon.administration",
)
"""What is loaded for people and the command line when phones are served already: each with what it needs and those
before it have not loaded, some ten milliseconds of work, the last one as the whole."""
PHONES_FIRST = 10.0
"""Seconds from READY until that is loaded, unless somebody asks earlier."""
GRACE = 4.0
"""Seconds that work in hand has when the daemon is told to stop."""
FILES = 65536
"""File descriptors wanted, where the limits allow it."""
FLUSH_EVERY = 5.0
"""Seconds between two writes of what was merely seen."""
AGE_EVERY = 12
PRUNE_EVERY = 720
"""How many flushes come between two looks for stale devices, and between two removals of old facts."""


class Service:
    """One daemon. ``run`` returns when it was told to stop."""

    def __init__(self, path: Path, settings: Settings, timekeeper: Timekeeper | None = None) -> None:
        self._path = path
        self._settings = settings
        self._timekeeper = timekeeper or Timekeeper(settings.server.state_dir)
        self._clock = self._timekeeper.clock
        self._began = self._clock.now()
        self._stop = asyncio.Event()
        self._reason = ""
        self._garbage = GarbageRounds(asyncio.get_running_loop().call_later)
        self._descriptors_told = 0.0
        self._manager = ServiceManager(os.environ)
        self._readers = Readers(settings.server, self._clock)
        self._emit = self._readers.emit
        self._tasking: Tasking | None = None
        self._federation: Federation | None = None
        self._administration: Administration | None = None

    async def run(self) -> None:
        """Open everything, serve until SIGTERM or SIGINT, close everything. Raises ProvdError at start."""
        self._more_files()
        asyncio.get_running_loop().set_exception_handler(self._unhandled)
        rendered = self._readers.metrics.rendered
        core = Core(
            self._settings,
            self._clock,
            self._emit,
            watched=lambda renderer: TimedRenderer(renderer, rendered),
            keeps=True,
            leap=self._timekeeper.leap,
        )
        try:
            await self._serve(core)
        finally:
            self._garbage.end()
            self._readers.finish()
            await core.close()
            # `done` callbacks of the last commits run when the loop turns once more.
            await asyncio.sleep(0)
            self._readers.keep_no_more()
            self._emit(Stopped(at=self._clock.now(), seconds=round(self._clock.now() - self._began, 3)))
            self._readers.hub.flush()
            self._readers.log.finish()

    def _more_files(self) -> None:
        """Take as many file descriptors as we may: every transfer and connection is one."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))

    def _unhandled(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What nobody caught is a fact, not a text on standard error; the loop goes on in either case."""
        now, error = self._clock.now(), context.get("exception")
        if isinstance(error, OSError) and error.errno in {errno.EMFILE, errno.ENFILE}:
            if now >= self._descriptors_told + 60:
                self._descriptors_told = now
                limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
                self._emit(OutOfDescriptors(at=now, reason=str(error.strerror), limit=limit))
            return
        reason = repr(error) if error is not None else str(context.get("message", ""))
        self._emit(InternalError(at=now, where=_place_of(error), reason=reason))

    def _defect(self, error: Exception) -> None:
        self._unhandled(asyncio.get_running_loop(), {"exception": error})

    def stop(self, reason: str) -> None:
        """Begin to end."""
        self._reason = reason
        self._stop.set()

    async def _serve(self, core: Core) -> None:
        self._readers.keep(core.store)
        federation = self._federation = Federation(core)
        edges = Edges(core, self._timekeeper.leap, (federation.paths,))
        degraded = DegradedParts()
        self._readers.hub.add("degraded", degraded, degraded.HEARD.__contains__)
        self._timekeeper.tell(self._emit)
        telling, handover = Telling(core), Handover(core)
        if edges.calling is not None:
            edges.calling.join(telling)
        tasking = self._tasking = Tasking(core)
        self._readers.hub.add("tasks", core.tasks)
        self._readers.hub.add("regions", federation.upkeep, federation.upkeep.HEARD.__contains__)
        self._readers.hub.add("webhooks", tasking.hooks.outbox)
        doors = Doors()
        self._measure(edges)
        self._measure_beside(telling, tasking, federation)
        self._signals(core, edges, telling, handover)
        limiting = LimitWatch(core.boot, self._clock, self._emit)
        self._readers.hub.add("limits", limiting, limiting.HEARD.__contains__)
        self._readers.hub.add("overheard", Overheard(core.boot.station), Overheard.HEARD.__contains__)
        keeping = [*self._keeping(core, edges), asyncio.create_task(persevere(limiting.run, self._defect))]
        try:
            await core.renderer.start()
            await federation.load()
            await edges.open()
            telling.open()
            await tasking.open()
            federation.open()
            for name, address in await handover.open():
                edges.note(name, address)
            doors.open(self._settings)
            for address in doors.addresses:
                edges.note("page", address)
            self._ready(core, edges)
            core.codes.check_number()
            core.packaging.shop.works.resume()
            await self._phones_first(doors)
            keeping += await self._administer(doors, core, edges, degraded, (telling, handover, tasking))
            await self._stop.wait()
            self._emit(Stopping(at=self._clock.now(), reason=self._reason))
            self._manager.stopping()
        finally:
            for task in keeping:
                task.cancel()
            closing = [edges.close(GRACE), handover.close(GRACE)]
            if self._administration is not None:
                closing.append(self._administration.close(GRACE))
            await asyncio.gather(*closing)
            doors.close()
            await asyncio.gather(telling.close(), tasking.close(), federation.close())
            core.fleet.flush(self._clock.now())
            self._timekeeper.mark()

    def _keeping(self, core: Core, edges: Edges) -> list[asyncio.Task[None]]:
        """What goes on beside serving, until the end."""
        keeping = [asyncio.create_task(self._housekeep(core, edges)), asyncio.create_task(core.rollouts.run())]
        if core.keeper is not None:
            keeping.append(asyncio.create_task(persevere(core.keeper.run, self._defect)))
        return keeping

    async def _phones_first(self, doors: Doors) -> None:
        """Wait until somebody else than a phone asks for something, for a while at most: after a power cut every phone
        of the site comes in that moment."""
        ends = asyncio.create_task(doors.knocked()), asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait(ends, timeout=PHONES_FIRST, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()
        await asyncio.wait(ends)

    async def _administer(
        self,
        doors: Doors,
        core: Core,
        edges: Edges,
        degraded: DegradedParts,
        parts: tuple[Telling, Handover, Tasking],
    ) -> list[asyncio.Task[None]]:
        """Load what people and the command line ask, and answer them; gives what then goes on. Phones do not wait for
        it: a tenth of the start goes into it, and none of them asks it anything.

        In portions between which the loop turns, and not in a thread: that would take the interpreter lock for 5 ms at
        every system call of the loop, so that a commit of its takes 20 ms and passes for one on a slow disk.
        """
        if self._stop.is_set():
            return []
        for name in ADMINISTRATION:
            module = importlib.import_module(name)
            await asyncio.sleep(0)
        telling, handover, tasking = parts
        made: Administration = module.Administration(
            core,
            edges,
            self._readers,
            degraded=lambda: degraded.parts,
            started=self._began,
            telling=telling,
            outbox=tasking.hooks.outbox,
            reload=lambda: self.apply(core, edges, telling, handover),
        )
        self._administration = made
        await made.serve(doors.take())
        return [asyncio.create_task(persevere(made.complete, self._defect))]

    def _ready(self, core: Core, edges: Edges) -> None:
        now = self._clock.now()
        listeners = ",".join(f"{name}/{address}" for name, address in edges.listeners)
        devices = len(core.fleet.tables.devices)
        leases = sum(1 for _ in edges.dhcp.leases())
        self._emit(
            Ready(
                at=now,
                version=__version__,
                seconds=round(now - self._began, 3),
                devices=devices,
                leases=leases,
                listeners=listeners,
            )
        )
        self._garbage.begin()
        edges.certificates.opened(now)
        self._manager.ready(f"serving {devices} devices")
        self._manager.watch(asyncio.get_running_loop().call_later)

    def _measure(self, edges: Edges) -> None:
        metrics = self._readers.metrics
        for name, text, values in edges.counters():
            metrics.counter(name, text, "what", values)
        metrics.gauge(
            "provd_sip_present", "SIP registrations, calls and connections at this moment", "what", edges.sip_present
        )
        metrics.gauge("provd_leases", "Addresses of the pools in use, by subnet", "subnet", edges.lease_usage)

    def _measure_beside(self, telling: Telling, tasking: Tasking, federation: Federation) -> None:
        gauge, counter = self._readers.metrics.gauge, self._readers.metrics.counter
        gauge("provd_resync", "Devices to be told, PBXs connected", "what", telling.counters)
        gauge("provd_tasks", "Runs of tasks by state", "state", tasking.counters)
        gauge("provd_webhooks", "Letters by endpoint and state", "what", tasking.hooks.counters)
        gauge("provd_region_devices", "Devices by state", "state", federation.upkeep.states)
        counter("provd_region_said", "What was said to other instances", "what", federation.counters)

    # --- signals and reload

    def _signals(self, core: Core, edges: Edges, telling: Telling, handover: Handover) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop, signal.Signals(number).name)
        loop.add_signal_handler(signal.SIGHUP, self.reload, core, edges, telling, handover)

    def reload(self, core: Core, edges: Edges, telling: Telling, handover: Handover) -> None:
        """Apply the configuration file as it is now, or keep what is in force: a fact says which."""
        with contextlib.suppress(ConfigError):
            self.apply(core, edges, telling, handover)

    def apply(self, core: Core, edges: Edges, telling: Telling, handover: Handover) -> Reloaded:
        """The same, for somebody who wants to know. Raises ConfigError when everything stays as it was."""
        self._manager.reloading()
        try:
            done = self._applied(core, edges, telling, handover)
        except ConfigError as error:
            self._emit(ReloadFailed(at=self._clock.now(), reason=str(error)))
            raise
        finally:
            self._manager.ready()
        self._emit(done)
        return done

    def _applied(self, core: Core, edges: Edges, telling: Telling, handover: Handover) -> Reloaded:
        fresh = load(self._path)
        changed = changes(self._settings, fresh)
        edges.certificates.check(fresh.phones)
        if any(name.startswith("dhcp") for name in changed):
            edges.reload(fresh)
        edges.certificates.renew(fresh.phones, self._clock.now())
        # Other listeners wait for a restart, and until then the URLs name those that are open.
        site = site_of(fresh, listening=core.settings)
        core.boot.reconfigure(site, newcomers_of(site))
        telling.reload(fresh)
        handover.reload(fresh)
        if self._tasking is not None:
            self._tasking.reload(fresh)
        if self._federation is not None:
            self._federation.reload(fresh)
        core.codes.reconfigure(terms_of(fresh.codes))
        core.vendors.registry.window = fresh.activation.window
        core.vendors.contents.bounds = bounds_of(fresh.activation)
        edges.reload_sip(fresh)
        if any(name.startswith("server.log") for name in changed):
            self._readers.relevel(fresh.server)
        core.packaging.reload(fresh.plugins)
        if core.catalogue.reload():
            core.plugins_changed()
            changed = [*changed, "plugins"]
        # What waits differs from what runs, not from the file before: a change that was taken back does not wait.
        waits = [name for name in changes(core.settings, fresh) if not applies(name)]
        self._settings = fresh
        return Reloaded(at=self._clock.now(), changed=",".join(changed), restart_needed=",".join(waits))

    def _tick(self, core: Core, edges: Edges) -> None:
        before = self._clock.now()
        self._timekeeper.tick(self._emit)
        leapt = self._clock.now() - before
        if leapt > LEAPT:
            # At once: nobody dials, and no timer rings, between the correction and this.
            core.codes.leapt(leapt)
            edges.leapt(leapt)

    async def _housekeep(self, core: Core, edges: Edges) -> None:
        """Write what was seen, mark devices that were not seen for long, remove old facts."""
        for turn in itertools.count(1):
            await asyncio.sleep(FLUSH_EVERY)
            try:
                await self._look_round(core, edges, turn)
            except Exception as error:  # noqa: BLE001 - what went wrong now may go well the next time
                self._defect(error)

    async def _look_round(self, core: Core, edges: Edges, turn: int) -> None:
        now = self._clock.now()
        core.codes.turnstile.beat()
        await _write_behind(core.fleet, now)
        if turn % AGE_EVERY == 0:
            self._tick(core, edges)
            core.boot.age(now)
            edges.certificates.watch(now)
            if self._administration is not None:
                await self._administration.complete()
            with contextlib.suppress(ProvdError):
                await core.things.look_round()
        if turn % PRUNE_EVERY == 0:
            # The store tells of itself as degraded; the next hour comes.
            with contextlib.suppress(ProvdError):
                await core.store.prune_facts(FACTS_KEPT)
                await core.store.prune_audit(AUDIT_KEPT)
                await core.things.prune_log(ATTEMPTS_KEPT)
                await core.vendors.contents.sweep()


async def _write_behind(fleet: Fleet, now: float) -> None:
    """Write what was seen, lot by lot: thousands of devices in one commit would keep everybody waiting."""
    for _ in range(1 + fleet.unwritten // FLUSHED_AT_ONCE):
        fleet.flush(now, most=FLUSHED_AT_ONCE)
        await asyncio.sleep(FLUSH_PAUSE)


FLUSHED_AT_ONCE = 100
FLUSH_PAUSE = 0.02
"""Seconds between two lots."""
FACTS_KEPT = 200_000
"""Facts in the store; older ones are removed once an hour."""
LEAPT = 1.0
"""Seconds within one turn that are no passing of time but a correction of the clock."""
AUDIT_KEPT = 500_000
"""The same for entries of the audit …"""
ATTEMPTS_KEPT = 1_000_000
"""… and for attempts to activate a device."""


def _place_of(error: BaseException | None) -> str:
    """``module:line`` of the innermost of our own frames that the exception went through."""
    place, frame = "event loop", error.__traceback__ if error is not None else None
    while frame is not None:
        module = frame.tb_frame.f_globals.get("__name__", "")
        if module.startswith("provd."):
            place = f"{module}:{frame.tb_lineno}"
        frame = frame.tb_next
    return place
