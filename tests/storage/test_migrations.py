from __future__ import annotations

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect, text
from sqlalchemy.exc import OperationalError

from provd.base.facts.storage import StoreUpgraded
from provd.base.types import Mac
from provd.domain.records import Code, Device, DeviceState
from provd.storage import migrations
from provd.storage.session import make_engine, parse_url
from provd.storage.tables import METADATA
from tests.storage.conftest import Place


@pytest.fixture
def engine(place: Place) -> Engine:
    place.state_dir.mkdir()
    return make_engine(parse_url(place.url, place.state_dir))


def test_the_migrated_schema_is_that_of_the_tables(engine: Engine) -> None:
    migrations.upgrade(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []
        migrated = {
            table: (inspect(connection).get_pk_constraint(table), inspect(connection).get_unique_constraints(table))
            for table in METADATA.tables
        }
        for table in reversed(METADATA.sorted_tables):
            table.drop(connection)
        METADATA.create_all(connection)
        for table, constraints in migrated.items():
            again = inspect(connection)
            assert (again.get_pk_constraint(table), again.get_unique_constraints(table)) == constraints
    engine.dispose()


def test_head_is_the_newest_revision() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.set_main_option("path_separator", "os")
    script = ScriptDirectory.from_config(config)
    assert script.get_heads() == [migrations.HEAD]
    assert [revision.module.__doc__ is not None for revision in script.walk_revisions()]


def test_the_revisions_are_read_once_for_a_new_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[ScriptDirectory] = []
    known = ScriptDirectory.from_config

    def counted(config: Config) -> ScriptDirectory:
        read.append(known(config))
        return read[-1]

    monkeypatch.setattr(ScriptDirectory, "from_config", counted)
    engine = make_engine(parse_url("sqlite", tmp_path))
    migrations.upgrade(engine)
    engine.dispose()
    assert len(read) == 1


def test_the_second_upgrade_finds_nothing_to_do(engine: Engine) -> None:
    assert migrations.upgrade(engine) == ""
    assert migrations.upgrade(engine) == migrations.HEAD
    engine.dispose()


def test_an_upgrade_that_fails_leaves_the_database_as_it_was(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE lease (in_the_way INTEGER)")
    with pytest.raises(Exception, match="lease"):
        migrations.upgrade(engine)
    with engine.connect() as connection:
        assert inspect(connection).get_table_names() == ["lease"]
        connection.exec_driver_sql("DROP TABLE lease")
    assert migrations.upgrade(engine) == ""
    engine.dispose()


def test_what_the_first_version_wrote_is_read_by_this_one(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.state_dir.mkdir()
    engine = make_engine(parse_url(place.url, place.state_dir))
    monkeypatch.setattr(migrations, "HEAD", "0001")
    migrations.upgrade(engine)
    with engine.connect() as connection:
        connection.execute(
            text(
                "INSERT INTO device VALUES ('805ec0112233', '', '', '', '', '', 0, 'assigned', 'blue', '[\"1\"]', '',"
                " '{}', '', '', 0, 0, 0, 7, 0)"
            )
        )
        connection.execute(text("INSERT INTO code VALUES ('123456', '1', 'blue', 1, 0, 0)"))
    engine.dispose()
    monkeypatch.undo()
    store = place.open()
    assert store.load(Device) == [
        Device(mac=Mac("805ec0112233"), state=DeviceState.ASSIGNED, tenant="blue", lines=("1",), revision=7)
    ]
    assert store.load(Code) == []
    assert [(fact.was, fact.now) for fact in place.told(StoreUpgraded)] == [("0001", migrations.HEAD)]


def test_serials_that_a_tenant_has_become_devices(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.state_dir.mkdir()
    engine = make_engine(parse_url(place.url, place.state_dir))
    monkeypatch.setattr(migrations, "HEAD", "0004")
    migrations.upgrade(engine)
    with engine.connect() as connection:
        connection.execute(text("INSERT INTO tenant VALUES ('blue', 'Blue', true, '{}', 1)"))
        row = "INSERT INTO thing VALUES ('acme', 'm 1', '{0}', '{1}', '{2}', '', '', '', 1, 0, 0, {3}, 0, '{0}', 0)"
        for values in (("S1", "activated", "blue", 7), ("S2", "pending", "gone", 0), ("S3", "unclaimed", "", 0)):
            connection.execute(text(row.format(*values)))
    engine.dispose()
    monkeypatch.undo()
    store = place.open()
    activated, pending = store.load(Device)
    assert (activated.mac, activated.state, activated.tenant) == ("acme~m=201~S1", DeviceState.ACTIVATED, "blue")
    assert (activated.vendor, activated.model, activated.serial, activated.first_seen) == ("acme", "m 1", "S1", 7.0)
    assert (pending.serial, pending.state, pending.tenant) == ("S2", DeviceState.PENDING, "master")


def test_a_database_that_is_locked_is_not_upgraded(sqlite_place: Place) -> None:
    sqlite_place.state_dir.mkdir()
    url = parse_url("sqlite", sqlite_place.state_dir)
    holder, engine = make_engine(url), make_engine(url)
    with holder.connect() as holding, engine.connect() as impatient:
        impatient.exec_driver_sql("PRAGMA busy_timeout=1")
        holding.exec_driver_sql("BEGIN IMMEDIATE")
        impatient.close()
        with pytest.raises(OperationalError, match="locked"):
            migrations.upgrade(engine)
        holding.exec_driver_sql("ROLLBACK")
    holder.dispose()
    engine.dispose()
