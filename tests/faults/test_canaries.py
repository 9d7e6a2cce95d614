"""A hundred secrets that are easy to find, and every place where the daemon leaves octets behind."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from provd.cli.client import ask
from provd.config.load import load
from tests.kit.daemon import Daemon, lan_config
from tests.kit.lan import PHONE, Lan
from tests.kit.patience import PATIENCE

pytestmark = [pytest.mark.root, pytest.mark.fault]

CANARIES = [f"canary{number:03d}Zq" for number in range(100)]


def places(daemon: Daemon, state: Path, backup: Path) -> Iterator[tuple[str, bytes]]:
    """Everything that is kept, by its name."""
    for file in sorted(state.rglob("*")):
        if file.is_file():
            yield str(file.relative_to(state)), file.read_bytes()
    yield "backup", backup.read_bytes()
    yield "log", "\n".join(daemon.log).encode()
    for pid in (daemon.pid, *children_of(daemon.pid)):
        yield (
            f"command line and environment of {pid}",
            b"".join(Path(f"/proc/{pid}/{name}").read_bytes() for name in ("cmdline", "environ")),
        )


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_secrets_stay_where_they_belong(lan: Lan, tmp_path: Path) -> None:
    state, backup = tmp_path / "state", tmp_path / "backup.tar"
    config = lan_config(lan.bed, state, log_level="debug")
    with Daemon(config, tmp_path, bed=lan.bed, environ={"PYTHONASYNCIODEBUG": "1"}) as daemon:
        phone = lan.boots()
        settings = load(daemon.config)
        own = {"sip.server": "10.0.0.5", "admin.password": CANARIES[0]}
        ask(settings.server.control_path, "tenant.add", {"id": "acme", "settings": own})
        for number, password in enumerate(CANARIES[1:50]):
            ask(
                settings.server.control_path,
                "line.add",
                {"id": f"n{number}", "tenant": "acme", "username": "u", "password": password},
            )
        ask(settings.server.control_path, "device.assign", {"mac": PHONE, "line": ["n0"]})
        for number, password in enumerate(CANARIES[50:]):
            ask(settings.server.control_path, "device.add", {"mac": f"805ec02{number:05x}", "model": "T27P"})
            ask(
                settings.server.control_path,
                "device.set",
                {"mac": f"805ec02{number:05x}", "settings": {"user.password": password}},
            )
        assert CANARIES[1].encode() in lan.http(f"{PHONE}.cfg", phone), "its own phone hears it"
        for name in (f"{PHONE}.cfg", "805ec0200004.cfg", f"{CANARIES[2]}.cfg"):
            lan.http(name, "10.77.17.9")
            lan.tftp(name, "10.77.17.9", seconds=1)  # no answer at all, or an error
        token = daemon.json("device", "show", PHONE, "--reveal", "--local", lan.bed.server_ip)["url"].rpartition("/")[2]
        lan.http(f"{token}/{PHONE}.cfg", "10.77.17.10")
        daemon.provd("db", "backup", str(backup))
        # What was asked for by name is in the log as the name that it is, and nothing else.
        secrets = [canary for canary in CANARIES if canary != CANARIES[2]]
        found = [
            (name, canary)
            for name, octets in places(daemon, state, backup)
            for canary in secrets
            if canary.encode() in octets
        ]
        assert found == []
        assert token
        assert not [line for line in daemon.log if token in line], "a token is as good as a password"
        limits = Path(f"/proc/{daemon.pid}/limits").read_text()
        assert re.search(r"Max core file size +0 +0 ", limits), "memory does not end up on a disk"
        for pid in children_of(daemon.pid):
            assert re.search(r"Max core file size +0 +0 ", Path(f"/proc/{pid}/limits").read_text())
        os.kill(daemon.pid, signal.SIGSEGV)
        assert daemon.process is not None
        daemon.process.wait(PATIENCE)
        assert not [file for file in tmp_path.rglob("core*") if file.is_file()]
