"""Whether a commit is quick enough to be made on the event loop's own thread.

On a disk that answers in a fraction of a millisecond, waking another thread and being woken by it costs more than the
commit, and a busy interpreter doubles that. On a slow disk the loop must not wait. Which of the two it is, is measured.
"""

from __future__ import annotations

SLOW = 0.010
"""Seconds: what the loop may lose to a commit now and then."""
MUCH_TOO_SLOW = 0.100
SHORTEST_REST = 1.0
"""How long the thread has the commits after the disk was found slow for the first time: it may have been the processor
that was busy with something else …"""
LONGEST_REST = 30.0
"""… and at most, for it is twice as long each time that the disk is found slow again within this time."""
LOCKED = 1.0
"""How long it has them after the database was found locked."""
_PATIENCE = 3
"""Slow commits before the thread gets them."""
_FORGIVEN = 0.05
"""Share of a slow commit that a quick one makes up for."""


class Pace:
    """Remembers how long commits took. ``now`` and durations are seconds of one clock."""

    def __init__(self) -> None:
        self._slow = 0.0
        self._rests_until = float("-inf")
        self._rest = SHORTEST_REST

    def quick(self, now: float) -> bool:
        """Whether the next commit may be made on the loop's thread."""
        return now >= self._rests_until

    def blocked(self, now: float) -> None:
        """Somebody else has the database locked: the thread may wait for that."""
        self._rests_until = max(self._rests_until, now + LOCKED)

    def took(self, seconds: float, now: float) -> None:
        """Take note of a commit that was made there."""
        if seconds <= SLOW:
            self._slow = max(0.0, self._slow - _FORGIVEN)
            return
        self._slow += _PATIENCE if seconds > MUCH_TOO_SLOW else 1.0
        if self._slow >= _PATIENCE:
            self._slow = 0.0
            again = now - self._rests_until < LONGEST_REST
            self._rest = min(2 * self._rest, LONGEST_REST) if again else SHORTEST_REST
            self._rests_until = now + self._rest
