"""Identification: evidence per second, and that it does not take longer with many plugins."""

from __future__ import annotations

import time
from dataclasses import replace

from provd.domain.evidence import Evidence
from provd.domain.identify import Index
from provd.plugin import Manifest, Match, OuiRule
from provd.plugins.catalogue import bundled_plugins
from provd.plugins.loader import MANIFEST, load
from tests.bench.arena import Arena
from tests.bench.table import OURS, Floor, Report, Row

OTHERS = 200
ROUNDS = 2000
EVIDENCE = (
    Evidence(via="http", user_agent="Yealink SIP-T21P_E2 52.84.0.15 80:5e:c0:11:22:33", name="805ec0112233.cfg"),
    Evidence(via="http", user_agent="Cisco/SPA504G-7.4.9c (CBT141900G7)(0022bd112233)", name="spa504g.cfg"),
    Evidence(via="http", user_agent="Mozilla/5.0 (X11; Linux x86_64)", name="index.html"),
    Evidence(via="tftp", name="spa0022bd112233.cfg"),
)


def synthetic(number: int) -> Manifest:
    """A plugin that has nothing to do with the evidence."""
    word = f"vendor{number}"
    match = Match("user_agent", (f"{word} ",), rf"{word} (?P<version>\d{{1,3}})", 90)
    return Manifest(
        id=word,
        version="1.0.0",
        contract=1,
        vendor=word,
        license="Apache-2.0",
        description="",
        models=(),
        matches=(match, replace(match, source="option60")),
        ouis=(OuiRule((f"02{number:04x}",)),),
    )


def rate(index: Index) -> float:
    """Identifications a second, the best of five turns."""
    times = []
    for _ in range(5):
        began = time.process_time()
        for _ in range(ROUNDS):
            for evidence in EVIDENCE:
                index.identify(evidence)
        times.append(time.process_time() - began)
    return ROUNDS * len(EVIDENCE) / min(times)


def measure(arena: Arena, report: Report, *, reps: int, quick: bool) -> None:
    del arena, quick
    bundled = [load(path.parent) for path in sorted(bundled_plugins().glob(f"[a-z]*/{MANIFEST}"))]
    few, many = Index.build(bundled), Index.build([*bundled, *map(synthetic, range(OTHERS))])
    plain = Row(f"identifications, {len(bundled)} plugins", "/s")
    growth = Row(f"   the rate with {OTHERS} more plugins to that", "of it", (Floor(0.9),))
    for _ in range(reps):
        before, after = rate(few), rate(many)
        plain.add(OURS, before)
        growth.add(OURS, after / before)
    report.add(plain, growth)
