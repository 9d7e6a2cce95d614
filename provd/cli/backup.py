"""Making, reading and checking backups on behalf of ``provd db``."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from provd import __version__
from provd.base.clock import SystemClock
from provd.base.errors import ConflictError, StorageError
from provd.cli.offline import as_owner, become_owner
from provd.config.settings import Settings
from provd.storage import archive, migrations, rescue, snapshot
from provd.storage.vault import Vault


def make(settings: Settings, file: Path, *, with_key: bool, replace: bool) -> dict[str, Any]:
    """Write a backup. Raises ConflictError when the file exists, StorageError."""
    state = settings.server.state_dir
    if file.exists() and not replace:
        raise ConflictError(f"{file} exists; --replace writes over it")
    key = state / archive.KEY
    if with_key and not key.exists():
        raise StorageError(f"{key}: there is no such file")
    with as_owner(state), _scratch(None) as folder:
        taken = Path(folder) / "snapshot"
        rows = snapshot.take(settings.database.url, state, taken)
        manifest = archive.Manifest(
            provd=__version__,
            schema=snapshot.schema_of(taken),
            made=SystemClock().now(),
            rows=rows,
            keys=Vault.open(key).ids if key.exists() else (),
            has_key=with_key,
            files=len(archive.own_files(state)),
        )
        _written(file, manifest, taken, state)
    return {"file": str(file), "rows": rows, "files": manifest.files, "keys": list(manifest.keys), "key": with_key}


def _written(file: Path, manifest: archive.Manifest, taken: Path, state: Path) -> None:
    """Whole, or not at all; the file belongs to whoever asked for it."""
    own = os.geteuid()
    part = file.with_name(f"{file.name}.part")
    try:
        if os.getuid() == 0:
            os.seteuid(0)
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as out:
            archive.write(out, manifest, taken, state)
            out.flush()
            os.fsync(out.fileno())
        part.replace(file)
    except OSError as error:
        raise StorageError(f"{error.filename or part}: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)
        os.seteuid(own)


def put_back(settings: Settings, file: Path, *, replace: bool, without_key: bool) -> dict[str, Any]:
    """Fill database and state folder from a backup. Raises ConflictError and StorageError; nothing is lost then."""
    state = settings.server.state_dir
    # Opened before the rights go: a backup belongs to root, what is restored to the daemon.
    with file.open("rb") as source:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        become_owner(state)
        with _scratch(state) as scratch:
            folder = Path(scratch)
            manifest = archive.read(source, folder)
            _check_key(folder, state, manifest, replace=replace, without_key=without_key)
            _check_folders(folder, state, replace=replace)
            rows = snapshot.put_back(archive.database_in(folder), settings.database.url, state, replace=replace)
            if manifest.has_key:
                _move_in(folder / archive.KEY, state / archive.KEY)
            for name in archive.FOLDERS:
                if (folder / name).exists():
                    _move_in(folder / name, state / name)
    return {"rows": rows, "files": manifest.files, "key": manifest.has_key}


def _check_key(folder: Path, state: Path, manifest: archive.Manifest, *, replace: bool, without_key: bool) -> None:
    here, brought = state / archive.KEY, folder / archive.KEY
    if brought.exists():
        Vault.open(brought)
        if here.exists() and here.read_bytes() != brought.read_bytes() and not replace:
            raise ConflictError(f"{here} is another key than the one in the backup; --replace moves it aside")
        return
    known = Vault.open(here).ids if here.exists() else ()
    missing = [key for key in manifest.keys if key not in known]
    if missing and not without_key:
        raise ConflictError(
            f"the backup needs the key {', '.join(missing)}: put its master.key into {state} first "
            "(--without-key goes on and loses the passwords)"
        )


def _check_folders(folder: Path, state: Path, *, replace: bool) -> None:
    for name in archive.FOLDERS:
        there = state / name
        if (folder / name).exists() and there.exists() and any(there.iterdir()) and not replace:
            raise ConflictError(f"{there} is not empty; --replace moves it aside")


def _move_in(new: Path, place: Path) -> None:
    if place.exists():
        place.rename(rescue.free_name(place, "replaced"))
    new.rename(place)


def verify(settings: Settings, file: Path) -> dict[str, Any]:
    """What a backup holds, with ``problems``, which make it useless, and ``notes``. Raises StorageError."""
    problems: list[str] = []
    notes: list[str] = []
    with file.open("rb") as source, _scratch(None) as scratch:
        folder = Path(scratch)
        manifest = archive.read(source, folder)
        database = archive.database_in(folder)
        if damage := rescue.damage_of(database):
            raise StorageError(f"the database in the backup is damaged: {damage}")
        (folder / "restored").mkdir(mode=0o700)
        restored = snapshot.put_back(database, "sqlite", folder / "restored", replace=False)
        problems += [
            f"{name}: {count} rows were backed up, {restored.get(name, 0)} come back"
            for name, count in manifest.rows.items()
            if restored.get(name, 0) != count
        ]
        key = folder / archive.KEY if manifest.has_key else settings.server.state_dir / archive.KEY
        vault = Vault.open(key) if os.access(key, os.R_OK) else None
        missing = [name for name in manifest.keys if vault is None or name not in vault.ids]
        if missing:
            notes.append(f"the key {', '.join(missing)} is neither in the backup nor here: passwords were not tried")
        elif vault is not None:
            problems += [
                f"{name}: {count} rows cannot be read: {reason}"
                for name, (count, reason) in snapshot.unreadable(database, vault).items()
            ]
    if manifest.schema != migrations.HEAD:
        notes.append(f"schema {manifest.schema}; it is upgraded to {migrations.HEAD} when it is restored")
    return {
        "provd": manifest.provd,
        "schema": manifest.schema,
        "made": manifest.made,
        "rows": dict(manifest.rows),
        "files": manifest.files,
        "key": manifest.has_key,
        "notes": notes,
        "problems": problems,
    }


def _scratch(where: Path | None) -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix=".provd-", dir=where)
