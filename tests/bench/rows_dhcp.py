"""DHCP: exchanges per second of new clients, renewals and reboots, by the number of leases that are there already."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from tests.bench.arena import POOL_SIZE, Arena, Server, running
from tests.bench.ours import Settings, State, prepare, serving
from tests.bench.peers import DHCP, Fleet
from tests.bench.table import OURS, Floor, Report, Row

NEWCOMERS = 1_000_000
"""Number of the first client that no server has seen."""
WINDOW = 64
OPEN_SHARE = 0.8
"""The last fifth of a pool of ours is kept for phones and known clients: newcomers are counted before that."""

Starting = Callable[[], "contextmanager[Server]"]


@dataclass(frozen=True)
class Load:
    """One kind of work: arguments of the generator and the least number of leases that it makes sense with."""

    key: str
    work: str
    unit: str
    floors: Sequence[Floor]
    least: int = 0

    def arguments(self, leases: int, seconds: float) -> list[object]:
        common: list[object] = ["-w", WINDOW, "-t", 2000, "-x", 3, "-T", seconds]
        if self.key == "dora":
            return [*common, "-b", NEWCOMERS, "-n", min(15_000, int(POOL_SIZE * OPEN_SHARE) - leases - 1_000)]
        return [*common, "-m", self.key, "-n", min(leases, 15_000)]


LOADS = (
    Load("dora", "DORA of new clients", "/s", (Floor(1.5, "kea"), Floor(10, "dhcpd"))),
    Load("renew", "renewals", "/s", (Floor(1.5, "kea"),), least=1000),
    Load("reboot", "INIT-REBOOT", "/s", (), least=10_000),
)


@contextmanager
def _ours(arena: Arena, state: State, level: str) -> Iterator[Server]:
    with serving(arena, state, Settings(log_level=level)) as provd:
        yield provd.server


def _starters(arena: Arena, state: State, row: Row) -> dict[str, Callable[[], object]]:
    found: dict[str, Callable[[], object]] = {
        OURS: lambda: _ours(arena, state, "warning"),
        "provd log info": lambda: _ours(arena, state, "info"),
    }
    for peer in DHCP:
        if peer.missing:
            row.missing.append(peer.name)
        else:
            found[peer.name] = lambda peer=peer: running(peer.start(arena, state.fleet))
    return found


def answered(arena: Arena, number: int = NEWCOMERS - 1000) -> bool:
    """Whether one exchange goes through."""
    figures = arena.json_load("dhcp_load", "-n", 1, "-b", number, "-t", 100, "-x", 1)
    return bool(figures["done"])


def measure(arena: Arena, report: Report, *, reps: int, quick: bool) -> None:
    levels = (0, 10_000) if quick else (0, 1000, 10_000, 40_000)
    rates: dict[int, float] = {}
    for leases in levels:
        rows = _level(arena, leases, reps, 1.0 if quick else 3.0)
        report.add(*rows)
        rates[leases] = rows[0].medians.get(OURS, 0.0)
    growth = Row(f"DORA rate at {levels[-1]:,} leases to that at 0", "of it", (Floor(0.9),))
    if rates[0]:
        growth.add(OURS, rates[levels[-1]] / rates[0])
    report.add(growth)


def _level(arena: Arena, leases: int, reps: int, seconds: float) -> list[Row]:
    state = prepare(arena, f"state-{leases}", Fleet(leases))
    loads = [load for load in LOADS if leases >= load.least]
    rows = [Row(f"{load.work}, {leases:,} leases", load.unit, load.floors) for load in loads]
    starters = _starters(arena, state, rows[0])
    for row in rows[1:]:
        row.missing = rows[0].missing
    for _ in range(reps):
        for name, start in starters.items():
            try:
                with start() as server:  # type: ignore[attr-defined]
                    arena.until(server, lambda: answered(arena))
                    arena.json_load("dhcp_load", "-n", 300, "-b", NEWCOMERS - 900, "-w", 16, "-T", 1)
                    for load, row in zip(loads, rows, strict=True):
                        _sample(arena, server, name, load, row, load.arguments(leases, seconds))
            except RuntimeError as error:
                # A peer that chokes on so many leases must not take the other rows with it.
                rows[0].note(f"{name}: {error}")
    return rows


def _sample(arena: Arena, server: Server, name: str, load: Load, row: Row, arguments: list[object]) -> None:
    found = arena.json_load("dhcp_load", *arguments, server=server)
    row.add(name, found["rate"])
    bad = {key: found[key] for key in ("failed", "resent", "naks", "strange", "doubles") if found[key]}
    if bad:
        row.note(f"{name}: {bad}")
    if name.startswith(OURS):
        each = arena.server_cpu / max(found["done"], 1) * 1e6
        row.note(f"{name}: {each:.0f} us CPU each, p50 {found['p50']:.1f} ms, p99 {found['p99']:.1f} ms")
    if arena.other > 0.3:
        row.note(f"{name}: {arena.other:.1f} CPUs were busy with something else")
