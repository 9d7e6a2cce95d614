"""provd's command line under cProfile: ``PROVD_BENCH_PROFILE=FILE python -m tests.bench.profiled serve …``.

Only the thread of the event loop is seen. ``python -m pstats FILE`` reads the figures.
"""

import cProfile
import os

from provd.cli import main


def run() -> None:
    profile = cProfile.Profile()
    try:
        profile.runcall(main)
    finally:
        profile.dump_stats(os.environ["PROVD_BENCH_PROFILE"])


if __name__ == "__main__":
    run()
