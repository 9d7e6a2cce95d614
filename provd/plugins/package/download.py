"""Packages over HTTP(S), through a proxy where the site has one. What broke off goes on where it ended."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from provd.base.errors import PluginError
from provd.net.authorities import trusting

QUIET_SECONDS = 30.0
"""A server that says nothing for so long is given up."""

_BLOCK = 1 << 16
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


class Downloads:
    """Gets files from web servers. ``proxy`` is the URL of an HTTP proxy, or empty."""

    def __init__(self, proxy: str = "", *, quiet_seconds: float = QUIET_SECONDS) -> None:
        self._proxy = proxy or None
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=quiet_seconds, sock_read=quiet_seconds)

    async def small(self, url: str, largest: int) -> bytes:
        """A file as a whole. Raises PluginError when it is not to be had or larger than ``largest`` octets."""
        async with self._asked(url) as response:
            content = b""
            async for block in response.content.iter_chunked(_BLOCK):
                content += block
                if len(content) > largest:
                    raise PluginError(f"{url} is larger than {largest} octets")
            return content

    async def large(self, url: str, target: Path, size: int) -> AsyncIterator[int]:
        """A file of exactly ``size`` octets into ``target``; yields how many are there.

        What ``target`` holds already is kept if the server sends the rest. Raises PluginError; what has come by then
        stays for the next time.
        """
        have = await asyncio.to_thread(_size, target)
        if have > size:
            have = 0
        if have == size:
            yield have
            return
        headers = {"Range": f"bytes={have}-"} if have else {}
        async with self._asked(url, headers) as response:
            found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
            if response.status != 206 or found is None or int(found[1]) != have:
                have = 0
            file = await asyncio.to_thread(target.open, "r+b" if have else "wb")
            try:
                await asyncio.to_thread(file.seek, have)
                async for block in response.content.iter_chunked(_BLOCK):
                    have += len(block)
                    if have > size:
                        raise PluginError(f"{url} is larger than the {size} octets that the index says")
                    await asyncio.to_thread(file.write, block)
                    yield have
            finally:
                await asyncio.to_thread(file.close)
        if have < size:
            raise PluginError(f"{url} ended after {have} of {size} octets; try again, it goes on from there")

    @asynccontextmanager
    async def _asked(self, url: str, headers: dict[str, str] | None = None) -> AsyncIterator[aiohttp.ClientResponse]:
        # Compressed content would make sizes and ranges mean something else.
        asked = {"Accept-Encoding": "identity", "User-Agent": "provd", **(headers or {})}
        try:
            async with (
                aiohttp.ClientSession(
                    timeout=self._timeout, connector=aiohttp.TCPConnector(ssl=await trusting())
                ) as session,
                session.get(url, headers=asked, proxy=self._proxy, max_redirects=5) as response,
            ):
                if response.status not in {200, 206}:
                    raise PluginError(f"{url} answers {response.status} {response.reason or ''}".rstrip())
                yield response
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise PluginError(f"{url}: {str(error) or type(error).__name__}") from None
        except OSError as error:
            raise PluginError(f"{url}: {error.strerror or error}") from None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
