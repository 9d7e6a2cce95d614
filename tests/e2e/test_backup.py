"""A backup of a running daemon, restored on a host that has nothing: its phones notice no difference."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.kit.daemon import Daemon, lan_config
from tests.kit.lan import PHONE, Lan, leases_of, phone_bed

pytestmark = pytest.mark.root


def test_a_backup_of_a_running_daemon_takes_its_place(tmp_path: Path) -> None:
    backup = tmp_path / "backup.tar"
    with phone_bed() as bed, Lan(bed) as lan:
        state = tmp_path / "state"
        with Daemon(lan_config(bed, state), tmp_path, bed=bed) as daemon:
            phone = lan.boots()
            own = lan.http(f"{PHONE}.cfg", phone)
            daemon.provd("db", "backup", str(backup), "--with-key")
            assert daemon.json("db", "verify", str(backup))["problems"] == []
            refused = daemon.provd("db", "restore", str(backup), "--replace", check=False)
            assert (refused.returncode, refused.stderr) == (5, "the daemon runs: stop it first\n")
            daemon.stop()
            shutil.rmtree(state)
            daemon.provd("db", "restore", str(backup))
            daemon.start()
            assert leases_of(daemon)[phone] == PHONE
            assert lan.http(f"{PHONE}.cfg", phone) == own, "the same temporary account"
            assert lan.renew(phone) == phone
