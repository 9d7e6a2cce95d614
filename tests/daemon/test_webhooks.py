"""Webhooks of the real daemon: nothing is lost by kill -9, and a dead endpoint stands in nobody's way."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.daemon.test_tasks import page_of, rest
from tests.kit.daemon import Daemon, loopback_config
from tests.kit.patience import PATIENCE


@dataclass
class Receiver:
    """Takes letters when it is up, else answers 500."""

    up: threading.Event = field(default_factory=threading.Event)
    took: list[Any] = field(default_factory=list)
    news: threading.Condition = field(default_factory=threading.Condition)
    refused: threading.Event = field(default_factory=threading.Event)
    status: int = 500
    port: int = 0

    def wait(self, count: int) -> None:
        """Until it has so many."""
        with self.news:
            assert self.news.wait_for(lambda: len(self.took) >= count, PATIENCE)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if made.up.is_set():
                with made.news:
                    made.took.append(body)
                    made.news.notify()
            else:
                made.refused.set()
            self.send_response(200 if made.up.is_set() else made.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        made.port = httpd.server_address[1]
        thread = threading.Thread(target=httpd.serve_forever, args=(0.05,))
        thread.start()
        yield made
        httpd.shutdown()
        thread.join()


HOOK = '[[webhook]]\nname = "{0}"\nurl = "http://127.0.0.1:{1}/{0}"\nfacts = ["ADMIN-*"]\nallow = ["127.0.0.0/8"]\n'


@pytest.mark.fault
def test_what_an_endpoint_did_not_take_outlives_the_daemon(tmp_path: Path, receiver: Receiver) -> None:
    config, _ = loopback_config(tmp_path / "state", sections=HOOK.format("crm", receiver.port))
    daemon = Daemon(config, tmp_path)
    try:
        daemon.start()
        for name in ("one", "two", "three"):
            daemon.provd("tenant", "add", name)
        assert receiver.refused.wait(PATIENCE)
        daemon.wait_for("WEBHOOK-FAILING")
        daemon.kill()
        receiver.up.set()
        daemon.start()
        daemon.provd("tenant", "add", "four")
        receiver.wait(4)
        assert [letter["data"]["object"] for letter in receiver.took] == ["one", "two", "three", "four"]
        assert len({letter["id"] for letter in receiver.took}) == 4
        (row,) = daemon.json("webhook", "list")
        assert (row["state"], row["waiting"], row["dead"]) == ("ok", 0, 0)
    finally:
        daemon.kill()


def test_dead_letters_are_listed_and_replayed_and_another_endpoint_hears_of_all(
    tmp_path: Path, receiver: Receiver
) -> None:
    receiver.status = 422
    hooks = HOOK.format("picky", receiver.port) + HOOK.format("gone", 9)
    config, _ = loopback_config(tmp_path / "state", sections=hooks)
    with Daemon(config, tmp_path) as daemon:
        daemon.provd("tenant", "add", "one")
        daemon.wait_for("WEBHOOK-DEAD")
        (dead,) = daemon.json("webhook", "dead", "picky")
        assert (dead["fact"], dead["reason"], dead["body"]["data"]["object"]) == (
            "ADMIN-CHANGED",
            "it answers 422",
            "one",
        )
        receiver.up.set()
        assert daemon.json("webhook", "replay", "picky", dead["id"]) == {"id": "picky", "replayed": 1}
        # The replay itself is a fact, too.
        receiver.wait(2)
        assert dead["id"] in {letter["id"] for letter in receiver.took}
        token = daemon.json("token", "add", "all", "--scope", "admin")["token"]
        shown = {each["id"]: each for each in rest(page_of(config), token, "webhooks")["items"]}
        assert (shown["picky"]["state"], shown["gone"]["state"]) == ("ok", "failing")
        assert shown["gone"]["waiting"] >= 1
        assert rest(page_of(config), token, "webhooks/picky/dead") == {"items": []}
        # Reloading without the one that is gone forgets what waits for it.
        daemon.config.write_text(re.sub(r'\[\[webhook\]\]\nname = "gone"(?:\n.+){3}\n', "", config))
        daemon.reload()
        daemon.wait_for("RELOADED")
        while [each["id"] for each in daemon.json("webhook", "list")] != ["picky"]:
            daemon.drain()


@pytest.mark.parametrize(
    ("section", "error"),
    [
        ('[[webhook]]\nname = "a"\nurl = "http://x/"\nfacts = ["DEVICE-PROVISIONT"]\n', "no fact is called"),
        ('[[webhook]]\nname = "a"\nurl = "http://x/"\nfacts = ["WEBHOOK-*"]\n', "none that is sent"),
        ('[[webhook]]\nname = "a"\nurl = "ftp://x/"\nfacts = ["*"]\n', "url"),
        (HOOK.format("a", 1) * 2, "is there twice"),
    ],
)
def test_what_could_never_work_is_refused_with_the_configuration(tmp_path: Path, section: str, error: str) -> None:
    config, _ = loopback_config(tmp_path / "state", sections=section)
    daemon = Daemon(config, tmp_path)
    assert error in daemon.provd("check-config", check=False).stderr


STEP = """
[[tasks.template]]
id = "greet"
[[tasks.template.step]]
id = "tell"
do = "webhook"
to = "crm"
event = "device.new"
body = { device = "{device.name}", tenant = "{device.tenant}" }
"""


@pytest.mark.fault
def test_a_task_tells_an_endpoint_by_the_same_outbox(tmp_path: Path, receiver: Receiver) -> None:
    hook = HOOK.format("crm", receiver.port).replace("ADMIN-*", "THING-SILENT")
    config, _ = loopback_config(tmp_path / "state", sections=hook + STEP)
    daemon = Daemon(config, tmp_path)
    try:
        daemon.start()
        daemon.provd("device", "add", "02:aa:aa:00:00:01")
        daemon.wait_for("TASK-DONE")
        assert receiver.refused.wait(PATIENCE)
        daemon.kill()
        receiver.up.set()
        daemon.start()
        receiver.wait(1)
        (letter,) = receiver.took
        assert (letter["event"], letter["id"]) == ("device.new", "greet:1:02aaaa000001:1:tell")
        assert letter["data"] == {"device": "02:aa:aa:00:00:01", "tenant": "master"}
        assert daemon.json("task", "show", "greet:1:02aaaa000001:1")["steps"][0]["result"] == {"letter": letter["id"]}
    finally:
        daemon.kill()
    config = config.replace('to = "crm"', 'to = "nobody"')
    assert "there is no webhook 'nobody'" in Daemon(config, tmp_path).provd("check-config", check=False).stderr
