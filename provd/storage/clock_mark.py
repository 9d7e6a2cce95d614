"""The file ``clock`` in the state folder: until when the daemon has lived, see ``provd.domain.reckoning``.

One line of up to three numbers, seconds since the epoch: the mark and, if there was a leap, its start and its end. It
stands beside the database and not in it, so that it can be read before the database is opened, and removed by hand.
"""

from __future__ import annotations

import contextlib
import math
import os
from pathlib import Path

from provd.domain.reckoning import Leap, Mark

_NAME = "clock"


def read_mark(state_dir: Path) -> Mark | None:
    """The mark; None when there is none or it cannot be read: it is a help, not a condition."""
    try:
        numbers = [float(word) for word in (state_dir / _NAME).read_text(encoding="ascii").split()]
    except (OSError, ValueError):
        return None
    if len(numbers) not in {1, 3} or not all(map(math.isfinite, numbers)):
        return None
    return Mark(numbers[0], Leap(*numbers[1:]) if len(numbers) == 3 else None)


def write_mark(state_dir: Path, mark: Mark) -> None:
    """Replace the mark. What cannot be written is left as it was: an older mark is still true."""
    numbers = (mark.at, mark.leap.start, mark.leap.end) if mark.leap else (mark.at,)
    fresh = state_dir / f"{_NAME}.new"
    with contextlib.suppress(OSError):
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(" ".join(f"{number:.0f}" for number in numbers) + "\n")
        fresh.replace(state_dir / _NAME)
