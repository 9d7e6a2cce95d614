"""Activation: devices in a second on SQLite and by two daemons on PostgreSQL, and what a million serials cost."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from provd.app.admin import Caller
from provd.base.clock import SystemClock
from provd.config.load import load
from provd.daemon.core import Core
from provd.domain.activation.thing import ThingModel
from tests.bench.arena import ROOT, Arena
from tests.bench.table import OURS, Floor, Report, Row
from tests.kit.daemon import Daemon, loopback_config
from tests.storage.conftest import PostgresServer

CONNECTIONS = 64
_INITDB = Path("/usr/lib/postgresql/15/bin/initdb")
_CALLER = Caller(name="bench")
Figures = dict[str, float]


def measure(arena: Arena, report: Report, *, reps: int, quick: bool) -> None:
    count, million = (2_000, 50_000) if quick else (20_000, 1_000_000)
    _on_sqlite(arena, report, reps=reps, count=count)
    _on_postgres(arena, report, reps=reps, count=count // 2)
    _import(arena, report, million)


def _on_sqlite(arena: Arena, report: Report, *, reps: int, count: int) -> None:
    rate = Row("activations on SQLite, each on disk, 64 connections", "1/s", (Floor(1500),))
    late = Row("99 % of those answers within", "ms", (Floor(100, most=True),))
    for number in range(reps):
        with _daemon(arena, f"sqlite{number}", count) as (_, port):
            _add(OURS, rate, late, _load(0, count, port))
        with _baseline(arena, number, count) as port:
            _add("baseline", rate, late, _load(0, count, port))
    rate.note("baseline: aiohttp and SQLite with one durable UPDATE for each, and nothing around it")
    report.add(rate, late)


def _on_postgres(arena: Arena, report: Report, *, reps: int, count: int) -> None:
    rate = Row("activations by two daemons on one PostgreSQL, together", "1/s", (Floor(800),))
    late = Row("99 % of those answers within", "ms")
    if not _INITDB.exists():
        rate.missing = late.missing = ["PostgreSQL 15"]
    for number in range(reps if _INITDB.exists() else 0):
        with _postgres() as server, contextlib.ExitStack() as running:
            database = f'[database]\nurl = "{server.url("postgres")}"\n'
            _, first = running.enter_context(_daemon(arena, f"pg{number}a", count, database))
            key = arena.folder / f"pg{number}a" / "state" / "master.key"
            _, second = running.enter_context(_daemon(arena, f"pg{number}b", 0, database, key))
            _add(OURS, rate, late, _load(0, count, first, second))
    report.add(rate, late)


def _import(arena: Arena, report: Report, million: int) -> None:
    took = Row(f"{million:,} serials imported from CSV", "s", (Floor(120, most=True),))
    before = Row("a look-up of one serial before that", "ms")
    after = Row("the same afterwards", "ms")
    serials = arena.folder / "serials.csv"
    serials.write_text("".join(f"M{number:07d}\n" for number in range(million)))
    with _daemon(arena, "import", 2_000) as (daemon, port):
        _load(0, 2_000, port)
        # A serial that has been activated is looked up and refused.
        before.add(OURS, _load(0, 2_000, port)["p50"] * 1000)
        began = time.monotonic()
        subprocess.run(
            daemon.command("activation", "serial", "import", "bench", "m", str(serials)),
            cwd=ROOT,
            env=daemon.environment,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        took.add(OURS, time.monotonic() - began)
        after.add(OURS, _load(0, 2_000, port)["p50"] * 1000)
    report.add(took, before, after)


def _add(server: str, rate: Row, late: Row, found: Figures) -> None:
    rate.add(server, found["rate"])
    late.add(server, found["p99"] * 1000)


def _load(first: int, count: int, *ports: int) -> Figures:
    words = ["S", str(first), str(count), str(CONNECTIONS), *map(str, ports)]
    command = ["taskset", "-c", "1", sys.executable, "-m", "tests.bench.activation_load", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=600)
    found = json.loads(done.stdout)
    if set(found["statuses"]) - {"200", "409"}:
        raise RuntimeError(f"odd answers: {found['statuses']}")
    return {"rate": count / found["seconds"], "p50": found["p50"], "p99": found["p99"]}


@contextlib.contextmanager
def _daemon(
    arena: Arena, name: str, pending: int, sections: str = "", key: Path | None = None
) -> Iterator[tuple[Daemon, int]]:
    """A daemon on CPU 0 with so many enabled devices, and the port where it hears them."""
    folder = arena.folder / name
    (folder / "state").mkdir(parents=True, mode=0o700)
    if key is not None:
        shutil.copy(key, folder / "state" / "master.key")
    config, port = loopback_config(folder / "state", sections=sections)
    file = folder / "provd.toml"
    file.write_text(config)
    if pending:
        asyncio.run(_enable(file, pending))
    with Daemon(config, folder, prefix=("taskset", "-c", "0")) as daemon:
        yield daemon, port


async def _enable(file: Path, count: int) -> None:
    """As a tenant does it, with everything that hangs on it, before the daemon starts."""
    core = Core(load(file), SystemClock(), lambda _fact: None)
    registry = core.vendors.registry
    try:
        await registry.add_vendor("bench", "master", _CALLER)
        await registry.add_model(ThingModel(vendor="bench", model="m"), _CALLER)
        serials = [f"S{number:07d}" for number in range(count)]
        for start in range(0, count, 50):
            part = serials[start : start + 50]
            await registry.add("bench", "m", dict.fromkeys(part, ""), _CALLER)
            enabling = (registry.enable("bench", "m", sn, _CALLER, tenant="", owner="") for sn in part)
            await asyncio.gather(*enabling)
    finally:
        await core.close()


@contextlib.contextmanager
def _baseline(arena: Arena, number: int, count: int) -> Iterator[int]:
    port = int(loopback_config(arena.folder)[1])
    words = [str(arena.folder / f"baseline{number}.db"), str(count), str(port)]
    command = ["taskset", "-c", "0", sys.executable, "-m", "tests.bench.serve_activation", *words]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as program:
        try:
            assert program.stdout is not None
            if "READY" not in program.stdout.readline():
                raise RuntimeError("the baseline did not start")
            yield port
        finally:
            program.terminate()


@contextlib.contextmanager
def _postgres() -> Iterator[PostgresServer]:
    folder = Path(tempfile.mkdtemp(prefix="provd-pg-"))
    server = PostgresServer(folder)
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)
