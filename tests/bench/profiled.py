"""provd's command line with a sampler: ``PROVD_BENCH_PROFILE=FILE python -m tests.bench.profiled serve …``.

Every millisecond of CPU the stack of the event loop's thread is noted; the file tells where the time goes, by line,
by function and by function with everything it called. Slows the daemon down far less than cProfile, and evenly.
"""

import collections
import os
import signal
from pathlib import Path
from types import FrameType

from provd.cli import main

INTERVAL = 0.001
ROWS = 70


class Sampler:
    """Counts stacks while it is on."""

    def __init__(self) -> None:
        self.samples = 0
        self.lines: collections.Counter[str] = collections.Counter()
        self.own: collections.Counter[str] = collections.Counter()
        self.whole: collections.Counter[str] = collections.Counter()

    def note(self, _number: int, frame: FrameType | None) -> None:
        self.samples += 1
        seen = set()
        top = True
        while frame is not None:
            code = frame.f_code
            where = f"{_short(code.co_filename)}:{code.co_firstlineno} {code.co_qualname}"
            if top:
                self.lines[f"{_short(code.co_filename)}:{frame.f_lineno} {code.co_qualname}"] += 1
                self.own[where] += 1
                top = False
            seen.add(where)
            frame = frame.f_back
        self.whole.update(seen)

    def report(self) -> str:
        parts = [f"{self.samples} samples of {INTERVAL * 1e3:g} ms CPU"]
        for title, counter in (("lines", self.lines), ("functions", self.own), ("with what they call", self.whole)):
            parts.append(f"\n== {title}")
            for where, count in counter.most_common(ROWS):
                parts.append(f"{100 * count / max(self.samples, 1):6.2f} %  {where}")
        return "\n".join(parts) + "\n"


def _short(path: str) -> str:
    return "/".join(path.rsplit("/", 3)[-3:])


def run() -> None:
    sampler = Sampler()
    signal.signal(signal.SIGPROF, sampler.note)
    # From here on only what happens after the start counts: the start has its own figure.
    signal.signal(signal.SIGUSR2, lambda *_: signal.setitimer(signal.ITIMER_PROF, INTERVAL, INTERVAL))
    try:
        main()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        Path(os.environ["PROVD_BENCH_PROFILE"]).write_text(sampler.report())


if __name__ == "__main__":
    run()
