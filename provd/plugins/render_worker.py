"""The daemon's end of one renderer process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, cast

import provd
from provd.base.dataclass import dataclass
from provd.base.errors import PeerError, PluginError, RendererError
from provd.plugins.render_wire import Answer, Answers

WINDOW = 16
"""Requests that lie in one process's socket, so that it never waits for the event loop. When half of them are done
as many follow, in one call to the kernel."""

MOST = 12
"""How many times a file's time the process may take that is never given a processor."""
_PROCESS = 2
"""The clock of a whole process, as clock_getcpuclockid(3) makes one of its number."""


class PoolError(RendererError):
    """The processes' own failure: whatever else waits for one has failed as well."""


@dataclass(eq=False, slots=True)
class Task:
    """A request on its way, and who waits for it."""

    plugin: str
    template: str
    message: bytes
    result: asyncio.Future[bytes]
    blamed: str = ""
    """The plugin, with the overrides in force if there are any: whose fault it is."""
    wants_pattern: bool = False
    is_pattern: bool = False
    """The result is a pattern and no file."""

    def fail(self, reason: str, kind: type[PluginError] = PluginError) -> None:
        """Tell the waiter, if it still waits."""
        if not self.result.done():
            self.result.set_exception(kind(f"{self.plugin}: {reason}"))


@dataclass(frozen=True, slots=True)
class Launch:
    """How a process is started and how long it may take, in seconds: to start, and for one file.

    A process that has had no processor for half of a file's time is not to blame: the machine is slow, or busy with
    others. It has as long as it takes to get that, and ``MOST`` times the file's time in all.
    """

    command: Sequence[str]
    start_seconds: float
    wall_seconds: float


def processor_time(pid: int) -> float:
    """Seconds of processor time that a process has had by now; none where the system does not tell."""
    try:
        return time.clock_gettime(~pid << 3 | _PROCESS)
    except OSError:
        return 0.0


class Owner(Protocol):
    """Who feeds a worker and mends what it leaves behind."""

    def feed(self) -> None:
        """There may be room for more requests."""
        ...

    def lost(self, worker: Worker, reason: str) -> None:
        """The worker is over; what is in ``in_flight`` has no answer, its first entry was being worked on."""
        ...


class Worker(asyncio.Protocol):
    """One process and the requests it has. Answers come in the order of the requests."""

    def __init__(self, owner: Owner, launch: Launch) -> None:
        self.in_flight: deque[Task] = deque()
        self.ready = False
        self.died = False
        """It ended of itself."""
        self.gone = asyncio.Event()
        self._owner = owner
        self._launch = launch
        self._answers = Answers()
        self._loop = asyncio.get_running_loop()
        self._watchdog = self._loop.call_later(launch.start_seconds, self.end, "it did not start in time")
        self._watching = False
        self._deadline = self._look_at = self._spent = 0.0
        self._transport: asyncio.Transport | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._said = -1

    async def start(self) -> None:
        """Start the process with one end of a socket pair as its standard input and nothing else of ours."""
        with contextlib.ExitStack() as stack:
            ours, theirs = map(stack.enter_context, socket.socketpair())
            self._said, errors = os.pipe()
            stack.callback(os.close, errors)
            # Nobody reads it before the process has ended: what is too much is lost, and nobody waits.
            os.set_blocking(errors, False)
            os.set_blocking(self._said, False)
            self._process = self._spawn(theirs, errors)
            ours.settimeout(0)
            await self._loop.create_unix_connection(lambda: self, sock=ours.dup())

    def _spawn(self, standard_input: socket.socket, standard_error: int) -> subprocess.Popen[bytes]:
        # Not asyncio's: cancelled while it connects its pipes, as at the end of a loop, it never ends. It forks in the
        # same call, so nobody waits longer for this.
        return subprocess.Popen(  # noqa: S603 - our own command
            self._launch.command,
            stdin=standard_input.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=standard_error,
            # A fixed hash seed: the order of a set must not differ from one process to the next.
            env={"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1"},
            cwd=Path(provd.__file__).parents[1],
        )

    async def reap(self) -> str:
        """Kill what is left of the process and collect it. Returns the last line it wrote, if any."""
        self._watchdog.cancel()
        if self._transport is not None:
            self._transport.abort()
        try:
            if self._process is not None:
                self._process.kill()
                await asyncio.to_thread(self._process.wait)
            return self._last_line()
        finally:
            if self._said >= 0:
                os.close(self._said)
                self._said = -1

    def _last_line(self) -> str:
        errors = b""
        # None is there where the process could not even be started, or has passed its end on to another one.
        with contextlib.suppress(BlockingIOError):
            while self._said >= 0 and (part := os.read(self._said, 65536)):
                errors += part
        return errors.decode("utf-8", "replace").strip().rpartition("\n")[2][:200]

    @property
    def room(self) -> int:
        """How many more requests it takes now."""
        waiting = len(self.in_flight)
        return WINDOW - waiting if waiting <= WINDOW // 2 and self.ready and not self.gone.is_set() else 0

    def send(self, tasks: Sequence[Task]) -> None:
        """Hand over requests, at least one and at most as many as there is room for."""
        if self._transport is not None:
            idle = not self.in_flight
            self.in_flight += tasks
            if idle:
                self._rearm()
            self._transport.write(b"".join([task.message for task in tasks]))

    def end(self, reason: str) -> None:
        """Give the process up."""
        if not self.gone.is_set():
            self.gone.set()
            self._watchdog.cancel()
            self._owner.lost(self, reason)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; uvloop's has the methods of one, but not the base class."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Hand out what was rendered and ask for more."""
        try:
            for kind, body in self._answers.feed(data):
                if not self.gone.is_set():
                    self._answered(kind, body)
        except PeerError as error:
            self.end(str(error))
        self._owner.feed()

    def connection_lost(self, exc: Exception | None) -> None:
        """The process died, or was ended by us; how its socket ended does not matter."""
        del exc
        self._transport = None
        self.died = not self.gone.is_set()
        self.end("the renderer process died")

    def _answered(self, kind: Answer, body: bytes) -> None:
        if kind is Answer.READY:
            self.ready = True
            self._watchdog.cancel()
        elif not self.in_flight or (kind is Answer.PATTERN and not self.in_flight[0].wants_pattern):
            raise PeerError("the renderer answered what nobody asked")
        elif kind is Answer.LIMIT:
            self.end(body.decode("utf-8", "replace"))
        else:
            task = self.in_flight.popleft()
            self._rearm()
            if kind is Answer.FAILED:
                task.fail(body.decode("utf-8", "replace"))
            elif not task.result.done():
                task.is_pattern = kind is Answer.PATTERN
                task.result.set_result(body)

    def _rearm(self) -> None:
        """Another file is being made: its time begins."""
        self._deadline = self._look_at = self._loop.time() + self._launch.wall_seconds
        self._spent = self._had()
        if not self._watching:
            self._watching = True
            self._watchdog = self._loop.call_at(self._look_at, self._look)

    def _look(self) -> None:
        # One timer that looks again, instead of one for each of thousands of files.
        self._watching = False
        if not self.in_flight:
            return
        now, wall = self._loop.time(), self._launch.wall_seconds
        if now >= self._look_at:
            lacks = wall / 2 - (self._had() - self._spent)
            if lacks <= 0 or now >= self._deadline + (MOST - 1) * wall:
                self.end(f"more than {wall if lacks <= 0 else MOST * wall:g} s for one file")
                return
            self._look_at = now + max(lacks, wall / 20)
        self._watching = True
        self._watchdog = self._loop.call_at(self._look_at, self._look)

    def _had(self) -> float:
        return 0.0 if self._process is None else processor_time(self._process.pid)
