"""The REST interface of the real daemon, asked by curl: the examples of the guide as they stand there."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import program
from tests.kit.daemon import Daemon, loopback_config
from tests.kit.patience import PATIENCE

pytestmark = pytest.mark.peer

GUIDE = Path(__file__).resolve().parents[2] / "etc/guide/rest.md"


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    config, _ = loopback_config(tmp_path / "state")
    with Daemon(config, tmp_path) as running:
        yield running


def address(daemon: Daemon) -> str:
    pages = [name for name in daemon.json("status")["listeners"] if name.startswith("page ")]
    return f"http://{pages[0].removeprefix('page ')}"


def curl(daemon: Daemon, path: str, *options: str, token: str = "") -> tuple[int, str]:
    """The status and the body."""
    auth = ["-H", f"Authorization: Bearer {token}"] if token else []
    command = [program("curl"), "-s", "-w", "\n%{http_code}", *auth, *options, f"{address(daemon)}/api/v1{path}"]
    out = subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE).stdout
    body, _, status = out.rpartition("\n")
    return int(status), body


def test_the_examples_of_the_guide_do_what_they_say(daemon: Daemon, tmp_path: Path) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    (script,) = [block for block in blocks if "curl" in block]
    assert script.count("curl") >= 10
    token = daemon.json("token", "add", "guide", "--scope", "admin")["token"]
    (tmp_path / "lines.csv").write_text("id,tenant,number\nglobex:202,globex,202\n")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script.replace("http://127.0.0.1:8666", address(daemon))],
        cwd=tmp_path,
        env={**daemon.environment, "TOKEN": token},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert '"added": 1' in done.stdout
    assert "***" in done.stdout
    assert daemon.json("line", "show", "globex:201")["display_name"] == "Eva"
    assert daemon.json("device", "show", "805ec0445566")["lines"] == ["globex:201"]


def test_a_token_made_without_a_daemon_works_and_what_it_does_outlives_a_restart(tmp_path: Path) -> None:
    config, _ = loopback_config(tmp_path / "state")
    daemon = Daemon(config, tmp_path)
    token = daemon.json("token", "add", "first", "--scope", "admin")["token"]
    with daemon:
        assert curl(daemon, "/tenants", "--json", '{"id": "acme"}', token=token)[0] == 201
        bound = json.loads(curl(daemon, "/tokens", "--json", '{"name": "a", "tenant": "acme"}', token=token)[1])
        assert curl(daemon, "/status")[0] == 401
        assert curl(daemon, "/status", token=bound["token"])[0] == 403
        assert daemon.stop() == 0
        daemon.start()
        status, body = curl(daemon, "/tenants", token=bound["token"])
        assert (status, [item["id"] for item in json.loads(body)["items"]]) == (200, ["acme"])
        assert daemon.provd("token", "revoke", bound["id"]).returncode == 0
        assert curl(daemon, "/tenants", token=bound["token"])[0] == 401
        audit = json.loads(curl(daemon, "/audit", token=token)[1])["items"]
        assert [entry["action"] for entry in audit] == ["token.revoke", "token.add", "tenant.add", "token.add"]
        assert audit[-2]["by"].startswith("token ")
        assert not [line for line in daemon.log if token in line or bound["token"] in line]


def test_the_parts_of_the_daemon_answer_through_it(daemon: Daemon) -> None:
    token = daemon.json("token", "add", "t", "--scope", "admin")["token"]
    assert json.loads(curl(daemon, "/status", token=token)[1])["version"]
    assert json.loads(curl(daemon, "/subnets", token=token)[1]) == {"items": []}
    assert json.loads(curl(daemon, "/reload", "-X", "POST", token=token)[1]) == {"changed": [], "restart_needed": []}
    assert json.loads(curl(daemon, "/models?limit=1", token=token)[1])["total"] > 50
    sound, where = daemon.config.read_text(), f"{address(daemon)}/api/v1/reload"
    daemon.config.write_text(f"{sound}\n[policy2]\n")
    asked = [program("curl"), "-s", "-X", "POST", "-H", f"Authorization: Bearer {token}", where]
    refused = json.loads(subprocess.run(asked, capture_output=True, text=True, check=True, timeout=PATIENCE).stdout)
    assert (refused["status"], refused["type"]) == (422, "config")
    daemon.config.write_text(sound)
    outcome = json.loads(curl(daemon, "/dial", "--json", '{"code": "12345678", "ip": "10.9.9.9"}', token=token)[1])
    assert outcome["accepted"] is False
    stream = subprocess.Popen(
        [program("curl"), "-sN", "-H", f"Authorization: Bearer {token}", f"{address(daemon)}/api/v1/events"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert stream.stdout is not None
        assert stream.stdout.readline() == ": here\n"
        daemon.provd("tenant", "add", "heard")
        lines = iter(stream.stdout.readline, "")
        event = next(line for line in lines if line.startswith("data: ") and "ADMIN-CHANGED" in line)
        assert json.loads(event.removeprefix("data: "))["object"] == "heard"
    finally:
        stream.kill()
        stream.wait()
        stream.stdout.close()
