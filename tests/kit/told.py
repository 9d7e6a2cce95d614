"""What a process has written, line by line: all that it has written by now, whoever asks when."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import threading
import time
from typing import IO

ROOM = 1 << 20
"""Octets that wait in the pipe of a busy machine before anything of them is lost."""


class Told:
    """The lines of a stream. A thread takes them, so that the process never waits; who asks takes what is left."""

    def __init__(self, stream: IO[bytes], lines: list[str]) -> None:
        """Lines go to the end of ``lines``, which :meth:`next` then looks through from there on."""
        self._stream = stream
        self._lines = lines
        self._place = len(lines)
        self._rest = b""
        self._ended = False
        self._news = threading.Condition()
        os.set_blocking(stream.fileno(), False)
        with contextlib.suppress(PermissionError):
            fcntl.fcntl(stream.fileno(), fcntl.F_SETPIPE_SZ, ROOM)
        threading.Thread(target=self._listen, daemon=True).start()

    def catch_up(self) -> None:
        """Take everything that is there."""
        with self._news:
            before = len(self._lines)
            while not self._ended and self._take():
                pass
            if self._ended or len(self._lines) > before:
                self._news.notify_all()

    def next(self, text: str, seconds: float) -> str | None:
        """The next line with ``text``, None after its end. Raises TimeoutError after so long without any line."""
        with self._news:
            until = time.monotonic() + seconds
            while True:
                while self._place < len(self._lines):
                    line, until = self._lines[self._place], time.monotonic() + seconds
                    self._place += 1
                    if text in line:
                        return line
                if self._ended:
                    return None
                if not self._news.wait(until - time.monotonic()):
                    raise TimeoutError

    def _take(self) -> bool:
        """Read once; whether there may be more."""
        try:
            octets = os.read(self._stream.fileno(), ROOM)
        except BlockingIOError:
            return False
        *whole, self._rest = (self._rest + octets).split(b"\n")
        if not octets:
            self._ended = True
            whole, self._rest = [self._rest] if self._rest else [], b""
        self._lines += [line.decode(errors="replace") for line in whole]
        return bool(octets)

    def _listen(self) -> None:
        with self._stream:
            while not self._ended:
                select.select([self._stream], [], [])
                self.catch_up()
