"""The schema's history. Alembic is imported only when a database is not at ``HEAD``: it costs start-up time."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect

from provd.base.errors import StorageError

HEAD = "0017"
"""The newest revision under ``versions``; a test compares."""

_UPGRADE_LOCK = 0x70726F7664
"""PostgreSQL advisory lock: instances that start together upgrade one after the other."""


def revision_of(connection: Connection) -> str:
    """The revision of a database, empty when it has none of our tables yet."""
    if not inspect(connection).has_table("alembic_version"):
        return ""
    return str(connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() or "")


def upgrade(engine: Engine) -> str:
    """Bring the schema to HEAD in one transaction; gives the revision found.

    Raises StorageError, and changes nothing, when the database was written by a newer provd.
    """
    with engine.connect() as connection:
        was = revision_of(connection)
        if was == HEAD:
            return was
        connection.exec_driver_sql("BEGIN IMMEDIATE" if engine.dialect.name == "sqlite" else "BEGIN")
        try:
            was = _upgrade_locked(connection)
        except BaseException:
            connection.exec_driver_sql("ROLLBACK")
            raise
        connection.exec_driver_sql("COMMIT")
        return was


def _upgrade_locked(connection: Connection) -> str:
    from alembic import command  # noqa: PLC0415 - see the module's docstring
    from alembic.config import Config  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (_UPGRADE_LOCK,))
    was = revision_of(connection)
    if was == HEAD:
        return was
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    # A new database is of no version: reading every revision once, in the command, is enough for it.
    if was and was not in {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}:
        raise StorageError(f"the database was written by a newer provd (schema {was}, ours is {HEAD})")
    command.upgrade(config, HEAD)
    return was
