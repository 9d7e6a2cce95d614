"""Packages on disk, and in memory which file is where.

``ROOT/PLUGIN/NAME@VERSION/`` holds the files of a package and ``release.json``, which says all about it. A package
comes and goes by one rename, so that it is there whole or not at all, also after a power cut. Files that the operator
lays into ``ROOT/PLUGIN/`` by hand are nobody's business here.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from provd.app.firmware.ports import Held, Part
from provd.base.clock import Clock
from provd.base.errors import ConflictError, StorageError
from provd.base.facts import FactSink
from provd.base.facts.firmware import FirmwareBroken
from provd.domain.firmware import rank, same

ENTRY = ".entry"
"""Below the root: what is on its way."""

_ABOUT = "release.json"
_INCOMING = ".incoming-"


class Stock:
    """The packages below ``root``. Reading them is one walk at the start; later only what comes and goes counts."""

    def __init__(self, root: Path, clock: Clock, emit: FactSink) -> None:
        self.root = root
        self.stamp = 0
        self._held: dict[tuple[str, str, str], Held] = {}
        self._paths: dict[tuple[str, str], Path] = {}
        for folder in _folders(root):
            try:
                held = _read(folder)
            except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
                emit(FirmwareBroken(at=clock.now(), folder=str(folder), reason=str(error)))
                continue
            self._keep(held)

    def held(self) -> list[Held]:
        """Every package, by plugin, name and version."""
        return sorted(self._held.values(), key=lambda held: (held.plugin, held.name, rank(held.version)))

    def find(self, plugin: str, name: str, version: str) -> Held | None:
        """The package, if it is here."""
        return self._held.get((plugin, name, version))

    def path(self, plugin: str, file: str) -> Path | None:
        """Where a file of some package lies, by its name without regard to case."""
        return self._paths.get((plugin, file.lower()))

    def clear(self, held: Held) -> None:
        """Raises ConflictError when this package, or a file of that name of another one, is here already.

        A device asks for a file by its name alone: two plugins must not have one each. And it is told a version alone:
        two images of one version for one model could be mistaken for each other.
        """
        present = self.find(held.plugin, held.name, held.version)
        if present is not None and present.files != held.files:
            raise ConflictError(f"another {held.name} {held.version} is here already; remove it first")
        for other in self._held.values():
            if other.name != held.name and _rival(other, held):
                raise ConflictError(
                    f"{other.name} {other.version} is here already, for the same models; remove it first"
                )
        own = self._folder(held)
        names = {file.lower(): file for file in held.files}
        for (plugin, name), path in self._paths.items():
            if name in names and path.parent != own:
                whose = "" if plugin == held.plugin else f" of {plugin}"
                part = path.parent.name.replace("@", " ")
                raise ConflictError(f"{names[name]} is here already, as part of {part}{whose}")

    @contextlib.contextmanager
    def incoming(self, plugin: str) -> Iterator[Path]:
        """A folder to put the files of a package into; it is gone afterwards unless it was put. Raises StorageError."""
        place = self.root / plugin
        try:
            place.mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(prefix=_INCOMING, dir=place))
        except OSError as error:
            raise refused(place, error) from None
        try:
            yield folder
        except OSError as error:
            raise refused(place, error) from None
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def put(self, held: Held, folder: Path) -> None:
        """The package whose files are in that folder is here from now on. Raises ConflictError, OSError."""
        self.clear(held)
        if self.find(held.plugin, held.name, held.version) is not None:
            return
        about = folder / _ABOUT
        about.write_text(json.dumps(asdict(held), indent=1) + "\n", encoding="utf-8")
        for path in (*(folder / name for name in held.files), about):
            # Mapped while it is served: nobody is to write over it.
            path.chmod(0o444)
            _sync(path)
        folder.chmod(0o755)
        _sync(folder)
        target = self._folder(held)
        if target.exists():
            _drop(target)  # It was broken, and is not served.
        folder.rename(target)
        _sync(target.parent)
        self._keep(held)

    def discard(self, held: Held) -> None:
        """The package is not here any more. Raises StorageError."""
        folder = self._folder(held)
        try:
            _drop(folder)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise refused(folder, error) from None
        self._held.pop((held.plugin, held.name, held.version), None)
        for file in held.files:
            self._paths.pop((held.plugin, file.lower()), None)
        self.stamp += 1

    def tidy(self, before: float) -> None:
        """Remove what a crash has left half unpacked, and what came last before that time and was not finished."""
        for path in self.root.glob(f"*/{_INCOMING}*"):
            shutil.rmtree(path, ignore_errors=True)
        for path in (self.root / ENTRY).glob("*"):
            with contextlib.suppress(OSError):
                if path.stat().st_mtime < before:
                    path.unlink()

    def _folder(self, held: Held) -> Path:
        return self.root / held.plugin / f"{held.name}@{held.version}"

    def _keep(self, held: Held) -> None:
        self._held[held.plugin, held.name, held.version] = held
        for file in held.files:
            self._paths[held.plugin, file.lower()] = self._folder(held) / file
        self.stamp += 1


def refused(place: Path, error: OSError) -> StorageError:
    """What the disk says, with where."""
    return StorageError(f"{place} cannot be written: {error.strerror or error}; nothing was kept")


def _rival(one: Held, other: Held) -> bool:
    """Whether a model and a version may mean either image."""
    images = one.kind == other.kind == "firmware" and one.plugin == other.plugin
    return images and same(one.version, other.version) and not set(one.models).isdisjoint(other.models)


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.glob("[a-z]*/*@*") if path.is_dir() and not path.name.startswith("."))


def _read(folder: Path) -> Held:
    """Raises OSError, ValueError, KeyError, TypeError."""
    content: Mapping[str, Any] = json.loads((folder / _ABOUT).read_bytes())
    files = {str(name): Part(int(part["size"]), str(part["sha256"])) for name, part in content["files"].items()}
    held = Held(**{**content, "files": files, "models": tuple(content["models"])})
    if (held.plugin, f"{held.name}@{held.version}") != (folder.parent.name, folder.name) or not files:
        raise ValueError(f"{_ABOUT} is not of this folder")
    for name, part in files.items():
        if (folder / name).stat().st_size != part.size:
            raise ValueError(f"{name} does not have {part.size} octets")
    return held


def _drop(folder: Path) -> None:
    # Renamed first: a package is there whole or not at all.
    gone = Path(tempfile.mkdtemp(prefix=_INCOMING, dir=folder.parent))
    try:
        folder.rename(gone / "gone")
    finally:
        shutil.rmtree(gone, ignore_errors=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
