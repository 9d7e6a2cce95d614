"""Real faults: kill -9, a full disk, random octets in the file, a database server that stops, hangs or is gone."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from provd.app.ports import Put
from provd.base.errors import StorageError
from provd.base.facts import Fact
from provd.base.facts.daemon import Degraded, Recovered
from provd.base.facts.storage import StoreReplaced, StoreRowSkipped
from provd.base.secrets import Secret
from provd.base.types import Mac
from provd.dhcp.lease import Lease, LeaseState
from provd.domain.records import Device, Line, StoredFact, Tenant
from provd.storage.store import Store
from tests.kit.patience import PATIENCE
from tests.storage.conftest import Place, PostgresServer

pytestmark = pytest.mark.fault

ROOT = Path(__file__).resolve().parents[2]


def a_lease(ip: int) -> Lease:
    return Lease(
        ip=ip,
        client=b"c",
        mac=Mac("805ec0112233"),
        state=LeaseState.ACTIVE,
        starts=1,
        expires=2,
        hostname=f"{ip:0250d}",
    )


async def until(place: Place, kind: type[Fact]) -> None:
    """Wait for a fact that the place has not heard yet."""
    told = asyncio.Event()
    place.hears = lambda fact: told.set() if isinstance(fact, kind) else None
    if not place.told(kind):
        async with asyncio.timeout(PATIENCE):
            await told.wait()


# -- kill -9 -----------------------------------------------------------------------------------------------------------


def test_nothing_acknowledged_is_lost_in_twenty_kills(sqlite_place: Place) -> None:
    script = [sys.executable, "-m", "tests.storage.commit_until_killed", str(sqlite_place.state_dir), "20"]
    said = subprocess.run(script, cwd=ROOT, check=True, capture_output=True, text=True, timeout=PATIENCE).stdout.split(
        "\n"
    )
    acknowledged = {int(line.removeprefix("ACK ")) for line in said if line.startswith("ACK ")}
    assert len(acknowledged) >= 20
    assert [line for line in said if line.startswith("LOST")] == []
    kept = {lease.ip for lease in sqlite_place.open().load(Lease)}
    assert acknowledged <= kept
    assert sqlite_place.facts == []


# -- full disk ---------------------------------------------------------------------------------------------------------


class Disk(Protocol):
    def fill(self) -> None: ...
    def make_room(self) -> None: ...


class SmallDisk:
    """A file system of 3 MiB of its own; needs root."""

    def __init__(self, folder: Path) -> None:
        self.ballast = folder / "ballast"

    def fill(self) -> None:
        with self.ballast.open("wb", buffering=0) as file:
            try:
                while file.write(bytes(4096)):
                    pass
            except OSError:
                return

    def make_room(self) -> None:
        self.ballast.unlink()


class SmallFiles:
    """No file may grow beyond what the largest has now (RLIMIT_FSIZE): works for everybody."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(self) -> None:
        size = max(path.stat().st_size for path in self.folder.iterdir())
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, self.before[1]))

    def make_room(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, self.before)


@pytest.fixture
def small_disk(sqlite_place: Place) -> Iterator[Disk]:
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    folder = sqlite_place.state_dir
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)], check=True)
    yield SmallDisk(folder)
    sqlite_place.close()
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def small_files(sqlite_place: Place) -> Iterator[Disk]:
    disk = SmallFiles(sqlite_place.state_dir)
    yield disk
    disk.make_room()


@pytest.mark.parametrize("kind", [pytest.param("small_disk", marks=pytest.mark.root), "small_files"])
async def test_a_full_disk_acknowledges_nothing_and_recovers_alone(
    kind: str, request: pytest.FixtureRequest, sqlite_place: Place
) -> None:
    disk: Disk = request.getfixturevalue(kind)
    store = sqlite_place.open(probe=0.02)
    await store.commit([Put(a_lease(0))])
    disk.fill()
    acknowledged, refused = {0}, set()
    for ip in range(1, 20_000):
        try:
            await store.commit([Put(a_lease(ip)), Put(a_lease(ip + 100_000))])
            acknowledged |= {ip, ip + 100_000}
        except StorageError:
            refused |= {ip, ip + 100_000}
            if len(refused) >= 20:
                break
    await until(sqlite_place, Degraded)
    assert len(refused) >= 20
    assert store.degraded
    assert {lease.ip for lease in store.load(Lease)} == acknowledged, "reading goes on"

    sqlite_place.facts.clear()
    disk.make_room()
    await until(sqlite_place, Recovered)
    await store.commit([Put(a_lease(200_000))])
    assert not store.degraded
    assert {lease.ip for lease in sqlite_place.reopen().load(Lease)} == acknowledged | {200_000}
    assert sqlite_place.told(StoreReplaced) == []


# -- damage ------------------------------------------------------------------------------------------------------------


def fleet(count: int) -> list[Put]:
    macs = [Mac(f"{number:012x}") for number in range(count)]
    lines = [Put(Line(id=mac, tenant="blue", username=mac, password=Secret(mac))) for mac in macs]
    return [Put(Tenant(id="blue", name="Blue")), *(Put(Device(mac=mac, vendor="Acme")) for mac in macs), *lines]


@pytest.mark.parametrize("seed", range(8))
async def test_random_octets_over_the_file_do_not_keep_the_store_from_starting(seed: int, sqlite_place: Place) -> None:
    store = sqlite_place.open()
    await store.commit(fleet(400))
    await store.commit([Put(StoredFact(fact="F", at=1.0, data={"n": n})) for n in range(500)])
    sqlite_place.close()
    chance = random.Random(seed)
    path = sqlite_place.state_dir / "provd.db"
    octets = bytearray(path.read_bytes())
    for _ in range(chance.choice([1, 5, 50])):
        start = chance.randrange(len(octets))
        octets[start : start + chance.choice([1, 20, 4096])] = chance.randbytes(20)
    path.write_bytes(octets)

    store = sqlite_place.open()
    for kind in (Device, Line, Tenant, Lease):
        store.load(kind)
    store.facts()
    await store.commit([Put(a_lease(1))])
    assert [lease.ip for lease in store.load(Lease)][:1] == [1]
    assert "master" in [tenant.id for tenant in store.load(Tenant)]
    aside = [str(path) for path in sqlite_place.state_dir.glob("*.broken-1")]
    assert [fact.moved_to for fact in sqlite_place.told(StoreReplaced)] == aside


async def test_one_bad_page_costs_its_own_rows_only(sqlite_place: Place) -> None:
    store = sqlite_place.open()
    await store.commit(fleet(400))
    sqlite_place.close()
    path = sqlite_place.state_dir / "provd.db"
    octets = bytearray(path.read_bytes())
    page = next(start for start in range(0, len(octets), 4096) if octets[start : start + 4096].count(b"Acme") > 5)
    octets[page : page + 4096] = bytes(4096)
    path.write_bytes(octets)

    store = sqlite_place.open()
    (fact,) = sqlite_place.told(StoreReplaced)
    assert fact.moved_to == f"{path}.broken-1"
    assert len(store.load(Line)) == 400
    assert 300 < len(store.load(Device)) < 400
    assert fact.rescued == 402 + len(store.load(Device))
    assert store.load(Line)[7].password.reveal() == store.load(Line)[7].id


@pytest.mark.parametrize("content", [b"no database at all" * 1000, b"SQLite format 3\0" + bytes(5000)])
async def test_a_file_that_is_no_database_is_moved_aside(content: bytes, sqlite_place: Place) -> None:
    path = sqlite_place.state_dir / "provd.db"
    sqlite_place.state_dir.mkdir()
    for number in (1, 2):
        path.write_bytes(content)
        sqlite_place.open()
        sqlite_place.close()
        assert (sqlite_place.state_dir / f"provd.db.broken-{number}").read_bytes() == content
    assert [fact.rescued for fact in sqlite_place.told(StoreReplaced)] == [0, 0]


async def test_a_table_that_is_gone_is_damage(sqlite_place: Place) -> None:
    store = sqlite_place.open()
    await store.commit([Put(a_lease(1)), *fleet(3)])
    sqlite_place.close()
    database = sqlite3.connect(sqlite_place.state_dir / "provd.db")
    database.execute("DROP TABLE device")
    database.execute("ALTER TABLE line RENAME COLUMN server TO serber")
    database.commit()
    database.close()
    store = sqlite_place.open()
    assert [len(store.load(kind)) for kind in (Device, Line, Lease, Tenant)] == [0, 0, 1, 2]
    assert [fact.rescued for fact in sqlite_place.told(StoreReplaced)] == [3]


async def test_a_hundred_and_one_bad_rows_are_left_out_and_counted(sqlite_place: Place) -> None:
    store = sqlite_place.open()
    await store.commit(fleet(200))
    await store.commit([Put(a_lease(1))])
    sqlite_place.close()
    database = sqlite3.connect(sqlite_place.state_dir / "provd.db")
    database.execute("UPDATE device SET vendor = CAST(x'ff00fe' AS TEXT) WHERE rowid <= 50")
    database.execute("UPDATE device SET state = 'levitating' WHERE rowid BETWEEN 51 AND 90")
    database.execute("UPDATE device SET settings = '[' WHERE rowid BETWEEN 91 AND 101")
    database.execute("UPDATE line SET password = 'v1.nonsense' WHERE id = '000000000003'")
    database.execute("UPDATE lease SET mac = x'00'")
    database.commit()
    database.close()
    store = sqlite_place.open()
    assert [len(store.load(kind)) for kind in (Device, Line, Lease)] == [99, 199, 0]
    told = {fact.kind: fact for fact in sqlite_place.told(StoreRowSkipped)}
    assert {kind: fact.rows for kind, fact in told.items()} == {"device": 101, "line": 1, "lease": 1}
    assert told["device"].keys.startswith("000000000000, ")
    assert told["device"].reason == "vendor: bytes instead of str"


async def test_a_cut_write_ahead_log_loses_nothing_older(sqlite_place: Place) -> None:
    store = sqlite_place.open()
    await store.commit([Put(a_lease(1))])
    wal = sqlite_place.state_dir / "provd.db-wal"
    before = wal.read_bytes()
    await store.commit([Put(a_lease(2))])
    first = next(place for place, (old, new) in enumerate(zip(before, wal.read_bytes(), strict=True)) if old != new)
    copies = {path.name: path.read_bytes() for path in sqlite_place.state_dir.iterdir() if "lock" not in path.name}
    sqlite_place.close()
    for name, octets in copies.items():
        (sqlite_place.state_dir / name).write_bytes(octets[: first + 100] if name.endswith("-wal") else octets)
    assert [lease.ip for lease in sqlite_place.open().load(Lease)] == [1]


# -- PostgreSQL --------------------------------------------------------------------------------------------------------


def backends(postgres: PostgresServer, place: Place) -> list[int]:
    database = place.url.split("/")[3].partition("?")[0]
    query = "SELECT pid FROM pg_stat_activity WHERE datname = %s AND application_name = 'provd'"
    return [pid for (pid,) in postgres.execute(query, database)]


@pytest.mark.peer
async def test_a_terminated_backend_costs_nothing(postgres: PostgresServer, postgres_place: Place) -> None:
    store = postgres_place.open()
    await store.commit([Put(a_lease(1))])
    for pid in backends(postgres, postgres_place):
        postgres.execute("SELECT pg_terminate_backend(%s, 5000)", pid)
    await store.commit([Put(a_lease(2))])
    assert [lease.ip for lease in store.load(Lease)] == [1, 2]
    assert postgres_place.told(Degraded) == []


async def stored(store: Store, lease: Lease) -> None:
    """On a busy machine a store of so little patience gives up what is only slow, too: then once more."""
    async with asyncio.timeout(PATIENCE):
        while True:
            with contextlib.suppress(StorageError):
                return await store.commit([Put(lease)])


@pytest.mark.peer
async def test_a_backend_that_hangs_is_left_for_another(postgres: PostgresServer, postgres_place: Place) -> None:
    store = postgres_place.open(patience=0.3)
    await stored(store, a_lease(1))
    stopped = backends(postgres, postgres_place)
    assert stopped
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        await stored(store, a_lease(2))
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    assert [lease.ip for lease in store.load(Lease)] == [1, 2]


@pytest.mark.peer
async def test_a_stopped_server_refuses_and_the_store_comes_back_with_it(
    postgres: PostgresServer, postgres_place: Place
) -> None:
    store = postgres_place.open(probe=0.05)
    await store.commit([Put(a_lease(1))])
    postgres.stop()
    try:
        for _ in range(3):
            with pytest.raises(StorageError):
                await store.commit([Put(a_lease(2))])
        with pytest.raises(StorageError):
            store.load(Lease)
        await until(postgres_place, Degraded)
    finally:
        postgres.start()
    await until(postgres_place, Recovered)
    await store.commit([Put(a_lease(3))])
    assert [lease.ip for lease in store.load(Lease)] == [1, 3]
    assert len(postgres_place.told(Degraded)) == 1
