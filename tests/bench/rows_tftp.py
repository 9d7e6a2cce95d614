"""TFTP: small files, one large file, a hundred large files at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.bench.arena import POOL, Arena, Server, running
from tests.bench.ours import Settings, prepare, serving
from tests.bench.peers import TFTP, Fleet, Peer, find_atftpd
from tests.bench.table import OURS, Floor, Report, Row

SIZES = {"config4k.bin": 4096, "image4m.bin": 4 << 20, "image16m.bin": 16 << 20}
PLUGIN = "benchfiles"


@dataclass(frozen=True)
class Load:
    """``figure`` is the key of the generator's figures that counts."""

    work: str
    unit: str
    figure: str
    floors: Sequence[Floor]
    arguments: Sequence[object]
    turns: int = 5
    """Of those who are compared; short ones, for a neighbour's work on the same machine comes in spells."""
    quick: bool = True
    large: bool = False
    """Of a large file, which somebody has had before it is measured."""


SMALL = ("-f", "config4k.bin", "-n", 30_000, "-c", 32, "-T", 1)
CROWD = ("-f", "image4m.bin", "-n", 100, "-c", 100, "-b", 1428)
LOADS = (
    Load("4 kB, 32 at a time, blksize 512", "/s", "rate", (Floor(1.5, "atftpd"),), SMALL),
    Load("4 kB, 32 at a time, blksize 1428", "/s", "rate", (Floor(1.5, "atftpd"),), (*SMALL, "-b", 1428)),
    Load(
        "16 MB, one client, blksize 1428, windowsize 16",
        "MB/s",
        "megabytes",
        (Floor(1.5, "atftpd"),),
        ("-f", "image16m.bin", "-n", 6, "-c", 1, "-b", 1428, "-w", 16, "-T", 2),
        large=True,
    ),
    Load(
        "100 clients x 4 MB, blksize 1428",
        "MB/s",
        "megabytes",
        (Floor(0.8, "dnsmasq"),),
        CROWD,
        turns=3,
        quick=False,
        large=True,
    ),
    Load(
        "100 clients x 4 MB, blksize 1428, windowsize 16",
        "MB/s",
        "megabytes",
        (Floor(2, "dnsmasq"),),
        (*CROWD, "-w", 16),
        turns=3,
        quick=False,
        large=True,
    ),
)


def write_files(folder: Path) -> None:
    """The same octets at every run."""
    random = Random(7)
    for name, size in SIZES.items():
        (folder / name).write_bytes(random.randbytes(size))


def write_plugin(plugins: Path) -> Path:
    """A plugin whose ``static`` folder has the files; gives that folder."""
    folder = plugins / PLUGIN
    static = folder / "static"
    static.mkdir(parents=True)
    rules = "".join(
        f'[[file]]\nname = "{name}"\nkind = "static"\ntemplate = "{name}"\nsecrets = false\n' for name in SIZES
    )
    (folder / "plugin.toml").write_text(
        f'id = "{PLUGIN}"\nversion = "1.0.0"\ncontract = 1\nvendor = "Bench"\nlicense = "Apache-2.0"\n'
        f'description = "Files of known sizes"\n[[model]]\nname = "B1"\n{rules}'
    )
    write_files(static)
    static.chmod(0o755)
    return static


@contextmanager
def _ours(arena: Arena, plugins: Path, level: str) -> Iterator[Server]:
    state = prepare(arena, "state-tftp", Fleet())
    with serving(arena, state, Settings(log_level=level, plugins=plugins)) as provd:
        yield provd.server


def _absent(arena: Arena, peer: Peer) -> bool:
    return peer.missing or (peer.name == "atftpd" and not find_atftpd(arena))


def measure(arena: Arena, report: Report, *, reps: int, quick: bool) -> None:
    with arena.awake():
        _measure(arena, report, reps=reps, quick=quick)


def _measure(arena: Arena, report: Report, *, reps: int, quick: bool) -> None:
    plugins = arena.room("plugins")
    static = write_plugin(plugins)
    loads = [load for load in LOADS if load.quick or not quick]
    rows = [Row(f"TFTP {load.work}", load.unit, load.floors) for load in loads]
    starters: dict[str, Callable[[], object]] = {
        OURS: lambda: _ours(arena, plugins, "warning"),
        "provd log info": lambda: _ours(arena, plugins, "info"),
    }
    for peer in TFTP:
        if _absent(arena, peer):
            for row in rows:
                row.missing.append(peer.name)
        else:
            starters[peer.name] = lambda peer=peer: running(peer.start(arena, static))
    for load, row in zip(loads, rows, strict=True):
        # Who is compared takes turns with us, now before and now after; the others are there for information.
        compared = [OURS, *(floor.peer for floor in load.floors if floor.peer in starters)]
        for turn in range(max(reps, load.turns)):
            names = compared[:: -1 if turn % 2 else 1]
            if not turn and not quick:
                names += [name for name in starters if name not in compared]
            for name in names:
                with starters[name]() as server:  # type: ignore[attr-defined]
                    arena.until(server, lambda: _answers(arena, static))
                    _sample(arena, server, name, load, row, static)
        report.add(row)


def _answers(arena: Arena, static: Path) -> bool:
    figures = arena.json_load("tftp_load", "-f", "config4k.bin", "-d", static, "-n", 1, "-c", 1, "-t", 200, "-x", 1)
    return bool(figures["good"])


def _sample(arena: Arena, server: Server, name: str, load: Load, row: Row, static: Path) -> None:
    # Every phone has an address of its own, as on a LAN: servers may share out their slots by address.
    phones = ("-d", static, "-a", POOL, "-k", 1000)
    if load.large:
        # The first one of a run is another figure: the file is copied, hashed and cut into datagrams then.
        once = (*load.arguments[:2], "-n", 1, "-c", 1, "-b", 1428, "-w", 16)
        first = arena.json_load("tftp_load", *phones, *once, server=server)
        if name == OURS and not row.samples:
            row.note(f"{name}: the first one after the start takes {first['max']:.0f} ms")
    else:
        arena.json_load("tftp_load", *phones, *load.arguments[:2], "-n", 200, "-c", 1)
    found = arena.json_load("tftp_load", *phones, *load.arguments, server=server)
    row.add(name, found[load.figure])
    bad = {key: found[key] for key in ("wrong", "refused", "lost", "resent", "error") if found[key]}
    if bad:
        row.note(f"{name}: {bad}")
    if "-w" in load.arguments and found["windowsize"] == 1:
        row.note(f"{name} does not know windowsize")
    row.spend(name, arena.server_cpu / max(found["good"], 1) * 1e6)
    share = found["cpu"] / found["seconds"]
    if share > 0.9:
        row.note(f"{name}: the load took {share:.2f} of its CPU, so it was the limit")
    if arena.other > 0.3:
        row.note(f"{name}: {arena.other:.1f} CPUs were busy with something else")
