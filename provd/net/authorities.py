"""The certificate authorities of the system: read when somebody asks a server of others, not at every start."""

from __future__ import annotations

import asyncio
import ssl


def without_authorities() -> None:
    """Import aiohttp, which reads every authority of the system as it is imported, and takes as long as fifty of our
    modules: for a default that is never used here. What it is given instead trusts nobody: a session brings its own
    context."""
    create = ssl.create_default_context
    ssl.create_default_context = _nobody
    try:
        import aiohttp.connector  # noqa: F401, PLC0415
    finally:
        ssl.create_default_context = create


def _nobody(*_: object, **__: object) -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


async def trusting() -> ssl.SSLContext:
    """A context for clients that trusts the authorities of the system."""
    return await asyncio.to_thread(ssl.create_default_context)
