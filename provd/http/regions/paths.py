"""The paths of regions on the phones' listeners.

``POST /provision/region/message`` takes a device's message with its key (a bearer token, or ``X-Exosite-CIK``) and
gives the answer's envelope: 200 with a response, 202 and ``Retry-After`` while it is not known, and an acknowledgement
with the number of what is wrong for everything else. ``POST /provision/region/exchange`` is for other instances.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable

from provd.app.regions.desk import HomeDesk
from provd.app.regions.neighbour import Neighbour
from provd.app.regions.ports import Ledger
from provd.app.regions.turns import Terms
from provd.base.errors import PeerError, StorageError, WireError
from provd.base.facts import FactSink
from provd.base.facts.regions import RegionDistrusted
from provd.domain.regions import messages, speech
from provd.domain.regions.home import Role
from provd.guard.tally import Tally
from provd.http.activation.wire import Reply, ThingRequest, error, not_allowed, retry

MESSAGE, EXCHANGE = "/provision/region/message", "/provision/region/exchange"
_BUSY = 10
"""Seconds after which to ask again when the store does not answer."""
_LONGEST_NAME = 64


class RegionPaths:
    """Answers devices and other instances; there are no such paths where there are no regions."""

    def __init__(
        self,
        desk: HomeDesk,
        neighbour: Neighbour,
        ledger: Ledger,
        terms: Callable[[], Terms],
        now: Callable[[], float],
        emit: FactSink,
    ) -> None:
        self._desk = desk
        self._neighbour = neighbour
        self._ledger = ledger
        self._terms = terms
        self._now = now
        self._emit = emit
        self._tally: Tally[str] = Tally()

    def knows(self, path: str) -> bool:
        """Whether the path is one of ours."""
        return path in {MESSAGE, EXCHANGE} and self._terms().role is not Role.STANDALONE

    @staticmethod
    def most_octets(_path: str) -> int:
        """How large a body may be."""
        return max(messages.LARGEST, speech.LARGEST)

    @staticmethod
    def too_large(request: ThingRequest) -> Reply:
        """The answer to a larger one; a wrong method comes before a wrong size."""
        return error(413) if request.method == "POST" else not_allowed("POST")

    async def answer(self, request: ThingRequest) -> Reply:
        """The reply to a request on one of our paths."""
        if request.method != "POST":
            return not_allowed("POST")
        try:
            return await (self._message(request) if request.path == MESSAGE else self._exchange(request))
        except StorageError:
            return retry(503, _BUSY)

    async def _message(self, request: ThingRequest) -> Reply:
        reply = await self._desk.handle(request.body, request.key, request.peer)
        lines = b"Content-Type: application/json\r\nCache-Control: no-store\r\n"
        if reply.retry:
            lines += b"Retry-After: %d\r\n" % reply.retry
        return Reply(reply.status, lines, reply.octets)

    async def _exchange(self, request: ThingRequest) -> Reply:
        sender = request.headers.get("Provd-Instance", "")
        nonce, shown = request.headers.get("Provd-Nonce", ""), request.headers.get("Provd-Signature", "")
        known = sender if sender.isprintable() and len(sender) <= _LONGEST_NAME else ""
        region = await self._ledger.read(lambda book: book.region(known)) if known else None
        if region is None:
            return self._distrusted(request, known)
        wanted = speech.request_signature(region.secret, known, nonce, EXCHANGE, request.body)
        if not hmac.compare_digest(shown.encode("utf-8", "replace"), f"v1={wanted}".encode()):
            return self._distrusted(request, known)
        try:
            status, octets = 200, speech.heard_octets(await self._neighbour.hear(speech.said_of(request.body), known))
        except WireError as wrong:
            status, octets = 400, str(wrong).encode()
        except PeerError as later:
            status, octets = 503, str(later).encode()
        mine = speech.answer_signature(region.secret, self._terms().name, nonce, status, octets)
        return Reply(
            status, b"Content-Type: application/json\r\nProvd-Signature: v1=%s\r\n" % mine.encode("ascii"), octets
        )

    def _distrusted(self, request: ThingRequest, known: str) -> Reply:
        now = self._now()
        count = self._tally.add(request.peer, now)
        if count:
            self._emit(RegionDistrusted(at=now, region=known, peer=request.peer, count=count))
        return error(401)
