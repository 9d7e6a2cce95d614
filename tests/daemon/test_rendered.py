"""The cache of rendered files over the life of several daemons."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from provd.app.ports import RenderJob
from provd.daemon.rendered import RenderKeeper
from provd.plugin import FileRule
from provd.storage.rendered import NAME_OCTETS, RenderedFiles
from tests.kit.patience import PATIENCE
from tests.tftp.kit import StillClock

KEY = bytes(32)


class OneDigest:
    def digest(self, _plugin: str) -> str:
        return "d1"


def job(number: int) -> RenderJob:
    return RenderJob("acme", FileRule("{mac}.cfg", "device", template="d.j2"), {"number": number})


async def until(condition) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - a thread writes
            await asyncio.sleep(0.005)


class Watched(RenderedFiles):
    """What it found, and whether it has let go of that."""

    found = 0
    forgotten = False

    def load(self) -> None:
        super().load()
        self.found = len(self)

    def forget(self) -> None:
        super().forget()
        self.forgotten = True


@asynccontextmanager
async def life(folder: Path, *, killed: bool = False, **options: float) -> AsyncIterator[RenderKeeper]:
    """One run of the daemon."""
    files = Watched(folder, KEY, StillClock(), [].append)
    keeper = RenderKeeper(files, OneDigest(), b"names", every=0.005, **options)
    running = asyncio.create_task(keeper.run())
    try:
        yield keeper
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        if killed:
            files.forget()
        else:
            keeper.close()


async def test_what_was_rendered_in_one_life_is_there_in_the_next(tmp_path):
    async with life(tmp_path, killed=True) as keeper:
        for number in range(50):
            keeper.memory.remember(job(number), b"file %d" % number)
        assert not keeper.memory
        path = tmp_path / "rendered.new"
        whole = sum(len(keeper._files.seal(bytes(NAME_OCTETS), b"file %d" % number)) for number in range(50))
        await until(lambda: path.exists() and path.stat().st_size == whole)
    async with life(tmp_path) as keeper:
        await until(lambda: bool(keeper.memory))
        assert keeper.memory.recall(job(49)) == b"file 49"
        assert keeper.memory.recall(job(50)) is None
        keeper.memory.remember(job(50), b"file 50")
    async with life(tmp_path) as keeper:
        await until(lambda: bool(keeper.memory))
        assert [keeper.memory.recall(job(number)) for number in (7, 50)] == [b"file 7", b"file 50"]


async def test_after_a_while_nobody_looks_for_them_any_more(tmp_path):
    async with life(tmp_path) as keeper:
        keeper.memory.remember(job(1), b"x")
    async with life(tmp_path, recalled_for=0.05) as keeper:
        await until(lambda: keeper._files.forgotten)
        assert keeper._files.found == 1
        assert not keeper.memory
        assert keeper.memory.recall(job(1)) is None
