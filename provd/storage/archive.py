"""A backup: one tar file with a snapshot of the database, the operator's own files and, on request, the key.

``manifest.json`` comes first and says what is in it: format, version of provd, time, rows of each table, ids of the
keys in use. Everything is read back from it with plain names only: an archive is input like any other.
"""

from __future__ import annotations

import contextlib
import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from provd.base.dataclass import dataclass
from provd.base.errors import StorageError

FORMAT = 1
FOLDERS = ("overrides", "plugins")
"""Of the state folder: what an operator made and nobody can fetch again. Firmware can be."""
KEY = "master.key"
_DATABASE = "provd.db"
_MANIFEST = "manifest.json"
_MANIFEST_LIMIT = 1 << 20
_BUFFER = 1 << 20


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup says about itself. ``made`` is seconds since the epoch."""

    provd: str
    schema: str
    made: float
    rows: Mapping[str, int]
    keys: tuple[str, ...]
    has_key: bool
    files: int


def write(target: IO[bytes], manifest: Manifest, database: Path, state_dir: Path) -> None:
    """Write an archive. Raises StorageError."""
    told: dict[str, Any] = {
        "format": FORMAT,
        **{name: getattr(manifest, name) for name in Manifest.__slots__},
        "rows": dict(manifest.rows),
    }
    try:
        with tarfile.open(fileobj=target, mode="w|", format=tarfile.PAX_FORMAT) as tar:
            _add(tar, _MANIFEST, json.dumps(told, indent=2).encode(), manifest.made)
            _add_file(tar, _DATABASE, database, manifest.made)
            if manifest.has_key:
                _add_file(tar, KEY, state_dir / KEY, manifest.made)
            for name, file in own_files(state_dir):
                _add_file(tar, name, file, manifest.made)
    except OSError as error:
        raise StorageError(f"{error.filename or 'the backup'}: {error.strerror}") from error


def own_files(state_dir: Path) -> list[tuple[str, Path]]:
    """The operator's own files with their names in the archive."""
    return [
        (str(file.relative_to(state_dir)), file)
        for folder in FOLDERS
        for file in sorted((state_dir / folder).rglob("*"))
        if file.is_file() and not file.is_symlink()
    ]


def _add(tar: tarfile.TarFile, name: str, octets: bytes, made: float) -> None:
    tar.addfile(_entry(name, len(octets), made), io.BytesIO(octets))


def _add_file(tar: tarfile.TarFile, name: str, file: Path, made: float) -> None:
    with file.open("rb") as opened:
        tar.addfile(_entry(name, file.stat().st_size, made), opened)


def _entry(name: str, size: int, made: float) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mtime, entry.mode = size, int(made), 0o600
    return entry


def read(source: IO[bytes], folder: Path) -> Manifest:
    """Unpack an archive into an empty folder. Raises StorageError for anything that is not a whole one of ours."""
    manifest: Manifest | None = None
    with _not_ours(), tarfile.open(fileobj=source, mode="r|") as tar:
        for entry in tar:
            opened = tar.extractfile(entry) if entry.isreg() else None
            if opened is None or not _plain(entry.name):
                raise StorageError(f"not a backup of provd: it has {entry.name!r}")
            if manifest is None:
                if entry.name != _MANIFEST or entry.size > _MANIFEST_LIMIT:
                    raise StorageError("not a backup of provd: it does not begin with its manifest")
                manifest = _manifest(opened.read())
                continue
            target = folder / entry.name
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with target.open("xb") as out:
                while octets := opened.read(_BUFFER):
                    out.write(octets)
            target.chmod(0o600)
    if manifest is None or not (folder / _DATABASE).exists():
        raise StorageError("not a backup of provd: there is no database in it")
    if manifest.has_key != (folder / KEY).exists() or len(own_files(folder)) != manifest.files:
        raise StorageError("the backup is not whole: files are missing from it")
    return manifest


def database_in(folder: Path) -> Path:
    """The snapshot of an unpacked archive."""
    return folder / _DATABASE


def _plain(name: str) -> bool:
    parts = name.split("/")
    known = name in {_MANIFEST, _DATABASE, KEY} or (parts[0] in FOLDERS and len(parts) > 1)
    return known and not any(part in {"", ".", ".."} or "\0" in part for part in parts)


def _manifest(octets: bytes) -> Manifest:
    told = json.loads(octets)
    if told["format"] != FORMAT:
        raise StorageError(f"the backup has format {told['format']!r}; this provd reads {FORMAT}")
    return Manifest(
        provd=str(told["provd"]),
        schema=str(told["schema"]),
        made=float(told["made"]),
        rows={str(name): int(count) for name, count in told["rows"].items()},
        keys=tuple(str(key) for key in told["keys"]),
        has_key=bool(told["has_key"]),
        files=int(told["files"]),
    )


@contextlib.contextmanager
def _not_ours() -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, ValueError, KeyError, TypeError, AttributeError, EOFError) as error:
        raise StorageError(f"not a backup of provd, or not a whole one: {error!r}") from error
    except OSError as error:
        raise StorageError(f"{error.filename or 'the backup'}: {error.strerror or error}") from error
