"""The paths of the activation side: which ones they are, and who answers them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable, Mapping

from provd.app.activation.desk import ThingDesk
from provd.base.errors import StorageError
from provd.domain.activation.form import MOST_OCTETS, FormError, ask_of
from provd.http.activation.contents import Downloads
from provd.http.activation.vendors import Vendors
from provd.http.activation.wire import READING, Reply, ThingRequest, error, key_reply, not_allowed, retry, text_reply

ACTIVATE = "/provision/activate"
_BUSY = 10
"""Seconds after which a device may ask again when the store does not answer."""
_LARGEST = 1 << 20
_UPLOADS = 4
"""Contents that are taken at the same time: each is a stream of writes, and phones are written between them."""

_PATIENCE = 900.0
"""Seconds in which a content has to arrive: who trickles one in keeps others from sending theirs."""


class ActivationPaths:
    """Answers devices and their vendors; everything else on the same listeners is a phone's."""

    def __init__(self, desk: ThingDesk, vendors: Vendors, downloads: Downloads, *, patience: float = _PATIENCE) -> None:
        self._desk = desk
        self._vendors = vendors
        self._patience = patience
        self._uploading = 0
        self._paths: Mapping[str, Callable[[ThingRequest], Awaitable[Reply]]] = {
            ACTIVATE: self._activate,
            "/provision/download": downloads.answer,
            "/timestamp": self._timestamp,
            "/ip": self._address,
        }

    def knows(self, path: str) -> bool:
        """Whether the path is one of ours."""
        return path in self._paths or self._vendors.knows(path)

    @staticmethod
    def most_octets(path: str) -> int:
        """How large a body may be."""
        return MOST_OCTETS if path == ACTIVATE else _LARGEST

    def too_large(self, request: ThingRequest) -> Reply:
        """The answer to a larger one; a wrong method comes before a wrong size."""
        if request.path == ACTIVATE and request.method != "POST":
            return not_allowed("POST")
        return error(413)

    async def answer(self, request: ThingRequest) -> Reply:
        """The reply to a request on one of our paths."""
        try:
            return await self._paths.get(request.path, self._vendors.answer)(request)
        except FormError as refusal:
            return error(refusal.status)
        except StorageError:
            return retry(503, _BUSY)

    def uploads(self, method: str, path: str) -> bool:
        """Whether the body of such a request is a content, to be given to :meth:`upload` while it comes."""
        return self._vendors.uploads(method, path)

    async def upload(self, request: ThingRequest, octets: AsyncIterable[bytes]) -> Reply:
        """The reply to a content. Raises what ``octets`` raises; then nothing has changed."""
        if self._uploading >= _UPLOADS:
            return retry(503, _BUSY)
        self._uploading += 1
        try:
            async with asyncio.timeout(self._patience):
                return await self._vendors.upload(request, octets)
        except TimeoutError:
            return error(408)
        except FormError as refusal:
            return error(refusal.status)
        except StorageError:
            return retry(503, _BUSY)
        finally:
            self._uploading -= 1

    async def _activate(self, request: ThingRequest) -> Reply:
        if request.method != "POST":
            return not_allowed("POST")
        ask = ask_of(request.form(), request.headers.get("Host", ""))
        given = await self._desk.activate(ask, request.peer)
        if given.outcome is None:
            return retry(429, given.wait)
        if not given.outcome.won:
            return error(given.outcome.status)
        return Reply(204) if given.key is None else key_reply(given.key.reveal())

    async def _timestamp(self, request: ThingRequest) -> Reply:
        if request.method not in READING:
            return not_allowed("GET", "HEAD")
        return await self._known(request) or text_reply(str(int(self._desk.now())))

    async def _address(self, request: ThingRequest) -> Reply:
        if request.method not in READING:
            return not_allowed("GET", "HEAD")
        return await self._known(request) or text_reply(request.peer)

    async def _known(self, request: ThingRequest) -> Reply | None:
        """A refusal where a key is shown that is none; no key is needed. One that is good counts as used."""
        if request.key and await self._desk.holder(request.key, request.peer) is None:
            return error(401)
        return None
