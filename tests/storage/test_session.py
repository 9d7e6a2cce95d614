from __future__ import annotations

import contextlib
import resource
import sqlite3
from pathlib import Path

import pytest

from provd.base.errors import StorageError
from provd.storage.session import RefusedError, Session, UnavailableError, lenient, make_engine, parse_url, reason_of
from tests.storage.conftest import Place


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("sqlite", "sqlite:////state/provd.db"),
        ("sqlite:////srv/other.db", "sqlite:////srv/other.db"),
        ("postgresql://provd@db/provd", "postgresql://provd@db/provd"),
    ],
)
def test_urls_of_the_configuration(text: str, shown: str) -> None:
    assert parse_url(text, Path("/state")).render_as_string() == shown


@pytest.mark.parametrize("text", ["", "mysql://a/b", "postgresql://db", "sqlite://"])
def test_urls_of_something_else_are_refused(text: str) -> None:
    with pytest.raises(StorageError, match="neither sqlite"):
        parse_url(text, Path("/state"))


def test_a_password_is_not_shown() -> None:
    with pytest.raises(StorageError) as caught:
        parse_url("mysql://me:hunter2@db/x", Path("/state"))
    assert "hunter2" not in str(caught.value)


def test_sqlite_is_durable(tmp_path: Path) -> None:
    engine = make_engine(parse_url("sqlite", tmp_path))
    with engine.connect() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")
        }
    engine.dispose()
    assert pragmas == {"journal_mode": "wal", "synchronous": 2}, "2 is FULL"


def test_the_log_has_its_length_from_the_first_write_on(sqlite_place: Place) -> None:
    folder = sqlite_place.state_dir
    folder.mkdir()
    engine = make_engine(parse_url(sqlite_place.url, folder))
    session = Session(engine)
    session.write([("CREATE TABLE t (n INTEGER PRIMARY KEY, text TEXT)", ())])
    log = folder / "provd.db-wal"
    length = log.stat().st_size
    for n in range(600):
        session.write([("INSERT INTO t VALUES (?, ?)", (n, "x" * 2000))])
    assert log.stat().st_size == length
    # As after kill -9: what is behind the last commit is not taken for one.
    copied = folder / "copied"
    copied.mkdir()
    for name in ("provd.db", "provd.db-wal"):
        (copied / name).write_bytes((folder / name).read_bytes())
    session.close()
    engine.dispose()
    with contextlib.closing(sqlite3.connect(copied / "provd.db")) as found:
        assert found.execute("SELECT count(*), sum(n) FROM t").fetchone() == (600, 600 * 599 // 2)
        assert found.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_log_that_cannot_be_made_longer_is_used_as_it_is(sqlite_place: Place) -> None:
    folder = sqlite_place.state_dir
    folder.mkdir()
    engine = make_engine(parse_url(sqlite_place.url, folder))
    session = Session(engine)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))
    try:
        session.write([("CREATE TABLE t (n INTEGER)", ())])
        session.write([("INSERT INTO t VALUES (1)", ())])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    session.close()
    engine.dispose()
    with contextlib.closing(sqlite3.connect(folder / "provd.db")) as found:
        assert found.execute("SELECT n FROM t").fetchall() == [(1,)]


def test_nobody_else_commits_while_the_log_is_made_longer(sqlite_place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = sqlite_place.state_dir
    folder.mkdir()
    engine = make_engine(parse_url(sqlite_place.url, folder))
    session = Session(engine)
    answers = []

    def foreign(length: int) -> bytes:
        # Between the look where the log ends and the zeros behind that.
        with contextlib.closing(sqlite3.connect(folder / "provd.db", timeout=0, isolation_level=None)) as other:
            try:
                other.execute("INSERT INTO t VALUES (7)")
            except sqlite3.OperationalError as error:
                answers.append(str(error))
        return b"\0" * length

    monkeypatch.setattr("provd.storage.session.bytes", foreign, raising=False)
    session.write([("CREATE TABLE t (n INTEGER)", ())])
    session.write([("INSERT INTO t VALUES (1)", ())])
    session.close()
    engine.dispose()
    assert answers == ["database is locked"]
    with contextlib.closing(sqlite3.connect(folder / "provd.db")) as found:
        assert found.execute("SELECT n FROM t").fetchall() == [(1,)]
        assert found.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_the_log_is_made_longer_when_nobody_else_writes(sqlite_place: Place) -> None:
    folder = sqlite_place.state_dir
    folder.mkdir()
    engine = make_engine(parse_url(sqlite_place.url, folder))
    session = Session(engine)
    with contextlib.closing(sqlite3.connect(folder / "provd.db", isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode=WAL")
        other.execute("CREATE TABLE t (n INTEGER)")
        # The first write gets in between; the moment after it somebody else has the lock.
        with engine.connect() as connection:  # the pool gives the same one to the session
            told = connection.connection.driver_connection
        assert isinstance(told, sqlite3.Connection)
        told.set_trace_callback(
            lambda sql: other.execute("BEGIN IMMEDIATE") if sql == "PRAGMA busy_timeout=0" else None
        )
        session.write([("INSERT INTO t VALUES (1)", ())])
        log = folder / "provd.db-wal"
        short = log.stat().st_size
        other.execute("ROLLBACK")
        told.set_trace_callback(None)
        session.write([("INSERT INTO t VALUES (2)", ())])
        assert short < 1_000_000 < log.stat().st_size
        assert other.execute("SELECT n FROM t").fetchall() == [(1,), (2,)]
    session.close()
    engine.dispose()


def test_several_statements_are_one_transaction(place: Place) -> None:
    place.state_dir.mkdir()
    engine = make_engine(parse_url(place.url, place.state_dir))
    session = Session(engine)
    session.write([("CREATE TABLE t (n INTEGER PRIMARY KEY)", ())])
    session.write([("INSERT INTO t VALUES (1)", ()), ("INSERT INTO t VALUES (2)", ())])
    with pytest.raises(RefusedError):
        session.write([("INSERT INTO t VALUES (3)", ()), ("INSERT INTO t VALUES (1)", ())])
    session.write([("INSERT INTO t VALUES (4)", ())])
    with engine.connect() as connection:
        assert [n for (n,) in connection.exec_driver_sql("SELECT n FROM t ORDER BY n")] == [1, 2, 4]
    session.close()
    session.close()
    engine.dispose()


def test_a_number_too_large_is_refused_and_the_next_write_works(place: Place) -> None:
    place.state_dir.mkdir()
    engine = make_engine(parse_url(place.url, place.state_dir))
    session = Session(engine)
    session.write([("CREATE TABLE t (n BIGINT)", ())])
    mark = "?" if engine.dialect.name == "sqlite" else "%s"
    with pytest.raises(RefusedError):
        session.write([(f"INSERT INTO t VALUES ({mark})", (2**80,))])
    session.write([(f"INSERT INTO t VALUES ({mark})", (2**40,))])
    session.close()
    engine.dispose()


def test_a_database_that_cannot_be_opened_is_unavailable(tmp_path: Path) -> None:
    engine = make_engine(parse_url(f"sqlite:///{tmp_path}/nowhere/x.db", tmp_path))
    with pytest.raises(UnavailableError, match="unable to open"):
        Session(engine).write([("SELECT 1", ())])
    engine.dispose()


def test_nothing_is_interrupted_where_nothing_can_hang(tmp_path: Path) -> None:
    engine = make_engine(parse_url("sqlite", tmp_path))
    session = Session(engine)
    session.interrupt()
    session.write([("CREATE TABLE t (n BIGINT)", ())])
    session.interrupt()
    session.write([("INSERT INTO t VALUES (1)", ())])
    session.close()
    engine.dispose()


def test_text_that_is_none_stays_octets() -> None:
    assert lenient("ä".encode()) == "ä"
    assert lenient(b"\xff") == b"\xff"


def test_an_error_without_words_is_named_by_its_kind() -> None:
    assert reason_of(sqlite3.OperationalError()) == "OperationalError"
    assert reason_of(sqlite3.OperationalError("first\nsecond quotes a value")) == "first"
