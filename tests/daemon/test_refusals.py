"""A daemon that cannot start says why in one sentence, and leaves alone what runs already."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import program
from tests.kit.daemon import ROOT, Daemon, lan_config
from tests.kit.lan import Lan, socket_in
from tests.kit.patience import PATIENCE

pytestmark = pytest.mark.root


def start_in_vain(lan: Lan, config: Path, *prefix: str) -> tuple[int, str]:
    """Exit code and last words of a daemon that is not expected to come up."""
    ended = subprocess.run(
        ["ip", "netns", "exec", lan.bed.server, *prefix, sys.executable, "-m", "provd", "serve", "--config", config],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert "Traceback" not in ended.stdout + ended.stderr, ended.stderr
    return ended.returncode, ended.stderr.strip().splitlines()[-1]


def test_a_second_daemon_on_the_same_state_is_refused(lan: Lan, tmp_path: Path) -> None:
    config = lan_config(lan.bed, tmp_path / "state")
    with Daemon(config, tmp_path, bed=lan.bed) as daemon:
        phone = lan.boots()
        code, said = start_in_vain(lan, daemon.config)
        assert code == 1
        assert f"another provd (pid {daemon.pid}) uses {tmp_path}/state/provd.db" in said
        assert daemon.json("lease", "list"), "the control socket is still the first one's"
        assert lan.boots() == phone


@pytest.mark.parametrize(
    ("kind", "port", "words"),
    [
        (socket.SOCK_DGRAM, 69, "cannot listen on 0.0.0.0:69 for TFTP"),
        (socket.SOCK_STREAM, 8667, "cannot listen on 0.0.0.0:8667"),
        (socket.SOCK_STREAM, 8666, "cannot listen on 127.0.0.1:8666"),
    ],
)
def test_a_port_that_is_taken_is_named(kind: int, port: int, words: str, lan: Lan, tmp_path: Path) -> None:
    daemon = Daemon(lan_config(lan.bed, tmp_path / "state"), tmp_path, bed=lan.bed)
    with socket_in(lan.bed.server, kind) as taken:
        taken.bind(("0.0.0.0", port))
        if kind == socket.SOCK_STREAM:
            taken.listen()
        code, said = start_in_vain(lan, daemon.config)
        assert code in {1, 3}
        assert words in said
        assert "in use" in said
    assert not (tmp_path / "state" / "control.sock").exists()
    with daemon:
        lan.boots()


def test_another_dhcp_server_on_the_interface_is_told(lan: Lan, tmp_path: Path) -> None:
    with socket_in(lan.bed.server, socket.SOCK_DGRAM) as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("0.0.0.0", 67))
        with Daemon(lan_config(lan.bed, tmp_path / "state"), tmp_path, bed=lan.bed) as daemon:
            assert any("DEGRADED" in line and "another program has this port" in line for line in daemon.log)
            assert lan.offer(seconds=0.6) is None
            taken.close()
            daemon.wait_for("RECOVERED")
            lan.boots()


NOBODY = ("--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users reach, which pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="provd-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_without_rights_it_says_what_it_lacks(lan: Lan, open_folder: Path) -> None:
    state = open_folder / "state"
    state.mkdir()
    daemon = Daemon(lan_config(lan.bed, state), open_folder, bed=lan.bed)
    nobody = (program("setpriv"), *NOBODY)
    open_folder.chmod(0o700)
    code, said = start_in_vain(lan, daemon.config, *nobody)
    assert code == 3
    assert f"{daemon.config}: cannot be read" in said
    open_folder.chmod(0o755)
    code, said = start_in_vain(lan, daemon.config, *nobody)
    assert code == 1
    assert "Permission denied" in said
    assert str(state) in said
    os.chown(state, 65534, 65534)
    code, said = start_in_vain(lan, daemon.config, *nobody)
    assert code in {1, 3}
    assert "0.0.0.0:69" in said
    assert "Permission denied" in said or "not permitted" in said
