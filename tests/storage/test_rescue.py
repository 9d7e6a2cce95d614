from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from provd.app.ports import Put
from provd.base.facts.storage import StoreDamaged
from provd.base.types import Mac
from provd.domain.records import Device
from provd.storage import rescue
from provd.storage.session import make_engine, parse_url
from tests.kit.patience import PATIENCE
from tests.storage.conftest import Place


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "x.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, text TEXT)")
    connection.executemany("INSERT INTO t VALUES (?, ?)", [(n, "x" * 500) for n in range(100)])
    connection.commit()
    connection.close()
    return path


def test_a_sound_file_has_no_damage(database: Path) -> None:
    assert rescue.damage_of(database) == ""


def test_an_empty_file_has_no_damage(tmp_path: Path) -> None:
    (tmp_path / "new.db").touch()
    assert rescue.damage_of(tmp_path / "new.db") == ""


def test_a_zeroed_page_is_damage(database: Path) -> None:
    octets = bytearray(database.read_bytes())
    octets[4 * 4096 : 5 * 4096] = bytes(4096)
    database.write_bytes(octets)
    assert rescue.damage_of(database)


def test_a_folder_is_no_damage_but_an_error(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        rescue.damage_of(tmp_path)


def test_only_the_drivers_word_counts_as_damage() -> None:
    assert not rescue.is_damage(None)
    assert not rescue.is_damage(sqlite3.OperationalError("database is locked"))


def test_moving_aside_takes_the_log_along_and_overwrites_nothing(database: Path) -> None:
    for number in (1, 2):
        database.write_text(f"{number}")
        database.with_name("x.db-wal").write_text(f"log {number}")
        assert rescue.move_aside(database) == database.with_name(f"x.db.broken-{number}")
    assert sorted(path.name for path in database.parent.iterdir()) == [
        "x.db.broken-1",
        "x.db.broken-1-wal",
        "x.db.broken-2",
        "x.db.broken-2-wal",
    ]
    assert database.with_name("x.db.broken-1-wal").read_text() == "log 1"


async def test_a_large_file_is_checked_while_the_store_works(sqlite_place: Place) -> None:
    path, bad = await a_large_file_with_a_bad_page(sqlite_place)
    told = asyncio.Event()
    sqlite_place.hears = lambda _fact: told.set()
    store = sqlite_place.open()
    assert not list(sqlite_place.state_dir.glob("*.broken*"))
    await store.commit([Put(Device(mac=Mac("ffffffffffff")))])
    async with asyncio.timeout(PATIENCE):
        await told.wait()
    assert sqlite_place.told(StoreDamaged)
    assert path.exists()
    assert bad


async def test_what_can_be_read_of_a_large_damaged_file_is_loaded(sqlite_place: Place) -> None:
    await a_large_file_with_a_bad_page(sqlite_place)
    store = sqlite_place.open()
    devices = store.load(Device)
    assert 200 < len(devices) < 400
    assert len({device.mac for device in devices}) == len(devices)
    assert sqlite_place.told(StoreDamaged)[0].reason.startswith("database disk image is malformed")


async def a_large_file_with_a_bad_page(place: Place) -> tuple[Path, int]:
    """A database beyond the size that is checked at open: a sparse table makes it one within a moment."""
    store = place.open()
    await store.commit([Put(Device(mac=Mac(f"{n:012x}"), vendor="Acme", description="x" * 200)) for n in range(400)])
    place.close()
    path = place.state_dir / "provd.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE ballast (octets BLOB)")
    connection.execute("INSERT INTO ballast VALUES (zeroblob(?))", (rescue.CHECK_AT_OPEN,))
    connection.commit()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    with path.open("r+b") as file:
        pages = iter(range(4096, 4096 * 200, 4096))
        for bad in pages:
            file.seek(bad)
            # A leaf of a table begins with 13 (0x0d); the second such page with devices on it is ours.
            octets = file.read(4096)
            if octets[0] == 13 and octets.count(b"Acme") > 5:
                break
        file.seek(bad)
        file.write(bytes(4096))
    return path, bad


def test_a_database_that_cannot_be_read_is_not_taken_for_damaged(tmp_path: Path) -> None:
    engine = make_engine(parse_url(f"sqlite:///{tmp_path}/nowhere/x.db", tmp_path))
    with pytest.raises(OperationalError, match="unable to open"):
        rescue.missing_in(engine)
    engine.dispose()
