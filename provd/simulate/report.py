"""What became of a crowd of simulated phones."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import asdict

from provd.base.dataclass import dataclass
from provd.base.types import Mac
from provd.plugin.phone import Account
from provd.simulate.session import PhoneEvent

_MOST_COMPLAINTS = 50
_AMOUNT = re.compile(r"\d+ packets of audio")

IsTemporary = Callable[[Mac, Account], bool]


@dataclass(frozen=True, slots=True)
class Times:
    """How long the phones took from power-on, in seconds. ``count`` is how many got there."""

    count: int
    median: float = 0.0
    p95: float = 0.0
    longest: float = 0.0

    @classmethod
    def of(cls, seconds: list[float]) -> Times:
        """The figures of these durations."""
        if not seconds:
            return cls(0)
        ordered = sorted(seconds)

        def at(share: float) -> float:
            return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3)

        return cls(len(ordered), at(0.5), at(0.95), round(ordered[-1], 3))

    def __str__(self) -> str:
        if not self.count:
            return "none"
        return f"{self.count} (median {self.median:.2f} s, 95 % {self.p95:.2f} s, longest {self.longest:.2f} s)"


@dataclass(frozen=True, slots=True, kw_only=True)
class CrowdReport:
    """The summary: how many phones got how far and how fast, and what they complained about."""

    phones: int
    seconds: float
    ok: bool
    addresses: Times
    files: Times
    accounts: Times
    claimed: Times
    served: int
    missing: int
    failed: int
    retransmissions: int
    registered: Times = Times(0)
    calls: tuple[tuple[str, int], ...] = ()
    """What people heard, and how many of them."""
    notified: int = 0
    upgrades: int = 0
    complaints: tuple[tuple[str, int], ...] = ()
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return asdict(self)

    def lines(self) -> list[str]:
        """The summary for people."""
        return [
            f"{_many(self.phones)} in {self.seconds:.1f} s: {'all done' if self.ok else 'NOT all done'}",
            f"  address        {self.addresses}",
            f"  first file     {self.files}",
            f"  an account     {self.accounts}",
            f"  a user's own   {self.claimed}",
            f"  files          {self.served} served, {self.missing} not there, {self.failed} failed",
            f"  DHCP           {self.retransmissions} messages sent again",
            *([f"  registered     {self.registered}"] if self.registered.count else []),
            *(f"  a call         {text} ({count} times)" for text, count in self.calls),
            *([f"  NOTIFY         {self.notified} obeyed"] if self.notified else []),
            *([f"  firmware       {self.upgrades} times another one installed"] if self.upgrades else []),
            *(f"  complaint      {text} ({count} times)" for text, count in self.complaints),
            *(f"  note           {text}" for text in self.notes),
        ]


class Tally:
    """Counts what happens to phones."""

    def __init__(self, is_temporary: IsTemporary) -> None:
        self._is_temporary = is_temporary
        self._started: dict[Mac, float] = {}
        self._reached: dict[str, dict[Mac, float]] = {
            goal: {} for goal in ("address", "file", "account", "claimed", "registered")
        }
        self._kinds: Counter[str] = Counter()
        self._complaints: Counter[str] = Counter()
        self._calls: Counter[str] = Counter()

    def hear(self, event: PhoneEvent) -> None:
        """Take note of an event."""
        self._kinds[event.kind] += 1
        mac = event.mac
        if event.kind == "start":
            self._started.setdefault(mac, event.at)
        elif event.kind in {"address", "file", "registered"}:
            self._reach(event.kind, event)
        elif event.kind == "settled" and event.accounts:
            self._reach("account", event)
            if not all(self._is_temporary(mac, account) for account in event.accounts):
                self._reach("claimed", event)
        elif event.kind == "heard":
            self._calls[_AMOUNT.sub("audio", event.text)] += 1
        elif event.kind == "complaint":
            text = event.text.replace(mac, "<mac>")
            if text in self._complaints or len(self._complaints) < _MOST_COMPLAINTS:
                self._complaints[text] += 1

    def reached(self, goal: str) -> Collection[Mac]:
        """The phones that got to ``address``, ``file``, ``account``, ``claimed`` or ``registered``."""
        return self._reached[goal].keys()

    def report(self, *, ok: bool, seconds: float, retransmissions: int, notes: tuple[str, ...]) -> CrowdReport:
        """The summary so far."""
        times = {goal: Times.of(list(reached.values())) for goal, reached in self._reached.items()}
        return CrowdReport(
            phones=len(self._started),
            seconds=round(seconds, 3),
            ok=ok,
            addresses=times["address"],
            files=times["file"],
            accounts=times["account"],
            claimed=times["claimed"],
            served=self._kinds["file"],
            missing=self._kinds["missing"],
            failed=self._kinds["failed"] + self._kinds["no-address"],
            retransmissions=retransmissions,
            registered=times["registered"],
            calls=tuple(self._calls.most_common(_MOST_COMPLAINTS)),
            notified=self._kinds["notified"],
            upgrades=self._kinds["firmware"],
            complaints=tuple(self._complaints.most_common()),
            notes=notes,
        )

    def _reach(self, goal: str, event: PhoneEvent) -> None:
        self._reached[goal].setdefault(event.mac, event.at - self._started[event.mac])


def _many(count: int) -> str:
    return "1 phone" if count == 1 else f"{count} phones"
