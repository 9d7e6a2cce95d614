"""A device that is no phone fetches its own configuration with its key: the example plugin, in the real daemon."""

from __future__ import annotations

import shutil
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import pytest

from provd.plugins.check import check
from tests.daemon.test_tasks import activated
from tests.kit.daemon import ROOT, Daemon, loopback_config
from tests.kit.patience import PATIENCE

EXAMPLE = ROOT / "etc/examples/gateway"


def fetch(port: int, key: str, path: str = "config", **headers: str) -> tuple[int, str, Mapping[str, str]]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/provision/{path}", headers={"X-Exosite-CIK": key} | named if key else named
    )
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return answer.status, answer.read().decode(), dict(answer.headers)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), dict(error.headers)


def test_the_example_is_a_plugin_that_is_accepted() -> None:
    report = check(EXAMPLE)
    assert report.problems == ()


def test_a_device_gets_its_own_file_and_learns_of_no_other(tmp_path: Path) -> None:
    config, port = loopback_config(tmp_path / "state")
    shutil.copytree(EXAMPLE, tmp_path / "state/plugins/gateway")
    with Daemon(config, tmp_path) as daemon:
        assert (
            "bronze (2 models, 4 cases, 3 files rendered, 1 steps of tasks)"
            in daemon.provd("plugin", "check", str(EXAMPLE)).stdout
        )
        daemon.provd("activation", "model", "add", "Example", "gw-1")
        keys = {}
        for sn in ("S0001", "S0002"):
            daemon.provd("activation", "serial", "add", "Example", "gw-1", sn)
            daemon.provd("activation", "enable", "Example", "gw-1", sn)
            keys[sn] = activated(port, "Example", "gw-1", sn)
        daemon.provd(
            "profile",
            "add",
            "gws",
            "--level",
            "model",
            "--applies-to",
            "Example/gw-1",
            "--set",
            "time.zone=Europe/Madrid",
        )
        status, text, headers = fetch(port, keys["S0001"])
        assert (status, headers["Content-Type"]) == (200, "text/plain; charset=utf-8")
        assert "# Example gw-1 S0001\n" in text
        assert "time_zone = Europe/Madrid\n" in text, "settings of the model are its devices' own"
        assert "channel_4 = S0001/4\n" in text
        assert f"contents = http://127.0.0.1:{port}/provision/download?vendor=Example&model=gw-1\n" in text
        # The same by its name, and as a bearer token; nothing of somebody else's.
        assert fetch(port, "", "config/s0001.CONF", Authorization=f"Bearer {keys['S0001']}")[1] == text
        theirs = fetch(port, keys["S0001"], "config/S0002.conf")
        assert theirs[:2] == fetch(port, keys["S0001"], "config/S9999.conf")[:2] == (404, "HTTP/1.1 404 Not Found\r\n")
        assert "S0002/1" in fetch(port, keys["S0002"])[1]
        # What has not changed is not sent again; what a task or a person changes is.
        assert fetch(port, keys["S0001"], If_None_Match=headers["ETag"])[0] == 304
        daemon.provd("device", "set", "Example/gw-1/S0001", "--set", "ntp.server=10.0.0.9")
        status, text, fresh = fetch(port, keys["S0001"], If_None_Match=headers["ETag"])
        assert (status, "time_server = 10.0.0.9\n" in text, fresh["ETag"] != headers["ETag"]) == (200, True, True)
        assert daemon.provd("device", "render", "Example/gw-1/S0001").stdout == text
        assert daemon.json("device", "show", "Example/gw-1/S0001")["files"] == ["S0001.conf"]
        # Nobody gets it as a phone gets its files, and a key that was ended opens nothing.
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/S0001.conf", timeout=PATIENCE)
        assert fetch(port, "")[0] == fetch(port, "0" * 40)[0] == 401
        daemon.provd("activation", "disable", "Example", "gw-1", "S0001")
        assert fetch(port, keys["S0001"])[0] == 401
        assert fetch(port, keys["S0002"])[0] == 200
