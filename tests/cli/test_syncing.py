"""``provd device sync`` as a sysadmin types it."""

import json
from typing import Any

import click
import pytest
from click.testing import CliRunner

from provd.cli import syncing
from tests.cli.conftest import BELL, Office, Shell


def said(result: dict[str, Any], *, as_json: bool = False) -> tuple[int, str]:
    @click.command()
    def command() -> None:
        syncing.show_told(result, as_json=as_json)

    answer = CliRunner().invoke(command)
    return answer.exit_code, answer.stdout


def told(*ways: tuple[str, str, str], fetched: bool = False) -> dict[str, Any]:
    rows = [{"way": way, "heard": heard, "detail": detail} for way, heard, detail in ways]
    return {"mac": BELL, "told": rows, "fetched": fetched, "comes": "by 03:10 CEST"}


def test_each_way_has_a_line() -> None:
    code, text = said(told(("sip", "no-way", "not registered"), ("http", "accepted", "200 OK")))
    assert code == 0
    assert text.splitlines() == [
        "sip   no-way     not registered",
        "http  accepted   200 OK",
        "it was told; without that it comes by 03:10 CEST",
    ]


def test_nobody_was_reached() -> None:
    code, text = said(told(("sip", "silent", "no answer")))
    assert (code, text.splitlines()[-1]) == (1, "it could not be told: it comes by 03:10 CEST")


def test_it_came_before_it_was_told() -> None:
    assert said(told(fetched=True)) == (0, "it has its files\n")


def test_for_programs() -> None:
    code, text = said(told(("sip", "silent", "")), as_json=True)
    assert (code, json.loads(text)["comes"]) == (1, "by 03:10 CEST")


@pytest.mark.usefixtures("office")
@pytest.mark.parametrize("arguments", [[], [BELL, "--all"], [BELL, "--tenant", "north"]])
def test_one_or_many(shell: Shell, arguments: list[str]) -> None:
    assert shell("device", "sync", *arguments).code == 2


def test_without_a_daemon_it_is_refused(shell: Shell, office: Office) -> None:
    # The operations behind this socket have nobody who could tell a device anything.
    for arguments in ([BELL], ["--all"]):
        answer = shell("device", "sync", *arguments)
        assert (answer.code, answer.err) == (5, "no daemon runs: only it can tell a device anything\n")
    assert office.permitted


def test_progress_is_followed_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    state = {"campaign": 3, "devices": 4, "per_second": 2.0, "told": 0, "fetched": 0, "unanswered": 0}
    steps = iter([{**state, "told": 2, "fetched": 1}, {**state, "told": 4, "fetched": 3, "unanswered": 1}])
    asked, pauses = [], []

    def run(_ctx: object, operation: str, **params: object) -> dict[str, Any]:
        asked.append((operation, params))
        return next(steps)

    monkeypatch.setattr(syncing, "run", run)

    @click.command()
    @click.pass_context
    def command(ctx: click.Context) -> None:
        syncing.follow(ctx, state, wait=True, as_json=False, pause=pauses.append)

    answer = CliRunner().invoke(command)
    assert answer.stdout == "4 of 4 told (2 in a second), 3 have fetched, 1 could not be reached\n"
    assert asked == [("device.sync_progress", {"campaign": 3})] * 2
    assert pauses == [1.0, 1.0]
