"""Can the database be used? Asked before a start, without changing anything."""

from __future__ import annotations

import os
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from provd.base.errors import StorageError
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
