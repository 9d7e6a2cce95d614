"""The plugins in force: read from folders, a broken one left out, told and harmless."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import field
from pathlib import Path

import provd
from provd.base.clock import Clock
from provd.base.dataclass import dataclass
from provd.base.errors import PluginError
from provd.base.facts import Fact, FactSink
from provd.base.facts.plugins import PluginBroken, PluginClash, PluginLoaded, PluginRemoved
from provd.plugin import Manifest
from provd.plugins.blobs import Blobs
from provd.plugins.claims import clashes
from provd.plugins.firmware.listed import FIRMWARE
from provd.plugins.firmware.stock import Stock
from provd.plugins.loader import MANIFEST, load
from provd.plugins.package.shelf import Shelf

_REASON = 2000


def bundled_plugins() -> Path:
    """The folder of the plugins that came with provd: in an installed package beside its code, else in the checkout."""
    code = Path(provd.__file__).parent
    installed = code / "vendor"
    return installed if installed.is_dir() else code.parent / "plugins"


_Stamp = tuple[tuple[str, int, int], ...]
"""Path, time of the last change and size of every file that decides what devices get."""


@dataclass(frozen=True, slots=True)
class _Plugin:
    manifest: Manifest
    folder: Path
    digest: str
    stamp: _Stamp


@dataclass(slots=True)
class Reading:
    """What was found in the folders, and what there was to tell of it."""

    before: dict[str, _Plugin]
    after: dict[str, _Plugin] = field(default_factory=dict)
    facts: list[Fact] = field(default_factory=list)
    clashes: frozenset[tuple[str, str, str]] = frozenset()
    """What two of them claim alike."""


class PluginCatalogue:
    """Implements :class:`provd.app.ports.Catalogue`.

    ``folders`` hold one folder per plugin; a plugin of a later one takes the place of the same id in an earlier one,
    and what is in force of the packages in ``state_dir/packages/`` takes the place of both.
    Firmware packages and other files of the operator lie in ``state_dir/firmware/<plugin>/``, templates that outrank
    the plugin's in ``state_dir/overrides/<plugin>/``.
    """

    def __init__(self, folders: Iterable[Path], state_dir: Path, clock: Clock, facts: FactSink) -> None:
        self._folders = tuple(folders)
        self._firmware = state_dir / "firmware"
        self.stock = Stock(self._firmware, clock, facts)
        self._stamp = self.stock.stamp
        self._overrides = state_dir / "overrides"
        self.shelf = Shelf(state_dir / "packages")
        self._clock = clock
        self._facts = facts
        self._blobs = Blobs(state_dir)
        self._plugins: dict[str, _Plugin] = {}
        self._manifests: tuple[Manifest, ...] = ()
        self._clashes: frozenset[tuple[str, str, str]] = frozenset()
        self.revision = 0
        """Rises when a plugin or a template changes."""
        self.reload()

    @property
    def manifests(self) -> tuple[Manifest, ...]:
        """Manifests in the order of their ids."""
        return self._manifests

    def folder(self, plugin: str) -> Path:
        """Where the plugin in force lies. Raises PluginError when there is none of that id."""
        found = self._plugins.get(plugin)
        if found is None:
            raise PluginError(f"there is no plugin {plugin!r}")
        return found.folder

    def digest(self, plugin: str) -> str:
        """Over the manifest and the templates, overrides included. Raises PluginError when there is none of that id."""
        found = self._plugins.get(plugin)
        if found is None:
            raise PluginError(f"there is no plugin {plugin!r}")
        return found.digest

    def template_root(self, plugin: str) -> Path:
        """The plugin's own templates. Raises PluginError when there is none of that id."""
        return self.folder(plugin) / "templates"

    def static(self, plugin: str, name: str) -> bytes | memoryview | None:
        """A file of a firmware or language package, of the operator's firmware folder or of the plugin's ``static``
        folder, or None.

        ``name`` is one path segment, matched without regard to case; it is looked up in a listing, so that it cannot
        lead anywhere else. Reads the disk at the first request of a file.
        """
        if self._stamp != self.stock.stamp:
            self.let_go()
        packed = self.stock.path(plugin, name)
        content = None if packed is None else self._blobs.own(packed)
        if content is not None:
            return content
        # A model of the site has no plugin, but may have firmware of the operator's.
        found = self._plugins.get(plugin)
        folders = (self._firmware / plugin, *(() if found is None else (found.folder / "static",)))
        return self._blobs.find(folders, name)

    def let_go(self) -> None:
        """Hold no file of a package that was taken away: it must not go on filling the disk."""
        self._stamp = self.stock.stamp
        self._blobs.forget_gone()

    def templates(self, plugin: str) -> dict[str, str]:
        """The plugin's templates by name, those of the operator's folder in place of its own."""
        return texts_in((self.template_root(plugin), self._overrides / plugin))

    def reload(self) -> frozenset[str]:
        """Read all folders again; gives the plugins that have changed.

        A plugin that has become unusable stays in force as it was.
        """
        return self.take(self.read())

    def read(self) -> Reading:
        """What the folders hold now. Takes a while where much has changed, and may be called in a thread."""
        reading = Reading(self._plugins)
        for name, folder in self._candidates(reading.facts):
            self._take(name, folder, reading)
        same = reading.after == reading.before
        reading.clashes = self._clashes if same else clashes(each.manifest for each in reading.after.values())
        return reading

    def take(self, reading: Reading) -> frozenset[str]:
        """Put in force what was read, and tell of it; gives the plugins that have changed."""
        if reading.before is not self._plugins:
            reading = self.read()  # Somebody else was faster.
        before, after = reading.before, reading.after
        for fact in reading.facts:
            self._facts(fact)
        self._tell_changes(before, after)
        for plugin, other, claim in sorted(reading.clashes - self._clashes):
            self._facts(PluginClash(at=self._clock.now(), plugin=plugin, other=other, claim=claim))
        self._clashes = reading.clashes
        self._blobs.forget()
        digests = [{key: plugin.digest for key, plugin in known.items()} for known in (before, after)]
        changed = frozenset(key for key in {*before, *after} if digests[0].get(key) != digests[1].get(key))
        if changed or not self.revision:
            self._plugins = after
            self._manifests = tuple(after[key].manifest for key in sorted(after))
            self.revision += 1
        return changed

    def elsewhere(self, plugin: str) -> Path | None:
        """Where that plugin lies beside the packages, if it does: it is in force when no package is."""
        found = [root / plugin for root in self._folders if (root / plugin / MANIFEST).is_file()]
        return found[-1] if found else None

    def own(self, plugin: str) -> str:
        """The same if it is a folder of the operator's and did not come with provd; else empty."""
        folder = self.elsewhere(plugin)
        return "" if folder is None or folder.parent == bundled_plugins() else str(folder)

    def _candidates(self, facts: list[Fact]) -> Iterator[tuple[str, Path]]:
        for root in self._folders:
            if root.is_dir():
                yield from sorted((path.parent.name, path.parent) for path in root.glob(f"[a-z]*/{MANIFEST}"))
        for plugin in self.shelf.plugins():
            try:
                folder = self.shelf.folder(plugin, self.shelf.choice(plugin).in_force)
            except PluginError as error:
                place = str(self.shelf.root / plugin)
                facts.append(PluginBroken(at=self._clock.now(), plugin=plugin, folder=place, reason=str(error)))
                continue
            if folder is not None:
                yield plugin, folder

    def _take(self, name: str, folder: Path, reading: Reading) -> None:
        before, after = reading.before, reading.after
        try:
            overrides = self._overrides / name
            deciding = _deciding(folder, overrides)
            stamp = _stamp(folder, deciding)
            known = before.get(name)
            if known is not None and (known.folder, known.stamp) == (folder, stamp):
                # Reading them all again would hold phones up for a tenth of a second where there are forty.
                after[name] = known
                return
            plugin = _Plugin(load(folder, name), folder, _digest(folder, deciding), stamp)
        except PluginError as error:
            # The one that was in force until now, else the one of an earlier folder, else none.
            known = before.get(name)
            if known is not None and known.folder == folder:
                after[name] = known
            kept = after[name].manifest.version if name in after else ""
            reason = str(error)[:_REASON]
            broken = PluginBroken(at=self._clock.now(), plugin=name, folder=str(folder), reason=reason, kept=kept)
            reading.facts.append(broken)
            return
        after[name] = plugin

    def _tell_changes(self, before: dict[str, _Plugin], after: dict[str, _Plugin]) -> None:
        now = self._clock.now()
        for gone in sorted(before.keys() - after.keys()):
            self._facts(PluginRemoved(at=now, plugin=gone, version=before[gone].manifest.version))
        for key, plugin in sorted(after.items()):
            if key in before and before[key].digest == plugin.digest:
                continue
            manifest = plugin.manifest
            folder = str(plugin.folder)
            models = len(manifest.models)
            self._facts(PluginLoaded(at=now, plugin=key, version=manifest.version, models=models, folder=folder))


def _deciding(folder: Path, overrides: Path) -> tuple[Path, ...]:
    """The files that decide what devices get: the manifest and the templates. Raises PluginError."""
    try:
        return (folder / MANIFEST, *_listing(folder), *_files(folder / "templates"), *_files(overrides))
    except OSError as error:
        raise PluginError(f"{folder}: {error.strerror}") from None


def _stamp(folder: Path, deciding: Iterable[Path]) -> _Stamp:
    """Raises PluginError."""
    found = []
    try:
        for path in deciding:
            status = path.stat()
            found.append((str(path), status.st_mtime_ns, status.st_size))
    except OSError as error:
        raise PluginError(f"{folder}: {error.strerror}") from None
    return tuple(found)


def _digest(folder: Path, deciding: Iterable[Path]) -> str:
    """Over their content. Raises PluginError."""
    digest = hashlib.sha256(str(folder).encode())
    try:
        for path in deciding:
            content = path.read_bytes()
            digest.update(f"\0{path}\0{len(content)}\0".encode())
            digest.update(content)
    except OSError as error:
        raise PluginError(f"{folder}: {error.strerror}") from None
    return digest.hexdigest()


def texts_in(folders: Iterable[Path]) -> dict[str, str]:
    """The templates in these folders by name, those of a later one in place of an earlier one's. Raises PluginError."""
    found: dict[str, str] = {}
    for folder in folders:
        try:
            for path in _files(folder):
                found[path.relative_to(folder).as_posix()] = path.read_bytes().decode("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise PluginError(f"{folder} cannot be read: {error}") from None
    return found


def _listing(folder: Path) -> list[Path]:
    path = folder / FIRMWARE
    return [path] if path.is_file() else []


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []  # mostly there is no folder of overrides: rglob takes its time to find that out
    return sorted(path for path in folder.rglob("*") if path.is_file())
