"""The paths of the activation side: which ones they are, and who answers them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from provd.app.activation.desk import ThingDesk
from provd.base.errors import StorageError
from provd.domain.activation.form import MOST_OCTETS, FormError, ask_of
from provd.http.activation.management import PREFIX, REGISTER, Management
from provd.http.activation.wire import (
    Reply,
    ThingRequest,
    csv_reply,
    error,
    key_in,
    key_reply,
    not_allowed,
    retry,
    text_reply,
)

ACTIVATE = "/provision/activate"
_BUSY = 10
"""Seconds after which a device may ask again when the store does not answer."""
_LARGEST = 1 << 20


class ThingCounter:
    """Answers devices and their vendors; everything else on the same listeners is a phone's."""

    def __init__(self, desk: ThingDesk, management: Management) -> None:
        self._desk = desk
        self._management = management
        self._paths: Mapping[str, Callable[[ThingRequest], Awaitable[Reply]]] = {
            ACTIVATE: self._activate,
            "/provision/download": self._download,
            REGISTER: management.register,
            "/timestamp": self._timestamp,
            "/ip": self._address,
        }

    def knows(self, path: str) -> bool:
        """Whether the path is one of ours."""
        return path in self._paths or path == PREFIX or path.startswith(f"{PREFIX}/")

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
            return await self._paths.get(request.path, self._management.answer)(request)
        except FormError as refusal:
            return error(refusal.status)
        except StorageError:
            return retry(503, _BUSY)

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

    async def _download(self, request: ThingRequest) -> Reply:
        """What a device with a key may fetch. No model has contents yet, so the list of them is empty."""
        if request.method not in {"GET", "HEAD"}:
            return not_allowed("GET", "HEAD")
        thing = await self._desk.holder(key_in(request), request.peer)
        if thing is None:
            # Not counted: nobody guesses 160 bits, and a device whose key was ended has to be able to activate again.
            return error(401)
        vendor, model = request.query("vendor"), request.query("model")
        if not (vendor and model):
            return error(400)
        if (vendor, model) != (thing.vendor, thing.model):
            return error(403)
        return error(404) if request.query("id") else csv_reply("")

    async def _timestamp(self, request: ThingRequest) -> Reply:
        if request.method not in {"GET", "HEAD"}:
            return not_allowed("GET", "HEAD")
        return text_reply(str(int(self._desk.now())))

    @staticmethod
    async def _address(request: ThingRequest) -> Reply:
        if request.method not in {"GET", "HEAD"}:
            return not_allowed("GET", "HEAD")
        return text_reply(request.peer)
