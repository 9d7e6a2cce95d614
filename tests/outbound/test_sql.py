"""Statements of tasks on databases of others."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import sqlite3
import threading
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Connection

from provd.app.tasks.ports import CsvCall, HttpCall, SqlCall
from provd.base.errors import ConfigError
from provd.base.secrets import Secret
from provd.domain.tasks import Done, Failed, NotYet, Outcome, Retry
from provd.outbound.outside import World, row_of
from provd.outbound.sql import AT_ONCE, Database, Reach, plain, url_of
from provd.outbound.web import Permit, Web
from tests.app.fakes import FakeClock
from tests.kit.patience import PATIENCE


def reach(file: Path, **more: object) -> Reach:
    return Reach(**{"name": "db", "url": f"sqlite:///{file}", "password": Secret(""), "read_only": False, **more})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "assets.db"
    with contextlib.closing(sqlite3.connect(made)) as connection, connection:
        connection.execute("CREATE TABLE asset (mac TEXT PRIMARY KEY, no INT, kind TEXT, raw BLOB, seen TEXT)")
        connection.execute("INSERT INTO asset VALUES ('a', 7, NULL, x'00ff', NULL), ('b', 8, 'desk', NULL, NULL)")
    return made


async def sooner_or_later(database: Database, call: SqlCall) -> Outcome:
    """The outcome on a machine of any speed, of a database with little patience."""
    async with asyncio.timeout(PATIENCE):
        while isinstance(outcome := await database.do(call), Retry):
            continue
    return outcome


async def do(file: Path, statement: str, *, write: bool = False, limits: dict | None = None, **params: object):
    database = Database(reach(file, **(limits or {})))
    try:
        return await database.do(
            SqlCall(database="db", statement=statement, params=params, write=write, what="the asset")
        )
    finally:
        database.close()


async def test_a_look_up_gives_its_row_and_only_one(file):
    found = await do(file, "SELECT no, kind, raw FROM asset WHERE mac = :mac", mac="a")
    assert found == Done({"no": 7, "kind": None, "raw": "00ff"})
    assert await do(file, "SELECT no FROM asset WHERE mac = :mac", mac="x' OR 1=1 --") == NotYet("the asset")
    assert await do(file, "SELECT no FROM asset") == Failed(
        "database db: more than one row; let the statement name one"
    )


async def test_a_look_up_changes_nothing_whatever_it_says(file):
    outcome = await do(file, "DELETE FROM asset RETURNING no")
    assert isinstance(outcome, Retry)
    assert "readonly" in outcome.reason
    assert await do(file, "SELECT count(*) AS n FROM asset") == Done({"n": 2})


async def test_what_is_written_once_stays_as_it_is(file):
    once = "UPDATE asset SET seen = :at WHERE mac = 'a' AND seen IS NULL"
    assert await do(file, once, write=True, at="monday") == Done({"rows": 1})
    assert await do(file, once, write=True, at="tuesday") == Done({"rows": 0})
    assert await do(file, "SELECT seen FROM asset WHERE mac = 'a'") == Done({"seen": "monday"})
    given = await do(file, "UPDATE asset SET no = 9 WHERE mac = 'a' RETURNING no", write=True)
    assert given.result["no"] == 9


async def test_nobody_writes_to_what_is_read_only_here(file):
    outcome = await do(file, "DELETE FROM asset", write=True, limits={"read_only": True})
    assert outcome == Failed("database db is read only here")


async def test_a_statement_that_does_not_end_is_ended(file):
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    outcome = await do(file, endless, limits={"seconds": 1.0})
    # On a busy machine we may have had enough of it before its thread has seen that its time is over.
    assert outcome in {Retry("database db: interrupted"), Retry("database db does not answer")}


async def test_a_driver_that_hangs_takes_its_places_and_no_more(file):
    class Hung(Database):
        def _performed(self, line, call):
            begun.append(call)
            gone.wait(PATIENCE)
            raise ZeroDivisionError

    begun: list[SqlCall] = []
    gone = threading.Event()
    database = Hung(reach(file, seconds=0.05))
    calls = [database.do(SqlCall(database="db", statement="SELECT 1")) for _ in range(AT_ONCE + 3)]
    assert set(await asyncio.gather(*calls)) == {Retry("database db does not answer")}
    async with asyncio.timeout(PATIENCE):
        while len(begun) < AT_ONCE:  # noqa: ASYNC110 - threads
            await asyncio.sleep(0.01)
    gone.set()
    assert await sooner_or_later(database, SqlCall(database="db", statement="SELECT 1")) == Failed(
        "database db: ZeroDivisionError"
    )
    database.close()


async def test_what_follows_at_once_has_the_same_connection_and_nothing_of_what_was_before(file):
    opened: list[Connection] = []

    class Watched(Database):
        def _executed(self, connection, call):
            opened.append(connection)
            return super()._executed(connection, call)

    database = Watched(reach(file))

    async def ask(statement: str, *, write: bool = False):
        return await database.do(SqlCall(database="db", statement=statement, write=write, what="it"))

    assert await ask("SELECT no FROM asset") == Failed("database db: more than one row; let the statement name one")
    # The rows that nobody read hold no lock: somebody else may write.
    with contextlib.closing(sqlite3.connect(file, timeout=0)) as other, other:
        other.execute("UPDATE asset SET no = 70 WHERE mac = 'a'")
    await ask("PRAGMA query_only = OFF")
    assert "readonly" in (await ask("DELETE FROM asset RETURNING no")).reason
    assert await ask("UPDATE asset SET kind = 'x' WHERE mac = 'a'", write=True) == Done({"rows": 1})
    assert await ask("SELECT no, kind FROM asset WHERE mac = 'a'") == Done({"no": 70, "kind": "x"})
    both = await ask("UPDATE asset SET kind = 'y' RETURNING no", write=True)
    assert both == Done({"rows": 2, "no": 70})
    with contextlib.closing(sqlite3.connect(file, timeout=0)) as other, other:
        other.execute("UPDATE asset SET no = 71 WHERE mac = 'a'")
    assert len(set(opened)) == 2, "one until the refused statement, one after it"
    database.close()


async def test_what_the_driver_itself_refuses_leaves_no_connection_behind(file):
    opened: list[Connection] = []

    class Watched(Database):
        def _executed(self, connection, call):
            opened.append(connection)
            return super()._executed(connection, call)

    database = Watched(reach(file))
    look = SqlCall(database="db", statement="SELECT no FROM asset WHERE no = :no", params={"no": 7}, what="it")
    assert await database.do(look) == Done({"no": 7})
    assert await database.do(replace(look, params={"no": 1 << 70})) == Failed("database db: OverflowError")
    assert await database.do(look) == Done({"no": 7})
    first, refused, after = opened
    assert (refused is first, refused.closed, after is first) == (True, True, False)
    database.close()


async def test_another_file_of_the_same_name_is_another_database(file, tmp_path):
    database = Database(reach(file))
    found = SqlCall(database="db", statement="SELECT no FROM asset WHERE mac = 'a'", what="it")
    assert await database.do(found) == Done({"no": 7})
    fresh = tmp_path / "fresh.db"
    with contextlib.closing(sqlite3.connect(fresh)) as connection, connection:
        connection.execute("CREATE TABLE asset (mac TEXT PRIMARY KEY, no INT)")
    fresh.replace(file)
    assert await database.do(found) == NotYet("it")
    file.unlink()
    assert await database.do(found) == Retry(f"{file}: there is no such file")
    database.close()


async def test_a_database_that_is_locked_by_somebody_is_tried_again(file):
    database = Database(reach(file, seconds=0.5))
    write = SqlCall(database="db", statement="UPDATE asset SET seen = 'x'", write=True)
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        outcome = await database.do(write)
        assert outcome in {Retry("database db: database is locked"), Retry("database db does not answer")}
        other.execute("ROLLBACK")
    assert await sooner_or_later(database, write) == Done({"rows": 2})
    database.close()


async def test_a_database_that_is_not_there_is_not_made(tmp_path):
    outcome = await do(tmp_path / "none.db", "SELECT 1")
    assert isinstance(outcome, Retry)
    assert not (tmp_path / "none.db").exists()


async def test_a_statement_that_is_wrong_is_said_without_its_parameters(file):
    outcome = await do(file, "SELECT nowhere FROM asset WHERE mac = :mac", mac="secret")
    assert isinstance(outcome, Retry)
    assert "no such column: nowhere" in outcome.reason
    assert "secret" not in outcome.reason
    broken = await do(file, "INSERT INTO asset (mac) VALUES ('a')", write=True)
    assert isinstance(broken, Failed)
    assert "UNIQUE" in broken.reason


def test_the_password_comes_from_its_file_and_the_url_must_be_one():
    url = url_of(reach(Path("x"), url="postgresql+psycopg://me@db/crm", password=Secret("s3cret")))
    assert url.password == "s3cret"
    assert "s3cret" not in str(url)
    with pytest.raises(ConfigError, match="not a database URL"):
        url_of(reach(Path("x"), url="nonsense"))
    with pytest.raises(ConfigError, match=r"tasks\.database db"):
        Database(reach(Path("x"), url="nosuchdialect://db/x"))


def test_values_become_what_json_has():
    assert [plain(value) for value in (1, True, None, 1.5, float("inf"), Decimal("3.0"), Decimal("3.5"))] == [
        *(1, True, None, 1.5, None, 3, 3.5)
    ]
    assert plain(dt.datetime(2026, 1, 2, 3, 4, tzinfo=dt.UTC)) == "2026-01-02T03:04:00+00:00"
    assert plain(["x"]) == "['x']"


def test_a_row_of_a_table_in_a_file(tmp_path):
    file = tmp_path / "assets.csv"
    file.write_text("\ufeffmac,site\nAA:BB,attic\ncc:dd,cellar,more\nee,x\nee,y\n", encoding="utf-8")

    def row(**match: str):
        return row_of(CsvCall(file=str(file), match=match, what="it"))

    assert row(mac="aa:bb") == Done({"mac": "AA:BB", "site": "attic"})
    assert row(mac="cc:dd ", site="cellar") == Done({"mac": "cc:dd", "site": "cellar"})
    assert row(mac="zz") == NotYet("it")
    assert row(mac="ee") == Failed(f"{file} has 2 rows that fit")
    assert row(serial="1") == Failed(f"{file} has no column 'serial'")
    gone = row_of(CsvCall(file=str(tmp_path / "none"), match={"a": "b"}))
    assert gone == Retry(f"{tmp_path / 'none'}: No such file or directory")
    file.write_bytes(b"mac\n\xff\n")
    assert isinstance(row(mac="x"), Retry)


async def test_the_world_knows_what_was_configured(file):
    world = World([Database(reach(file))], [], Web(Permit(), FakeClock()))
    assert await world.perform(SqlCall(database="db", statement="SELECT 1 AS one")) == Done({"one": 1})
    assert await world.perform(SqlCall(database="x", statement="SELECT 1")) == Failed("there is no database 'x'")
    asked = HttpCall(server="x", method="GET", path="/", key="k")
    assert await world.perform(asked) == Failed("there is no server 'x'")
    assert isinstance(await world.perform(CsvCall(file="/nowhere", match={})), Retry)
    await world.close()
