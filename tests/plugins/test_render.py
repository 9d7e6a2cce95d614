"""The pool: files come back, whatever a template does to the process that renders it."""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from provd.app.ports import RenderJob
from provd.base.errors import PluginError, RendererError
from provd.base.facts import Fact
from provd.base.facts.render import PluginQuarantined, RendererReplaced
from provd.base.secrets import Secret
from provd.plugin import FileRule
from provd.plugins.render import RENDERER, RenderPool
from provd.plugins.render_faults import FAULT_SECONDS
from provd.plugins.render_worker import Launch, Worker
from tests.kit.patience import PATIENCE

ENDLESS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
HUGE = "{% for n in range(99999) %}0123456789abcdef{% endfor %}"
IMPATIENT = Launch((*RENDERER.command[:-1], "1"), RENDERER.start_seconds, RENDERER.wall_seconds)


class Clock:
    """Stands still until it is told otherwise."""

    def __init__(self) -> None:
        self.time = 1_000_000.0

    def now(self) -> float:
        return self.time


class Bench:
    """A pool with a folder of templates of its own, and what it told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = Clock()
        self.facts: list[Fact] = []
        self.pools: list[RenderPool] = []
        self.template("file", "a = {{ value }}\n")

    def template(self, name: str, text: str) -> None:
        (self.folder / f"{name}.j2").write_text(text, encoding="utf-8")

    async def start(self, launch: Launch = RENDERER, workers: int = 1) -> RenderPool:
        pool = RenderPool(lambda _: [self.folder], self.clock, self.facts.append, workers=workers, launch=launch)
        self.pools.append(pool)
        await pool.start()
        return pool

    @staticmethod
    def job(name: str = "file", plugin: str = "maker", **context: object) -> RenderJob:
        rule = FileRule(name=name, kind="device", template=f"{name}.j2", format="keyvalue")
        return RenderJob(plugin, rule, {"value": 1, **context})


@pytest.fixture
async def bench(tmp_path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    for pool in bench.pools:
        await pool.close()


async def refusal(pool: RenderPool, job: RenderJob) -> str:
    with pytest.raises(PluginError) as caught:
        await pool.render(job)
    return str(caught.value)


async def test_every_file_goes_to_the_one_who_asked_for_it(bench):
    pool = await bench.start()
    bodies = await asyncio.gather(*(pool.render(bench.job(value=n)) for n in range(100)))
    assert bodies == [f"a = {n}\n".encode() for n in range(100)]
    assert bench.facts == []


async def test_several_processes_share_the_work(bench):
    pool = await bench.start(workers=2)
    bodies = await asyncio.gather(*(pool.render(bench.job(value=n)) for n in range(100)))
    assert bodies == [f"a = {n}\n".encode() for n in range(100)]


async def test_text_of_any_script_survives_the_way(bench):
    pool = await bench.start()
    assert await pool.render(bench.job(value='Zoë ☎ 電話 \\ "')) == 'a = Zoë ☎ 電話 \\ "\n'.encode()


async def test_a_refused_value_is_no_fault_of_the_plugin(bench):
    pool = await bench.start()
    for _ in range(5):
        reason = await refusal(pool, bench.job(value="x\ny"))
        assert reason == "maker: file.j2:1: value contains the character U+000A"
    assert await pool.render(bench.job(value="fine")) == b"a = fine\n"
    assert bench.facts == []


async def test_a_secret_that_was_not_revealed_does_not_leave(bench):
    pool = await bench.start()
    assert await refusal(pool, bench.job(value=Secret("x"))) == "maker: the context is not plain data (TypeError)"


async def test_a_plugin_without_templates_is_refused_before_anything_is_sent(bench):
    def nowhere(plugin: str) -> list[Path]:
        raise PluginError(f"{plugin}: not installed")

    pool = RenderPool(nowhere, bench.clock, bench.facts.append)
    bench.pools.append(pool)
    await pool.start()
    assert await refusal(pool, bench.job()) == "maker: not installed"


@pytest.mark.parametrize(
    ("name", "template", "reason"),
    [
        ("endless", ENDLESS, "more than 1 s of processor time"),
        ("huge", HUGE, "huge.j2: more than 1048576 octets of output"),
        ("hungry", "{{ text * 999999999 }}", "hungry.j2: MemoryError"),
    ],
)
async def test_a_limit_ends_one_file_and_those_behind_it_are_tried_again(bench, name, template, reason):
    bench.template(name, template)
    pool = await bench.start(IMPATIENT)
    before, bad, *after = await asyncio.gather(
        pool.render(bench.job()),
        pool.render(bench.job(name, text="0123456789", plugin="bad")),
        *(pool.render(bench.job(value=n)) for n in range(3)),
        return_exceptions=True,
    )
    assert (before, after) == (b"a = 1\n", [b"a = 0\n", b"a = 1\n", b"a = 2\n"])
    assert str(bad) == f"bad: {reason}"
    assert bench.facts == [
        RendererReplaced(at=bench.clock.time, reason=reason, plugin="bad", template=f"{name}.j2", retried=3)
    ]


async def test_what_does_not_listen_to_its_timer_is_killed(bench):
    bench.template("endless", ENDLESS)
    pool = await bench.start(Launch(RENDERER.command, RENDERER.start_seconds, wall_seconds=1))
    bad, good = await asyncio.gather(
        pool.render(bench.job("endless")), pool.render(bench.job()), return_exceptions=True
    )
    assert (type(bad), str(bad)) == (PluginError, "maker: more than 1 s for one file")
    assert good == b"a = 1\n"


async def test_what_has_had_no_processor_is_waited_for(bench, monkeypatch):
    bench.template("endless", ENDLESS)
    bench.template("slow", "{% for a in range(300) %}{% for b in range(2000) %}{% endfor %}{% endfor %}a = 1\n")
    # As on a machine whose others leave it nothing.
    monkeypatch.setattr("provd.plugins.render_worker.processor_time", lambda _pid: 0.0)
    pool = await bench.start(Launch(RENDERER.command, RENDERER.start_seconds, wall_seconds=0.001))
    with pytest.raises(PluginError, match=r"more than 0\.012 s for one file"):
        await pool.render(bench.job("endless"))
    monkeypatch.setattr("provd.plugins.render_worker.MOST", 1e9)
    assert await pool.render(bench.job("slow")) == b"a = 1\n"


async def test_a_process_that_dies_is_replaced(bench):
    bench.template("endless", ENDLESS)
    pool = await bench.start()
    await pool.render(bench.job())
    waiting = asyncio.gather(pool.render(bench.job("endless")), pool.render(bench.job(value=2)), return_exceptions=True)
    await asyncio.sleep(0)  # lets both requests go out
    os.kill(pool._workers[0]._process.pid, signal.SIGKILL)
    bad, good = await waiting
    assert (type(bad), str(bad)) == (RendererError, "maker: the renderer process died")
    assert good == b"a = 2\n"


async def test_the_end_of_the_daemons_service_is_not_its_own(bench):
    pool = await bench.start()
    await pool.render(bench.job())
    process = pool._workers[0]._process
    os.kill(process.pid, signal.SIGTERM)
    assert await pool.render(bench.job(value=2)) == b"a = 2\n"
    assert (bench.facts, pool._workers[0]._process) == ([], process)


async def test_a_process_that_dies_idle_comes_back_when_it_is_needed(bench):
    pool = await bench.start()
    await pool.render(bench.job())
    worker = pool._workers[0]
    os.kill(worker._process.pid, signal.SIGKILL)
    await worker.gone.wait()
    assert await pool.render(bench.job(value=2)) == b"a = 2\n"
    assert [fact.reason for fact in bench.facts] == ["the renderer process died"]


@pytest.mark.parametrize("turns", range(6))
def test_a_loop_that_ends_while_a_process_is_being_started_ends(tmp_path, turns):
    async def begin() -> None:
        pool = RenderPool(lambda _: [tmp_path], Clock(), lambda _: None)
        await pool.start()
        for _ in range(turns):
            await asyncio.sleep(0)

    # A thread that hangs does not hang the others' tests.
    loop = threading.Thread(target=lambda: asyncio.run(begin()), daemon=True)
    loop.start()
    loop.join(PATIENCE)
    assert not loop.is_alive()


async def test_a_process_that_says_too_much_is_heard_and_waits_for_nobody(bench):
    chatty = "import sys; print('x' * 200_000, file=sys.stderr); print('so much', file=sys.stderr)"
    pool = await bench.start(Launch((sys.executable, "-c", chatty), RENDERER.start_seconds, RENDERER.wall_seconds))
    assert (await refusal(pool, bench.job())).startswith("maker: the renderer does not start: ")


async def test_three_faults_put_a_plugin_into_quarantine_until_the_next_reload(bench):
    bench.template("huge", HUGE)
    pool = await bench.start()
    for _ in range(3):
        await refusal(pool, bench.job("huge", plugin="bad"))
    told = [fact for fact in bench.facts if isinstance(fact, PluginQuarantined)]
    assert [(fact.plugin, fact.faults) for fact in told] == [("bad", 3)]
    assert pool.quarantined == {"bad"}
    assert await refusal(pool, bench.job(plugin="bad")) == "bad: in quarantine until the next reload"
    assert await pool.render(bench.job(plugin="good")) == b"a = 1\n"

    pool.reload()
    assert await pool.render(bench.job(plugin="bad")) == b"a = 1\n"


async def test_what_waits_when_the_quarantine_begins_is_refused(bench):
    bench.template("huge", HUGE)
    pool = await bench.start()
    jobs = [bench.job("huge")] * 3 + [bench.job()] * 2
    reasons = [str(each) for each in await asyncio.gather(*map(pool.render, jobs), return_exceptions=True)]
    assert reasons[3:] == ["maker: in quarantine until the next reload"] * 2


async def test_old_faults_are_forgotten(bench):
    bench.template("huge", HUGE)
    pool = await bench.start()
    for _ in range(4):
        await refusal(pool, bench.job("huge"))
        bench.clock.time += FAULT_SECONDS / 2
    assert pool.quarantined == frozenset()


async def test_a_reload_reads_the_templates_again(bench):
    pool = await bench.start()
    assert await pool.render(bench.job()) == b"a = 1\n"
    bench.template("file", "b = {{ value }}\n")
    assert await pool.render(bench.job()) == b"a = 1\n"
    pool.reload()
    assert await pool.render(bench.job()) == b"b = 1\n"


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ((sys.executable, "-c", "raise SystemExit('no template engine')"), "no template engine"),
        ((sys.executable, "-c", ""), "it said nothing"),
        (("/nonexistent",), "[Errno 2] No such file or directory: '/nonexistent'"),
    ],
)
async def test_a_renderer_that_does_not_start_fails_what_waits_and_is_tried_again_later(bench, command, reason):
    pool = await bench.start(Launch(command, start_seconds=PATIENCE, wall_seconds=10))
    for _ in range(2):
        with pytest.raises(RendererError) as caught:
            await pool.render(bench.job())
        assert str(caught.value) == f"maker: the renderer does not start: {reason}"


async def test_a_renderer_that_hangs_at_its_start_is_given_up(bench):
    pool = await bench.start(Launch(("sleep", "60"), start_seconds=0.1, wall_seconds=10))
    assert "does not start" in await refusal(pool, bench.job())


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ("ffffffff", "the renderer announced an answer of 4294967295 octets"),
        ("0000000100 00000000", "the renderer announced an answer of 0 octets"),
        ("0000000100 0000000109", "the renderer sent an answer of an unknown kind"),
        ("0000000100 0000000101", "the renderer answered what nobody asked"),
    ],
)
async def test_a_renderer_that_talks_nonsense_is_ended(bench, answers, reason):
    program = f"import os; os.write(0, bytes.fromhex('{answers}')); os.read(0, 1)"
    ended = asyncio.Event()
    heard: list[str] = []

    class Listener:
        def feed(self) -> None:
            pass

        def lost(self, worker: Worker, reason: str) -> None:
            heard.append(f"{reason}, {len(worker.in_flight)} waiting")
            ended.set()

    worker = Worker(Listener(), Launch((sys.executable, "-c", program), start_seconds=PATIENCE, wall_seconds=10))
    await worker.start()
    await ended.wait()
    await worker.reap()
    assert heard == [f"{reason}, 0 waiting"]


async def test_the_process_has_nothing_of_ours(bench, monkeypatch):
    monkeypatch.setenv("PROVD_SECRET", "x")
    pool = await bench.start()
    await pool.render(bench.job())
    process = Path("/proc") / str(pool._workers[0]._process.pid)
    assert b"PROVD_SECRET" not in (process / "environ").read_bytes()
    descriptors = {path.name: str(path.readlink()) for path in (process / "fd").iterdir()}
    assert set(descriptors) == {"0", "1", "2"}
    assert (descriptors["0"][:7], descriptors["1"]) == ("socket:", "/dev/null")
    limits = (process / "limits").read_text()
    assert "Max address space         536870912            536870912" in limits
    assert "Max core file size        0                    0" in limits


async def test_who_stopped_waiting_costs_nothing(bench):
    bench.template("endless", ENDLESS)
    pool = await bench.start(IMPATIENT)
    given_up = asyncio.ensure_future(pool.render(bench.job("endless")))
    await asyncio.sleep(0)
    given_up.cancel()
    assert await pool.render(bench.job()) == b"a = 1\n"


async def test_closing_fails_who_still_waits(bench):
    bench.template("endless", ENDLESS)
    pool = await bench.start()
    waiting = asyncio.ensure_future(pool.render(bench.job("endless")))
    await asyncio.sleep(0)
    await pool.close()
    with pytest.raises(RendererError, match="maker: the renderer was closed"):
        await waiting
    assert await refusal(pool, bench.job()) == "the renderer is not running"
    await pool.close()


async def test_the_event_loop_goes_on_while_templates_are_rendered(bench):
    bench.template("endless", ENDLESS)
    pool = await bench.start(IMPATIENT)
    job = asyncio.ensure_future(pool.render(bench.job("endless")))
    turns = 0
    while not job.done():
        await asyncio.sleep(0)  # one turn of the loop
        turns += 1
    assert turns > 10, "it is not waited for"
    await asyncio.gather(job, return_exceptions=True)


def test_the_other_event_loop_does_as_well(tmp_path):
    uvloop = pytest.importorskip("uvloop")

    async def story() -> list[bytes | BaseException]:
        bench = Bench(tmp_path)
        bench.template("huge", HUGE)
        pool = await bench.start()
        jobs = [bench.job(), bench.job("huge"), bench.job(value=2)]
        done = await asyncio.gather(*map(pool.render, jobs), return_exceptions=True)
        await pool.close()
        return done

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        first, bad, last = runner.run(story())
    assert (first, last) == (b"a = 1\n", b"a = 2\n")
    assert isinstance(bad, PluginError)
