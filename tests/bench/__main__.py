"""Side by side with the peers that are installed: ``python -m tests.bench [SECTION …] [--reps N] [--quick]``.

Sections: dhcp tftp http sip storm start identify activation render packages tasks (all of them without a name). Each
server is measured in the same run, in two network namespaces, alone on one CPU while the load has the other (for TFTP,
where both wait for each other's packets, no CPU halts meanwhile); figures are medians, ratios those of neighbouring
samples. It needs root and, for the peers, Debian's kea-dhcp4-server, isc-dhcp-server, dnsmasq-base, tftpd-hpa,
nginx-light, wrk, sip-tester and gcc, for activation PostgreSQL 15; what is missing is said and left out. Nothing here
fails: the last lines say which floors are met.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from pathlib import Path

from tests.bench.arena import Arena, missing
from tests.bench.table import Report

SECTIONS = ("dhcp", "tftp", "http", "sip", "storm", "start", "identify", "activation", "render", "packages", "tasks")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("section", nargs="*", choices=[*SECTIONS, []], help="what to measure; default: everything")
    parser.add_argument("--reps", type=int, default=3, help="repetitions of each figure (default 3)")
    parser.add_argument("--quick", action="store_true", help="one short repetition of less")
    parser.add_argument("--scratch", type=Path, help="where state and lease files lie; default: the temporary folder")
    parser.add_argument(
        "--realtime",
        action="store_true",
        help="for a machine with other work: both in the kernel's round-robin class. It stops them for 50 ms in every "
        "busy second, so that 99 %% and slowest times say nothing",
    )
    chosen = parser.parse_args()
    lacking = missing("ip", "gcc", "taskset")
    if os.geteuid() or lacking:
        print(f"nothing is measured: needs {lacking or 'root, for network namespaces'}")
        return 0
    report = Report()
    with Arena(chosen.scratch, realtime=chosen.realtime) as arena:
        for section in chosen.section or SECTIONS:
            print(f"\n== {section}", flush=True)
            measure = importlib.import_module(f"tests.bench.rows_{section}").measure
            measure(arena, report, reps=1 if chosen.quick else chosen.reps, quick=chosen.quick)
    print(f"\n== verdicts\n{report.summary()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
