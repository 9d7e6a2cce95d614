"""Identification and routing: how many a second, and that they do not take longer with many plugins."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from provd.domain.evidence import Evidence, Identity
from provd.domain.identify import Index
from provd.domain.route import choose
from provd.plugins.catalogue import bundled_plugins
from provd.plugins.loader import load
from tests.bench.arena import Arena
from tests.bench.rows_packages import generated
from tests.bench.table import OURS, Floor, Report, Row

FEW = ("cisco_spa", "yealink")
MANY = 40
ROUNDS = 1000
TURNS = 15
EVIDENCE = (
    Evidence(via="http", user_agent="Yealink SIP-T21P_E2 52.84.0.15 80:5e:c0:11:22:33", name="805ec0112233.cfg"),
    Evidence(via="http", user_agent="Cisco/SPA504G-7.4.9c (CBT141900G7)(0022bd112233)", name="spa504g.cfg"),
    Evidence(via="http", user_agent="Mozilla/5.0 (X11; Linux x86_64)", name="index.html"),
    Evidence(via="tftp", name="spa0022bd112233.cfg"),
)
"""As phones of the few ask: several have ``{mac}.cfg`` among all, and texts that begin alike."""

NAMES = (
    "805ec0112233.cfg",
    "spa504g.cfg",
    "y000000000045.cfg",
    "index.html",
    "spa0022bd112233.cfg",
    "80-5e-c0-11-22-33.boot",
)
KNOWN = Identity(plugin="yealink", model="T21P_E2", confidence=95)


def identified(index: Index) -> None:
    for evidence in EVIDENCE:
        index.identify(evidence)


def routed(index: Index) -> None:
    for name in NAMES:
        choose(index.routes.find(name), KNOWN)


def rates(work: Callable[[Index], None], indices: tuple[Index, Index]) -> tuple[float, float]:
    """How often a second with either, timed in turns: the machine's own speed changes within seconds. The best of all
    turns of each."""
    best = [float("inf"), float("inf")]
    for _ in range(TURNS):
        for place, index in enumerate(indices):
            began = time.process_time()
            for _ in range(ROUNDS):
                work(index)
            best[place] = min(best[place], time.process_time() - began)
    return ROUNDS / best[0], ROUNDS / best[1]


def measure(arena: Arena, report: Report, *, reps: int, quick: bool) -> None:
    del arena, quick
    bundled = sorted(manifest.parent for manifest in bundled_plugins().glob("[!_]*/plugin.toml"))
    real = [load(folder) for folder in bundled]
    few = [plugin for plugin in real if plugin.id in FEW]
    with tempfile.TemporaryDirectory(prefix="provd-bench-") as place:
        others = [load(generated(Path(place), number)) for number in range(MANY - len(FEW))]
    plain = Index.build(few)
    grown = {f"{MANY}": Index.build([*few, *others]), f"all {len(real)} real": Index.build(real)}
    for what, work, count in (("identifications", identified, len(EVIDENCE)), ("routes", routed, len(NAMES))):
        base = Row(f"{what}, {len(FEW)} plugins", "/s")
        growths = [Row(f"   the rate with {many} plugins to that", "of it", (Floor(0.9),)) for many in grown]
        for _ in range(reps):
            for growth, index in zip(growths, grown.values(), strict=True):
                before, after = rates(work, (plain, index))
                growth.add(OURS, after / before)
            base.add(OURS, before * count)
        report.add(base, *growths)
