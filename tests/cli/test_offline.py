"""Operations on the database of a daemon that does not run."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from provd.cli.offline import become_owner
from tests.cli.conftest import Shell


def test_what_is_changed_without_a_daemon_stays(shell: Shell) -> None:
    assert shell("tenant", "add", "acme", "--set", "sip.server=10.0.0.5").code == 0
    assert shell("line", "add", "101", "--tenant", "acme").code == 0
    assert shell("device", "add", "80:5e:c0:11:22:33", "--model", "T27P").code == 0
    assert shell("device", "assign", "805ec0112233", "101", "--json").json["state"] == "assigned"
    assert "account.1.user_name = 101\n" in shell("device", "render", "805ec0112233").out
    assert shell("reservation", "add", "10.0.0.9", "--mac", "805ec0112233").code == 0
    assert [row[0] for row in shell("reservation", "list").rows] == ["10.0.0.9"]
    assert shell("reservation", "delete", "10.0.0.9").code == 0
    assert shell("lease", "release", "10.0.0.9").code == 4
    assert shell("lease", "list").code == 4
    assert shell("tenant", "add", "acme").code == 5
    assert [plugin["id"] for plugin in shell("plugin", "list", "--json").json]
    assert {row[0] for row in shell("template", "list", "T27P").rows} == {"yealink"}


def test_a_broken_plugin_is_told_and_the_rest_goes_on(shell: Shell) -> None:
    broken = shell.state / "plugins" / "acme"
    broken.mkdir(parents=True)
    (broken / "plugin.toml").write_text("id = 3\n")
    answer = shell("tenant", "list")
    assert answer.code == 0
    assert answer.err.startswith("PLUGIN-BROKEN ")


def test_a_database_that_cannot_be_opened_is_a_sentence(shell: Shell) -> None:
    with sqlite3.connect(shell.state / "provd.db") as database:
        database.execute("create table alembic_version (version_num text)")
        database.execute("insert into alembic_version values ('9999')")
    answer = shell("tenant", "list")
    assert answer.code == 1
    assert len(answer.err.splitlines()) == 1


@pytest.mark.root
def test_root_works_with_the_rights_of_the_owner_of_the_state(tmp_path: Path) -> None:
    os.chown(tmp_path, 65534, 65534)
    script = (
        "import os, sys; from pathlib import Path; from provd.cli.offline import become_owner;"
        "become_owner(Path(sys.argv[1])); print(os.getuid(), os.getgid(), os.getgroups())"
    )
    shown = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True, env=os.environ
    )
    assert shown.stdout.split() == ["65534", "65534", "[]"]


def test_root_stays_root_where_the_state_is_its_own_or_not_there_yet(tmp_path: Path) -> None:
    become_owner(tmp_path)
    become_owner(tmp_path / "none")
    assert os.geteuid() == os.getuid()
