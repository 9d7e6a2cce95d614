"""Packages side by side on disk, and which of them is in force.

``ROOT/ID/VERSION/`` holds an unpacked package, ``ROOT/ID/choice.json`` which version is in force and which ones were
before. A package appears by one rename and a choice changes by one rename: whoever reads in between sees the old or
the new, and after a power cut it is one of the two.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from provd.base.dataclass import dataclass
from provd.base.errors import ConflictError, NotFoundError, PluginError
from provd.plugins.loader import MANIFEST
from provd.plugins.package.archive import Package
from provd.plugins.package.version import Version

BUNDLED = ""
"""The choice of what came with provd (or lies in a folder of the configuration)."""

_CHOICE = "choice.json"
_INCOMING = ".incoming-"
_MOST_REMEMBERED = 20
_ID = re.compile(r"[a-z][a-z0-9_]{1,39}")


@dataclass(frozen=True, slots=True)
class Choice:
    """What is in force of one plugin: a version, an absolute folder that was linked, or BUNDLED.

    ``history`` has what was in force before, the newest last. ``merging``: who has put it in force, until what is new
    in its templates was merged into those that are overridden.
    """

    in_force: str = BUNDLED
    history: tuple[str, ...] = ()
    merging: str = ""

    @property
    def linked(self) -> bool:
        """Whether a folder outside of the shelf is in force."""
        return self.in_force.startswith("/")

    def then(self, choice: str) -> Choice:
        """This one after another choice was made."""
        if choice == self.in_force:
            return self
        return Choice(choice, (*self.history, self.in_force)[-_MOST_REMEMBERED:])


class Shelf:
    """The folder ``root`` with its packages. Every method reads the disk; none keeps anything in memory."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def plugins(self) -> list[str]:
        """The ids that have a place here, sorted."""
        try:
            return sorted(path.name for path in self.root.iterdir() if _ID.fullmatch(path.name))
        except FileNotFoundError:
            return []

    def versions(self, plugin: str) -> list[str]:
        """The versions that lie here, the oldest first."""
        try:
            names = [path.name for path in (self.root / plugin).iterdir() if path.is_dir()]
        except FileNotFoundError:
            return []
        return sorted((name for name in names if Version.fits(name)), key=Version)

    def folder(self, plugin: str, choice: str) -> Path | None:
        """Where a choice's files lie, or None for BUNDLED."""
        if choice == BUNDLED:
            return None
        return Path(choice) if choice.startswith("/") else self.root / plugin / choice

    def choice(self, plugin: str) -> Choice:
        """What is in force. Raises PluginError when what is written there cannot be read."""
        path = self.root / plugin / _CHOICE
        try:
            content = json.loads(path.read_bytes())
            choice = Choice(content["in_force"], tuple(content["history"]), content.get("merging", ""))
        except FileNotFoundError:
            return Choice()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise PluginError(f"{path} cannot be read: {error}") from None
        if not all(isinstance(text, str) for text in (choice.in_force, *choice.history, choice.merging)):
            raise PluginError(f"{path} cannot be read: it names something that is no text")
        return choice

    def put(self, package: Package, version: str) -> Path:
        """Lay a package on the shelf, whole or not at all, and return its folder; nothing comes in force by it.

        The same package again is no error. Raises ConflictError when another one of this version lies there,
        PluginError when the disk does not take it.
        """
        target = self.root / package.plugin / version
        if target.is_dir():
            if _content(target) != dict(package.files):
                raise ConflictError(f"another {package.plugin} {version} is here already; a version never changes")
            return target
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            self._tidy(target.parent)
            incoming = Path(tempfile.mkdtemp(prefix=_INCOMING, dir=target.parent))
            try:
                unpack(package, incoming)
                incoming.chmod(0o755)
                incoming.rename(target)
                _sync(target.parent)
            except OSError:
                shutil.rmtree(incoming, ignore_errors=True)
                raise
        except OSError as error:
            raise PluginError(f"{target} cannot be written: {error.strerror}") from None
        return target

    def choose(self, plugin: str, choice: Choice) -> None:
        """Put a choice in force, by one rename. Raises NotFoundError when its files are not there."""
        folder = self.folder(plugin, choice.in_force)
        if folder is not None and not (folder / MANIFEST).is_file():
            raise NotFoundError(f"there is no {plugin} {choice.in_force}")
        place = self.root / plugin
        content: dict[str, object] = {"in_force": choice.in_force, "history": list(choice.history)}
        if choice.merging:
            content["merging"] = choice.merging
        try:
            replace_file(place / _CHOICE, json.dumps(content) + "\n")
        except OSError as error:
            raise PluginError(f"{place}: {error.strerror}") from None

    def discard(self, plugin: str, version: str) -> None:
        """Take a version off the shelf. Raises ConflictError while it is in force, else NotFoundError."""
        choice = self.choice(plugin)
        if choice.in_force == version:
            raise ConflictError(f"{plugin} {version} is in force")
        if version not in self.versions(plugin):
            raise NotFoundError(f"there is no {plugin} {version}")
        place = self.root / plugin
        self.choose(plugin, replace(choice, history=tuple(old for old in choice.history if old != version)))
        # Renamed first: a version is there whole or not at all.
        gone = Path(tempfile.mkdtemp(prefix=_INCOMING, dir=place))
        (place / version).rename(gone / version)
        shutil.rmtree(gone, ignore_errors=True)

    def _tidy(self, place: Path) -> None:
        """Remove what a power cut left half unpacked."""
        for path in place.glob(_INCOMING + "*"):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                with contextlib.suppress(OSError):
                    path.unlink()


def unpack(package: Package, folder: Path) -> None:
    """Write a package's files into a folder, which is made, all of them synced. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    folders = {folder}
    for name, content in package.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        folders.update(parent for parent in path.parents if parent.is_relative_to(folder))
        with path.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    for made in folders:
        _sync(made)


def replace_file(path: Path, content: str) -> None:
    """Put a text in place of a file by one rename: after a power cut it is the old one or the new. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=_INCOMING, dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            os.fsync(file.fileno())
        Path(name).rename(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
    _sync(path.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
