"""How packages come: the port :class:`~provd.app.firmware.ports.Depot` over the stock, the web, and who brings one."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import secrets
import shutil
from collections.abc import AsyncIterable, Callable, Sequence
from pathlib import Path
from weakref import WeakValueDictionary

from provd.app.firmware.ports import Held, Part, Wanted
from provd.app.works import Progress
from provd.base.clock import Clock
from provd.base.errors import NotFoundError, PluginError, StorageError
from provd.plugins.firmware.stock import ENTRY, Stock, refused
from provd.plugins.firmware.unpack import LARGEST, is_zip, unpack
from provd.plugins.firmware.wellformed import check_xml
from provd.plugins.package.download import Downloads

RESERVE = 64 << 20
"""Octets that stay free: the database lies on the same disk."""

_BLOCK = 1 << 20
_LOOK = _BLOCK << 4
"""Octets after which the room is looked at again: others write as well."""
_DAY = 86400.0

_NOTHING = "; nothing was kept"

Free = Callable[[Path], int]


def free_octets(folder: Path) -> int:
    """Room on the disk of a folder."""
    return shutil.disk_usage(folder).free


def check_room(folder: Path, size: int, free: Free = free_octets) -> None:
    """Raises StorageError where so much would not leave the reserve free; OSError."""
    left = free(folder)
    if left < size + RESERVE:
        needs = (size + RESERVE) >> 20
        raise StorageError(f"{folder}: {left >> 20} MiB are free and {needs} MiB are needed{_NOTHING}")


class Supply:
    """Brings packages into the stock, one at a time. ``proxy`` stands between us and the web, or is empty."""

    def __init__(self, stock: Stock, clock: Clock, *, proxy: str = "", free: Free = free_octets) -> None:
        self._stock = stock
        self._clock = clock
        self.proxy = proxy
        self._free = free
        self._turn = asyncio.Lock()
        self._urls: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @property
    def stamp(self) -> int:
        """Rises when a package comes or goes."""
        return self._stock.stamp

    @property
    def entry(self) -> Path:
        """Where something is laid that is on its way."""
        return self._stock.root / ENTRY

    def held(self) -> Sequence[Held]:
        """Every package that is here."""
        return self._stock.held()

    def tidy(self) -> None:
        """Remove what a crash has left; what a download has got by then stays for a day."""
        self._stock.tidy(self._clock.now() - _DAY)

    async def fetch(self, wanted: Wanted, url: str, progress: Progress) -> Held:
        """Get a package from the web, check it, and keep it."""
        # Two at once would write into one file, and the first to end would take it from under the other.
        async with self._urls.setdefault(url, asyncio.Lock()):
            return await self._fetched(wanted, url, progress)

    async def _fetched(self, wanted: Wanted, url: str, progress: Progress) -> Held:
        part = self.entry / f"{hashlib.sha256(url.encode()).hexdigest()[:32]}.part"
        progress.doing = f"fetching {wanted.name} {wanted.version}"

        def told(size: int) -> None:
            if wanted.size and size != wanted.size:
                raise PluginError(f"{url} has {size} octets, and not {wanted.size}")
            if size > LARGEST:
                raise PluginError(f"{url} is larger than {LARGEST >> 20} MiB")
            progress.total = size
            self._room(size)

        try:
            await asyncio.to_thread(self._room, wanted.size)
            downloads = Downloads(self.proxy)
            async with contextlib.aclosing(downloads.whole(url, part, told, sure=bool(wanted.sha256))) as coming:
                async for have in coming:
                    progress.done = have
        except StorageError as error:
            await asyncio.to_thread(_forget, part)  # Else the disk would stay as full as it is.
            raise StorageError(f"{str(error).removesuffix(_NOTHING)}{_NOTHING}") from None
        return await self._kept(part, wanted, progress)

    async def receive(self, octets: AsyncIterable[bytes], announced: int = 0) -> str:
        """Lay what somebody sends into the entry; gives its name there.

        ``announced`` is how many octets that will be, 0 where it is not known. Raises PluginError for too many of them,
        StorageError for want of room.
        """
        name = f"{secrets.token_hex(8)}.sent"
        path = self.entry / name
        size = looked = 0
        try:
            await asyncio.to_thread(self._room, announced)
            file = await asyncio.to_thread(path.open, "xb")
            try:
                async for some in octets:
                    size += len(some)
                    if size > LARGEST:
                        raise PluginError(f"what is sent is larger than {LARGEST >> 20} MiB")
                    if size - looked >= _LOOK:
                        looked = size
                        await asyncio.to_thread(self._room, 0)
                    await asyncio.to_thread(file.write, some)
            finally:
                await asyncio.to_thread(file.close)
        except BaseException as error:
            path.unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise refused(self.entry, error) from None
            raise
        return name

    async def take(self, entry: str, wanted: Wanted, progress: Progress) -> Held:
        """What was laid into the entry. Raises NotFoundError, and PluginError for what it should not be."""
        path = self.entry / entry
        if path.parent != self.entry or entry.startswith(".") or not path.is_file():
            raise NotFoundError(f"there is no file {entry[:60]!r}")
        return await self._kept(path, wanted, progress)

    async def forget(self, entry: str) -> None:
        """What was laid into the entry is not wanted after all."""
        path = self.entry / entry
        if path.parent == self.entry:
            await asyncio.to_thread(_forget, path)

    async def discard(self, held: Held) -> None:
        """Take a package away."""
        async with self._turn:
            await asyncio.to_thread(self._stock.discard, held)

    async def _kept(self, path: Path, wanted: Wanted, progress: Progress) -> Held:
        progress.doing, progress.done, progress.total = "checking", 0, 0
        try:
            async with self._turn:
                return await asyncio.to_thread(self._keep, path, wanted)
        finally:
            await asyncio.to_thread(_forget, path)

    def _keep(self, path: Path, wanted: Wanted) -> Held:
        size, digest = path.stat().st_size, _digest(path)
        if not size:
            raise PluginError("it is empty")
        if wanted.size and size != wanted.size:
            raise PluginError(f"it has {size} octets, and should have {wanted.size}: it is not the one that is meant")
        if wanted.sha256 and digest != wanted.sha256:
            raise PluginError(
                f"its SHA-256 is {digest}, and should be {wanted.sha256}: it is not the one that is meant"
            )
        with self._stock.incoming(wanted.plugin) as folder:
            if wanted.unpack and is_zip(path):
                self._unpacked(path, folder, wanted)
            elif len(wanted.files) > 1:
                raise PluginError("it should be a zip archive")
            else:
                path.rename(folder / (wanted.files[0] if wanted.files else wanted.called))
            if wanted.xml:
                for each in sorted(folder.iterdir()):
                    check_xml(each, wanted.xml)
            files = {each.name: Part(each.stat().st_size, _digest(each)) for each in sorted(folder.iterdir())}
            held = Held(
                wanted.plugin, wanted.name, wanted.version, wanted.kind, wanted.models, files, wanted.step, size,
                digest, bool(wanted.sha256), wanted.origin, self._clock.now(), wanted.by,
            )  # fmt: skip
            self._stock.put(held, folder)
        return held

    def _unpacked(self, path: Path, folder: Path, wanted: Wanted) -> None:
        looked = 0
        for written in unpack(path, folder, wanted.files):
            if written - looked >= _LOOK:
                looked = written
                self._room(0)
        if wanted.kind != "language" and sum(1 for _ in folder.iterdir()) != 1:
            raise PluginError("firmware is one file, and the archive has several")

    def _room(self, size: int) -> None:
        """Raises StorageError when there is none for so much."""
        try:
            self.entry.mkdir(parents=True, exist_ok=True)
            check_room(self.entry, size, self._free)
        except OSError as error:
            raise refused(self.entry, error) from None


def _forget(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.with_name(path.name + ".mark").unlink(missing_ok=True)


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
