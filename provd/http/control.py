"""The control socket: what ``provd device list`` and the other commands talk to.

The protocol is HTTP/1.1 over a unix stream socket. The Host header is ignored. There is no authentication beyond the
socket file's mode and the kernel's word (SO_PEERCRED) that the caller is root or our own user.

``POST /v1/<operation>``
    The body is a JSON object with the parameters (no body = no parameters), at most 16 MiB, whatever its content
    type. The answer is 200 and ``application/json``: the operation's result, an object. An operation that has begun
    is completed even when the caller leaves.

``GET /v1/tail[?mac=MAC]``
    The answer is 200 and ``application/x-ndjson``, and does not end until the caller leaves or the daemon stops: a
    line per fact as it happens, of all devices or of that one (MAC in any form). A line is an object with ``time``
    (UTC, ISO 8601), ``level`` (debug, info, warning, error), ``fact`` (the id), ``text`` (the fact for people),
    ``mac`` and ``boot`` where there are any, and the fact's own fields. Those of one device begin with the last facts
    that the daemon has seen of it, whose lines have ``"past": true``. A line with the fact
    ``TAIL-MISSED`` stands for ``missed`` facts that the caller read too slowly to get. An empty line every few
    seconds shows that the daemon is there.

``GET /v1``
    ``{"operations": [name, …]}``.

Errors are ``application/problem+json`` (RFC 9457) with ``type``, ``title``, ``status`` and mostly ``detail``:

=================  ======  =================================================
type               status  meaning
=================  ======  =================================================
usage              400     wrong parameters; nothing was changed
refused            400     any other refusal
forbidden          403     the caller is not who may use this socket
not-found          404     no such object
unknown-operation  404     no such operation
method             405     GET for an operation, POST for the tail
conflict           409     the change contradicts what is there
too-large          413     the body is larger than 16 MiB
config, plugin     422     a configuration or a plugin is not usable
internal           500     a defect of provd; there is an INTERNAL-ERROR fact
storage            503     the store did not take the change
=================  ======  =================================================
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from provd.base.clock import Clock
from provd.base.errors import ProvdError, UsageError
from provd.base.facts import FactSink
from provd.base.facts.daemon import InternalError
from provd.base.types import Mac, parse_device
from provd.http.problems import problem, problem_of
from provd.http.quiet import quiet_logger

Operation = Callable[[dict[str, Any]], Awaitable[Mapping[str, Any]]]
Watch = Callable[[Mac | None], AbstractAsyncContextManager[AsyncIterator[str]]]
"""Gives the facts from now on, of all devices or, after its last ones, of one, as JSON lines without line ends."""
Permit = Callable[[int], bool]
"""Whether a process of this user may use the socket."""

_LARGEST = 16 << 20


class ControlServer:
    """Operations and the live tail on a unix socket."""

    def __init__(
        self,
        operations: Mapping[str, Operation],
        watch: Watch,
        *,
        emit: FactSink,
        clock: Clock,
        heartbeat: float = 5.0,
        permit: Permit | None = None,
    ) -> None:
        self._operations = operations
        self._watch = watch
        self._emit = emit
        self._clock = clock
        self._heartbeat = heartbeat
        self._permit = permit or may_use
        self._running: set[asyncio.Future[Mapping[str, Any]]] = set()
        self._tails: set[asyncio.Task[None]] = set()
        self._runner: web.AppRunner | None = None
        self._path: Path | None = None

    async def serve(self, listener: socket.socket) -> None:
        """Answer on this socket."""
        app = web.Application(middlewares=[self._guarded], client_max_size=_LARGEST)
        app.router.add_get("/v1", self._list)
        app.router.add_get("/v1/tail", self._tail, allow_head=False)
        app.router.add_post("/v1/{operation}", self._operate)
        self._runner = web.AppRunner(
            app, access_log=None, logger=quiet_logger(), handle_signals=False, shutdown_timeout=1.0
        )
        await self._runner.setup()
        await web.SockSite(self._runner, listener).start()
        self._path = Path(listener.getsockname())

    async def close(self, grace: float = 5.0) -> None:
        """Let operations in hand finish within ``grace`` seconds, end the tails and remove the socket."""
        if self._running:
            await asyncio.wait(self._running, timeout=grace)
        for tail in self._tails:
            tail.cancel()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        if self._path is not None:
            self._path.unlink(missing_ok=True)
            self._path = None

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        transport = request.transport
        connection = transport.get_extra_info("socket") if transport is not None else None
        if connection is None or not self._permit(caller_of(connection)):
            return problem("forbidden", HTTPStatus.FORBIDDEN, "You may not use this socket")
        try:
            return await handler(request)
        except ProvdError as error:
            return problem_of(error)
        except web.HTTPMethodNotAllowed:
            return problem("method", HTTPStatus.METHOD_NOT_ALLOWED, "Not with this method")
        except web.HTTPRequestEntityTooLarge:
            return problem("too-large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is too large")
        except web.HTTPNotFound:
            return problem("unknown-operation", HTTPStatus.NOT_FOUND, "There is no such operation")

    async def _list(self, _: web.Request) -> web.Response:
        return _json({"operations": sorted(self._operations)})

    async def _operate(self, request: web.Request) -> web.Response:
        name = request.match_info["operation"]
        operation = self._operations.get(name)
        if operation is None:
            raise web.HTTPNotFound
        params = _params(await request.read())
        work = asyncio.ensure_future(operation(params))
        self._running.add(work)
        work.add_done_callback(self._running.discard)
        try:
            return _json(await asyncio.shield(work))
        except (ProvdError, asyncio.CancelledError):
            raise
        except Exception as error:  # noqa: BLE001 - a defect in one operation is told and answered, and the daemon goes on
            self._tell(name, error)
            return problem("internal", HTTPStatus.INTERNAL_SERVER_ERROR, "A defect of provd", type(error).__name__)

    async def _tail(self, request: web.Request) -> web.StreamResponse:
        text = request.query.get("mac", "")
        try:
            mac = parse_device(text) if text else None
        except ValueError as error:
            raise UsageError(str(error)) from None
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        tail = asyncio.ensure_future(self._stream(mac, response))
        self._tails.add(tail)
        (outcome,) = await asyncio.gather(tail, return_exceptions=True)
        self._tails.discard(tail)
        if isinstance(outcome, Exception):
            self._tell("tail", outcome)
        return response

    async def _stream(self, mac: Mac | None, response: web.StreamResponse) -> None:
        """Write lines until the caller is gone; cancelled when the daemon stops."""
        async with self._watch(mac) as lines:
            with suppress(ConnectionError):
                while True:
                    await response.write(await self._next(lines))

    def _tell(self, name: str, error: Exception) -> None:
        reason = f"{type(error).__name__}: {error}"
        self._emit(InternalError(at=self._clock.now(), where=f"control {name}", reason=reason))

    async def _next(self, lines: AsyncIterator[str]) -> bytes:
        try:
            async with asyncio.timeout(self._heartbeat):
                return f"{await anext(lines)}\n".encode()
        except TimeoutError:
            return b"\n"


def caller_of(connection: socket.socket) -> int:
    """The user id of the process that connected (unix(7), SO_PEERCRED)."""
    _, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return int(uid)


def may_use(uid: int) -> bool:
    """Root and our own user."""
    return uid in {0, os.geteuid()}


def _params(body: bytes) -> dict[str, Any]:
    try:
        params = json.loads(body) if body.strip() else {}
    except (ValueError, RecursionError):
        raise UsageError("the body is not JSON") from None
    if not isinstance(params, dict):
        raise UsageError("the body is not a JSON object")
    return params


def _json(value: Mapping[str, Any]) -> web.Response:
    # default=str prints whatever is no JSON type; a Secret becomes ***.
    return web.Response(body=json.dumps(value, default=str).encode(), content_type="application/json")
