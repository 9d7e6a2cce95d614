"""The log: facts as lines of text or JSON, bounded, never waiting for whoever reads them."""

from __future__ import annotations

import os
import select
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from provd.base.clock import Clock
from provd.base.facts import Fact, Level, text_of
from provd.observe.plain import json_of, utc_text

_SYSLOG = {Level.DEBUG: 7, Level.INFO: 6, Level.WARNING: 4, Level.ERROR: 3}
_PIPE_BUF = 4096
_LONGEST = 2000


def in_journal(fd: int, environ: Mapping[str, str]) -> bool:
    """Whether the descriptor is connected to the systemd journal (``JOURNAL_STREAM`` is its device:inode)."""
    try:
        status = os.fstat(fd)
    except OSError:
        return False
    return environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def write_if_ready(fd: int, octets: bytes) -> bool:
    """Write up to 4096 octets if that needs no waiting; False when they were not written.

    A pipe that polls writable takes PIPE_BUF octets at once, so the descriptor, which may be shared with a
    shell, need not be made non-blocking.
    """
    try:
        poll = select.poll()
        poll.register(fd, select.POLLOUT)
        return any(events & select.POLLOUT for _, events in poll.poll(0)) and os.write(fd, octets) == len(octets)
    except OSError:
        return False


class LogWriter:
    """A reader of facts that writes lines.

    ``per_second`` bounds what is below a warning, and warnings and errors get as much again for themselves; what
    is over is counted by fact id and told in one line when the second is over. ``call_later(seconds, callback)`` is
    the event loop's. With ``journal`` a line begins with its syslog level and carries no time of its own.
    """

    def __init__(
        self,
        write: Callable[[bytes], bool],
        clock: Clock,
        call_later: Callable[[float, Callable[[], None]], object],
        *,
        style: Literal["text", "json"] = "text",
        level: Level = Level.INFO,
        journal: bool = False,
        per_second: int = 500,
    ) -> None:
        self._write = write
        self._clock = clock
        self._call_later = call_later
        self._json = style == "json"
        self.level = level
        self._journal = journal
        self._per_second = per_second
        self._second = 0
        self._written = {False: 0, True: 0}
        self._more: Counter[str] = Counter()
        self._waiting = False
        self.lost = 0
        """Lines that could not be written since the last one that could."""

    def __call__(self, facts: Sequence[Fact]) -> None:
        """Write a batch."""
        self._turn(int(self._clock.now()))
        lines: list[bytes] = []
        level = self.level
        for fact in [fact for fact in facts if level <= fact.LEVEL]:
            grave = fact.LEVEL >= Level.WARNING
            if self._written[grave] >= self._per_second:
                self._more[fact.ID] += 1
                continue
            self._written[grave] += 1
            lines.append(self._line(fact))
        self._put(lines)
        if self._more and not self._waiting:
            self._waiting = True
            self._call_later(1.0, self._later)

    def finish(self) -> None:
        """Write what is still owed. Called when the daemon ends."""
        self._owed()

    def _later(self) -> None:
        self._waiting = False
        self._turn(int(self._clock.now()))
        if self._more:
            self._waiting = True
            self._call_later(1.0, self._later)

    def _turn(self, second: int) -> None:
        if second != self._second:
            self._second = second
            self._written = {False: 0, True: 0}
            self._owed()

    def _owed(self) -> None:
        more, self._more = self._more, Counter()
        self._put([self._note(f"… {count} more of {name}", name, count) for name, count in more.items()])

    def _line(self, fact: Fact) -> bytes:
        text = json_of(fact) if self._json else text_of(fact)
        return self._framed(text if len(text) <= _LONGEST or self._json else text[:_LONGEST] + "…", fact.LEVEL, fact.at)

    def _note(self, text: str, name: str, count: int) -> bytes:
        now = self._clock.now()
        if self._json:
            text = f'{{"time":"{utc_text(now)}","level":"info","fact":"{name}","more":{count}}}'
        return self._framed(text, Level.INFO, now)

    def _framed(self, text: str, level: Level, at: float) -> bytes:
        prefix = f"<{_SYSLOG[level]}>" if self._journal else ""
        stamp = "" if self._journal or self._json else f"{utc_text(at)} {level.name:<7} "
        return f"{prefix}{stamp}{text}\n".encode()

    def _put(self, lines: Sequence[bytes]) -> None:
        """Join lines to pieces that a pipe takes whole."""
        piece, count = b"", 0
        for line in lines:
            if len(piece) + len(line) > _PIPE_BUF:
                self._write_piece(piece, count)
                piece, count = b"", 0
            piece += line
            count += 1
        self._write_piece(piece, count)

    def _write_piece(self, piece: bytes, count: int) -> None:
        if not piece:
            return
        if self.lost:
            note = self._note(f"… {self.lost} lines could not be written", "LOG-LOST", self.lost)
            if self._write(note):
                self.lost = 0
        if len(piece) > _PIPE_BUF or not self._write(piece):
            self.lost += count
