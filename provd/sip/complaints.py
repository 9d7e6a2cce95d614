"""Counters of the endpoint, and telling about what was turned down without becoming a log amplifier."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import Final

from provd.base.dataclass import dataclass
from provd.base.facts import Fact, FactSink
from provd.base.facts.sip import SipMalformed, SipRefused, SipThrottled
from provd.base.types import Mac
from provd.guard.bucket import TokenBucket
from provd.guard.tally import Tally

_FACTS_PER_SECOND: Final = 20.0


@dataclass(slots=True)
class SipStats:
    """Counters since the start, for metrics."""

    messages: int = 0
    malformed: int = 0
    keepalives: int = 0
    strays: int = 0
    """Responses, ACKs and CANCELs that belong to nothing."""
    repeated: int = 0
    """Requests that came again and were absorbed."""
    challenged: int = 0
    registered: int = 0
    """REGISTERs that were carried out, refreshing ones included."""
    wrong_passwords: int = 0
    stale_nonces: int = 0
    throttled: int = 0
    calls: int = 0
    redeemed: int = 0
    notified: int = 0
    notify_accepted: int = 0
    notify_refused: int = 0
    notify_silent: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    """Other requests that were refused, by status code."""


class Complaints:
    """Counts everything and tells each source's events at most once a minute, all together at most 20 a second."""

    def __init__(self, sink: FactSink, stats: SipStats) -> None:
        self._sink = sink
        self._stats = stats
        self._tally: Tally[tuple[str, ...]] = Tally()
        self._bucket = TokenBucket(_FACTS_PER_SECOND, 3 * _FACTS_PER_SECOND, 0.0)

    def malformed(self, host: str, reason: str, now: float) -> None:
        """Octets that are no SIP."""
        self._stats.malformed += 1
        self._tell((host, "malformed"), now, lambda n: SipMalformed(at=now, peer=host, reason=reason, count=n))

    def throttled(self, host: str, reason: str, now: float) -> None:
        """A request that was dropped without an answer."""
        self._stats.throttled += 1
        self._tell((host, reason), now, lambda n: SipThrottled(at=now, peer=host, reason=reason, count=n))

    def refused(self, host: str, reason: str, account: str, method: str, now: float, mac: Mac | None = None) -> None:
        """A request in the name of an account was refused."""
        self._tell(
            (host, reason, account[:32]),
            now,
            lambda n: SipRefused(
                at=now, mac=mac, peer=host, reason=reason, account=account[:64], method=method, count=n
            ),
        )

    def _tell(self, key: tuple[str, ...], now: float, fact: Callable[[int], Fact]) -> None:
        count = self._tally.add(key, now)
        if count and self._bucket.allow(now):
            self._sink(fact(count))
