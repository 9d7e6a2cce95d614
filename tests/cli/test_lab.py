"""``provd simulate|demo``."""

import socket
import tempfile
from pathlib import Path

import pytest

from tests.cli.conftest import Shell
from tests.kit.ports import free_port


@pytest.fixture
def page() -> int:
    """A free port."""
    return free_port()


def test_phones_that_nobody_can_play_are_a_usage_error(shell: Shell) -> None:
    answer = shell("simulate", "--vendor", "nobody")
    assert answer.code == 2
    assert answer.err.startswith("nobody can play a phone of 'nobody'")


def test_phones_that_nobody_answers_fail(shell: Shell) -> None:
    relay = ("--relay", "127.99.0.1", "--server", "127.99.0.2", "--server-port", "9", "--client-port", "6868")
    quick = ("--tick", "0.01", "--timeout", "1")
    answer = shell("simulate", "--vendor", "yealink", "--model", "T27P", *relay, *quick)
    assert (answer.code, answer.out.splitlines()[0].endswith("NOT all done")) == (1, True)
    answer = shell("simulate", "--vendor", "yealink", "--model", "T27P", *relay, *quick, "--events", "--json")
    assert answer.code == 1


def test_things_that_nobody_answers_fail_and_say_why(shell: Shell) -> None:
    label = ("--vendor", "acme", "--model", "s2", "--serial", "S1")
    nowhere = ("--thing", "http://127.0.0.1:9", "--tick", "0.01", "--timeout", "2")
    answer = shell("simulate", *nowhere, *label)
    assert (answer.code, answer.out.splitlines()[0].endswith("NOT all done")) == (1, True)
    assert "Connect" in answer.out
    answer = shell("simulate", *nowhere, *label, "--events")
    assert '"thing": "acme/s2/S1", "kind": "start"' in answer.out.splitlines()[0]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--serial", "S1"), "a thing needs both --thing URL and --serial SN"),
        (("--thing", "http://127.0.0.1:9"), "a thing needs both --thing URL and --serial SN"),
        (("--thing", "ftp://h", "--serial", "S1"), "'ftp://h' is not http://HOST:PORT"),
        (("--thing", "http://h", "--serial", "S1", "--sip"), "--sip is for phones"),
        (("--thing", "http://h", "--serial", "S", "--count", "2"), "serial: 'S' has no number"),
    ],
)
def test_a_thing_that_cannot_be_made_is_a_usage_error(shell: Shell, words: tuple[str, ...], text: str) -> None:
    answer = shell("simulate", "--vendor", "acme", "--model", "s2", *words)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith(text)


@pytest.mark.parametrize("more", [pytest.param((), marks=pytest.mark.root), ("--loopback",)], ids=["lan", "loopback"])
@pytest.mark.xdist_group("demonstration")
def test_the_demonstration_ends_when_every_phone_has_its_user(shell: Shell, page: int, more: tuple[str, ...]) -> None:
    answer = shell("demo", "--once", "--phones", "2", "--page-port", str(page), *more)
    assert answer.code == 0, answer.out[-3000:]
    assert answer.out.rstrip().endswith("demo: 2 of 2 phones are provisioned")
    told = answer.out.count
    assert (told("has registered"), told("hears wrong ("), told("hears accepted ("), told("can talk")) == (2, 1, 2, 2)
    assert told("is told to fetch its files (NOTIFY check-sync)") == 2
    for odd in (" ERROR ", "PLUGIN-LOADED", "FACTS-NOT-KEPT", "Traceback"):
        assert odd not in answer.out, odd


@pytest.mark.root
def test_a_demonstration_that_cannot_start_says_why(shell: Shell) -> None:
    answer = shell("demo", "--once", "--phones", "0")
    assert answer.code == 2


@pytest.mark.xdist_group("demonstration")
def test_the_demonstration_of_devices_that_are_not_phones(shell: Shell, page: int) -> None:
    answer = shell("demo", "--iot", "--once", "--page-port", str(page))
    assert answer.code == 0, answer.out[-3000:] + answer.err
    summary = answer.out.partition("demo: this is what has happened:")[2]
    assert "activated         acme/sensor-2/S0001 at 2" in summary
    assert "customer          Northern Lights (tenant borealis), asset 4711" in summary
    assert "in the register too" in summary
    assert "home              eu: ACTIVE, epoch 1, tenant borealis" in summary
    assert "at global         GONE: only where it is is known, eu" in summary
    for odd in (" ERROR ", " WARNING ", "complains", "FACTS-NOT-KEPT", "PLUGIN-LOADED", "Traceback"):
        assert odd not in answer.out, odd


@pytest.mark.xdist_group("demonstration")
def test_a_demonstration_whose_daemon_cannot_start_shows_why_and_leaves_nothing(
    shell: Shell, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A short path, for the sockets in it, and one that no demonstration beside this one uses.
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        with socket.create_server(("127.0.0.1", page)):
            answer = shell("demo", "--iot", "--once", "--page-port", str(page))
        assert answer.code == 1
        assert answer.err == "the global daemon has ended; its last lines are above\n"
        assert "address already in use" in answer.out.lower()
        assert list(Path(folder).iterdir()) == []
