"""The renderer process: small, quick to start, and deaf to everything but its socket."""

import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from provd.plugins.render_wire import HEADER, Answer, Answers, Request, RequestDecoder, RequestEncoder
from provd.plugins.renderd import OutOfTimeError, Worker, serve
from tests.kit.patience import PATIENCE


@pytest.fixture
def worker(tmp_path):
    (tmp_path / "file.j2").write_text("a = {{ value }}\n")
    (tmp_path / "endless.j2").write_text(
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    )
    before = signal.signal(signal.SIGPROF, lambda *_: (_ for _ in ()).throw(OutOfTimeError))
    yield Worker(cpu_seconds=1), str(tmp_path)
    signal.signal(signal.SIGPROF, before)


def for_pattern(folder: str, template: str = "file.j2", **context: object) -> bytes:
    return RequestEncoder().encode(Request([folder], template, "keyvalue", 0, context, needs=()))


def message(folder: str, template: str = "file.j2", epoch: int = 0, **context: object) -> bytes:
    return RequestEncoder().encode(Request([folder], template, "keyvalue", epoch, context))


def answered(worker: Worker, request: bytes) -> tuple[Answer, bytes]:
    return next(Answers().feed(worker.answer(request[HEADER.size :])))


def test_each_kind_of_answer(worker):
    worker, folder = worker
    assert answered(worker, message(folder, value=1)) == (Answer.FILE, b"a = 1\n")
    assert answered(worker, message(folder, value="\n")) == (
        Answer.FAILED,
        b"file.j2:1: value contains the character U+000A",
    )
    assert answered(worker, message(folder, "endless.j2")) == (Answer.LIMIT, b"more than 1 s of processor time")
    assert answered(worker, message(folder, value=2)) == (Answer.FILE, b"a = 2\n")


def test_finding_a_pattern_takes_nothing_of_a_file_s_time(worker, tmp_path):
    # Many texts, each looked at after a while: finding that out takes as many whiles, and the file one.
    texts = {f"t{number}": "x" for number in range(200)}
    looks = "".join(f"{{{{ {name}|upper }}}}" for name in texts)
    (tmp_path / "slow.j2").write_text(
        f"a = {{% for a in [1, 2, 3, 4, 5, 6] %}}{{% for b in range(90000) %}}{{% endfor %}}{{% endfor %}}{looks}\n"
    )
    _, folder = worker
    assert answered(Worker(cpu_seconds=2), for_pattern(folder, "slow.j2", **texts)) == (
        Answer.FILE,
        b"a = " + b"X" * 200 + b"\n",
    )


def test_a_file_has_its_limit_after_the_search_for_a_pattern_too(worker):
    worker, folder = worker
    limit = (Answer.LIMIT, b"more than 1 s of processor time")
    assert answered(worker, for_pattern(folder, "endless.j2")) == limit
    assert answered(worker, for_pattern(folder, value="x")) == (Answer.PATTERN, b'[[],["a = ",0,"\\n"]]')


@pytest.mark.parametrize(
    ("template", "kind", "reason"),
    [
        ("a = {{ '\\ud800' }}{{ value }}\n", Answer.FAILED, b"surrogates not allowed"),
        ("{% macro m() %}{{ m() }}{% endmacro %}a = {{ m() }}{{ value }}\n", Answer.LIMIT, b"RecursionError"),
        ("a = {{ nothing.at.all }}{{ value }}\n", Answer.FAILED, b"'nothing' is undefined"),
    ],
)
def test_what_tracing_stumbles_over_is_told_by_rendering(worker, tmp_path, template, kind, reason):
    _, folder = worker
    (tmp_path / "odd.j2").write_text(template)
    answer, text = answered(Worker(cpu_seconds=2), for_pattern(folder, "odd.j2", value="x"))
    assert answer is kind
    assert reason in text


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
        thread.join(PATIENCE)
        assert not thread.is_alive()
        assert ours.recv(100).endswith(b"done")


def test_it_imports_nothing_of_the_daemon():
    program = "import sys, provd.plugins.renderd; print(*sorted(m for m in sys.modules if m.startswith('provd.')))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [
        "provd.base",
        "provd.base.dataclass",
        "provd.base.errors",
        "provd.plugins",
        "provd.plugins.confine",
        "provd.plugins.pattern",
        "provd.plugins.render_engine",
        "provd.plugins.render_trace",
        "provd.plugins.render_values",
        "provd.plugins.render_wire",
        "provd.plugins.render_writer",
        "provd.plugins.renderd",
    ]


def test_the_daemon_imports_no_template_engine():
    program = "import sys, provd.daemon.service; sys.exit('jinja2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize("number", [*range(0x20), *range(0x7F, 0xA0), 0xE9, 0x2028, 0xD800, 0xFFFF, 0x1F600])
def test_only_printable_ascii_comes_clean(number):
    encoder, decoder = RequestEncoder(), RequestDecoder()

    def clean(text: str) -> bool:
        request = Request(["f"], "t", "xml", 1, {"lines": [{"name": text}]}, {"model": "\n"})
        return decoder.decode(encoder.encode(request)[HEADER.size :]).clean

    assert not clean(f"a{chr(number)}b")
    assert clean("a b~!{}/':")


def test_a_shared_part_is_sent_whole_and_becomes_one_object():
    encoder, decoder = RequestEncoder(), RequestDecoder()
    shared = {"settings": {"ntp": {"server": "a\nb"}}, "zone": None}

    def through(request: Request) -> Request:
        return decoder.decode(encoder.encode(request)[HEADER.size :])

    first = through(Request(["f"], "t", "xml", 1, {"n": 1}, shared))
    second = through(Request(["f"], "t", "xml", 1, {"n": 2}, dict(shared)))
    assert (first.context, first.shared) == ({"n": 1}, shared)
    assert (second.context, second.shared) == ({"n": 2}, shared)
    assert second.shared is first.shared
    other = through(Request(["f"], "t", "xml", 1, {}, {"settings": {"ntp": {"server": "c"}}, "zone": None}))
    assert other.shared["settings"] == {"ntp": {"server": "c"}}
    assert through(Request(["f"], "t", "xml", 1, {})).shared == {}
    for number in range(200):
        request = Request([], "t", "text", 0, {}, {"settings": {"number": number}})
        assert through(request).shared == request.shared


def test_a_shared_value_is_guarded_like_any_other(worker, tmp_path):
    worker, folder = worker
    (tmp_path / "shared.j2").write_text("a = {{ value }}, b = {{ group.text }}\n")
    encoder = RequestEncoder()
    for text, expected in (
        ("fine", (Answer.FILE, b"a = 1, b = fine\n")),
        ("\n", (Answer.FAILED, b"shared.j2:1: group.text contains the character U+000A")),
        ("fine", (Answer.FILE, b"a = 1, b = fine\n")),
    ):
        request = Request([folder], "shared.j2", "keyvalue", 0, {"value": 1}, {"group": {"text": text}})
        assert answered(worker, encoder.encode(request)) == expected


def test_a_template_cannot_leave_anything_in_a_shared_part(worker, tmp_path):
    worker, folder = worker
    (tmp_path / "greedy.j2").write_text("{{ group.update({'text': 'mine'}) }}")
    encoder = RequestEncoder()
    shared = {"group": {"text": "common"}}
    kind, _ = answered(worker, encoder.encode(Request([folder], "greedy.j2", "keyvalue", 0, {}, shared)))
    assert kind is Answer.FAILED
    (tmp_path / "next.j2").write_text("{{ group.text }}")
    found = answered(worker, encoder.encode(Request([folder], "next.j2", "keyvalue", 0, {}, shared)))
    assert found == (Answer.FILE, b"common")


def test_it_has_no_capability_that_a_template_could_use():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        process = subprocess.Popen([sys.executable, "-s", "-m", "provd.plugins.renderd", "1"], stdin=theirs)
        try:
            assert ours.recv(100), "it is ready"
            status = dict(
                line.split(":\t", 1)
                for line in Path(f"/proc/{process.pid}/status").read_text().splitlines()
                if ":\t" in line
            )
            reading = 0b110  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH: what root reads the daemon's templates by
            for name in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
                assert int(status[name], 16) & ~reading == 0, name
            assert status["NoNewPrivs"].strip() == "1"
        finally:
            ours.shutdown(socket.SHUT_RDWR)
            process.wait(PATIENCE)


def test_numbered_settings_are_found_by_their_numbers_on_the_other_side():
    encoder, decoder = RequestEncoder(), RequestDecoder()
    shared = {"settings": {"keys": {5: {"type": "blf"}}, "modules": {1: {32: {"type": "park"}}}}}
    message = encoder.encode(Request(["a"], "t", "text", 0, {"claimed": True}, shared))
    assert decoder.decode(message[HEADER.size :]).shared == shared
