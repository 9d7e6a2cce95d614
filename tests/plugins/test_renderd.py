"""The renderer process: small, quick to start, and deaf to everything but its socket."""

import signal
import socket
import subprocess
import sys
import threading

import pytest

from provd.plugins.render_wire import HEADER, Answer, Answers, Request, encode_request
from provd.plugins.renderd import OutOfTimeError, Worker, serve


@pytest.fixture
def worker(tmp_path):
    (tmp_path / "file.j2").write_text("a = {{ value }}\n")
    (tmp_path / "endless.j2").write_text(
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    )
    before = signal.signal(signal.SIGPROF, lambda *_: (_ for _ in ()).throw(OutOfTimeError))
    yield Worker(cpu_seconds=0.05), str(tmp_path)
    signal.signal(signal.SIGPROF, before)


def message(folder: str, template: str = "file.j2", epoch: int = 0, **context: object) -> bytes:
    return encode_request(Request([folder], template, "keyvalue", epoch, context))


def answered(worker: Worker, request: bytes) -> tuple[Answer, bytes]:
    return next(Answers().feed(worker.answer(request[HEADER.size :])))


def test_each_kind_of_answer(worker):
    worker, folder = worker
    assert answered(worker, message(folder, value=1)) == (Answer.FILE, b"a = 1\n")
    assert answered(worker, message(folder, value="\n")) == (
        Answer.FAILED,
        b"file.j2:1: value contains the character U+000A",
    )
    assert answered(worker, message(folder, "endless.j2")) == (Answer.LIMIT, b"more than 0.05 s of processor time")
    assert answered(worker, message(folder, value=2)) == (Answer.FILE, b"a = 2\n")


def test_a_new_epoch_forgets_the_templates(worker, tmp_path):
    worker, folder = worker
    assert answered(worker, message(folder, value=1))[1] == b"a = 1\n"
    (tmp_path / "file.j2").write_text("b = {{ value }}\n")
    assert answered(worker, message(folder, value=1))[1] == b"a = 1\n"
    assert answered(worker, message(folder, epoch=1, value=1))[1] == b"b = 1\n"


def test_it_ends_when_the_daemon_hangs_up(worker):
    worker, folder = worker
    ours, theirs = socket.socketpair()
    with ours, theirs, theirs.makefile("rb") as requests:
        request = message(folder, value=1)
        ours.sendall(request + request[:7])  # the daemon dies in the middle of a request
        ours.shutdown(socket.SHUT_WR)
        thread = threading.Thread(target=serve, args=(theirs, requests, worker))
        # Timers of processor time belong to the main thread: this one has no handler to run.
        worker.answer = lambda body: b"" if len(body) < len(request) - HEADER.size else b"done"
        thread.start()
        thread.join(5)
        assert not thread.is_alive()
        assert ours.recv(100).endswith(b"done")


def test_it_imports_nothing_of_the_daemon():
    program = "import sys, provd.plugins.renderd; print(*sorted(m for m in sys.modules if m.startswith('provd.')))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [
        "provd.base",
        "provd.base.errors",
        "provd.plugins",
        "provd.plugins.render_engine",
        "provd.plugins.render_values",
        "provd.plugins.render_wire",
        "provd.plugins.renderd",
    ]
