"""Packages over HTTP(S), through a proxy where the site has one. What broke off goes on where it ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from pathlib import Path
from typing import TypeVar

import aiohttp

from provd.base.errors import PluginError, StorageError
from provd.net.authorities import trusting

QUIET_SECONDS = 30.0
"""A server that says nothing for so long is given up."""

T = TypeVar("T")

_BLOCK = 1 << 16
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


class Downloads:
    """Gets files from web servers. ``proxy`` is the URL of an HTTP proxy, or empty."""

    def __init__(self, proxy: str = "", *, quiet_seconds: float = QUIET_SECONDS) -> None:
        self._proxy = proxy or None
        self._quiet = quiet_seconds
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
        stays for the next time. Raises StorageError.
        """
        have = await _disk(_size, target)
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
            file = await _disk(target.open, "r+b" if have else "wb")
            try:
                await _disk(file.seek, have)
                async for block in _blocks(response):
                    have += len(block)
                    if have > size:
                        raise PluginError(f"{url} is larger than the {size} octets that the index says")
                    await _disk(file.write, block)
                    yield have
            finally:
                await _disk(file.close)
        if have < size:
            raise PluginError(f"{url} ended after {have} of {size} octets; try again, it goes on from there")

    async def whole(
        self, url: str, target: Path, told: Callable[[int], None], *, sure: bool = False
    ) -> AsyncGenerator[int]:
        """A file of a size that only the server knows into ``target``; yields how many octets are there.

        ``told`` hears the size before anything is written and may raise. What ``target`` holds already is kept if the
        server says that it is still the same file (RFC 9110 section 13.1.5), or if the caller is ``sure`` to find out.
        Raises PluginError; then what has come stays for the next time. Raises StorageError.
        """
        mark = target.with_name(target.name + ".mark")
        have = await _disk(_size, target)
        size, tag = await _disk(_marked, mark) if have else (0, "")
        if size and have == size:
            told(size)
            yield have
            return
        headers = {"Range": f"bytes={have}-"} if have and (tag or sure) else {}
        if headers and tag:
            headers["If-Range"] = tag
        async with self._asked(url, headers) as response:
            found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
            if response.status == 206 and found is not None and int(found[1]) == have and found[2].isdigit():
                size = int(found[2])
            else:
                have, size = 0, response.content_length or 0
            if not size:
                raise PluginError(f"{url} does not say how large it is")
            told(size)
            if not have:
                # First: a crash in between must not leave the head of another file under the mark of this one.
                await _disk(_gone, target)
            await _disk(mark.write_text, f"{size} {_tag(response)}")
            file = await _disk(target.open, "r+b" if have else "wb")
            try:
                await _disk(file.seek, have)
                async for block in _blocks(response):
                    have += len(block)
                    await _disk(file.write, block)
                    yield have
            finally:
                await _disk(file.close)
        if have != size:
            raise PluginError(f"{url} ended after {have} of {size} octets; try again, it goes on from there")

    @contextlib.asynccontextmanager
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
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise PluginError(f"{url}: {self._told(error)}") from None

    def _told(self, error: Exception) -> str:
        """What was wrong, without the words of the library."""
        if isinstance(error, TimeoutError):
            return f"no answer for {self._quiet:g} s"
        if isinstance(error, aiohttp.ClientPayloadError):
            return "the connection broke off"
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            return f"its certificate is not to be trusted: {getattr(error.certificate_error, 'verify_message', error)}"
        if isinstance(error, aiohttp.ClientConnectorError):
            whom = f"{'the proxy ' if self._proxy else ''}{error.host}:{error.port}"
            return f"there is no connection to {whom}: {_connecting(error.os_error)}"
        if isinstance(error, aiohttp.InvalidURL | aiohttp.NonHttpUrlClientError):
            return "that is no URL of a web server"
        return str(error) or type(error).__name__


def _connecting(error: OSError) -> str:
    """Why not; asyncio puts words of its own in place of the system's, and errors of TLS have a number of theirs."""
    if isinstance(error, ssl.SSLError):
        return f"TLS fails ({error.reason or error})"
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error.strerror or error)


async def _blocks(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """What comes, until the end or until it breaks off: how much there should be knows who asks."""
    with contextlib.suppress(aiohttp.ClientPayloadError):
        async for block in response.content.iter_chunked(_BLOCK):
            yield block


def _tag(response: aiohttp.ClientResponse) -> str:
    """What tells this very file from a later one under the same URL: a strong ETag, else when it was changed last."""
    tag = response.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified", "")


def _marked(path: Path) -> tuple[int, str]:
    """Size and tag of the file that a download was of."""
    try:
        size, _, tag = path.read_text().partition(" ")
    except FileNotFoundError:
        return 0, ""
    return int(size) if size.isdigit() else 0, tag


async def _disk(work: Callable[..., T], *args: object) -> T:
    """Do that in a thread. Raises StorageError: what the disk says is not to be taken for the server's words."""
    try:
        return await asyncio.to_thread(work, *args)
    except OSError as error:
        raise StorageError(f"{error.filename or 'the disk'}: {error.strerror or error}") from None


def _gone(path: Path) -> None:
    path.unlink(missing_ok=True)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
