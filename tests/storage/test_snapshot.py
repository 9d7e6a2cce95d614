"""A database becomes one file and comes back, from and into either kind of database."""

from __future__ import annotations

from pathlib import Path

import pytest

from provd.app.ports import Put
from provd.base.errors import ConflictError, StorageError
from provd.base.secrets import Secret
from provd.base.types import Mac
from provd.dhcp.lease import Lease, LeaseState
from provd.domain.records import Line, StoredFact, Tenant
from provd.storage import snapshot
from tests.storage.conftest import Place

LEASE = Lease(
    ip=0x0A000001,
    client=b"\x01\xff\x00",
    mac=Mac("805ec0112233"),
    state=LeaseState.ACTIVE,
    starts=1_900_000_000,
    expires=1_900_003_600,
)


async def fill(place: Place) -> None:
    store = place.open()
    await store.commit([Put(Tenant(id=f"t{number}", name="T", enabled=number % 2 == 0)) for number in range(3000)])
    await store.commit([Put(Line(id="1", tenant="t1", username="u", password=Secret("s3cret"))), Put(LEASE)])
    await store.commit([Put(StoredFact(seq=0, fact="READY", at=1.0)), Put(StoredFact(seq=0, fact="STOPPED", at=2.0))])
    store.close()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.peer)])
def other(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Another database that uses the same key."""
    found: Place = request.getfixturevalue(f"other_{request.param}")
    return found


@pytest.fixture
def other_sqlite(tmp_path: Path, place: Place) -> Place:
    return Place(f"sqlite:///{tmp_path}/other.db", place.state_dir)


@pytest.fixture
def other_postgres(request: pytest.FixtureRequest, place: Place) -> Place:
    server = request.getfixturevalue("postgres")
    server.execute("DROP DATABASE IF EXISTS other")
    server.execute("CREATE DATABASE other")
    return Place(server.url("other"), place.state_dir)


async def test_everything_comes_back_and_numbers_go_on(place: Place, other: Place, tmp_path: Path) -> None:
    await fill(place)
    file = tmp_path / "snapshot"
    rows = snapshot.take(place.url, place.state_dir, file)
    assert rows["tenant"] == 3001
    assert snapshot.put_back(file, other.url, other.state_dir, replace=False) == rows
    store = other.open()
    assert store.load(Lease) == [LEASE]
    assert [line.password.reveal() for line in store.load(Line)] == ["s3cret"]
    assert {tenant.id: tenant.enabled for tenant in store.load(Tenant)}["t1"] is False
    await store.commit([Put(StoredFact(seq=0, fact="NEXT", at=3.0))])
    assert [(fact.seq, fact.fact) for fact in store.facts()] == [(3, "NEXT"), (2, "STOPPED"), (1, "READY")]
    other.close()


async def test_what_is_there_goes_only_when_that_is_said(place: Place, other: Place, tmp_path: Path) -> None:
    await fill(place)
    file = tmp_path / "snapshot"
    rows = snapshot.take(place.url, place.state_dir, file)
    store = other.open()
    await store.commit([Put(Tenant(id="mine", name="Mine"))])
    other.close()
    with pytest.raises(ConflictError, match="not empty"):
        snapshot.put_back(file, other.url, other.state_dir, replace=False)
    assert snapshot.take(other.url, other.state_dir, tmp_path / "still")["tenant"] == 2
    assert snapshot.put_back(file, other.url, other.state_dir, replace=True) == rows


async def test_a_snapshot_is_of_one_moment_while_others_write(place: Place, tmp_path: Path) -> None:
    store = place.open()
    for number in range(20):
        await store.commit([Put(Tenant(id=f"a{number}", name="A")), Put(Tenant(id=f"b{number}", name="B"))])
        if number % 5 == 0:
            rows = snapshot.take(place.url, place.state_dir, tmp_path / f"snapshot-{number}")
            assert rows["tenant"] == 1 + 2 * (number + 1)
    place.close()


async def test_a_restore_that_fails_leaves_what_was_there(place: Place, tmp_path: Path) -> None:
    await fill(place)
    file = tmp_path / "snapshot"
    file.write_bytes(b"no database at all" * 100)
    with pytest.raises(StorageError):
        snapshot.put_back(file, place.url, place.state_dir, replace=True)
    assert snapshot.take(place.url, place.state_dir, tmp_path / "after")["tenant"] == 3001


async def test_the_log_of_a_database_that_somebody_removed_does_not_come_into_the_restored_one(
    sqlite_place: Place, tmp_path: Path
) -> None:
    await fill(sqlite_place)
    file, database = tmp_path / "snapshot", sqlite_place.state_dir / "provd.db"
    beside, aside = database.with_name("provd.db-wal"), database.with_name("provd.db.replaced-1-wal")
    rows = snapshot.take(sqlite_place.url, sqlite_place.state_dir, file)
    database.unlink()
    store = sqlite_place.open()
    await store.commit([Put(Tenant(id="of yesterday", name="Old"))])
    log = beside.read_bytes()
    sqlite_place.close()
    database.unlink()
    beside.write_bytes(log)  # a daemon that was killed has left it
    assert snapshot.put_back(file, sqlite_place.url, sqlite_place.state_dir, replace=False) == rows
    assert snapshot.counts(database) == rows
    assert aside.read_bytes() == log


def test_there_is_nothing_to_take_of_a_database_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no such database"):
        snapshot.take("sqlite", tmp_path, tmp_path / "snapshot")
    assert not (tmp_path / "snapshot").exists()
