"""A rollout on a real daemon that is killed in the middle of it, on either database."""

from __future__ import annotations

import socket
import time
import urllib.request
from pathlib import Path
from typing import Any

from tests.e2e.test_dialing import account_in
from tests.kit.daemon import Daemon, loopback_config
from tests.kit.patience import PATIENCE
from tests.kit.sip_phone import SipPhone

OLD, NEW = "66.84.0.125", "66.86.0.15"
PHONES = [f"805ec0{number:06x}" for number in range(1, 11)]


def comes(port: int, mac: str, version: str) -> str:
    """The phone asks for its file and says what it runs; gives the file."""
    spelt = ":".join(mac[at : at + 2] for at in range(0, 12, 2))
    agent = f"Yealink SIP-T46S {version} {spelt}"
    asked = urllib.request.Request(f"http://127.0.0.1:{port}/{mac}.cfg", headers={"User-Agent": agent})
    with urllib.request.urlopen(asked, timeout=PATIENCE) as answer:
        return str(answer.read().decode())


def until(daemon: Daemon, **wanted: object) -> dict[str, Any]:
    """The rollout, as soon as it is like that."""
    deadline = time.monotonic() + PATIENCE
    while True:
        shown = dict(daemon.json("rollout", "show", "spring"))
        if {name: shown[name] for name in wanted} == wanted:
            return shown
        assert time.monotonic() < deadline, shown


def test_it_goes_on_where_it_was(tmp_path: Path, database: str) -> None:
    image = tmp_path / "T46S.rom"
    image.write_bytes(bytes(range(256)) * 20)
    config, port = loopback_config(tmp_path / "state", sections=database)
    with Daemon(config, tmp_path) as daemon:
        rows = "".join(f"{mac},Yealink,T46S\n" for mac in PHONES)
        daemon.provd("device", "import", "-", stdin=f"mac,vendor,model\n{rows}")
        for version in (OLD, NEW):
            daemon.provd("firmware", "upload", str(image), "--name", "T46S", "--version", version)
        for mac in PHONES:
            assert NEW not in comes(port, mac, OLD)
        rings = ("--ring", "pilot=20", "--ring", "rest=100", "--patience", "30m", "--no-tell")
        daemon.provd("rollout", "add", "spring", "--firmware", "T46S", "--version", NEW, *rings)
        daemon.provd("rollout", "start", "spring")
        until(daemon, state="running", ring="pilot", of=10)
        pilots: list[str] = []
        deadline = time.monotonic() + PATIENCE
        while len(pilots) < 2:
            pilots = [mac for mac in PHONES if NEW in comes(port, mac, OLD)]
            assert time.monotonic() < deadline
        daemon.kill()
        daemon.start()
        assert [mac for mac in PHONES if NEW in comes(port, mac, OLD)] == pilots
        for mac in pilots:
            comes(port, mac, NEW)
        until(daemon, ring="rest", on=2)
        daemon.provd("rollout", "pause", "spring")
        daemon.kill()
        daemon.start()
        until(daemon, state="paused", on=2)
        daemon.provd("rollout", "resume", "spring")
        deadline = time.monotonic() + PATIENCE
        while len(got := [mac for mac in PHONES if NEW in comes(port, mac, NEW if mac in pilots else OLD)]) < 10:
            assert time.monotonic() < deadline, got
        for mac in PHONES:
            comes(port, mac, NEW)
        shown = until(daemon, state="done", on=10, of=10)
        assert [row["on"] for row in shown["by_ring"]] == [2, 8]
        refused = daemon.provd("firmware", "remove", "T46S", NEW, check=False)
        assert refused.returncode == 5
        daemon.provd("rollout", "rollback", "spring")
        deadline = time.monotonic() + PATIENCE
        while not all(OLD in comes(port, mac, NEW) for mac in PHONES):
            assert time.monotonic() < deadline
        daemon.kill()
        daemon.start()
        assert daemon.json("rollout", "show", "spring")["state"] == "rolled-back"
        daemon.provd("rollout", "delete", "spring")
        assert daemon.json("rollout", "list") == []
        assert not [line for line in daemon.log if "INTERNAL-ERROR" in line]


def test_a_registration_says_that_it_runs_the_version(tmp_path: Path) -> None:
    image = tmp_path / "T46S.rom"
    image.write_bytes(bytes(range(256)) * 20)
    config, port = loopback_config(tmp_path / "state")
    mac = PHONES[0]
    with Daemon(config, tmp_path) as daemon, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        daemon.provd("device", "add", mac, "--vendor", "Yealink", "--model", "T46S")
        daemon.provd("firmware", "upload", str(image), "--name", "T46S", "--version", NEW)
        user, password, server, sip = account_in(comes(port, mac, OLD))
        daemon.provd("rollout", "add", "spring", "--firmware", "T46S", "--version", NEW, "--no-tell")
        daemon.provd("rollout", "start", "spring")
        sock.bind(("127.0.0.1", 0))
        phone = SipPhone(sock, (server, sip), user, password, user_agent=f"Yealink SIP-T46S {OLD}")
        assert phone.register() == 200
        assert until(daemon, state="running", of=1)["on"] == 0
        phone.user_agent = f"Yealink SIP-T46S {NEW}"
        assert phone.register() == 200
        until(daemon, state="done", on=1)
        assert daemon.json("device", "show", mac)["version"] == NEW
