"""How much a source may get from us, and how often it may ask: the rule against being used to hit somebody else.

Over UDP the source of a request may be forged, and whoever lives there gets our answer. The rule:

1. A source is *proved* for a while once it sends back a nonce that we made for that very address (or a tag of a
   dialog): it receives what we send. TCP proves it by its handshake. A proved source gets whole answers.
2. Every other source gets an answer without the optional headers, no larger than its request, once, and never
   repeated by ourselves: requests of unproved sources make no transaction.
3. The one exception is the challenge, without which nobody could ever be proved and which is some 90 octets larger
   than a
   usual REGISTER. Its surplus is taken from an allowance of octets for each address (``BURST``, refilled by
   ``RATE``). Over any time a forged address gets at most what was sent in its name and that allowance; then nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from provd.guard.bucket import KeyedBuckets

BURST: Final = 4096
RATE: Final = 32.0
"""Octets of surplus for one unproved address, at once and per second."""
PROVED_FOR: Final = 600.0
_SOURCES: Final = 16384


class Outlet:
    """Decides on answers and requests by the address at the other end."""

    def __init__(self) -> None:
        self._surplus: KeyedBuckets[str] = KeyedBuckets(RATE, BURST, _SOURCES)
        self._unproved: KeyedBuckets[str] = KeyedBuckets(50, 200, _SOURCES)
        self._proved_requests: KeyedBuckets[str] = KeyedBuckets(1000, 4000, _SOURCES)
        self._failures: KeyedBuckets[tuple[str, str]] = KeyedBuckets(0.2, 20, _SOURCES)
        self._proved: OrderedDict[str, float] = OrderedDict()

    def proved(self, host: str, now: float) -> bool:
        """Whether this source has shown that it receives what we send."""
        return self._proved.get(host, 0) > now

    def prove(self, host: str, now: float) -> None:
        """It has just done so."""
        self._proved[host] = now + PROVED_FOR
        self._proved.move_to_end(host)
        if len(self._proved) > _SOURCES:
            self._proved.popitem(last=False)

    def admits(self, host: str, now: float) -> bool:
        """Whether one more request of this source may be looked at."""
        buckets = self._proved_requests if self.proved(host, now) else self._unproved
        return buckets.allow(host, now)

    def may_try(self, host: str, username: str, now: float) -> bool:
        """Whether this source may prove once more to be that account. A site behind one address has many accounts."""
        return self._failures.left((host, username), now) >= 1

    def failed(self, host: str, username: str, now: float) -> None:
        """A wrong password for that account came from there."""
        self._failures.allow((host, username), now)

    def affords(self, host: str, asked: int, answer: int, now: float, *, challenge: bool) -> bool:
        """Whether an unproved source may get ``answer`` octets for the ``asked`` ones."""
        surplus = answer - asked
        return surplus <= 0 or (challenge and self._surplus.allow(host, now, surplus))
