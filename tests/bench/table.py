"""What was measured: samples in alternation, medians, ratios, and a verdict on each row."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

OURS = "provd"
Medians = Mapping[str, float]


@dataclass(frozen=True)
class Floor:
    """What is asked of us: ``factor`` times a peer's figure (or, without a peer, ``factor`` itself).

    ``most`` turns it round: not more than that.
    """

    factor: float
    peer: str = ""
    most: bool = False

    def limit(self, medians: Medians) -> float | None:
        """The figure that is asked for; None when the peer was not measured."""
        if not self.peer:
            return self.factor
        return self.factor * medians[self.peer] if self.peer in medians else None

    def judge(self, medians: Medians) -> tuple[bool, str] | None:
        limit = self.limit(medians)
        if limit is None or OURS not in medians:
            return None
        ours = medians[OURS]
        met = ours <= limit if self.most else ours >= limit
        name = f"{self.factor:g} x {self.peer} = {number(limit)}" if self.peer else number(limit)
        return met, f"{'at most' if self.most else 'at least'} {name}"


@dataclass
class Row:
    """One kind of work. ``samples`` of every server; ``notes`` are printed below."""

    work: str
    unit: str
    floors: Sequence[Floor] = ()
    samples: dict[str, list[float]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def add(self, server: str, value: float) -> None:
        self.samples.setdefault(server, []).append(value)

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    @property
    def medians(self) -> dict[str, float]:
        return {server: statistics.median(values) for server, values in self.samples.items()}

    def verdict(self) -> str:
        """One line: met, missed and by how much, or why it cannot be said."""
        medians = self.medians
        if OURS not in medians:
            return "not measured"
        if not self.floors:
            return "no floor: for information"
        said = []
        for floor in self.floors:
            judged = floor.judge(medians)
            if judged is None:
                said.append(f"{floor.peer} is missing: no verdict")
                continue
            met, text = judged
            limit = floor.limit(medians)
            share = f"; we are at {medians[OURS] / limit:.2f} of it" if limit else ""
            said.append(f"{'ok' if met else 'MISSED'} ({text}{share})")
        return "; ".join(said)

    def lines(self) -> list[str]:
        """The row as text."""
        medians = self.medians
        ours = medians.get(OURS)
        lines = [f"{self.work} [{self.unit}]"]
        for server, median in medians.items():
            values = self.samples[server]
            spread = f"({number(min(values))}..{number(max(values))})" if len(values) > 1 else ""
            ratio = "" if server == OURS or not ours or not median else f"provd is {ours / median:.2f} x this"
            lines.append(f"    {server:<22} {number(median):>11}  {spread:<22} {ratio}".rstrip())
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
