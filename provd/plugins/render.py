"""The port ``Renderer``: a pool of renderer processes, fed through sockets, replaced when a template breaks one."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from provd.app.ports import RenderJob
from provd.base.clock import Clock
from provd.base.errors import PluginError, RendererError
from provd.base.facts import FactSink
from provd.base.facts.render import PluginQuarantined, RendererReplaced
from provd.plugins.render_faults import Faults, blamed
from provd.plugins.render_patterns import Known, Patterns, Shape
from provd.plugins.render_stamps import Stamps
from provd.plugins.render_wire import Request, RequestEncoder, request_of
from provd.plugins.render_worker import Launch, PoolError, Task, Worker

TemplateFolders = Callable[[str], Sequence[Path]]
"""Plugin id to its template folders, the operator's overrides first. Raises PluginError when there is none."""

CPU_SECONDS = 2.0
"""Processor time one file may take. What does not even listen to its timer is killed after ``wall_seconds``, most of
which it had a processor."""
RENDERER = Launch(
    (sys.executable, "-s", "-m", "provd.plugins.renderd", f"{CPU_SECONDS}"), start_seconds=60.0, wall_seconds=5.0
)


def _blamed(job: RenderJob) -> str:
    """Who is to blame for a fault: a plugin, or the overrides that stand in it: nobody else suffers for them."""
    overlay = job.overlay
    return blamed(job.plugin, overlay.digest if overlay.overrides else "")


class RenderPool:
    """Renders files in other processes. One process does for thousands of phones; more use more processors."""

    def __init__(
        self,
        folders: TemplateFolders,
        clock: Clock,
        facts: FactSink,
        *,
        workers: int = 1,
        launch: Launch = RENDERER,
    ) -> None:
        self._folders = folders
        self._clock = clock
        self._facts = facts
        self._size = workers
        self._launch = launch
        self._workers: list[Worker] = []
        self._keepers: list[asyncio.Task[None]] = []
        self._queue: deque[Task] = deque()
        self._wanted = asyncio.Event()
        self._faults = Faults()
        self._quarantined = self._faults.quarantined
        self._epoch = 0
        self._encoder = RequestEncoder()
        self._patterns = Patterns()
        self._places: dict[str, list[str]] = {}
        self._stamps = Stamps()
        self._closing = True

    async def start(self) -> None:
        """Start the processes. Does not wait for them: the first files do."""
        self._closing = False
        self._wanted.set()
        self._keepers = [asyncio.create_task(self._keep()) for _ in range(self._size)]

    def render(self, job: RenderJob) -> asyncio.Future[bytes]:
        """The file. The future fails with PluginError when the template fails, exceeds a limit or a value is refused,
        and with its RendererError when there is no process for it any more.

        A future and no coroutine: a task around each file costs a tenth of the file.
        """
        result: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._give(job, result)
        return result

    def at_hand(self, job: RenderJob) -> bytes | None:
        """The file, if there is a pattern for it."""
        barred = self._closing or (self._quarantined and _blamed(job) in self._quarantined)
        shape = None if barred else self._patterns.shape(job)
        return None if shape is None else self._patterns.filled(shape)

    def _give(self, job: RenderJob, result: asyncio.Future[bytes]) -> None:
        shape = self._patterns.shape(job)
        if shape is None:
            self._ask(job, result)
            return
        known = self._patterns.find(shape)
        if known is None or known.again:
            self._find_out(job, shape, result)
        elif known.waiting is not None:
            known.waiting.append((job, result))
        else:
            body = self._patterns.filled(shape)
            if body is None or self._quarantined:
                self._ask(job, result)
            else:
                result.set_result(body)

    def _ask(
        self, job: RenderJob, result: asyncio.Future[bytes], needs: Sequence[Sequence[str]] | None = None
    ) -> Task | None:
        """Send a job to the renderer."""
        try:
            message = self._message(job, needs)
        except PluginError as error:
            result.set_exception(error)
            return None
        task = Task(job.plugin, job.rule.template, message, result, _blamed(job), needs is not None)
        self._queue.append(task)
        self._wanted.set()
        self.feed()
        return task

    def _find_out(self, job: RenderJob, shape: Shape, result: asyncio.Future[bytes]) -> None:
        """Ask for the pattern of a file; whoever wants one like it meanwhile waits for that."""
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        known = self._patterns.begin(shape)
        task = self._ask(job, answer, self._patterns.needs(shape))

        def done(answer: asyncio.Future[bytes]) -> None:
            try:
                self._found_out(job, shape, known, result, answer, task)
            finally:
                waiting, known.waiting = known.waiting or (), None
                for each, future in waiting:
                    self._go_on(each, future, answer)

        answer.add_done_callback(done)

    def _go_on(self, job: RenderJob, result: asyncio.Future[bytes], answer: asyncio.Future[bytes]) -> None:
        """Whoever waited for a pattern gets a file, or to know why not."""
        error = answer.exception()
        if result.done():
            return
        if isinstance(error, PoolError):
            result.set_exception(error)  # Each would wait as long as the first one to hear the same.
            return
        try:
            self._give(job, result)
        except Exception as unforeseen:  # noqa: BLE001 - it is told by who waits; the others go on
            if not result.done():
                result.set_exception(unforeseen)

    def _found_out(
        self,
        job: RenderJob,
        shape: Shape,
        known: Known,
        result: asyncio.Future[bytes],
        answer: asyncio.Future[bytes],
        task: Task | None,
    ) -> None:
        error = answer.exception()
        if error is not None or task is None or not task.is_pattern:
            if isinstance(error, PoolError):
                self._patterns.withdraw(shape, known)
            else:
                self._patterns.none(shape, known, again=error is not None)
            if result.done():
                return
            if error is None:
                result.set_result(answer.result())
            else:
                result.set_exception(error)
            return
        try:
            body = self._patterns.found(shape, known, answer.result())
        except Exception:  # noqa: BLE001 - whatever a renderer describes: it is asked for the file
            self._patterns.none(shape, known)
            if not result.done():
                self._ask(job, result)
        else:
            if not result.done():
                result.set_result(body)

    def _message(self, job: RenderJob, needs: Sequence[Sequence[str]] | None) -> bytes:
        if self._closing:
            raise PoolError("the renderer is not running")
        if self._quarantined and _blamed(job) in self._quarantined:
            raise PluginError(f"{_blamed(job)}: in quarantine until the next reload")
        folders = self._places.get(job.plugin) or self._place(job.plugin)
        try:
            return self._encoder.encode(request_of(job, folders, self._epoch, needs))
        except (TypeError, ValueError) as error:
            raise PluginError(f"{job.plugin}: the context is not plain data ({type(error).__name__})") from None

    def _place(self, plugin: str) -> list[str]:
        folders = self._folders(plugin)
        self._note(folders)
        places = self._places[plugin] = [str(folder) for folder in folders]
        return places

    def _note(self, folders: Sequence[Path]) -> None:
        """These are compiled from now on; the processes keep what they compiled by the names of folders."""
        if self._stamps.changed(folders):
            self.reload()
            self._stamps.changed(folders)

    def reload(self) -> None:
        """Templates may have changed: read them anew and lift every quarantine."""
        self._epoch += 1
        self._patterns.clear()
        self._places.clear()
        self._stamps.clear()
        self._faults.clear()

    def moved(self, plugin: str) -> None:
        """Another folder holds this plugin's templates. The others stay compiled: their phones notice nothing.

        A folder that was compiled before and holds something else now is read anew, with all the others.
        """
        self._places.pop(plugin, None)
        with contextlib.suppress(PluginError):  # There is none of that name any more.
            self._place(plugin)
        self._patterns.drop(plugin)
        self._faults.forget(plugin)

    async def warm(self, folders: Sequence[Path], templates: Iterable[tuple[str, str]]) -> None:
        """Compile templates (names and formats) that are about to be asked for, one by one: phones come in between."""
        self._note(folders)
        places = [str(folder) for folder in folders]
        for name, file_format in templates:
            if self._closing:
                return
            result: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
            request = Request(places, name, file_format, self._epoch, {}, wants="warm")
            self._queue.append(Task("", name, self._encoder.encode(request), result, f"(new) {places[-1]}"))
            self._wanted.set()
            self.feed()
            with contextlib.suppress(PluginError):  # It is told when a file is made from it.
                await result

    @property
    def quarantined(self) -> frozenset[str]:
        """The plugins of which nothing is rendered, those with overrides each for itself."""
        return frozenset(self._quarantined)

    async def close(self) -> None:
        """End the processes; whoever still waits gets a RendererError."""
        self._closing = True
        self._wanted.set()
        for worker in tuple(self._workers):
            worker.end("the renderer was closed")
        await asyncio.gather(*self._keepers)
        self._keepers.clear()
        self._fail_waiting("the renderer was closed")

    def feed(self) -> None:
        """Spread waiting requests over the processes that have room."""
        while self._queue and self._workers:
            worker = max(self._workers, key=lambda candidate: candidate.room)
            room = worker.room
            if not room:
                return
            # Each has its share, however many processes there are.
            share = min(room, -(-len(self._queue) // len(self._workers)))
            taken = [self._queue.popleft() for _ in range(share)]
            wanted = [task for task in taken if not task.result.done()]  # nobody waits any more for the others
            if wanted:
                worker.send(wanted)

    def lost(self, worker: Worker, reason: str) -> None:
        """A process is over: the file it was at has failed, those behind it are tried again elsewhere."""
        waiting = worker.in_flight
        guilty = waiting.popleft() if waiting and not self._closing else None
        if worker.ready and not self._closing:
            self._facts(
                RendererReplaced(
                    at=self._clock.now(),
                    reason=reason,
                    plugin=guilty.plugin if guilty else "",
                    template=guilty.template if guilty else "",
                    retried=len(waiting),
                )
            )
        self._queue.extendleft(reversed(waiting))
        waiting.clear()
        if guilty is not None:
            guilty.fail(reason, RendererError if worker.died else PluginError)
            self._fault(guilty.blamed, reason)
        elif not (self._queue or self._closing):
            self._wanted.clear()  # it died of itself: another one, which may do the same, when it is needed
        self.feed()

    def _fault(self, plugin: str, reason: str) -> None:
        """``plugin`` is the one to blame, with the override that was in force."""
        now = self._clock.now()
        count = self._faults.add(plugin, now)
        if count:
            self._facts(PluginQuarantined(at=now, plugin=plugin, faults=count, reason=reason))
            for task in self._queue:
                if task.blamed == plugin:
                    task.fail("in quarantine until the next reload")

    def _fail_waiting(self, reason: str) -> None:
        for task in self._queue:
            task.fail(reason, PoolError)
        self._queue.clear()

    async def _keep(self) -> None:
        """Keep one process running. One that never got ready is not started again before somebody needs it."""
        while True:
            await self._wanted.wait()
            if self._closing:
                return
            worker = Worker(self, self._launch)
            self._workers.append(worker)
            try:
                said = await self._run(worker)
            except OSError as error:
                said = str(error)
            self._workers.remove(worker)
            if not (worker.ready or self._closing):
                self._wanted.clear()
                self._fail_waiting(f"the renderer does not start: {said or 'it said nothing'}")

    @staticmethod
    async def _run(worker: Worker) -> str:
        """One process from start to end. Returns what it last wrote to its standard error."""
        try:
            await worker.start()
            await worker.gone.wait()
        finally:
            said = await worker.reap()
        return said
