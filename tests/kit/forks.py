"""The command line as processes that need not import it anew: a parent that has it forks for every call.

It does what ``python -m provd`` does, with arguments, environment, streams and exit code of its own; only its imports
are there already. How long those take and what they pull in is for other tests to say.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from tests.kit.patience import PATIENCE

ROOT = Path(__file__).resolve().parents[2]
_LENGTH = 4
_guard = threading.Lock()
_parents: dict[int, tuple[socket.socket, subprocess.Popen[bytes]]] = {}


def run(
    arguments: Sequence[str],
    *,
    environ: Mapping[str, str],
    check: bool,
    stdin: str | None = None,
    timeout: int = int(PATIENCE),
) -> subprocess.CompletedProcess[str]:
    """``provd ARGUMENTS``. Raises CalledProcessError as subprocess.run does; after the timeout the process is ended."""
    with (
        tempfile.TemporaryFile("w+") as given,
        tempfile.TemporaryFile("w+") as out,
        tempfile.TemporaryFile("w+") as err,
    ):
        given.write(stdin or "")
        given.seek(0)
        order = {"argv": ["provd", *arguments], "environ": dict(environ), "timeout": timeout}
        code = _asked(order, [given, out, err])
        texts = []
        for stream in (out, err):
            stream.seek(0)
            texts.append(stream.read())
    if code == -signal.SIGALRM:
        raise subprocess.TimeoutExpired(list(arguments), timeout, *texts)
    if check and code != 0:
        raise subprocess.CalledProcessError(code, list(arguments), *texts)
    return subprocess.CompletedProcess(list(arguments), code, *texts)


def _asked(order: Mapping[str, Any], streams: Sequence[IO[str]]) -> int:
    """The exit code of one call, negative for the signal that ended it."""
    ours, theirs = socket.socketpair()
    with ours:
        with theirs, _guard:
            socket.send_fds(_parent(), [b"!"], [theirs.fileno(), *(stream.fileno() for stream in streams)])
        octets = json.dumps(order).encode()
        ours.sendall(len(octets).to_bytes(_LENGTH) + octets)
        answer = ours.makefile("rb").read()
    assert answer, "the process that forks is gone"
    return int(answer)


def _parent() -> socket.socket:
    """The way to the process that forks; one for each process of the tests, until :func:`end`."""
    if os.getpid() not in _parents:
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.kit.forks", str(theirs.fileno())],
                cwd=ROOT,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
                pass_fds=[theirs.fileno()],
            )
        _parents[os.getpid()] = ours, process
    return _parents[os.getpid()][0]


def end() -> None:
    """Nobody asks any more."""
    if os.getpid() in _parents:
        ours, process = _parents.pop(os.getpid())
        ours.close()
        process.wait(PATIENCE)


def serve(number: int) -> None:
    """Fork for everybody who asks, until nobody is left who could."""
    import gc

    import provd.cli.offline
    import provd.cli.root
    import provd.daemon.core
    import provd.daemon.stored  # noqa: F401 - what is there need not be imported again

    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(fileno=number) as asked:
        while True:
            octets, files, _, _ = socket.recv_fds(asked, 1, _LENGTH)
            if not octets:
                return
            if os.fork() == 0:
                asked.detach()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                _watched(files)
            for file in files:
                os.close(file)


def _watched(files: Sequence[int]) -> None:
    """Between the two: start the command, wait for it, say how it ended."""
    with socket.socket(fileno=files[0]) as asked, asked.makefile("rb") as reader:
        order = json.loads(reader.read(int.from_bytes(reader.read(_LENGTH))))
        child = os.fork()
        if child == 0:
            asked.detach()
            _become(order, files[1:])
        asked.sendall(str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])).encode())
    os._exit(0)


def _become(order: Mapping[str, Any], streams: Sequence[int]) -> None:
    """The command itself, as the interpreter would have started it."""
    for target, stream in enumerate(streams):
        os.dup2(stream, target)
        os.close(stream)
    # The streams of the parent have its buffers and its idea of a terminal.
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(fd, mode) for fd, mode in ((0, "r"), (1, "w"), (2, "w")))
    os.environ.clear()
    os.environ.update(order["environ"])
    sys.argv = order["argv"]
    signal.alarm(order["timeout"])
    code = 1
    try:
        from provd.cli import main

        main()
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else int(left.code is not None)
        if isinstance(left.code, str):
            sys.stderr.write(left.code + "\n")
    except BaseException:  # noqa: BLE001 - as the interpreter does at the end of a program
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
