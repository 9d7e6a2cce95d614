"""Start with a fleet: seconds until everything is served, and resident memory."""

from __future__ import annotations

from tests.bench.arena import Arena, memory_of, missing, running
from tests.bench.ours import YEALINK, prepare, serving
from tests.bench.peers import Fleet, kea
from tests.bench.rows_dhcp import answered
from tests.bench.table import OURS, Floor, Report, Row

DEVICES = 10_000


def measure(arena: Arena, report: Report, *, reps: int, quick: bool) -> None:
    fleet = Fleet(DEVICES, YEALINK)
    state = prepare(arena, "state-start", fleet, devices=DEVICES)
    ready = Row(f"start with {DEVICES:,} devices and leases until READY", "s", (Floor(1.5, most=True),))
    memory = Row(f"memory with {DEVICES:,} devices and leases", "MB", (Floor(150, most=True),))
    with serving(arena, state):
        pass  # the bytecode is there from now on
    for _ in range(reps):
        with serving(arena, state) as provd:
            ready.add(OURS, provd.ready)
            arena.until(provd.server, lambda: answered(arena))
            memory.add(OURS, memory_of(provd.server.pid))
        if missing("kea-dhcp4"):
            ready.missing = memory.missing = ["kea"]
        else:
            with running(kea(arena, fleet)) as server:
                ready.add("kea", arena.until(server, lambda: answered(arena)))
                memory.add("kea", memory_of(server.pid))
    if not quick:
        memory.note("with everything that the daemon has started, pages that are shared counted for each")
    report.add(ready, memory)
