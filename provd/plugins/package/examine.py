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
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from provd.base.errors import PluginError
from provd.plugin import Manifest
from provd.plugins.check import Report, check
from provd.plugins.confine import drop_capabilities
from provd.plugins.loader import load
from provd.plugins.render_engine import Engine
from provd.plugins.render_once import render_once

CPU_SECONDS = 60
MEMORY = 1 << 30
_LARGEST_FILE = 1 << 20


def examine(folder: Path, neighbours: Mapping[str, Path]) -> Report:
    """What ``provd plugin check`` says of the folder beside these plugins."""
    engine = Engine()
    others: list[Manifest] = []
    for plugin, place in neighbours.items():
        with contextlib.suppress(PluginError):  # That one is broken anyway.
            others.append(load(place, plugin))
    return check(folder, others=others, render=lambda job: render_once(folder / "templates", job, engine=engine))


def main() -> None:
    """Confine this process, examine, report."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 5))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_LARGEST_FILE, _LARGEST_FILE))
    os.nice(10)
    drop_capabilities()
    asked = json.load(sys.stdin)
    report = examine(Path(asked["folder"]), {plugin: Path(place) for plugin, place in asked["neighbours"].items()})
    json.dump(asdict(report), sys.stdout)


if __name__ == "__main__":
    main()
