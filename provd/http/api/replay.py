"""``Idempotency-Key``: a POST that is sent again is answered again, and not carried out again."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import field
from hashlib import sha256
from http import HTTPStatus

from provd.base.clock import Clock
from provd.base.dataclass import dataclass
from provd.http.api.refusal import Refusal
from provd.http.api.routes import Reply

KEPT = 86400.0
"""Seconds that an answer is kept; it does not outlive the daemon."""
KEYS = 200
"""Keys of one caller that are remembered."""
CALLERS = 1000
_LONGEST = 255


@dataclass(slots=True)
class _Entry:
    fingerprint: bytes
    at: float
    done: asyncio.Future[Reply] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Replays:
    """Answers by caller and key, in bounded memory."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._callers: OrderedDict[str, OrderedDict[str, _Entry]] = OrderedDict()

    async def once(self, who: str, key: str, request: bytes, work: Callable[[], Awaitable[Reply]]) -> Reply:
        """The answer to this request: the kept one if it was made before, else that of ``work``.

        Two at once are one: the second waits for the first. An error is not kept, so that the same key may try again.
        Raises Refusal for a key that stands for another request.
        """
        if not (0 < len(key) <= _LONGEST and key.isascii() and key.isprintable()):
            reason = f"a key has 1 to {_LONGEST} printable ASCII characters"
            raise Refusal("idempotency-key", HTTPStatus.BAD_REQUEST, "The Idempotency-Key is not usable", reason)
        mine, fingerprint = self._of(who), sha256(request).digest()
        entry = mine.get(key)
        if entry is not None and self._clock.now() - entry.at < KEPT:
            if entry.fingerprint != fingerprint:
                title = "The Idempotency-Key was used for another request"
                raise Refusal("idempotency-mismatch", HTTPStatus.UNPROCESSABLE_ENTITY, title)
            return (await asyncio.shield(entry.done)).again()
        entry = mine[key] = _Entry(fingerprint, self._clock.now())
        mine.move_to_end(key)
        if len(mine) > KEYS:
            mine.popitem(last=False)
        try:
            reply = await work()
        except BaseException as error:
            if mine.get(key) is entry:
                del mine[key]
            entry.done.set_exception(error if isinstance(error, Exception) else ConnectionError("given up"))
            entry.done.exception()  # it is told to whoever waits, and to nobody where nobody does
            raise
        entry.done.set_result(reply)
        return reply

    def _of(self, who: str) -> OrderedDict[str, _Entry]:
        mine = self._callers.setdefault(who, OrderedDict())
        self._callers.move_to_end(who)
        if len(self._callers) > CALLERS:
            self._callers.popitem(last=False)
        return mine
