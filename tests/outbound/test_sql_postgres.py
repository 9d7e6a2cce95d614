"""The same on PostgreSQL: who may write what, and for how long."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from provd.app.tasks.ports import SqlCall
from provd.base.secrets import Secret
from provd.domain.tasks import Done, Failed, NotYet, Retry
from provd.outbound.sql import Database, Reach

pytestmark = pytest.mark.peer
SLOW = "SELECT pg_sleep(30)"


@pytest.fixture
def database(postgres) -> Iterator[Database]:
    postgres.execute("DROP TABLE IF EXISTS asset")
    postgres.execute("CREATE TABLE asset (mac text PRIMARY KEY, no numeric, seen timestamptz)")
    postgres.execute("INSERT INTO asset VALUES ('a', 7, NULL)")
    url = f"postgresql+psycopg://provd@/postgres?host={postgres.folder}"
    made = Database(Reach("db", url, Secret(""), read_only=False, seconds=2.0))
    yield made
    made.close()


async def do(database: Database, statement: str, *, write: bool = False, **params: object):
    return await database.do(SqlCall(database="db", statement=statement, params=params, write=write, what="it"))


async def test_look_ups_and_what_is_written_once(database):
    assert await do(database, "SELECT no FROM asset WHERE mac = :mac", mac="a") == Done({"no": 7})
    assert await do(database, "SELECT no FROM asset WHERE mac = :mac", mac="b") == NotYet("it")
    once = "UPDATE asset SET seen = :at WHERE mac = 'a' AND seen IS NULL"
    assert await do(database, once, write=True, at="2026-11-26T12:00:00+00:00") == Done({"rows": 1})
    assert await do(database, once, write=True, at="2026-11-27T12:00:00+00:00") == Done({"rows": 0})
    found = await do(database, "SELECT seen AT TIME ZONE 'UTC' AS seen FROM asset")
    assert found == Done({"seen": "2026-11-26T12:00:00"})


async def test_a_connection_that_the_server_has_ended_is_made_anew(database, postgres):
    process = "SELECT pg_backend_pid() AS pid"
    first = (await do(database, process)).result["pid"]
    assert (await do(database, process)).result["pid"] == first
    postgres.execute(f"SELECT pg_terminate_backend({first})")
    found = await do(database, process)
    assert isinstance(found, Done)
    assert found.result["pid"] != first


async def test_a_look_up_changes_nothing(database):
    outcome = await do(database, "DELETE FROM asset RETURNING no")
    assert isinstance(outcome, Failed)
    assert "read-only transaction" in outcome.reason
    assert await do(database, "SELECT count(*) AS n FROM asset") == Done({"n": 1})


async def test_a_statement_has_its_time_and_a_server_that_is_gone_is_tried_again(database, tmp_path: Path):
    outcome = await do(database, SLOW)
    assert isinstance(outcome, Retry)
    assert "statement timeout" in outcome.reason
    nowhere = Database(Reach("db", f"postgresql+psycopg://x@/y?host={tmp_path}", Secret(""), read_only=False))
    assert isinstance(await do(nowhere, "SELECT 1"), Retry)
    nowhere.close()
