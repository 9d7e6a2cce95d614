"""Boot storms: all phones get power in the same instant and want an address, the common file and their own file."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.arena import Arena, Server, family, running
from tests.bench.ours import COMMON, HTTP_PORT, YEALINK, Provd, State, prepare, serving
from tests.bench.peers import NGINX, Fleet, kea, missing
from tests.bench.rows_dhcp import answered
from tests.bench.table import OURS, Floor, Report, Row

PEERS = "kea+nginx"
NGINX_PORT = 80


@dataclass(frozen=True)
class Storm:
    """So many phones, known already or never seen; ``cut``: they had their files before the power went."""

    phones: int
    known: bool
    floors: Sequence[Floor]
    cut: bool = False

    @property
    def work(self) -> str:
        kind = "known" if self.known else "never seen"
        after = " after a power cut" if self.cut else ""
        return f"storm: {self.phones:,} {kind} phones{after}, last one ready after"


STORMS = (
    Storm(1000, known=True, floors=(Floor(1, most=True),), cut=True),
    Storm(1000, known=True, floors=(Floor(1, most=True),)),
    Storm(1000, known=False, floors=(Floor(2, most=True),)),
    Storm(5000, known=True, floors=(Floor(1, PEERS, most=True),), cut=True),
    Storm(5000, known=True, floors=(Floor(1, PEERS, most=True),)),
    Storm(5000, known=False, floors=()),
)
_QUIET = 1.5


def measure(arena: Arena, report: Report, *, reps: int, quick: bool) -> None:
    for storm in STORMS:
        if quick and storm.phones > 1000:
            continue
        report.add(*_rows(arena, storm, reps))


def _rows(arena: Arena, storm: Storm, reps: int) -> Sequence[Row]:
    fleet = Fleet(storm.phones if storm.known else 0, YEALINK)
    state = prepare(arena, "state-storm", fleet, devices=fleet.leases)
    if storm.cut:
        _cut_power(arena, state, storm.phones)
    row = Row(storm.work, "s", storm.floors)
    lost = Row("   DHCP messages lost", "", (Floor(0, most=True),))
    folder = _files(arena, Fleet(storm.phones, YEALINK))
    peers = not (NGINX.missing or missing("kea-dhcp4"))
    if not peers:
        row.missing = [PEERS]
    for _ in range(reps):
        with serving(arena, state) as provd:
            _sample(
                arena, OURS, storm, row, lost, [provd.server], HTTP_PORT, "", "secret-%n" if storm.known else "ap%m"
            )
        if peers:
            with _peers(arena, fleet, folder) as servers:
                _sample(arena, PEERS, storm, row, lost, servers, NGINX_PORT, "/provision", "# %m")
    return row, lost


def _cut_power(arena: Arena, state: State, phones: int) -> None:
    """Let every phone fetch its files once, and kill the daemon when it has written what it keeps of that."""
    provd = Provd(arena, state)
    arena.until(provd.server, lambda: answered(arena))
    arena.json_load("storm", *_requests("", HTTP_PORT, "secret-%n"), "-n", phones, "-T", 90, server=provd.server)
    kept = provd.folder / "rendered.new"
    size = -1
    while not kept.exists() or kept.stat().st_size != size:
        size = kept.stat().st_size if kept.exists() else -1
        time.sleep(_QUIET)
    for pid in family(provd.server.pid):
        os.kill(pid, signal.SIGKILL)
    provd.server.program.wait()
    shutil.rmtree(state.folder)
    shutil.copytree(provd.folder, state.folder, ignore=shutil.ignore_patterns("notify", "*.sock", "control*"))


def _requests(below: str, port: int, expected: str) -> tuple[object, ...]:
    return "-f", f"{below}/{COMMON}", "-f", f"{below}/%m.cfg", "-P", port, "-e", expected


def _files(arena: Arena, fleet: Fleet) -> Path:
    """Files of the same sizes as ours, for nginx."""
    root = arena.room("www")
    folder = root / "provision"
    folder.mkdir()
    (folder / COMMON).write_text("# common\n" + "some.parameter = value\n" * 50)
    for k in range(fleet.leases):
        mac = f"{fleet.prefix << 24 | k:012x}"
        (folder / f"{mac}.cfg").write_text(f"# {mac}\n" + "account.1.something = some value\n" * 80)
    for path in (root, folder):
        path.chmod(0o755)
    return root


@contextmanager
def _peers(arena: Arena, fleet: Fleet, folder: Path) -> Iterator[list[Server]]:
    with ExitStack() as stack:
        addresses = stack.enter_context(running(kea(arena, fleet)))
        files = stack.enter_context(running(NGINX.start(arena, folder, NGINX_PORT)))
        arena.until(addresses, lambda: answered(arena))
        yield [addresses, files]


def _sample(
    arena: Arena,
    name: str,
    storm: Storm,
    row: Row,
    lost: Row,
    servers: list[Server],
    port: int,
    below: str,
    expected: str,
) -> None:
    arena.until(servers[0], lambda: answered(arena))
    before = arena.lost()
    found: Any = arena.json_load(
        "storm", *_requests(below, port, expected), "-n", storm.phones, "-T", 90, server=servers[0]
    )
    last = found["ready"]["100"]
    row.add(name, 999.0 if last is None else last)
    resent = found["resent_discover"] + found["resent_request"]
    lost.add(name, resent)
    if resent or arena.lost() > before:
        lost.note(f"{name}: {resent} sent again, {arena.lost() - before} found no room in the server's socket")
    row.note(f"{name}: leased {_parts(found['leased'])}, ready {_parts(found['ready'])}")
    bad = {key: found[key] for key in ("http_again", "naks", "strange", "refused") if found[key]}
    if bad:
        row.note(f"{name}: {bad}")
    if name == OURS:
        row.note(f"{name}: {arena.server_cpu:.2f} s of CPU, load generator {found['cpu']:.2f} s")
    if arena.other > 0.3:
        row.note(f"{name}: {arena.other:.1f} CPUs were busy with something else")


def _parts(times: dict[str, float | None]) -> str:
    said = " / ".join("never" if value is None else f"{value:.2f}" for value in times.values())
    return f"{said} s (50 / 95 / 99 / 100 %)"
