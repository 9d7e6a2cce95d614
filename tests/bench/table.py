"""What was measured: samples in alternation, medians, ratios, and a verdict on each row.

A ratio is the median over the repetitions of ours to the peer's sample of the same repetition: the machine's speed
changes by half within minutes, and hardly between two neighbours.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

OURS = "provd"


@dataclass(frozen=True)
class Floor:
    """What is asked of us: ``factor`` times a peer's figure (or, without a peer, ``factor`` itself).

    ``most`` turns it round: not more than that.
    """

    factor: float
    peer: str = ""
    most: bool = False

    def judge(self, row: Row) -> tuple[bool, str] | None:
        """Whether it is met, and in words; None when one of the two was not measured."""
        measured = row.ratio(self.peer) if self.peer else row.medians.get(OURS)
        if measured is None:
            return None
        met = measured <= self.factor if self.most else measured >= self.factor
        asked = f"{self.factor:g} x {self.peer}" if self.peer else number(self.factor)
        share = f"; we are at {measured / self.factor:.2f} of it" if self.factor else ""
        return met, f"{'at most' if self.most else 'at least'} {asked}{share}"


@dataclass
class Row:
    """One kind of work. ``samples`` of every server, and the CPU they took for each piece of it in us (``spent``);
    ``notes`` are printed below."""

    work: str
    unit: str
    floors: Sequence[Floor] = ()
    samples: dict[str, list[float]] = field(default_factory=dict)
    spent: dict[str, list[float]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def add(self, server: str, value: float) -> None:
        self.samples.setdefault(server, []).append(value)

    def spend(self, server: str, microseconds: float) -> None:
        self.spent.setdefault(server, []).append(microseconds)

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    @property
    def medians(self) -> dict[str, float]:
        return {server: statistics.median(values) for server, values in self.samples.items()}

    def ratio(self, server: str) -> float | None:
        """Ours to another server's; None when one of them was not measured, or was at nothing."""
        ours, others = self.samples.get(OURS, []), self.samples.get(server, [])
        if not ours or not others:
            return None
        if len(ours) == len(others) and all(others):
            return statistics.median(mine / theirs for mine, theirs in zip(ours, others, strict=True))
        middle = statistics.median(others)
        return statistics.median(ours) / middle if middle else None

    def verdict(self) -> str:
        """One line: met, missed and by how much, or why it cannot be said."""
        if OURS not in self.medians:
            return "not measured"
        if not self.floors:
            return "no floor: for information"
        said = []
        for floor in self.floors:
            judged = floor.judge(self)
            if judged is None:
                said.append(f"{floor.peer} is missing: no verdict")
                continue
            met, text = judged
            said.append(f"{'ok' if met else 'MISSED'} ({text})")
        return "; ".join(said)

    def lines(self) -> list[str]:
        """The row as text."""
        medians = self.medians
        lines = [f"{self.work} [{self.unit}]"]
        for server, median in medians.items():
            values = self.samples[server]
            spread = f"({number(min(values))}..{number(max(values))})" if len(values) > 1 else ""
            times = None if server == OURS else self.ratio(server)
            ratio = "" if times is None else f"provd is {times:.2f} x this"
            cost = f"{statistics.median(self.spent[server]):,.0f} us CPU each" if server in self.spent else ""
            lines.append(f"    {server:<22} {number(median):>11}  {spread:<22} {cost:<22} {ratio}".rstrip())
        lines += [f"    {server:<22} missing" for server in self.missing if server not in medians]
        lines += [f"    . {note}" for note in self.notes]
        lines.append(f"    => {self.verdict()}")
        return lines


def number(value: float) -> str:
    """Three or four digits that matter."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 100 else f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}"


class Report:
    """The rows of a run, printed as they are finished."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def add(self, *rows: Row) -> None:
        for row in rows:
            self.rows.append(row)
            print("\n".join(row.lines()), flush=True)

    def summary(self) -> str:
        width = max((len(row.work) for row in self.rows), default=0)
        lines = []
        for row in self.rows:
            ours = row.medians.get(OURS)
            figure = f"{number(ours)} {row.unit}" if ours is not None else "-"
            lines.append(f"{row.work:<{width}}  {figure:>18}  {row.verdict()}")
        return "\n".join(lines)
