"""``python -m provd.plugins.package.examine``: check an unpacked package in a process of its own.

What is checked was written by somebody else: its expressions, its templates, the sheer amount of it. Here it can take
neither the daemon's time nor its capabilities. Reads ``{"folder": …, "neighbours": {ID: FOLDER}}`` from standard input
and writes the report as JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from provd.app.ports import RenderJob
from provd.base.errors import PluginError
from provd.plugin import Manifest
from provd.plugins.check import Report, check
from provd.plugins.confine import drop_capabilities
from provd.plugins.loader import load
from provd.plugins.render_engine import Engine
from provd.plugins.render_once import render_once
from provd.plugins.renderd import OutOfTimeError, out_of_time

CPU_SECONDS = 300
"""Processor time of the whole examination."""
FILE_SECONDS = 2.0
"""Processor time of one file, as it has it when phones ask."""
MEMORY = 1 << 30
"""Octets of address space."""
_LARGEST_FILE = 1 << 20


class _EndlessError(Exception):
    """A file that is never finished."""


def examine(folder: Path, neighbours: Mapping[str, Path]) -> Report:
    """What ``provd plugin check`` says of the folder beside these plugins."""
    signal.signal(signal.SIGPROF, out_of_time)
    engine = Engine()

    def render(job: RenderJob) -> bytes:
        signal.setitimer(signal.ITIMER_PROF, FILE_SECONDS)
        try:
            return render_once(folder / "templates", job, engine=engine)
        except OutOfTimeError:
            # One is enough: with the others like it the check would take minutes.
            raise _EndlessError(f"file {job.rule.name}: takes more than {FILE_SECONDS:g} s of processor time") from None
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)

    others: list[Manifest] = []
    for plugin, place in neighbours.items():
        with contextlib.suppress(PluginError):  # That one is broken anyway.
            others.append(load(place, plugin))
    try:
        return check(folder, others=others, render=render)
    except _EndlessError as error:
        return Report(folder.name, "", "unusable", (str(error),), ())


def main() -> None:
    """Confine this process, examine, report."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 5))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_LARGEST_FILE, _LARGEST_FILE))
    with contextlib.suppress(PermissionError):  # politeness only, and a service's system call filter may forbid it
        os.nice(10)
    drop_capabilities()
    asked = json.load(sys.stdin)
    report = examine(Path(asked["folder"]), {plugin: Path(place) for plugin, place in asked["neighbours"].items()})
    json.dump(asdict(report), sys.stdout)


if __name__ == "__main__":
    main()
