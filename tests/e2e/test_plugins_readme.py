"""What plugins/README.md tells a newcomer to type leads to a working plugin, line by line."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.patience import PATIENCE
from tests.kit.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
SECTION = "## The first one, in a quarter of an hour"


def blocks() -> list[str]:
    text = (ROOT / "plugins/README.md").read_text()
    section = text.partition(SECTION)[2].partition("\n## ")[0]
    return re.findall(r"```sh\n(.*?)```", section, re.DOTALL)


def on_free_ports(script: str) -> str:
    """The same with ports that nobody has."""
    for port in sorted(set(re.findall(r"127\.0\.0\.1:(\d+)", script))):
        script = script.replace(f"127.0.0.1:{port}", f"127.0.0.1:{free_port()}")
    return script


def typed(script: str, folder: Path, environment: dict[str, str]) -> tuple[int, str]:
    """The exit code, and everything that was written; nothing is left running."""
    shell = subprocess.Popen(
        ["bash", "-c", script], cwd=folder, env=environment, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        told, _ = shell.communicate(timeout=3 * PATIENCE)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGKILL)
    return shell.returncode, told


@pytest.mark.skipif(shutil.which("curl") is None, reason="the text uses curl")
def test_it_leads_there(tmp_path: Path) -> None:
    found = blocks()
    assert len(found) == 6
    steps = "\n".join(f"echo '== {number}'\n{block}" for number, block in enumerate(found))
    command = tmp_path / "bin/provd"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m provd "$@"\n')
    command.chmod(0o755)
    environment = {"PATH": f"{command.parent}:/usr/bin:/bin", "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    code, told = typed(f"set -euo pipefail\n{on_free_ports(steps)}wait || true\n", tmp_path, environment)
    assert code == 0, told
    said = re.split(r"^== \d\n", told, flags=re.MULTILINE)[1:]
    assert "zeta 0.1.0: bronze" in said[0]
    assert "model       Z9" in said[1]
    assert "zeta 0.1.0: bronze" in said[2]
    assert "provisioning_url = http://127.0.0.1" in said[3]
    assert "account_1_user = ap00005e112233" in said[3]
    assert re.search(r"00:00:5e:11:22:33 +Zeta +Z9 +1\.2\.3 +unclaimed", said[3])
    assert "account_1_user = 101" in said[4]
    assert "account_4_enable = 0" in said[4]
    assert "language = es" in said[4]
    assert sorted(path.name for path in (tmp_path / "quarter/public").iterdir()) == [
        "zeta-0.1.0.zip",
        "zeta-0.1.0.zip.minisig",
    ]
