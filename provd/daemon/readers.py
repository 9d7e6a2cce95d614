"""The readers of facts, wired to one hub."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping

from provd.app.ports import FileRenderer, RenderJob
from provd.base.clock import Clock
from provd.base.facts import FactSink, Level
from provd.config.settings import ServerSection
from provd.observe.hub import FactHub, from_level
from provd.observe.keep import FactKeeper
from provd.observe.log import LogWriter, in_journal, write_if_ready
from provd.observe.metrics import Metrics
from provd.observe.tail import Tail
from provd.observe.timeline import Timeline
from provd.storage.store import Store

_STDERR = 2


class TimedRenderer:
    """A renderer whose times are counted."""

    def __init__(self, renderer: FileRenderer, rendered: Callable[[float], None]) -> None:
        self._renderer = renderer
        self._rendered = rendered

    def render(self, job: RenderJob) -> asyncio.Future[bytes]:
        """The file. The future fails with PluginError."""
        began = time.perf_counter()
        future = asyncio.ensure_future(self._renderer.render(job))

        def done(made: asyncio.Future[bytes]) -> None:
            if not made.cancelled() and made.exception() is None:
                self._rendered(time.perf_counter() - began)

        future.add_done_callback(done)
        return future

    def at_hand(self, job: RenderJob) -> bytes | None:
        """The file, if others like it were rendered: that is no rendering."""
        return self._renderer.at_hand(job)


class Readers:
    """Log, timeline, metrics and tail from the first moment; the keeper when there is a store."""

    def __init__(self, server: ServerSection, clock: Clock, environ: Mapping[str, str] = os.environ) -> None:
        loop = asyncio.get_running_loop()
        self._call_later = loop.call_later
        self.hub = FactHub(loop.call_soon)
        self.emit: FactSink = self.hub.emit
        self.timeline = Timeline()
        self.metrics = Metrics()
        self.tail = Tail(past=self.timeline.facts)
        self.keeper: FactKeeper | None = None
        self._clock = clock
        self._journal = in_journal(_STDERR, environ)
        self.log = self._log(server)
        self.hub.add("log", self.log, from_level(self.log.level))
        self.hub.add("timeline", self.timeline)  # Before the tail, which begins where this ends.
        self.hub.add("metrics", self.metrics)
        self.hub.add("tail", self.tail)

    def keep(self, store: Store) -> None:
        """Store facts from now on, behind everything else."""
        self.keeper = FactKeeper(store, self._call_later, self.emit)
        self.hub.add("keep", self.keeper)

    def keep_no_more(self) -> None:
        """The store is closed: what is still told, that the daemon has stopped, is for the log alone."""
        self.hub.flush()
        self.hub.remove("keep")

    def relevel(self, server: ServerSection) -> None:
        """Take another level or format for the log."""
        self.log.finish()
        self.log = self._log(server)
        self.hub.add("log", self.log, from_level(self.log.level))

    def finish(self) -> None:
        """Hand on what has gathered, and what the readers still owe. Called before the store closes."""
        self.hub.flush()
        if self.keeper is not None:
            self.keeper.finish()

    def _log(self, server: ServerSection) -> LogWriter:
        return LogWriter(
            lambda octets: write_if_ready(_STDERR, octets),
            self._clock,
            self._call_later,
            style=server.log_format,
            level=Level[server.log_level.upper()],
            journal=self._journal,
        )
