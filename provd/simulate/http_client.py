"""HTTP as an old phone speaks it: one GET per connection, a known length, nothing clever (RFC 9112)."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import urlsplit

from provd.base.errors import WireError
from provd.plugin.phone import Failed, Fetched, NotFound

LARGEST = 64 << 20
"""Octets of a body; firmware images are smaller."""


async def http_get(
    url: str, headers: Mapping[str, str], *, source: str = "", patience: float = 10.0
) -> Fetched | NotFound | Failed:
    """Fetch ``url`` from the local address ``source`` (empty: any). Certificates are not verified.

    ``patience`` is seconds for the whole of it. Raises OSError where there is no way to the server or ``source`` is
    not an address of this machine; every other failure is a result.
    """
    parts = urlsplit(url)
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        return Failed(str(error))
    host = parts.hostname or ""
    lines = [f"GET {parts.path or '/'}{'?' + parts.query if parts.query else ''} HTTP/1.1", f"Host: {host}:{port}"]
    if parts.username is not None:
        credentials = f"{parts.username}:{parts.password or ''}".encode()
        lines.append(f"Authorization: Basic {base64.b64encode(credentials).decode()}")
    lines += [f"{name}: {value}" for name, value in headers.items()]
    request = "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1", "replace")
    try:
        async with asyncio.timeout(patience):
            reader, writer = await asyncio.open_connection(
                host,
                port,
                local_addr=(source, 0) if source else None,
                ssl=_unverified() if parts.scheme == "https" else None,
            )
            try:
                writer.write(request)
                return await _answer(reader)
            finally:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()
    except TimeoutError:
        return Failed(f"no answer within {patience:.0f} s")
    except (WireError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError) as error:
        return Failed(str(error))


async def _answer(reader: asyncio.StreamReader) -> Fetched | NotFound | Failed:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    version, _, rest = head[0].partition(" ")
    status = rest.partition(" ")[0]
    if not version.startswith("HTTP/1.") or not status.isdigit():
        raise WireError(f"not a status line: {head[0][:60]!r}")
    fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
    if status == "404":
        return NotFound()
    if status != "200":
        return Failed(f"status {status}")
    coding, chunked, length = (
        fields.get(name, "") for name in ("content-encoding", "transfer-encoding", "content-length")
    )
    oddities = [f"Content-Encoding: {coding}"] if coding else []
    if chunked:
        oddities.append(f"Transfer-Encoding: {chunked}")
        return Fetched(await _chunks(reader), 200, tuple(oddities), coding)
    if not length.isdigit():
        return Fetched(await reader.read(LARGEST), 200, (*oddities, "no Content-Length"), coding)
    if int(length) > LARGEST:
        raise WireError(f"a body of {length} octets")
    return Fetched(await reader.readexactly(int(length)), 200, tuple(oddities), coding)


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while len(body) <= LARGEST:
        size_line = (await reader.readuntil(b"\r\n")).partition(b";")[0].strip()
        try:
            size = int(size_line, 16)
        except ValueError as error:
            raise WireError(f"not a chunk size: {size_line[:20]!r}") from error
        if not size:
            return bytes(body)
        body += await reader.readexactly(size + 2)
        del body[-2:]
    raise WireError("the chunks do not end")


def _unverified() -> ssl.SSLContext:
    # What a simulated phone trusts says nothing about what a real one does; the server's certificate is not its matter.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
