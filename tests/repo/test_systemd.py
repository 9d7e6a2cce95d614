"""The service files, as systemd's own tools read them."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.conftest import program

UNIT = Path(__file__).resolve().parents[2] / "systemd" / "provd.service"

pytestmark = pytest.mark.peer


def test_the_unit_is_clean(tmp_path: Path) -> None:
    # The program it starts is not installed on a machine that only runs tests.
    unit = tmp_path / "provd.service"
    unit.write_text(UNIT.read_text().replace("/usr/bin/provd", "/bin/true"))
    verified = subprocess.run(
        [program("systemd-analyze"), "verify", "--recursive-errors=no", "--man=no", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")


def test_the_folders_have_the_modes_that_are_made_at_boot() -> None:
    unit = UNIT.read_text()
    made = {line.split()[1]: line.split()[2] for line in UNIT.with_suffix(".tmpfiles").read_text().splitlines()[1:]}
    for kind, parent in (("Configuration", "/etc"), ("State", "/var/lib"), ("Runtime", "/run")):
        name = re.search(rf"^{kind}Directory=(.*)$", unit, re.MULTILINE)
        mode = re.search(rf"^{kind}DirectoryMode=(.*)$", unit, re.MULTILINE)
        assert name
        assert mode
        assert made[f"{parent}/{name[1]}"] == mode[1]


def test_it_is_started_again_until_what_it_needs_is_there() -> None:
    lines = UNIT.read_text().splitlines()
    assert {"Restart=always", "StartLimitIntervalSec=0"} <= set(lines)
    assert lines.index("StartLimitIntervalSec=0") < lines.index("[Service]"), "systemd reads it in [Unit] only"


def test_the_unit_is_as_closed_as_one_process_with_its_sockets_can_be() -> None:
    shown = subprocess.run(
        [program("systemd-analyze"), "security", "--offline=true", "--no-pager", str(UNIT)],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    level = re.search(r"Overall exposure level for provd.service: ([0-9.]+)", shown)
    assert level
    assert float(level[1]) <= 1.5
