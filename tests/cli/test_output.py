"""Tables, times and exit codes."""

import os
import time
from datetime import UTC, datetime

import pytest

from provd.base.errors import ConfigError, ConflictError, NotFoundError, ProvdError, StorageError, UsageError
from provd.cli.client import RefusedError
from provd.cli.output import ago, errors_to_exit, local, show_one, show_rows

NOW = 1_700_000_000.0


@pytest.fixture(autouse=True)
def _madrid(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TZ", "Europe/Madrid")
    time.tzset()
    yield
    monkeypatch.delenv("TZ")
    os.environ.pop("TZ", None)
    time.tzset()


@pytest.mark.parametrize(
    ("distance", "text"),
    [
        (0.2, "now"),
        (12, "12 s ago"),
        (200, "3 min ago"),
        (7300, "2 h ago"),
        (100_000, "27 h ago"),
        (-3120, "in 52 min"),
        (3 * 86400, "2023-11-11 23:13"),
        (-3 * 86400, "2023-11-17 23:13"),
    ],
)
def test_times_are_told_as_people_do(distance: float, text: str) -> None:
    assert ago(NOW - distance, NOW) == text


def test_times_are_in_the_zone_of_the_machine() -> None:
    assert local(NOW, seconds=True) == "2023-11-14 23:13:20"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("x"), 3),
        (NotFoundError("x"), 4),
        (ConflictError("x"), 5),
        (RefusedError("x"), 5),
        (UsageError("x"), 2),
        (StorageError("x"), 1),
        (ProvdError("x"), 1),
    ],
)
def test_every_error_has_its_exit_code(error: ProvdError, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, errors_to_exit():
        raise error
    assert ended.value.code == code
    assert capsys.readouterr() == ("", "x\n")


def test_a_table_shows_odd_values_without_harm(capsys: pytest.CaptureFixture[str]) -> None:
    row = {"name": "bad\x1b[2J\nname", "tags": ["a", "b"], "on": True, "off": False, "map": {"k": 1}, "none": None}
    show_rows([row], ("name", "tags", "on", "off", "map", "none", "missing"), as_json=False)
    head, line = capsys.readouterr().out.splitlines()
    assert head.split() == ["NAME", "TAGS", "ON", "OFF", "MAP", "NONE", "MISSING"]
    assert "\x1b" not in line
    assert line.split() == ["bad�[2J�name", "a,", "b", "yes", "no", "k=1", "-", "-"]


def test_an_object_shows_sentences_below_each_other_and_times_twice(capsys: pytest.CaptureFixture[str]) -> None:
    seen = datetime.fromtimestamp(NOW, UTC).isoformat()
    show_one({"last_seen": seen, "expires": "never", "reasons": ["it says so", "it looks so"]}, as_json=False)
    assert capsys.readouterr().out.splitlines() == [
        "last seen  2023-11-14 23:13:20",
        "expires    never",
        "reasons    it says so",
        "           it looks so",
    ]
    show_one({"last_seen": datetime.fromtimestamp(time.time() - 70, UTC).isoformat()}, as_json=False)
    assert capsys.readouterr().out.endswith(" (1 min ago)\n")
