"""The command line and the real daemon, as two processes on loopback."""

import json
import re
import subprocess
import tomllib
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.kit.daemon import ROOT, Daemon, loopback_config
from tests.kit.patience import PATIENCE


def fetch(port: int, name: str) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/{name}", timeout=PATIENCE) as answer:
        return answer.read()


def page_of(config: str, path: str) -> str:
    address = tomllib.loads(config)["api"]["listen"][0]
    with urllib.request.urlopen(f"http://{address}{path}", timeout=PATIENCE) as answer:
        return answer.read().decode()


def test_a_friday_afternoon(tmp_path: Path) -> None:
    text, port = loopback_config(tmp_path / "state")
    with Daemon(text, tmp_path) as daemon:
        daemon.provd("tenant", "add", "acme", "--set", "sip.server=10.0.0.5")
        daemon.provd("line", "add", "101", "--tenant", "acme", "--password", "-", stdin="s3cret-pass\n")
        daemon.provd("device", "add", "80:5e:c0:11:22:33", "--model", "T27P")
        daemon.provd("device", "assign", "805ec0112233", "101")
        assert b"s3cret-pass" in fetch(port, "805ec0112233.cfg")
        (shown,) = daemon.json("device", "list", "state=provisioned")
        assert (shown["model"], shown["lines"]) == ("T27P", ["101"])
        assert "s3cret-pass" not in "".join(daemon.log)
        status = daemon.json("status")
        assert (status["running"], status["lines"]) == (True, 1)
        status = daemon.provd("status").stdout
        assert re.search(r"^dhcp +off$", status, re.MULTILINE)
        assert "Nobody is answered over DHCP (dhcp.mode = &#34;off&#34;)" in page_of(text, "/status")
        again = daemon.provd("tenant", "add", "acme", check=False)
        assert (again.returncode, again.stderr) == (5, "tenant 'acme' is there already\n")
        assert daemon.stop() == 0
        # Nobody listens any more: the same commands work on what is stored.
        assert daemon.json("line", "list")[0]["device"] == "80:5e:c0:11:22:33"
        assert daemon.provd("status", check=False).returncode == 1


def test_the_tail_begins_with_what_has_happened_goes_on_and_ends_with_the_daemon(tmp_path: Path) -> None:
    text, port = loopback_config(tmp_path / "state", secrets="token")
    with Daemon(text, tmp_path) as daemon:
        daemon.provd("device", "add", "80:5e:c0:11:22:33", "--model", "T27P")
        with pytest.raises(urllib.error.HTTPError, match="404"):
            fetch(port, "805ec0112233.cfg")
        with subprocess.Popen(
            daemon.command("tail", "805ec0112233", "--json"),
            cwd=ROOT,
            env=daemon.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as tail:
            assert tail.stdout is not None
            facts: list[dict[str, object]] = []
            while not facts or facts[-1]["fact"] != "FILE-REFUSED":
                facts.append(json.loads(tail.stdout.readline()))
            assert (facts[-1]["reason"], facts[-1]["past"]) == ("no valid token", True)
            with pytest.raises(urllib.error.HTTPError, match="404"):
                fetch(port, "805ec0112233.cfg")
            told = json.loads(tail.stdout.readline())
            assert (told["fact"], told.get("past")) == ("FILE-REFUSED", None)
            daemon.stop()
            _, error = tail.communicate(timeout=PATIENCE)
        assert (tail.returncode, error) == (1, "the daemon has stopped\n")
