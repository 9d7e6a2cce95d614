"""The renderer process: ``python -m provd.plugins.renderd CPU_SECONDS`` with a socket as its standard input.

Templates are not trusted. This process has no environment, no descriptors but the socket and the null device, no
capabilities, and limits on memory, processor time, output and files; whatever a template does to it, the daemon
starts another one.
"""

from __future__ import annotations

import gc
import hashlib
import resource
import signal
import socket
import sys
from typing import BinaryIO, NoReturn

from provd.base.errors import PluginError
from provd.plugins.confine import drop_capabilities
from provd.plugins.render_engine import Engine, LimitError
from provd.plugins.render_trace import Tracer
from provd.plugins.render_wire import HEADER, MAX_ANSWER, Answer, Request, RequestDecoder, encode_answer, encode_pattern

ADDRESS_SPACE = 512 << 20
ATTEMPT_SECONDS = 0.25
"""Processor time for finding out a file's pattern; one that takes longer is not worth it."""

_LIMITS = {
    resource.RLIMIT_AS: ADDRESS_SPACE,
    resource.RLIMIT_CORE: 0,  # a core file would hold passwords
    resource.RLIMIT_FSIZE: 0,
    resource.RLIMIT_NOFILE: 16,
}


class OutOfTimeError(BaseException):
    """Not an Exception, so that nothing between a template and the loop below takes it for its own."""


def out_of_time(*_: object) -> NoReturn:
    """What the timer of processor time does when it rings (a handler of SIGPROF)."""
    raise OutOfTimeError


class Worker:
    """Answers one request after the other, each within ``cpu_seconds`` of processor time."""

    def __init__(self, cpu_seconds: float) -> None:
        self._engine = Engine()
        self._tracer = Tracer()
        self._decoder = RequestDecoder()
        self._epoch = -1
        self._cpu_seconds = cpu_seconds

    def answer(self, message: bytes) -> bytes:
        """The framed answer to one request. Never raises for anything a template does."""
        try:
            signal.setitimer(signal.ITIMER_PROF, self._cpu_seconds)
            try:
                return self._render(message)
            finally:
                signal.setitimer(signal.ITIMER_PROF, 0)
        except OutOfTimeError:
            reason, kind = f"more than {self._cpu_seconds:g} s of processor time", Answer.LIMIT
        except MemoryError:
            reason, kind = "more memory than a template may have", Answer.LIMIT
        except LimitError as error:
            reason, kind = str(error), Answer.LIMIT
        except PluginError as error:
            reason, kind = str(error), Answer.FAILED
        return encode_answer(kind, reason.encode("utf-8", "replace"))

    def _pattern(self, request: Request) -> bytes | None:
        """The framed answer with a pattern, within a time of its own: the file has all of its time if there is none."""
        try:
            signal.setitimer(signal.ITIMER_PROF, min(ATTEMPT_SECONDS, self._cpu_seconds))
            pattern = self._traced(request)
            # In here: a timer that has just rung is heard at the end of this call at the latest.
            signal.setitimer(signal.ITIMER_PROF, self._cpu_seconds)
        except OutOfTimeError:
            signal.setitimer(signal.ITIMER_PROF, self._cpu_seconds)
            return None
        return pattern

    def _traced(self, request: Request) -> bytes | None:
        traced = self._tracer.trace(request)
        try:
            return None if traced is None else encode_pattern(*traced)
        except UnicodeError:  # rendering tells it better
            return None

    def _render(self, message: bytes) -> bytes:
        request = self._decoder.decode(message)
        if request.epoch != self._epoch:
            self._engine.forget()
            self._tracer.forget()
            self._epoch = request.epoch
        if request.wants in {"check", "warm"}:
            self._engine.compile(request.folders, request.template, request.format, request.overlay)
            if request.wants == "warm":
                self._tracer.compile(request)
            return encode_answer(Answer.FILE)
        pattern = None if request.needs is None else self._pattern(request)
        if pattern is not None and len(pattern) <= MAX_ANSWER:
            return pattern
        body = self._engine.render(
            request.folders,
            request.template,
            request.format,
            request.context,
            request.shared,
            clean=request.clean,
            overlay=request.overlay,
        )
        return encode_answer(Answer.FILE, hashlib.sha256(body).digest() if request.wants == "digest" else body)


def serve(connection: socket.socket, requests: BinaryIO, worker: Worker) -> None:
    """Answer until the daemon hangs up."""
    connection.sendall(encode_answer(Answer.READY))
    while len(header := requests.read(HEADER.size)) == HEADER.size:
        connection.sendall(worker.answer(requests.read(*HEADER.unpack(header))))


def main() -> None:
    """Take the socket from descriptor 0, confine the process and serve."""
    connection = socket.socket(fileno=0)
    # A Ctrl-C in the daemon's terminal, or the end of its service, is the daemon's business: it may still want files.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGPROF, out_of_time)
    for limit, value in _LIMITS.items():
        resource.setrlimit(limit, (value, value))
    drop_capabilities()
    gc.freeze()
    # What a template leaves behind is hardly ever a cycle, and looking for them takes a sixth of the time.
    gc.set_threshold(100_000, 50, 100)
    serve(connection, connection.makefile("rb"), Worker(float(sys.argv[1])))


if __name__ == "__main__":
    main()
