"""A new device finds its customer: the example of the repository, in the real daemon, against two real databases."""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import sqlite3
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.kit import acme
from tests.kit.daemon import ROOT, Daemon, loopback_config
from tests.kit.patience import PATIENCE

PHONE = acme.PHONE
COLONS = ":".join(PHONE[place : place + 2] for place in range(0, 12, 2))


def seen(port: int) -> None:
    """The phone asks for its file, and nobody has announced it."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/{PHONE}.cfg", headers={"User-Agent": f"Acme A1/1.2 {PHONE}"}
    )
    with contextlib.suppress(urllib.error.HTTPError), urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        answer.read()


@dataclass
class Register:
    """The CRM and the asset register."""

    crm: Path
    assets: Path

    def make(self) -> None:
        self._do(self.crm, "CREATE TABLE delivery (device TEXT PRIMARY KEY, customer TEXT, tenant TEXT)")
        self._do(self.assets, "CREATE TABLE asset (device TEXT PRIMARY KEY, number INT, class TEXT, first_seen TEXT)")

    def deliver(self, device: str = COLONS) -> None:
        self._do(self.crm, "INSERT INTO delivery VALUES (?, 'Northern Lights', 'north')", device)

    def enter(self, kind: str = "lobby", device: str = COLONS) -> None:
        self._do(self.assets, "INSERT INTO asset VALUES (?, 4711, ?, NULL)", device, kind)

    def first_seen(self) -> str | None:
        with contextlib.closing(sqlite3.connect(self.assets)) as connection:
            return connection.execute("SELECT first_seen FROM asset").fetchone()[0]

    def _do(self, file: Path, sql: str, *parameters: object) -> None:
        with contextlib.closing(sqlite3.connect(file)) as connection, connection:
            connection.execute(sql, parameters)


def example(register: Register) -> str:
    text = (ROOT / "etc/examples/first-boot.toml").read_text()
    text = text.replace("sqlite:////var/lib/provd/crm.db", f"sqlite:///{register.crm}")
    return text.replace("sqlite:////var/lib/provd/assets.db", f"sqlite:///{register.assets}")


def test_a_new_device_stands_at_its_customers_tenant_when_both_records_are_there(tmp_path: Path) -> None:
    register = Register(tmp_path / "crm.db", tmp_path / "assets.db")
    register.make()
    config, port = loopback_config(tmp_path / "state", sections=example(register))
    acme.install(tmp_path / "state")
    run = f"first-boot:1:{PHONE}:1"
    with Daemon(config, tmp_path) as daemon:
        daemon.provd("tenant", "add", "north", "--name", "North")
        seen(port)
        daemon.wait_for("TASK-WAITING")
        register.enter()
        shown = daemon.json("task", "list", "state=waiting")
        assert [(each["id"], each["reason"]) for each in shown] == [(run, f"the delivery of {COLONS} in the CRM")]
        assert register.first_seen() is None, "nothing is written before both are found"
        register.deliver()
        daemon.provd("task", "retry", run)
        daemon.wait_for("TASK-DONE")
        device = daemon.json("device", "show", PHONE)
        assert device["tenant"] == "north"
        assert register.first_seen() == device["first_seen"]
        known = daemon.json("task", "metadata", PHONE)
        assert known["metadata"] == {"customer": "Northern Lights", "asset": 4711, "class": "lobby"}
        found = daemon.json("task", "show", run)
        assert [step["step"] for step in found["steps"]] == ["crm", "asset", "first-seen", "customer"]
        assert found["steps"][2]["result"] == {"rows": 1}
        # A second discovery, and another start, begin nothing.
        seen(port)
        assert daemon.stop() == 0
        daemon.start()
        seen(port)
        assert [each["id"] for each in daemon.json("task", "list")] == [run]
        assert daemon.provd("task", "retry", run, check=False).returncode == 5


def test_a_device_that_activates_finds_its_customer_by_the_same_example(tmp_path: Path) -> None:
    register = Register(tmp_path / "crm.db", tmp_path / "assets.db")
    register.make()
    register.deliver("acme/sensor-2/S0001")
    register.enter("lobby", "acme/sensor-2/S0001")
    config, port = loopback_config(tmp_path / "state", sections=example(register))
    page = page_of(config)
    thing, run = "acme~sensor-2~S0001", "first-boot:1:acme~sensor-2~S0001:1"
    with Daemon(config, tmp_path) as daemon:
        daemon.provd("tenant", "add", "north", "--name", "North")
        daemon.provd("activation", "model", "add", "acme", "sensor-2")
        daemon.provd("activation", "serial", "add", "acme", "sensor-2", "S0001")
        daemon.provd("activation", "enable", "acme", "sensor-2", "S0001")
        (row,) = daemon.json("device", "list")
        assert (row["id"], row["state"], row["tenant"], row["first_seen"]) == (thing, "pending", "master", None)
        assert daemon.json("task", "list") == []
        assert len(activated(port, "acme", "sensor-2", "S0001")) == 40
        daemon.wait_for("TASK-DONE")
        device = daemon.json("device", "show", "acme/sensor-2/S0001")
        assert (device["tenant"], device["state"], device["mac"]) == ("north", "activated", "")
        assert device["metadata"]["customer"] == "Northern Lights"
        assert register.first_seen() == device["first_seen"]
        assert daemon.json("task", "show", run)["state"] == "done"
        assert daemon.json("activation", "show", "acme", "sensor-2", "S0001")["tenant"] == "north"
        # It stands on its customer's list, and on nobody else's.
        daemon.provd("tenant", "add", "south")
        for tenant, found in (("north", [thing]), ("south", [])):
            token = daemon.json("token", "add", tenant, "--tenant", tenant, "--scope", "read")["token"]
            assert [each["id"] for each in rest(page, token, "devices")["items"]] == found
        token = daemon.json("token", "add", "all", "--scope", "read")["token"]
        known = rest(page, token, f"devices/{thing}/metadata")
        assert known["metadata"] == {"customer": "Northern Lights", "asset": 4711, "class": "lobby"}
        assert rest(page, token, f"tasks/{run}")["device"] == "acme/sensor-2/S0001"
        boots = rest(page, token, f"devices/{thing}/timeline")["items"]
        assert {"THING-ACTIVATED", "TASK-DONE"} <= {step["fact"] for boot in boots for step in boot["steps"]}
        with urllib.request.urlopen(f"http://127.0.0.1:{page}/device/{thing}", timeout=PATIENCE) as answer:
            html = answer.read().decode()
        assert {name for name in ("acme/sensor-2/S0001", "Northern Lights", run) if name not in html} == set()
        for tenant, there in (("north", True), ("south", False)):
            with urllib.request.urlopen(f"http://127.0.0.1:{page}/?tenant={tenant}", timeout=PATIENCE) as answer:
                assert (f"/device/{thing}" in answer.read().decode()) is there
            assert len(daemon.json("task", "list", "device=acme/sensor-2/S0001", f"tenant={tenant}")) == there
        assert daemon.provd("device", "delete", thing, check=False).returncode == 5
        assert daemon.provd("device", "sync", thing, check=False).returncode == 5


def test_the_guide_can_be_typed_as_it_stands(tmp_path: Path) -> None:
    """Its statements, commands and request, with other paths and ports."""
    page = (ROOT / "etc/guide/tasks.md").read_text(encoding="utf-8")
    block = page.partition("The example as it stands")[2].partition("```sh\n")[2].partition("```")[0]
    lines = [shlex.split(line, comments=True) for line in block.splitlines()]
    register = Register(tmp_path / "crm.db", tmp_path / "assets.db")
    config, port = loopback_config(tmp_path / "state", sections=example(register))
    shown: dict[str, str] = {}
    with Daemon(config, tmp_path) as daemon:
        for words in lines:
            if words[0] == "sqlite3":
                with contextlib.closing(sqlite3.connect(tmp_path / words[1])) as connection, connection:
                    shown[words[0]] = str(connection.execute(words[2]).fetchall())
            elif words[0] == "curl":
                url = words[-1].replace("10.20.0.1:8667", f"127.0.0.1:{port}")
                with urllib.request.urlopen(url, words[2].encode(), timeout=PATIENCE) as answer:
                    assert len(answer.read()) == 40
                daemon.wait_for("TASK-DONE")
            elif words[0] == "provd":
                shown[" ".join(words[1:3])] = daemon.provd(*words[1:]).stdout
    assert "done" in shown["task show"]
    assert "Northern Lights" in shown["task metadata"]
    assert "acme/sensor-2/S0009" in shown["device list"]
    assert re.fullmatch(r"\[\('acme/sensor-2/S0009', 4711, 'lobby', '20\d\d-.*'\)\]", shown["sqlite3"])


def activated(port: int, vendor: str, model: str, sn: str) -> str:
    """The key that a device gets."""
    form = urllib.parse.urlencode({"vendor": vendor, "model": model, "sn": sn}).encode()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/provision/activate", form, timeout=PATIENCE) as answer:
        return str(answer.read().decode())


def page_of(config: str) -> int:
    """The port of the page and of REST."""
    found = re.search(r'\[api\]\nlisten = \["127.0.0.1:([0-9]+)"\]', config)
    assert found
    return int(found[1])


def rest(port: int, token: str, path: str) -> Any:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/v1/{path}", headers={"Authorization": f"Bearer {token}"}
    )
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        return json.load(answer)


def test_metadata_against_the_rules_is_refused_until_somebody_puts_it_right(tmp_path: Path) -> None:
    register = Register(tmp_path / "crm.db", tmp_path / "assets.db")
    register.make()
    register.deliver()
    register.enter("cellar")
    config, port = loopback_config(tmp_path / "state", sections=example(register))
    acme.install(tmp_path / "state")
    with Daemon(config, tmp_path) as daemon:
        daemon.provd("tenant", "add", "north", "--name", "North")
        seen(port)
        assert "class must be one of desk, lobby, meeting-room" in daemon.wait_for("TASK-FAILED")
        assert daemon.json("device", "show", PHONE)["tenant"] == "master", "all of a step, or nothing"


@dataclass
class Server:
    """Counts requests by path; holds those to ``slow`` until it is told to go on."""

    calls: list[tuple[str, str, str]] = field(default_factory=list)
    arrived: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)
    stop_at: int = 0
    """From so many calls on they hang."""
    port: int = 0


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            octets = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            made.calls.append((f"{self.command} {self.path}", self.headers["Idempotency-Key"], octets.decode()))
            if "slow" in self.path or 0 < made.stop_at <= len(made.calls):
                made.arrived.set()
                made.go_on.wait(PATIENCE)
            body = json.dumps({"data": [{"tenant": "north"}]}).encode()
            with contextlib.suppress(OSError):
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        made.port = httpd.server_address[1]
        thread = threading.Thread(target=httpd.serve_forever, args=(0.05,))
        thread.start()
        yield made
        made.go_on.set()
        httpd.shutdown()
        thread.join()


STEPS = """
[tasks]
allow = ["127.0.0.0/8"]
[[tasks.server]]
name = "crm"
url = "http://127.0.0.1:{port}/api"
[[tasks.template]]
id = "welcome"
[[tasks.template.step]]
id = "look"
do = "http"
server = "crm"
path = "/device/{{device.mac}}"
take = {{ tenant = "/data/0/tenant" }}
[[tasks.template.step]]
id = "tell"
do = "http"
server = "crm"
method = "POST"
path = "/slow"
body = {{ mac = "{{device.mac}}", at = "{{device.first_seen}}" }}
[[tasks.template.step]]
id = "own"
do = "set"
tenant = "{{look.tenant}}"
"""


@pytest.mark.fault
def test_a_killed_daemon_goes_on_with_the_step_in_flight_and_repeats_no_other(tmp_path: Path, server: Server) -> None:
    config, port = loopback_config(tmp_path / "state", sections=STEPS.format(port=server.port))
    acme.install(tmp_path / "state")
    daemon = Daemon(config, tmp_path)
    try:
        daemon.start()
        daemon.provd("tenant", "add", "north", "--name", "North")
        seen(port)
        assert server.arrived.wait(PATIENCE)
        daemon.kill()
        server.go_on.set()
        daemon.start()
        daemon.wait_for("TASK-DONE")
        assert daemon.json("device", "show", PHONE)["tenant"] == "north"
    finally:
        daemon.kill()
    look, first, second = server.calls
    assert look[:2] == ("GET /api/device/02%3Aaa%3Aaa%3A00%3A00%3A01", f"welcome:1:{PHONE}:1:look")
    assert first == second, "the same request, with the same key"
    assert json.loads(first[2])["mac"] == COLONS


MANY = 200
AT_ONCE = 16


@pytest.mark.fault
def test_of_two_hundred_runs_that_are_killed_no_finished_step_is_repeated(tmp_path: Path, server: Server) -> None:
    sections = STEPS.format(port=server.port).replace("/slow", "/told")
    config, _ = loopback_config(tmp_path / "state", sections=sections)
    rows = tmp_path / "phones.csv"
    rows.write_text("mac\n" + "".join(f"02aabb{number:06x}\n" for number in range(MANY)))
    daemon = Daemon(config, tmp_path)
    try:
        daemon.start()
        daemon.provd("tenant", "add", "north", "--name", "North")
        server.stop_at = MANY
        daemon.provd("device", "import", str(rows))
        assert server.arrived.wait(PATIENCE)
        daemon.kill()
        done_before = len(server.calls)
        server.stop_at = 0
        server.go_on.set()
        daemon.start()
        daemon.drain()
        with contextlib.closing(sqlite3.connect(tmp_path / "state/provd.db")) as connection:
            states = "SELECT count(*) FROM task_run WHERE state = 'done'"
            deadline = time.monotonic() + PATIENCE
            while connection.execute(states).fetchone()[0] < MANY and time.monotonic() < deadline:
                daemon.json("task", "list", "--limit", "1")
            assert connection.execute(states).fetchone()[0] == MANY
        asked = Counter(key for _, key, _ in server.calls)
        assert len(asked) == 2 * MANY, "each step of each run"
        # What was in flight when it was killed, and nothing else: so many runs at a time.
        assert sum(count > 1 for count in asked.values()) <= AT_ONCE
        assert max(asked.values()) <= 2
        assert MANY - AT_ONCE <= done_before <= MANY + AT_ONCE
        assert {device["tenant"] for device in daemon.json("device", "list")} == {"north"}
    finally:
        server.go_on.set()
        daemon.kill()


def test_other_templates_add_and_remove_runs_at_a_reload(tmp_path: Path) -> None:
    wait = '[[tasks.template]]\nid = "{name}"\n[[tasks.template.step]]\nid = "rest"\ndo = "wait"\nfor = "1h"\n'
    config, _ = loopback_config(tmp_path / "state", sections=wait.format(name="old"))
    acme.install(tmp_path / "state")
    with Daemon(config, tmp_path) as daemon:
        daemon.provd("device", "add", PHONE, "--model", "A1")
        assert [each["template"] for each in daemon.json("task", "list")] == ["old"]
        daemon.config.write_text(config.replace('"old"', '"new"'))
        daemon.reload()
        daemon.wait_for("RELOADED")
        assert [each["template"] for each in daemon.json("task", "list")] == ["new"]
        assert [each["id"] for each in daemon.json("task", "templates")] == ["new"]
        daemon.provd("device", "delete", PHONE)
        assert daemon.json("task", "list") == []
