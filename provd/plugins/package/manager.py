"""The plugin manager: the port :class:`~provd.app.packages.ports.Packages` over the shelf, publishers and processes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from provd.app.packages.ports import BUNDLED, Candidate, Held, Offered, Offers, Staged
from provd.app.ports import Renderer
from provd.app.works import Progress
from provd.base.clock import Clock
from provd.base.dataclass import dataclass
from provd.base.errors import ConflictError, NotFoundError, PluginError, StorageError
from provd.base.facts import FactSink
from provd.plugin import CONTRACT
from provd.plugins.catalogue import PluginCatalogue, texts_in
from provd.plugins.claims import claimed_twice
from provd.plugins.loader import load
from provd.plugins.package import archive, index
from provd.plugins.package.download import Downloads
from provd.plugins.package.examined import examined
from provd.plugins.package.gate import Trust, admit
from provd.plugins.package.index import INDEX, SIGNATURE, Index, Offer
from provd.plugins.package.minisign import PublicKey, verify
from provd.plugins.package.shelf import Choice, replace_file, unpack
from provd.plugins.package.version import Version
from provd.plugins.render import RENDERER, RenderPool
from provd.plugins.render_worker import Launch

ENTRY = ".entry"
"""Below the shelf: what has come, and was not looked at yet."""

_LOOKED_AT = ".provd-"
"""What a folder's name begins with in which a package is looked at."""
_DAY = 86400.0
_SEEN = "seen.json"
_LARGEST_SIGNATURE = 4096
_BESIDE = Launch(("nice", "-n", "10", *RENDERER.command), RENDERER.start_seconds, RENDERER.wall_seconds)

_TRYING = min(2, os.cpu_count() or 1)
"""Processes that render a fleet for comparison; whoever serves phones goes before them."""


async def _nothing(_candidate: Candidate, _templates: Iterable[str]) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Terms:
    """What a site wants of packages: whose signatures count, and where packages come from (URLs of folders)."""

    trust: Trust = "signed"
    keys: tuple[PublicKey, ...] = ()
    sources: tuple[str, ...] = ()
    proxy: str = ""


class PluginManager:
    """``changed`` is called with a plugin when another version of it is on the shelf's choice: it is read then, and
    renderers and routes are told. ``warm`` is given what is about to be in force."""

    def __init__(
        self,
        catalogue: PluginCatalogue,
        terms: Terms,
        clock: Clock,
        emit: FactSink,
        *,
        overrides: Path,
        changed: Callable[[str], Awaitable[None]],
        warm: Callable[[Candidate, Iterable[str]], Awaitable[None]] = _nothing,
    ) -> None:
        self.terms = terms
        self._catalogue = catalogue
        self._shelf = catalogue.shelf
        self._clock = clock
        self._emit = emit
        self._overrides = overrides
        self._changed = changed
        self._warm = warm
        self._held: dict[str, Held] = {}
        self._choosing = asyncio.Lock()

    @property
    def entry(self) -> Path:
        """Where a package is laid that somebody brings."""
        return self._shelf.root / ENTRY

    def held(self, plugin: str) -> Held:
        """What there is of that plugin; the disk is read for it once."""
        known = self._held.get(plugin)
        if known is None:
            choice = self._shelf.choice(plugin)
            versions = tuple(self._shelf.versions(plugin))
            own = self._catalogue.own(plugin)
            known = Held(plugin, choice.in_force, versions, choice.history, choice.merging, own)
            self._held[plugin] = known
        return known

    def tidy(self) -> None:
        """Remove what a crash has left in the entry; what a download has got by then, and what waits, has a day."""
        for path in self.entry.glob("*"):
            with contextlib.suppress(OSError):
                if path.name.startswith(_LOOKED_AT):
                    shutil.rmtree(path, ignore_errors=True)
                elif path.stat().st_mtime < self._clock.now() - _DAY:
                    path.unlink()

    def forget(self) -> None:
        """Somebody may have changed the shelf by hand."""
        self._held.clear()

    def every(self) -> Sequence[Held]:
        """Of every plugin that has a place on the shelf and can be read."""
        found = []
        for plugin in self._shelf.plugins():
            with contextlib.suppress(PluginError):  # The catalogue has told.
                found.append(self.held(plugin))
        return found

    async def offers(self, progress: Progress) -> Offers:
        """What the publishers offer now."""
        listed, failed = await self._indexes(progress)
        if failed and not listed:
            raise PluginError("\n".join(failed))
        found = [_offered(offer, source) for source, index in listed for offer in index.offers]
        return Offers(tuple(sorted(found, key=lambda offer: (offer.plugin, Version(offer.version)))), failed)

    async def _indexes(self, progress: Progress) -> tuple[list[tuple[str, Index]], tuple[str, ...]]:
        """The lists of those who are to be had, and what was wrong with the others: one must not stop all."""
        progress.doing = "asking the publishers"
        listed, failed = list[tuple[str, Index]](), list[str]()
        for source in self._sources():
            try:
                listed.append((source, await self._index(source)))
            except PluginError as error:
                failed.append(str(error))
        return listed, tuple(failed)

    async def fetch(self, plugin: str, version: str, progress: Progress) -> Staged:
        """Get a package from its publisher and put it on the shelf. Raises NotFoundError and PluginError."""
        listed, failed = await self._indexes(progress)
        best: tuple[str, Offer] | None = None
        for source, each in listed:
            offer = each.find(plugin, version) if version else each.newest(plugin, CONTRACT)
            if offer is not None and (best is None or Version(best[1].version) < Version(offer.version)):
                best = source, offer
        if best is None:
            if failed:
                raise PluginError("\n".join(failed))
            raise NotFoundError(f"nobody offers {plugin}{f' {version}' if version else ''}")
        source, offer = best
        content, signature = await self._download(source, offer, progress)
        return await self._stage(content, signature, offer, progress)

    async def take(self, name: str, progress: Progress) -> Staged:
        """A package, and its signature if there is one, that lies in the entry under this name.

        Raises NotFoundError, and PluginError for one that is refused.
        """
        path = self.entry / name
        if path.parent != self.entry or name.startswith("."):
            raise NotFoundError(f"there is no package {name!r}")
        content, signature = await asyncio.to_thread(_brought, path)
        try:
            return await self._stage(content, signature, None, progress)
        finally:
            await asyncio.to_thread(_drop, path)

    async def candidate(self, plugin: str, choice: str) -> Candidate | None:
        """What would be in force by that choice."""
        folder = self._catalogue.elsewhere(plugin) if choice == BUNDLED else self._shelf.folder(plugin, choice)
        if folder is None:
            return None
        manifest = await asyncio.to_thread(load, folder, plugin)
        own = self._overrides / plugin
        return Candidate(choice, manifest, (own, folder / "templates") if own.is_dir() else (folder / "templates",))

    async def texts(self, candidate: Candidate) -> Mapping[str, str]:
        """Its templates by name, those of the operator's folder in place of its own."""
        return await asyncio.to_thread(texts_in, candidate.templates[::-1])

    async def choose(
        self, plugin: str, choice: str, *, back: bool = False, expect: str | None = None, merging: str = ""
    ) -> Held:
        """Put a choice in force, for phones too when this returns.

        Raises PluginError for a plugin that does not load, ConflictError where another one claims the same or somebody
        else was quicker.
        """
        if choice.startswith("/") and self.terms.trust != "local" and not back:
            raise PluginError('a folder is put in force as it lies only where plugins.trust is "local"')
        async with self._choosing:
            present = self._shelf.choice(plugin)
            if expect is not None and present.in_force != expect:
                # Somebody else was at it while this one waited: going back twice would lose what was before that.
                raise ConflictError(f"{plugin}: {present.in_force or 'what came with provd'} is in force by now")
            fresh = Choice(choice, present.history[:-1]) if back else present.then(choice)
            fresh = replace(fresh, merging=merging)
            with contextlib.suppress(PluginError):  # What is wrong with it is found and told below.
                candidate = await self.candidate(plugin, choice)
                if candidate is not None:
                    fault = None if back else self._clash(candidate)
                    if fault:
                        raise ConflictError(f"{plugin} {candidate.manifest.version} cannot be in force: {fault}")
                    await self._warm(candidate, await self.texts(candidate))
            await asyncio.to_thread(self._shelf.choose, plugin, fresh)
            self._held.clear()
            await self._changed(plugin)
            folder = self._shelf.folder(plugin, choice)
            if folder is not None and self._folder_of(plugin) != folder:
                # It went bad between the check and now; what was in force still is, and is to be after a restart.
                await asyncio.to_thread(self._shelf.choose, plugin, present)
                self._held.clear()
                await self._changed(plugin)
                raise PluginError(f"{plugin} {choice} cannot be used after all; PLUGIN-BROKEN says why")
        return self.held(plugin)

    async def merged(self, plugin: str) -> None:
        """What is noted as ``merging`` is done."""
        async with self._choosing:
            done = replace(self._shelf.choice(plugin), merging="")
            await asyncio.to_thread(self._shelf.choose, plugin, done)
        self._held.clear()

    async def discard(self, plugin: str, version: str) -> None:
        """Take a version off the shelf."""
        async with self._choosing:
            await asyncio.to_thread(self._shelf.discard, plugin, version)
        self._held.clear()

    @contextlib.asynccontextmanager
    async def trial(self, folders: Mapping[str, Sequence[Path]]) -> AsyncIterator[Renderer]:
        """A renderer with lower priority than the one that serves phones, in a process of its own."""

        def places(label: str) -> Sequence[Path]:
            return folders[label]

        pool = RenderPool(places, self._clock, self._emit, launch=_BESIDE, workers=_TRYING)
        await pool.start()
        try:
            yield pool
        finally:
            await pool.close()

    def _clash(self, candidate: Candidate) -> str:
        """What another plugin that is in force by now claims as well, and the one in force of this id does not."""
        manifests = self._catalogue.manifests
        present = next((each for each in manifests if each.id == candidate.manifest.id), None)
        known = set() if present is None else set(claimed_twice(present, manifests))
        return next(
            (told for other, told in claimed_twice(candidate.manifest, manifests) if (other, told) not in known), ""
        )

    def _folder_of(self, plugin: str) -> Path | None:
        try:
            return self._catalogue.folder(plugin)
        except PluginError:
            return None

    def _sources(self) -> tuple[str, ...]:
        if not self.terms.sources:
            raise PluginError("no publisher is configured: plugins.sources names the folders of their packages")
        if not self.terms.keys:
            raise PluginError("no key is trusted: plugins.keys names those of the publishers")
        return self.terms.sources

    async def _index(self, source: str) -> Index:
        downloads = Downloads(self.terms.proxy)
        content = await downloads.small(f"{source.rstrip('/')}/{INDEX}", index.LARGEST)
        signature = await downloads.small(f"{source.rstrip('/')}/{INDEX}{SIGNATURE}", _LARGEST_SIGNATURE)
        try:
            verify(content, signature.decode("utf-8", "replace"), self.terms.keys)
            listed = index.read(content)
            seen = await asyncio.to_thread(self._seen)
            index.check(listed, now=self._clock.now(), seen=seen.get(source, 0))
        except PluginError as error:
            raise PluginError(f"{source}: {error}") from None
        if seen.get(source) != listed.serial:
            await asyncio.to_thread(self._remember, {**seen, source: listed.serial})
        return listed

    async def _download(self, source: str, offer: Offer, progress: Progress) -> tuple[bytes, str]:
        downloads = Downloads(self.terms.proxy)
        if offer.size > archive.LARGEST:
            raise PluginError(f"{offer.file} is larger than {archive.LARGEST >> 20} MiB")
        url = f"{source.rstrip('/')}/{offer.file}"
        signature = await downloads.small(url + SIGNATURE, _LARGEST_SIGNATURE)
        part = self.entry / f".{offer.sha256}"
        progress.doing, progress.total = f"fetching {offer.file}", offer.size
        try:
            await asyncio.to_thread(_made, self.entry)
            async for have in downloads.large(url, part, offer.size):
                progress.done = have
        except StorageError as error:
            await asyncio.to_thread(_drop, part)  # Else the disk would stay as full as it is.
            raise StorageError(f"{error}; nothing was changed") from None
        content = await asyncio.to_thread(part.read_bytes)
        await asyncio.to_thread(part.unlink)
        return content, signature.decode("utf-8", "replace")

    async def _stage(self, content: bytes, signature: str | None, offer: Offer | None, progress: Progress) -> Staged:
        progress.doing, progress.done, progress.total = "checking", 0, 0
        terms = self.terms
        admitted = await asyncio.to_thread(admit, content, signature, trust=terms.trust, keys=terms.keys, offer=offer)
        package = admitted.package
        with await asyncio.to_thread(_place, self.entry) as place:
            folder = Path(place) / package.plugin
            try:
                await asyncio.to_thread(unpack, package, folder)
            except OSError as error:
                raise StorageError(f"{folder}: {error.strerror or error}; nothing was changed") from None
            neighbours = {each.id: str(self._catalogue.folder(each.id)) for each in self._catalogue.manifests}
            report = await examined(folder, neighbours)
        if report["problems"]:
            raise PluginError("\n".join(f"{package.plugin}: {problem}" for problem in report["problems"]))
        version = str(report["version"])
        if offer is not None and offer.version != version:
            raise PluginError(f"{offer.file} holds version {version}, and the index lists it as {offer.version}")
        async with self._choosing:
            # Whoever lays something there clears away what is half there: never what somebody else is just at.
            await asyncio.to_thread(self._shelf.put, package, version)
        self._held.clear()
        return Staged(
            plugin=package.plugin,
            version=version,
            sha256=admitted.sha256,
            signed=admitted.signed,
            level=str(report["level"]),
            notes=tuple(report["notes"]),
        )

    def _seen(self) -> dict[str, int]:
        try:
            content = json.loads((self._shelf.root / _SEEN).read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise PluginError(f"{self._shelf.root / _SEEN} cannot be read: {error}") from None
        return {str(source): int(serial) for source, serial in content.items()}

    def _remember(self, seen: dict[str, int]) -> None:
        try:
            replace_file(self._shelf.root / _SEEN, json.dumps(seen))
        except OSError as error:
            raise PluginError(f"{self._shelf.root / _SEEN} cannot be written: {error.strerror}") from None


def _made(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{folder}: {error.strerror or error}") from None


def _place(entry: Path) -> tempfile.TemporaryDirectory[str]:
    """Where a package is unpacked that nobody has looked at yet. Raises StorageError."""
    try:
        entry.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(prefix=_LOOKED_AT, dir=entry)
    except OSError as error:
        raise StorageError(f"{entry}: {error.strerror or error}; nothing was changed") from None


def _brought(path: Path) -> tuple[bytes, str | None]:
    signature = path.with_name(path.name + SIGNATURE)
    try:
        if path.stat().st_size > archive.LARGEST:
            raise PluginError(f"the package is larger than {archive.LARGEST >> 20} MiB")
        text = signature.read_bytes()[:_LARGEST_SIGNATURE] if signature.exists() else None
        return path.read_bytes(), None if text is None else text.decode("utf-8", "replace")
    except OSError:
        raise NotFoundError(f"there is no package {path.name!r}") from None


def _drop(path: Path) -> None:
    for each in (path, path.with_name(path.name + SIGNATURE)):
        with contextlib.suppress(OSError):
            each.unlink()


def _offered(offer: Offer, source: str) -> Offered:
    return Offered(
        plugin=offer.id,
        version=offer.version,
        vendor=offer.vendor,
        description=offer.description,
        size=offer.size,
        fits=offer.contract == CONTRACT,
        source=source,
    )
