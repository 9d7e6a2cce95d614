"""Tasks: first-boot runs of four steps a second, over two databases that are looked up and one that is written to."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import tempfile
import time
from pathlib import Path

from provd.app.ports import Put
from provd.base.clock import SystemClock
from provd.base.facts import Fact
from provd.base.facts.tasks import TaskDone
from provd.base.types import Mac, mac_text
from provd.config.settings import Settings
from provd.daemon.core import Core
from provd.daemon.tasks import Tasking
from provd.domain.records import Device, Tenant
from tests.bench.arena import Arena
from tests.bench.table import OURS, Floor, Report, Row

RUNS = 1000
AT_ONCE = 100
"""Devices in one transaction."""


def _settings(folder: Path) -> Settings:
    """The shipped example's four steps, on SQLite."""

    def sql(name: str, database: str, statement: str, **more: object) -> dict[str, object]:
        params = {"device": "{device.name}"}
        return {"id": name, "do": "sql", "database": database, "statement": statement, "params": params, **more}

    steps = [
        sql("crm", "crm", "SELECT customer, tenant FROM delivery WHERE device = :device"),
        sql("asset", "assets", "SELECT number FROM asset WHERE device = :device"),
        sql("seen", "assets", "UPDATE asset SET seen = 1 WHERE device = :device AND seen IS NULL", write=True),
        {"id": "own", "do": "set", "tenant": "{crm.tenant}", "metadata": {"customer": "{crm.customer}"}},
    ]
    databases = [{"name": name, "url": f"sqlite:///{folder}/{name}.db"} for name in ("crm", "assets")]
    template = {"id": "first-boot", "step": steps}
    return Settings.model_validate(
        {"server": {"state_dir": str(folder / "state")}, "tasks": {"database": databases, "template": [template]}}
    )


def _registers(folder: Path, devices: list[Mac]) -> None:
    names = [(mac_text(mac),) for mac in devices]
    for name, table, values in (
        ("crm", "delivery (device TEXT PRIMARY KEY, customer TEXT, tenant TEXT)", "(?, 'Ann', 'north')"),
        ("assets", "asset (device TEXT PRIMARY KEY, number INT, seen INT)", "(?, 4711, NULL)"),
    ):
        with contextlib.closing(sqlite3.connect(folder / f"{name}.db")) as connection, connection:
            # Its syncs are not what is measured: a journal that is made and deleted costs it three for each write.
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute(f"CREATE TABLE {table}")
            connection.executemany(f"INSERT INTO {table.partition(' ')[0]} VALUES {values}", names)


async def _rate(folder: Path, count: int) -> float:
    devices = [Mac(f"02{number:010x}") for number in range(count)]
    _registers(folder, devices)
    ended, ready = list[Fact](), asyncio.Event()

    def emit(fact: Fact) -> None:
        if isinstance(fact, TaskDone):
            ended.append(fact)
            if len(ended) == count:
                ready.set()

    core = Core(_settings(folder), SystemClock(), emit)
    tasking = Tasking(core)
    try:
        await core.fleet.change(lambda: [Put(Tenant(id="north", name="North"))])
        for start in range(0, count, AT_ONCE):
            part = devices[start : start + AT_ONCE]
            await core.fleet.change(lambda part=part: [Put(Device(mac=mac, vendor="Acme")) for mac in part])  # type: ignore[misc]
        began = time.perf_counter()
        await tasking.open()
        await ready.wait()
        return count / (time.perf_counter() - began)
    finally:
        await tasking.close()
        await core.close()


def measure(arena: Arena, report: Report, *, reps: int, quick: bool) -> None:
    del arena
    count = RUNS // 5 if quick else RUNS
    row = Row("first-boot runs of 4 steps, each step kept", "/s", (Floor(300),))
    for _ in range(reps):
        with tempfile.TemporaryDirectory(prefix="provd-tasks-") as folder:
            row.add(OURS, asyncio.run(_rate(Path(folder), count)))
    report.add(row)
