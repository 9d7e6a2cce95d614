"""Telling about requests that were turned down and transfers that failed, without becoming a log amplifier."""

from __future__ import annotations

from dataclasses import field
from types import TracebackType
from typing import Final

from provd.base.clock import Clock
from provd.base.dataclass import dataclass
from provd.base.facts import Fact, FactSink
from provd.base.facts.daemon import InternalError
from provd.base.facts.tftp import TftpAbandoned, TftpMalformed, TftpRefused
from provd.base.types import Mac
from provd.guard.bucket import TokenBucket
from provd.guard.tally import Tally

_FACTS_PER_SECOND: Final = 20.0
_SHOWN_NAME: Final = 100


@dataclass(slots=True)
class TftpStats:
    """Counters since the start, for metrics."""

    requests: int = 0
    started: int = 0
    completed: int = 0
    abandoned: int = 0
    repeated: int = 0
    restarted: int = 0
    waited: int = 0
    malformed: int = 0
    strays: int = 0
    octets: int = 0
    """Content of completed transfers."""
    resent: int = 0
    """Blocks sent again after a time-out."""
    refused: dict[str, int] = field(default_factory=dict)
    """By reason; the reasons are a fixed handful."""


class Complaints:
    """Counts every event and tells each source's events at most once a minute, all together at most 20 a second."""

    def __init__(self, sink: FactSink, stats: TftpStats, now: float) -> None:
        self._sink = sink
        self._stats = stats
        self._tally: Tally[tuple[str, str]] = Tally()
        self._bucket = TokenBucket(_FACTS_PER_SECOND, 3 * _FACTS_PER_SECOND, now)

    def refused(self, address: str, reason: str, name: str, now: float) -> None:
        """A request was not served, for a reason of ours."""
        self._stats.refused[reason] = self._stats.refused.get(reason, 0) + 1
        if count := self._tally.add((address, reason), now):
            self._tell(TftpRefused(at=now, peer=address, reason=reason, name=name[:_SHOWN_NAME], count=count))

    def coded(self, address: str, name: str, mac: Mac | None, boot: str, now: float) -> None:
        """A device's file is there, but in a content coding that TFTP cannot tell; its timeline says so."""
        reason = "coding"
        self._stats.refused[reason] = self._stats.refused.get(reason, 0) + 1
        # Whoever gets this far has proved to be the device, so each device is told apart from those of its address.
        if count := self._tally.add((f"{address} {mac}", reason), now):
            shown = name[:_SHOWN_NAME]
            self._tell(TftpRefused(at=now, mac=mac, boot=boot, peer=address, reason=reason, name=shown, count=count))

    def malformed(self, address: str, reason: str, now: float) -> None:
        """A datagram on the server port was no request."""
        self._stats.malformed += 1
        if count := self._tally.add((address, "malformed"), now):
            self._tell(TftpMalformed(at=now, peer=address, reason=reason, count=count))

    def abandoned(
        self, peer: tuple[str, int], name: str, reason: str, *, blocks: int, of: int, retries: int, mac: Mac | None,
        boot: str, now: float,
    ) -> None:  # fmt: skip
        """A transfer ended too early."""
        self._stats.abandoned += 1
        # Who has acknowledged something is really there; of the others there may be as many as somebody can forge.
        count = 1 if blocks else self._tally.add((peer[0], "abandoned"), now)
        if not count:
            return
        fact = TftpAbandoned(
            at=now, mac=mac, boot=boot, peer=f"{peer[0]}:{peer[1]}", name=name[:_SHOWN_NAME], reason=reason,
            blocks=blocks, of=of, retries=retries, count=count,
        )  # fmt: skip
        if blocks:
            self._sink(fact)
        else:
            self._tell(fact)

    def _tell(self, fact: Fact) -> None:
        if self._bucket.allow(fact.at):
            self._sink(fact)


class Defects:
    """``with defects:`` around the work for one client: what goes wrong there is told and does not reach the others."""

    __slots__ = ("_clock", "_sink")

    def __init__(self, sink: FactSink, clock: Clock) -> None:
        self._sink = sink
        self._clock = clock

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> bool:
        if not isinstance(error, Exception):
            return False
        reason = f"{type(error).__name__}: {error}"
        self._sink(InternalError(at=self._clock.now(), where="tftp", reason=reason))
        return True
