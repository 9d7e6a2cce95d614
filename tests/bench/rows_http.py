"""HTTP: a fleet fetching its $MAC files, phones that nobody has seen, and an edit that touches every file."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.bench.arena import PYTHON, ROOT, SERVER, Arena, Server, missing, running
from tests.bench.ours import AGENT, HTTP_PORT, PROFILE, YEALINK, Provd, Settings, State, prepare, serving
from tests.bench.peers import NGINX, Fleet
from tests.bench.table import OURS, Floor, Report, Row

KNOWN = 1000
SHARING = 5000
PEER_RATE = 1120
"""Requests per second of the only other provisioning server that was measured, on the same kind of machine."""
NGINX_PORT = 8077
_EDITED_FOR = 10


def agent_of(fleet: Fleet, number: int) -> str:
    return f"{AGENT} {fleet.colons(number)}"


def write_targets(path: Path, state: State, count: int) -> Path:
    """What each phone asks for: below its own token, so that no address has to prove who it is."""
    fleet = state.fleet
    lines = (f"/{state.tokens[k]}/{fleet.mac(k)}.cfg\t{agent_of(fleet, k)}\n" for k in range(count))
    path.write_text("".join(lines))
    return path


def wrk(arena: Arena, server: Server, port: int, *words: object, seconds: float, close: bool = False) -> Any:
    """Run wrk with 64 connections; gives the figures of ``fleet.lua``."""
    script = Path(__file__).with_name("fleet.lua")
    header = ("-H", "Connection: close") if close else ()
    output = arena.load(
        *(
            "wrk",
            "-t1",
            "-c64",
            f"-d{seconds:g}s",
            "--latency",
            *header,
            "-s",
            script,
            f"http://{SERVER}:{port}/",
            "--",
        ),
        *map(str, words),
        server=server,
    )
    return json.loads(output.strip().rsplit("\n", 1)[1])


def fetch(arena: Arena, target: str) -> bytes:
    """One file as its phone gets it. ``target`` is a line of :func:`write_targets`."""
    path, agent = target.split("\t")
    code = (
        "import sys, urllib.request as r; "
        "sys.stdout.buffer.write(r.urlopen(r.Request(sys.argv[1], headers={'User-Agent': sys.argv[2]})).read())"
    )
    url = f"http://{SERVER}:{HTTP_PORT}{path}"
    command = arena.client_command(PYTHON, "-c", code, url, agent)
    return subprocess.run(command, check=True, capture_output=True, timeout=20).stdout


def write_copies(folder: Path, body: bytes, fleet: Fleet, count: int) -> None:
    """The file of phone 0 for every phone, with its MAC in the place of the other, as nginx's static files."""
    folder.chmod(0o755)
    plain, colons = fleet.mac(0), fleet.colons(0)
    for k in range(count):
        text = body.replace(plain.encode(), fleet.mac(k).encode()).replace(colons.encode(), fleet.colons(k).encode())
        (folder / f"{fleet.mac(k)}.cfg").write_bytes(text)


def measure(arena: Arena, report: Report, *, reps: int, quick: bool) -> None:
    if missing("wrk"):
        print("wrk is missing: nothing is measured")
        return
    seconds = 1.0 if quick else 3.0
    report.add(*_fleet(arena, reps, seconds))
    report.add(*_newcomers(arena, reps, seconds))
    report.add(_edit(arena, reps))


def _note(arena: Arena, row: Row, name: str, found: Any) -> None:
    bad = {key: found[key] for key in ("status", "broken", "timeouts") if found[key]}
    if bad:
        row.note(f"{name}: requests without a 200: {bad}")
    if name.startswith(OURS):
        each = arena.server_cpu / max(found["done"], 1) * 1e6
        size = found["octets"] // max(found["done"], 1)
        row.note(f"{name}: {each:.0f} us CPU each, {size} octets, p50 {found['p50']:.1f} ms, p99 {found['p99']:.1f} ms")
    if arena.other > 0.3:
        row.note(f"{name}: {arena.other:.1f} CPUs were busy with something else")


def _fleet(arena: Arena, reps: int, seconds: float) -> Sequence[Row]:
    fleet = Fleet(KNOWN, YEALINK)
    state = prepare(arena, "state-fleet", fleet, devices=KNOWN)
    targets = write_targets(arena.folder / "targets", state, KNOWN)
    kept = Row(f"$MAC files of {KNOWN:,} phones, kept connections", "/s", (Floor(0.3, "nginx"), Floor(6 * PEER_RATE)))
    slowest = Row("   99 % of these within", "ms", (Floor(20, most=True),))
    closed = Row(f"$MAC files of {KNOWN:,} phones, a connection for each", "/s", (Floor(0.3, "nginx"),))
    folder = arena.room("www")

    def run(name: str, server: Server, port: int, words: Sequence[object]) -> None:
        wrk(arena, server, port, *words, seconds=3)  # every file has been rendered then
        found = wrk(arena, server, port, *words, seconds=seconds)
        kept.add(name, found["rate"])
        slowest.add(name, found["p99"])
        _note(arena, kept, name, found)
        found = wrk(arena, server, port, *words, seconds=seconds, close=True)
        closed.add(name, found["rate"])
        _note(arena, closed, name, found)

    for _ in range(reps):
        for name, level in ((OURS, "warning"), ("provd log info", "info")):
            with serving(arena, state, Settings(log_level=level)) as provd:
                if not any(folder.iterdir()):
                    body = fetch(arena, targets.read_text().split("\n", 1)[0])
                    write_copies(folder, body, fleet, KNOWN)
                run(name, provd.server, HTTP_PORT, ("known", targets))
        if NGINX.missing:
            kept.missing = closed.missing = ["nginx"]
            continue
        static = arena.folder / "static-targets"
        static.write_text("".join(f"/{fleet.mac(k)}.cfg\t{agent_of(fleet, k)}\n" for k in range(KNOWN)))
        with running(NGINX.start(arena, folder, NGINX_PORT)) as server:
            arena.until(server, lambda: _listens(arena, NGINX_PORT))
            run("nginx", server, NGINX_PORT, ("known", static))
    return kept, slowest, closed


def _listens(arena: Arena, port: int) -> bool:
    state = arena.run(arena.server, "cat", "/proc/net/tcp").stdout
    return f":{port:04X} 00000000:0000 0A" in state


def _newcomers(arena: Arena, reps: int, seconds: float) -> Sequence[Row]:
    empty = prepare(arena, "state-0", Fleet(0, YEALINK))
    many = prepare(arena, "state-10000", Fleet(10_000, YEALINK), devices=10_000)
    rows = [
        Row("first contact of new phones", "/s", (Floor(500),)),
        Row("first contact of new phones, 10,000 devices", "/s", (Floor(500),)),
    ]
    ratio = Row("   the rate at 10,000 devices to that at 0", "of it", (Floor(0.9),))
    for _ in range(reps):
        for state, row in zip((empty, many), rows, strict=True):
            # Their addresses prove nothing here: such a site hands out its files openly.
            with serving(arena, state, Settings(secrets="open")) as provd:
                found = wrk(arena, provd.server, HTTP_PORT, "new", f"{YEALINK:06x}", 100_000, AGENT, seconds=seconds)
                row.add(OURS, found["rate"])
                _note(arena, row, OURS, found)
    medians = [row.medians[OURS] for row in rows]
    ratio.add(OURS, medians[1] / medians[0])
    return [*rows, ratio]


def _edit(arena: Arena, reps: int) -> Row:
    state = prepare(arena, "state-sharing", Fleet(SHARING, YEALINK), devices=SHARING)
    targets = write_targets(arena.folder / "targets", state, SHARING)
    row = Row(f"slowest request while a profile of {SHARING:,} phones is edited", "ms", (Floor(100, most=True),))
    for _ in range(reps):
        with serving(arena, state) as provd:
            wrk(arena, provd.server, HTTP_PORT, "known", targets, seconds=6)
            calm = wrk(arena, provd.server, HTTP_PORT, "known", targets, seconds=2)
            edited: list[float] = []
            began = time.perf_counter()

            def work(provd: Provd = provd, edited: list[float] = edited) -> None:
                edit(arena, provd)
                edited.append(time.perf_counter())

            # The command line shares a CPU with the load: it has to be done long before that ends.
            editor = threading.Thread(target=work)
            editor.start()
            found = wrk(arena, provd.server, HTTP_PORT, "known", targets, seconds=_EDITED_FOR)
            editor.join()
            row.add(OURS, found["max"])
            _note(arena, row, OURS, found)
            row.note(f"edited {edited[0] - began:.1f} s into {_EDITED_FOR} s, the slowest {found['max']:.0f} ms")
            row.note(f"without an edit {calm['rate']:,.0f}/s and {calm['max']:.0f} ms, with it {found['rate']:,.0f}/s")
    return row


def edit(arena: Arena, provd: Provd) -> None:
    """Change the profile through the command line."""
    command = ("-m", "provd", "--config", provd.config, "profile", "set", PROFILE, "--set", "ntp.server=10.77.0.9")
    inside = ["ip", "netns", "exec", arena.server, "taskset", "-c", "1", PYTHON, *map(str, command)]
    subprocess.run(inside, check=True, cwd=ROOT, capture_output=True, timeout=30)
