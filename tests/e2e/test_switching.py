"""A plugin is built, signed, installed, upgraded and taken back while two hundred phones boot over and over."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from provd.plugins.skeleton import new
from tests.kit.daemon import ROOT, Daemon, lan_config
from tests.kit.lan import phone_bed
from tests.kit.netns import Bed
from tests.kit.patience import PATIENCE

PHONES = 200

pytestmark = [pytest.mark.root]


class Fleet:
    """`provd simulate` again and again: every round is two hundred phones from power-on to their account."""

    def __init__(self, bed: Bed, daemon: Daemon) -> None:
        self.rounds: list[dict[str, Any]] = []
        self.broken: list[str] = []
        self._command = [
            *("ip", "netns", "exec", bed.client, sys.executable, "-m", "provd", "--config", str(daemon.config)),
            *("simulate", "--vendor", "zeta", "--count", str(PHONES), "--interface", bed.client_interface),
            *("--spread", "2", "--timeout", f"{PATIENCE:.0f}", "--json"),
        ]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._boot)

    def _boot(self) -> None:
        while not self._over.is_set():
            done = subprocess.run(
                self._command, cwd=ROOT, capture_output=True, text=True, timeout=2 * PATIENCE, check=False
            )
            if done.returncode:
                self.broken.append(done.stdout + done.stderr)
                return
            self.rounds.append(json.loads(done.stdout))

    @contextmanager
    def booting(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._over.set()
            self._thread.join(2 * PATIENCE)

    def a_whole_round(self) -> None:
        """Wait for one more round to be over: it began before, and went on through, what was done."""
        enough, deadline = len(self.rounds) + 1, time.monotonic() + 2 * PATIENCE
        while len(self.rounds) < enough and not self.broken:
            assert time.monotonic() < deadline
            self._over.wait(0.05)


def version_of(folder: Path, version: str, line: str) -> Path:
    folder.mkdir()
    made = new(folder, "zeta", "Zeta")
    manifest = made / "plugin.toml"
    manifest.write_text(manifest.read_text().replace('version = "0.1.0"', f'version = "{version}"'))
    with (made / "templates/device.cfg.j2").open("a") as file:
        file.write(line)
    return made


def test_two_hundred_phones_notice_nothing(tmp_path: Path) -> None:
    def provd(*words: str) -> str:
        command = [sys.executable, "-m", "provd", *words]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    key, public = str(tmp_path / "zeta.key"), str(tmp_path / "public")
    provd("plugin", "key", key)
    for version, line in (("0.1.0", "motd = one\n"), ("0.2.0", "motd = two\n")):
        folder = version_of(tmp_path / version, version, line)
        provd("plugin", "build", str(folder), "-o", public, "--key", key)
        shutil.rmtree(folder)
    trusted = Path(f"{key}.pub").read_text().splitlines()[-1]
    with phone_bed() as bed:
        config = lan_config(bed, tmp_path / "state", sections=f'[plugins]\nkeys = ["{trusted}"]\n')
        with Daemon(config, tmp_path, bed=bed) as daemon:
            daemon.provd("plugin", "install", f"{public}/zeta-0.1.0.zip")
            fleet = Fleet(bed, daemon)
            with fleet.booting():
                fleet.a_whole_round()
                told = daemon.provd("plugin", "install", f"{public}/zeta-0.2.0.zip", "--yes", "--diff").stdout
                assert "-motd = one\n+motd = two" in told
                assert f"0.1.0 -> 0.2.0: {PHONES} devices" in told
                fleet.a_whole_round()
                daemon.provd("plugin", "rollback", "zeta", "--yes")
                fleet.a_whole_round()
            assert not fleet.broken, fleet.broken
            assert len(fleet.rounds) >= 3
            for each in fleet.rounds:
                assert (each["ok"], each["failed"], each["missing"], each["complaints"]) == (True, 0, 0, []), each
                assert each["served"] >= PHONES
            bad = [line for line in daemon.log if "RENDER-FAILED" in line or "FILE-REFUSED" in line]
            assert not bad, bad[:3]
