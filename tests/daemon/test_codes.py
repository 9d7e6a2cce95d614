"""Codes in the real daemon: locks outlive it, and its configuration is taken over while it runs."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.daemon.test_telling import site
from tests.kit.codes import dial, furnish, mac_of
from tests.kit.daemon import Daemon
from tests.kit.ports import free_port


def heard(port: int, number: int, digits: str) -> str:
    return asyncio.run(dial(port, number, digits))


def test_a_lock_outlives_a_killed_daemon_and_an_administrator_lifts_it(tmp_path: Path) -> None:
    agi = free_port()
    sections = f'[codes]\ndelay = "0s"\nreset_pin = "4711"\n[sip]\nlisten = []\nagi_listen = ["127.0.0.1:{agi}"]\n'
    config, _ = site(tmp_path / "state", sections)
    daemon = Daemon(config, tmp_path)
    codes = furnish(daemon.config, 2)
    with daemon:
        assert [heard(agi, 0, "00000000") for _ in range(6)] == ["unknown"] * 5 + ["locked"]
        daemon.wait_for("CODE-LOCKED")
        daemon.kill()
        daemon.start()
        assert heard(agi, 0, codes[0]) == "locked"
        assert heard(agi, 1, codes[1]) == "accepted", "a neighbour behind the same PBX"
        lock = f"device:{mac_of(0)}"
        listed = {each["id"]: each for each in daemon.json("lock", "list")}
        assert 1800 < listed[lock]["wait"] <= 3600
        assert daemon.provd("lock", "lift", lock).stdout == f"{lock} is lifted\n"
        assert heard(agi, 0, codes[0]) == "accepted"
        assert heard(agi, 0, "*448322254711") == "reset"
        assert daemon.json("device", "show", mac_of(0))["lines"] == []
        log = "\n".join(daemon.log)
        assert not any(code in log for code in [*codes, "4711"])


def test_a_reload_changes_what_new_codes_look_like_and_how_many_tries_there_are(tmp_path: Path) -> None:
    agi = free_port()
    sections = f'[codes]\nlength = 8\n[sip]\nlisten = []\nagi_listen = ["127.0.0.1:{agi}"]\n'
    config, _ = site(tmp_path / "state", sections)
    daemon = Daemon(config, tmp_path)
    furnish(daemon.config, 2)
    with daemon:
        assert len(daemon.json("code", "add", "--line", "n0")["code"]) == 8
        daemon.config.write_text(config.replace("length = 8", 'length = 10\nalphabet = "12345678"\ntries = 1'))
        daemon.reload()
        assert "codes.length" in daemon.wait_for("RELOADED")
        made = daemon.json("code", "add", "--line", "n1", "--expires", "7d")["code"]
        assert len(made) == 10
        assert set(made) <= set("12345678")
        assert [heard(agi, 0, "1"), heard(agi, 0, made)] == ["unknown", "locked"]
        assert heard(agi, 1, made) == "accepted"
