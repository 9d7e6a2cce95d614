"""A publisher with a key, a folder, and a web server that can be told to misbehave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from provd.plugins.package.minisign import new_key
from provd.plugins.package.publish import build, make_index
from tests.kit import acme


class Publisher:
    """Offers Acme's plugin in whatever versions were built. ``cuts`` is after how many octets a package breaks off."""

    def __init__(self, root: Path, now: float) -> None:
        self.key = new_key()
        self.folder = root / "public"
        self.folder.mkdir()
        self._root = root
        self._now = now
        self.url = ""
        self.cuts = 0
        self.enough: Callable[[], bool] = lambda: True
        self.asked: list[tuple[str, str]] = []

    def build(self, version: str, **content: str) -> Path:
        """A package of this version, and a new index."""
        source = acme.install(self._root / f"source-{version}", version=version, rom=b"rom", **content)
        (source / "README.md").write_text("Acme phones.\n")
        built = build(source, self.folder, self.key)
        self.list()
        return built.path

    def list(self, seconds: float = 1000.0) -> None:
        """A new index."""
        make_index(self.folder, self.key, now=self._now, seconds=seconds)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        """Serve the folder; gives its URL."""
        app = web.Application()
        app.router.add_get("/{name}", self._serve)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
            yield self.url
        finally:
            await runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        self.asked.append((name, request.headers.get("Range", "")))
        if name in {"silent", "broken"}:
            response = web.StreamResponse(headers={"Content-Length": "9"})
            await response.prepare(request)
            assert request.transport is not None
            if name == "broken":
                request.transport.close()
            else:
                while not request.transport.is_closing():  # noqa: ASYNC110 - it tells nobody
                    await asyncio.sleep(0.01)
            return response
        path = self.folder / name
        if not path.is_file():
            raise web.HTTPNotFound
        if not self.cuts or not name.endswith(".zip"):
            return web.FileResponse(path)
        content = path.read_bytes()
        response = web.StreamResponse(headers={"Content-Length": str(len(content))})
        await response.prepare(request)
        await response.write(content[: self.cuts])
        # Otherwise the client learns of the end before it has read what came.
        while not self.enough():  # noqa: ASYNC110 - a progress has nobody to wake
            await asyncio.sleep(0)
        assert request.transport is not None
        request.transport.close()
        return response
