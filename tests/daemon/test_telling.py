"""The daemon tells a phone through its PBX, without root and without a phone: what is owed outlives a crash."""

from __future__ import annotations

import contextlib
import urllib.error
import urllib.request
from pathlib import Path

from tests.kit import acme
from tests.kit.ami import AmiThread
from tests.kit.daemon import Daemon, loopback_config
from tests.kit.patience import PATIENCE

PHONE = acme.PHONE
TOLD = """
[resync]
event = "check-sync"
event_claimed = "resync"
[[writes]]
settings = ["resync"]
"""


def pbx(port: int, **more: str) -> str:
    fields = {"host": "127.0.0.1", "username": "provd", "secret": "s3cret"} | more
    return f"\n[[pbx.ami]]\nport = {port}\n" + "".join(f'{name} = "{value}"\n' for name, value in fields.items())


def fetch(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{PHONE}.cfg", timeout=PATIENCE) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as error:
        with contextlib.closing(error):
            return ""


def site(state: Path, sections: str) -> tuple[str, int]:
    """A configuration with phones that can be told."""
    text, port = loopback_config(state, sections=sections)
    folder = acme.install(state)
    manifest = folder / "plugin.toml"
    manifest.write_text(manifest.read_text() + TOLD)
    return text, port


def furnish(daemon: Daemon) -> None:
    daemon.provd("tenant", "add", "north", "--name", "North")
    daemon.provd("line", "add", "101", "--tenant", "north", "--username", "u101", "--password", "-", stdin="secret")
    daemon.provd("device", "add", PHONE, "--model", "A1")


def test_a_reset_phone_is_told_through_the_line_that_it_still_has(tmp_path: Path) -> None:
    with AmiThread(endpoints={"desk-u101"}) as server:
        config, port = site(tmp_path / "state", pbx(server.port, endpoint="desk-{username}"))
        with Daemon(config, tmp_path) as daemon:
            furnish(daemon)
            assert fetch(port)
            daemon.provd("device", "assign", PHONE, "101")
            assert 'comes="within 1 min"' in daemon.wait_for("RESYNC-UNANSWERED")
            assert fetch(port)
            daemon.wait_for("RESYNC-DONE")
            daemon.provd("device", "reset", PHONE)
            assert "way=ami heard=passed-on reason=reset" in daemon.wait_for("RESYNC-SENT")
            assert server.notified == [("PJSIP", "desk-u101", "resync")]
            assert fetch(port)
            assert "attempts=1" in daemon.wait_for("RESYNC-DONE")
            refused = daemon.provd("device", "sync", PHONE, check=False)
            assert refused.returncode == 1
            assert "it could not be told: it comes within 1 min" in refused.stdout
            assert daemon.stop() == 0
            assert not [line for line in daemon.log if "s3cret" in line or "INTERNAL" in line]


def test_kill_nine_between_the_change_and_the_notify(tmp_path: Path) -> None:
    bench = AmiThread(endpoints={"u101"})
    with bench as server:
        config, port = site(tmp_path / "state", pbx(server.port))
        with Daemon(config, tmp_path) as daemon:
            furnish(daemon)
            assert fetch(port)
            daemon.provd("device", "assign", PHONE, "101")
            assert fetch(port)
            daemon.wait_for("RESYNC-DONE")
            # Asterisk is away: the change is made, the NOTIFY cannot be sent, and then the daemon is killed.
            bench.down()
            daemon.wait_for("DEGRADED")
            daemon.provd("device", "reset", PHONE)
            daemon.wait_for("RESYNC-UNANSWERED")
            daemon.kill()
            assert server.notified == []
            bench.up()
            daemon.start()
            assert "reason=reset" in daemon.wait_for("RESYNC-SENT")
            assert server.notified == [("PJSIP", "u101", "resync")]
            assert fetch(port)
            daemon.wait_for("RESYNC-DONE")
            assert daemon.stop() == 0
            daemon.start()
            daemon.provd("device", "sync", PHONE, check=False)
            daemon.wait_for("RESYNC-UNANSWERED")
            assert server.notified == [("PJSIP", "u101", "resync")], "what is done is not told again"
            assert daemon.stop() == 0


def test_a_pbx_comes_and_goes_with_the_configuration(tmp_path: Path) -> None:
    bench = AmiThread()
    with bench as server:
        state = tmp_path / "state"
        secret = tmp_path / "ami.secret"
        config, _ = site(state, "")
        with Daemon(config, tmp_path) as daemon:
            unreadable = config + pbx(server.port, secret_file=str(secret)).replace('secret = "s3cret"\n', "")
            daemon.config.write_text(unreadable)
            daemon.reload()
            assert "secret_file" in daemon.wait_for("DEGRADED")
            assert "changed=pbx.ami" in daemon.wait_for("RELOADED")
            assert "cannot be read" in daemon.provd("check-config", "--deep", check=False).stderr
            daemon.config.write_text(config)
            daemon.reload()
            daemon.wait_for("RECOVERED")
            secret.write_text("s3cret\n")
            daemon.config.write_text(unreadable)
            daemon.reload()
            daemon.wait_for("RELOADED")
            assert bench.logged_in.wait(PATIENCE)
            bad = config + pbx(server.port, endpoint="same-for-all")
            daemon.config.write_text(bad)
            daemon.reload()
            assert "must hold {username}" in daemon.wait_for("RELOAD-FAILED")
            assert daemon.stop() == 0
            assert not [line for line in daemon.log if "s3cret" in line]
        assert server.logins == 1


def test_a_change_without_a_daemon_is_told_by_the_next_one(tmp_path: Path) -> None:
    with AmiThread(endpoints={"u101"}) as server:
        config, port = site(tmp_path / "state", pbx(server.port))
        with Daemon(config, tmp_path) as daemon:
            furnish(daemon)
            assert fetch(port)
            daemon.provd("device", "assign", PHONE, "101")
            assert fetch(port)
            assert daemon.stop() == 0
            daemon.provd("device", "reset", PHONE)
            refused = daemon.provd("device", "sync", PHONE, check=False)
            assert (refused.returncode, refused.stdout) == (5, "")
            daemon.start()
            assert "way=ami heard=passed-on reason=reset" in daemon.wait_for("RESYNC-SENT")
            assert server.notified == [("PJSIP", "u101", "resync")]
            assert daemon.stop() == 0
