"""``provd code`` and ``provd lock``."""

from __future__ import annotations

import csv
import re
import stat
from pathlib import Path

import pytest

from tests.cli.conftest import Office, Shell

pytestmark = pytest.mark.usefixtures("office")


def test_a_code_is_made_listed_and_withdrawn(shell: Shell) -> None:
    made = shell("code", "add", "--line", "n2", "--expires", "7d", "--uses", "3", "--json").json
    assert (made["line"], made["uses"], made["state"]) == ("n2", 3, "good")
    assert [made["id"], "***", "north", "n2"] == shell("code", "list", "tenant=north").rows[0][:4]
    assert made["code"] in shell("code", "list", "reveal=yes").rows[0]
    assert made["code"] not in shell("code", "list", "--json").out
    assert made["code"] not in shell("code", "show", made["id"]).out
    assert made["code"] in shell("code", "show", made["id"], "--reveal").out
    assert shell("code", "revoke", made["id"], "--json").json["state"] == "revoked"
    assert shell("code", "revoke", made["id"]).code == 5
    assert shell("code", "delete", made["id"]).out == f"{made['id']} is deleted\n"
    assert shell("code", "list").code == 4


def test_a_code_is_shown_as_it_is_read_aloud(shell: Shell) -> None:
    answer = shell("code", "add", "--line", "n2", "--expires", "never")
    assert re.search(r"^code +[0-9]{4} [0-9]{4}$", answer.out, re.MULTILINE)
    assert re.search(r"^expires +-$", answer.out, re.MULTILINE)


def test_codes_for_all_free_lines(shell: Shell) -> None:
    answer = shell("code", "add", "--tenant", "north", "--free")
    assert [row[2] for row in answer.rows] == ["n2"], "n1 is on a phone"
    assert shell("code", "add", "--tenant", "north", "--free").code == 4


@pytest.mark.parametrize(
    ("command", "code", "reason"),
    [
        ("code add", 2, "name lines"),
        ("code add --line n9", 4, "there is no line 'n9'"),
        ("code add --line n2 --expires soon", 2, "expires: must be a duration"),
        ("code sheet --tenant south", 4, "no code that is good"),
        ("code list state=fine", 2, "state: must be one of"),
        ("lock lift nobody", 4, "there is no lock 'nobody'"),
    ],
)
def test_what_cannot_be_done(shell: Shell, command: str, code: int, reason: str) -> None:
    answer = shell(*command.split())
    assert (answer.code, answer.out) == (code, "")
    assert reason in answer.err


def test_a_sheet_goes_into_a_file_that_nobody_else_reads(shell: Shell, tmp_path: Path) -> None:
    made = shell("code", "add", "--line", "n2", "--json").json
    page = tmp_path / "codes.html"
    page.write_text("old")
    page.chmod(0o644)
    assert shell("code", "sheet", "--tenant", "north", "-o", str(page)).out == f"1 code is in {page}\n"
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    assert made["grouped"] in page.read_text()
    out = shell("code", "sheet", "--tenant", "north", "--format", "csv").out
    assert [row["code"] for row in csv.DictReader(out.splitlines())] == [made["code"]]
    said = shell("code", "sheet", "--tenant", "north", "-o", str(page), "--json").json
    assert (said["codes"], said["file"]) == (1, str(page))
    assert "text" not in said
    assert shell("code", "sheet", "--tenant", "north", "-o", str(tmp_path)).code == 2
    assert shell("code", "sheet", "--tenant", "north", "-o", str(tmp_path / "no" / "file")).code == 1


def test_locks(shell: Shell, office: Office) -> None:
    assert shell("lock", "list").code == 4
    device = next(iter(office.world.fleet.tables.devices.values()))
    for _ in range(5):
        office.codes.turnstile.missed(device, "10.0.0.9")
    rows = shell("lock", "list", "kind=device").rows
    assert rows[0][:3] == [f"device:{device.mac}", "5", "yes"]
    assert shell("lock", "lift", f"device:{device.mac}").out == f"device:{device.mac} is lifted\n"
    assert shell("lock", "list", "kind=device").code == 4
