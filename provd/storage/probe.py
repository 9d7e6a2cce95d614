"""Can the database be used? Asked before a start, without changing anything."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from provd.base.errors import StorageError
from provd.storage import migrations, rescue
from provd.storage.session import make_engine, parse_url, reason_of


def reachable(url: str, state_dir: Path) -> None:
    """Raise StorageError when the database cannot be used from here."""
    place = parse_url(url, state_dir)
    if place.get_backend_name() == "sqlite":
        folder = Path(place.database or "").parent
        existing = next(path for path in (folder, *folder.parents) if path.exists())
        if not os.access(existing, os.W_OK):
            raise StorageError(f"{existing} is not writable")
        return
    engine = make_engine(place)
    try:
        with engine.connect():
            return
    except SQLAlchemyError as error:
        raise StorageError(f"{place.render_as_string()}: {reason_of(error)}") from error
    finally:
        engine.dispose()


def soundness(url: str, state_dir: Path) -> Iterator[tuple[str, bool]]:
    """What there is to say of a database that is reachable, and whether that is good. Raises StorageError."""
    place = parse_url(url, state_dir)
    if place.get_backend_name() == "sqlite":
        path = Path(place.database or "")
        if not path.exists():
            yield f"{path} is not there yet; the first start makes it", True
            return
        if not os.access(path, os.W_OK):
            yield f"{path} is not writable", False
            return
        try:
            damage = rescue.damage_of(path)
        except sqlite3.Error as error:
            raise StorageError(f"{path}: {reason_of(error)}") from error
        yield (f"{path} is damaged: {damage}", False) if damage else (f"{path} is sound", True)
        if damage:
            return
    engine = make_engine(place)
    try:
        with engine.connect() as connection:
            revision = migrations.revision_of(connection)
    except SQLAlchemyError as error:
        raise StorageError(f"{place.render_as_string()}: {reason_of(error)}") from error
    finally:
        engine.dispose()
    if revision > migrations.HEAD:
        yield f"schema {revision} is of a newer provd; this one knows {migrations.HEAD}", False
    elif revision != migrations.HEAD:
        yield f"schema {revision or 'none'}; the next start makes it {migrations.HEAD}", True
    else:
        yield f"schema {revision} is this version's", True
