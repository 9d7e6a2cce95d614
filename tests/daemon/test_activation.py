"""The daemon as a process: a device is enabled on the command line, activates itself, and is known by its key."""

from __future__ import annotations

import http.client
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.kit.daemon import Daemon, loopback_config
from tests.kit.patience import PATIENCE

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Device:
    """Something that speaks HTTP to the phones' port."""

    def __init__(self, port: int) -> None:
        self.port = port

    def ask(self, method: str, path: str, body: str | None = None, **headers: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, FORM | named if body is not None else named)
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        return response.status, text

    def activate(self, sn: str) -> tuple[int, str]:
        return self.ask("POST", "/provision/activate", f"vendor=acme&model=s2&sn={sn}")


def test_from_the_list_of_serials_to_the_key(tmp_path: Path) -> None:
    config, port = loopback_config(tmp_path / "state", sections='[activation]\nwindow = "2h"\n')
    with Daemon(config, tmp_path) as daemon:
        device = Device(port)
        daemon.provd("tenant", "add", "blue")
        assert daemon.json("activation", "model", "add", "acme", "s2", "--tenant", "blue")["window"] == 7200
        serials = tmp_path / "serials.csv"
        serials.write_text("sn,extra\n" + "".join(f"S{number:05d},box {number // 100}\n" for number in range(12_000)))
        imported = daemon.json("activation", "serial", "import", "acme", "s2", str(serials))
        assert imported == {"rows": 12_000, "added": 12_000}
        again = daemon.provd("activation", "serial", "import", "acme", "s2", str(serials))
        assert again.stdout == "0 added, 12000 were there\n"
        daemon.provd("activation", "range", "add", "acme", "s2", "mac:48", "02:00:00:00:00:00", "02:00:00:00:00:FF")

        assert device.activate("S00007")[0] == 409
        enabled = daemon.json("activation", "enable", "acme", "s2", "S00007")
        assert (enabled["state"], enabled["tenant"]) == ("pending", "blue")
        status, key = device.activate("S00007")
        assert (status, bool(re.fullmatch("[0-9a-f]{40}", key))) == (200, True)
        daemon.wait_for("THING-ACTIVATED")
        assert device.activate("S00007") == (409, "HTTP/1.1 409 Conflict\r\n")
        assert [row["sn"] for row in daemon.json("activation", "unused")] == ["S00007"]
        assert [row["outcome"] for row in daemon.json("activation", "log", "acme", "s2", "S00007")] == [
            "refused unclaimed",
            "activated",
            "refused activated",
        ]

        kept = key
        daemon.kill()
        daemon.start()
        assert device.activate("S00007")[0] == 409
        assert device.ask("GET", "/provision/download?vendor=acme&model=s2", X_Exosite_CIK=kept) == (200, "")
        daemon.wait_for("THING-KEY-USED")

        token = daemon.json("token", "add", "vendor", "--tenant", "blue", "--scope", "write")["token"]
        serial = "/provision/manage/model/s2/02:00:00:00:00:0A"
        assert device.ask("POST", serial, "enable=true&owner=o", X_Exosite_Token=token)[0] == 200
        assert device.activate("02:00:00:00:00:0A")[0] == 200
        assert daemon.json("activation", "model", "show", "acme", "s2")["serials"] == {
            "activated": 2,
            "unclaimed": 11_999,
        }
        daemon.provd("activation", "reenable", "acme", "s2", "S00007")
        assert device.ask("GET", "/provision/download?vendor=acme&model=s2", X_Exosite_CIK=kept)[0] == 401
        with ThreadPoolExecutor(40) as crowd:
            statuses = sorted(status for status, _ in crowd.map(device.activate, ["S00007"] * 40))
        assert statuses == [200] + [409] * 39
        assert kept not in "\n".join(daemon.log)
        assert daemon.json("status")["activations since the start"] == 2
        assert daemon.provd("activation", "model", "delete", "acme", "s2").stdout == "acme/s2 is deleted\n"
        assert device.activate("S00007")[0] == 403


def test_vendors_and_contents_on_the_command_line(tmp_path: Path) -> None:
    config, port = loopback_config(tmp_path / "state")
    image = tmp_path / "image.bin"
    image.write_bytes(bytes(range(256)) * 1000)
    with Daemon(config, tmp_path) as daemon:
        device = Device(port)
        for tenant in ("blue", "green"):
            daemon.provd("tenant", "add", tenant)
        assert daemon.json("activation", "vendor", "add", "acme", "--tenant", "blue")["tenant"] == "blue"
        added = daemon.json("activation", "model", "add", "acme", "s2", "--recovery", "reissue")
        assert (added["recovery"], added["serial_is_mac"]) == ("reissue", False)
        changed = daemon.json("activation", "model", "set", "acme", "s2", "--recovery", "off", "--serial-is-mac")
        assert (changed["recovery"], changed["serial_is_mac"], changed["window"]) == ("off", True, 86400)
        daemon.provd("activation", "content", "add", "acme", "s2", "image", "--meta", "version 7")
        sent = daemon.json("activation", "content", "send", "acme", "s2", "image", str(image), "--type", "a/b")
        assert (sent["size"], sent["type"], len(sent["sha256"])) == (256_000, "a/b", 64)
        assert [row["meta"] for row in daemon.json("activation", "content", "list", "acme", "s2")] == ["version 7"]
        key = daemon.provd("activation", "vendor", "key", "acme").stdout.strip()
        made = daemon.provd("activation", "vendor", "token", "add", "acme", "factory", "--expires", "1h").stdout.strip()
        (listed,) = daemon.json("activation", "vendor", "token", "list", "acme")
        assert (listed["id"], listed["state"]) == ("factory", "valid")
        path = "/provision/manage/content/s2/"
        for shown in ({"X_Exosite_CIK": key}, {"X_Exosite_Token": made}):
            assert device.ask("GET", path, **shown) == (200, "image")
        daemon.provd("activation", "serial", "add", "acme", "s2", "S1")
        daemon.provd("activation", "enable", "acme", "s2", "S1")
        assert device.activate("S1")[0] == 200

        refused = daemon.provd("tenant", "delete", "blue", check=False)
        assert refused.returncode == 5
        assert "has vendors of devices (acme): first move them to another tenant" in refused.stderr
        assert daemon.json("activation", "vendor", "move", "acme", "--to", "green")["devices"] == 1
        assert daemon.json("activation", "show", "acme", "s2", "S1")["tenant"] == "green"
        for shown in ({"X_Exosite_CIK": key}, {"X_Exosite_Token": made}):
            assert device.ask("GET", path, **shown)[0] == 401
        daemon.provd("tenant", "delete", "blue")
        assert daemon.provd("activation", "content", "delete", "acme", "s2", "image").stdout == "image is deleted\n"
        assert daemon.json("activation", "vendor", "show", "acme")["models"] == ["s2"]
        kept = "\n".join(daemon.log)
        assert key not in kept
        assert made not in kept


def test_a_content_survives_a_kill(tmp_path: Path) -> None:
    config, port = loopback_config(tmp_path / "state", sections="[activation]\ncontent_mib = 2\n")
    image = bytes(number % 253 for number in range(1_500_000))
    with Daemon(config, tmp_path) as daemon:
        device = Device(port)
        daemon.provd("tenant", "add", "blue")
        daemon.provd("activation", "model", "add", "acme", "s2", "--tenant", "blue")
        daemon.provd("activation", "serial", "add", "acme", "s2", "S1")
        daemon.provd("activation", "enable", "acme", "s2", "S1")
        key = device.activate("S1")[1]
        token = daemon.json("token", "add", "vendor", "--tenant", "blue", "--scope", "write")["token"]

        def send(path: str, body: bytes | str, kind: str = FORM["Content-Type"]) -> int:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
            headers = {"X-Exosite-Token": token, "Content-Type": kind}
            connection.request("POST", f"/provision/manage/content/s2/{path}", body, headers)
            status = connection.getresponse().status
            connection.close()
            return status

        assert send("", "id=image") == 205
        assert send("image", image, "a/b") == 205
        daemon.kill()
        daemon.start()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        connection.request("GET", "/provision/download?vendor=acme&model=s2&id=image", headers={"X-Exosite-CIK": key})
        response = connection.getresponse()
        assert (response.status, response.headers["Content-Type"], response.read() == image) == (200, "a/b", True)
        connection.close()
        assert send("image", bytes((2 << 20) + 1), "a/b") == 413


@pytest.mark.parametrize("running", [True, False])
def test_the_command_line_refuses_what_makes_no_sense(tmp_path: Path, *, running: bool) -> None:
    config, _ = loopback_config(tmp_path / "state")
    daemon = Daemon(config, tmp_path)
    try:
        if running:
            daemon.start()
        daemon.provd("activation", "model", "add", "acme", "s2")
        daemon.provd("activation", "serial", "add", "acme", "s2", "S1", "--extra", "shelf 3")

        def refused(*words: str) -> str:
            done = daemon.provd("activation", *words, check=False)
            assert done.returncode != 0
            return done.stderr.splitlines()[-1]

        assert refused("serial", "add", "acme", "s2", "S1") == "S1 is there already"
        daemon.provd("tenant", "add", "blue")
        assert refused("model", "add", "acme", "s4", "--tenant", "blue") == "acme is the vendor of master"
        assert refused("show", "acme", "s2", "S2") == "acme/s2 has no serial 'S2'"
        assert refused("show", "acme", "s3", "S2") == "acme has no model 's3'"
        assert refused("show", "acne", "s2", "S2") == "there is no vendor 'acne'"
        assert refused("reenable", "acme", "s2", "S1").startswith("S1 belongs to nobody yet")
        assert refused("range", "add", "acme", "s2", "base10", "7", "x").startswith("first and last")
        assert refused("enable", "acme", "s2", "S1", "--tenant", "ghost") == "there is no tenant 'ghost'"
        assert daemon.json("activation", "list", "acme", "s2")[0]["state"] == "unclaimed"
    finally:
        daemon.kill()
