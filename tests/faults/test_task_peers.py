"""Tasks and the world outside, when it is slow, wrong, huge or gone: each run says what is the matter, alone."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import os
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.daemon.test_tasks import seen
from tests.kit import acme
from tests.kit.daemon import Daemon, loopback_config
from tests.kit.odd_peer import Act, OddPeer, Send, odd_peer, reply
from tests.kit.patience import PATIENCE
from tests.storage.conftest import PostgresServer, postgres_server

pytestmark = pytest.mark.fault
PIECE = b"x" * 65536
LOCK = 5.0
"""Seconds for which somebody else's lock on our file is waited for."""


def raw(*pieces: bytes, pause: float = 0.0, ended: threading.Event | None = None) -> Act:
    """These octets as they are; with ``pause`` one after the other."""

    def act(send: Send) -> None:
        for piece in pieces:
            send(piece)
            if pause and ended is not None and ended.wait(pause):
                return

    return act


def endless(head: bytes) -> Act:
    """Octets until nobody takes them any more: gigabytes, if need be."""

    def act(send: Send) -> None:
        send(head)
        while True:
            send(PIECE)

    return act


def ok(*more: str) -> bytes:
    return "\r\n".join(["HTTP/1.1 200 OK", *more, "", ""]).encode()


def odd_acts(peer: OddPeer) -> dict[str, tuple[Act, str, str]]:
    """Name, what the server does, the fact that tells of it and the reason in it."""
    bomb = gzip.compress(b" " * 50_000_000)
    chunked = ok("Transfer-Encoding: chunked")
    slowly = [bytes([octet]) for octet in ok("Content-Length: 100")] + [b"1"] * 100
    here = f"http://127.0.0.1:{peer.port}"
    return {
        "good": (reply({"n": 7}), "TASK-DONE", ""),
        "dribbles": (raw(*slowly, pause=0.2, ended=peer.ended), "TASK-RETRY", "does not answer in time"),
        "silent": (lambda _send: peer.ended.wait(PATIENCE) and None, "TASK-RETRY", "does not answer in time"),
        "gone": (raw(), "TASK-RETRY", "Server disconnected"),
        "halves": (raw(ok("Content-Length: 100") + b'{"n": '), "TASK-RETRY", "not completed"),
        "babbles": (raw(b"no HTTP at all\r\n\r\n"), "TASK-RETRY", ""),
        "brags": (raw(ok("X: " + "x" * 100_000)), "TASK-RETRY", ""),
        "chunks": (raw(chunked + b"zz\r\n"), "TASK-RETRY", ""),
        "busy": (reply({}, 503, Retry_After="3600"), "TASK-RETRY", "it answers 503"),
        "crowded": (reply({}, 429, Retry_After="Sat, 01 Jan 2000 00:00:00 GMT"), "TASK-RETRY", "429"),
        "broken": (reply(b'{"n": '), "TASK-FAILED", "not JSON"),
        "page": (reply(b"<html>", Content_Type="text/html"), "TASK-FAILED", "not JSON"),
        "latin": (reply('{"n": "é"}'.encode("latin-1")), "TASK-FAILED", "not JSON"),
        "deep": (reply(b"[" * 60_000), "TASK-FAILED", "not JSON"),
        "forbidden": (reply({}, 403), "TASK-FAILED", "it answers 403"),
        "teapot": (reply({}, 418), "TASK-FAILED", "it answers 418"),
        "none": (reply({}, 404), "TASK-WAITING", ""),
        "lacking": (reply({"m": 7}), "TASK-WAITING", ""),
        "list": (reply([7]), "TASK-WAITING", ""),
        "number": (reply(7), "TASK-WAITING", ""),
        "round": (reply({}, 302, Location=f"{here}/api/round"), "TASK-FAILED", "sends us elsewhere"),
        "inward": (reply({}, 307, Location="http://169.254.169.254/latest"), "TASK-FAILED", "sends us elsewhere"),
        "down": (reply({}, 308, Location=f"{here}/api/good"), "TASK-FAILED", "sends us elsewhere"),
        "huge": (endless(ok("Content-Length: 5000000000")), "TASK-FAILED", "larger than 1 MiB"),
        "endless": (endless(chunked + b"ffffffff\r\n"), "TASK-FAILED", "larger than 1 MiB"),
        "bomb": (reply(bomb, Content_Encoding="gzip"), "TASK-FAILED", "not JSON"),
    }


def template(name: str) -> str:
    return f"""
[[tasks.template]]
id = "{name}"
[[tasks.template.step]]
id = "ask"
do = "http"
server = "odd"
path = "/{name}"
take = {{ n = "/n" }}
waiting_for = "n"
"""


def test_whatever_a_server_does_is_the_matter_of_one_run(tmp_path: Path) -> None:
    acme.install(tmp_path / "state")
    with odd_peer() as peer:
        acts = odd_acts(peer)
        peer.acts = {f"/api/{name} ": act for name, (act, _, _) in acts.items()}
        sections = '[tasks]\nallow = ["127.0.0.0/8"]\n[[tasks.server]]\nname = "odd"\n'
        sections += f'url = "http://127.0.0.1:{peer.port}/api"\n' + "".join(map(template, acts))
        config, port = loopback_config(tmp_path / "state", sections=sections)
        with Daemon(config, tmp_path) as daemon:
            before = memory(daemon.pid)
            seen(port)
            told: dict[str, str] = {}
            while len(told) < len(acts):
                line = daemon.wait_for(" TASK-")
                name = re.search(r"run=([a-z]+):", line)
                if name and "TASK-STARTED" not in line:
                    told.setdefault(name[1], line)
            wrong = {
                name: told[name]
                for name, (_, fact, reason) in acts.items()
                if f" {fact} " not in told[name] or reason not in told[name]
            }
            assert wrong == {}
            assert memory(daemon.pid) - before < 64 << 20, "gigabytes were offered"
            assert not [line for line in daemon.log if "INTERNAL-ERROR" in line]
        asked = [line.split()[1] for line in peer.lines()]
        led = [path for path in asked if path in ("/api/round", "/api/down", "/api/inward", "/api/good")]
        assert sorted(led) == ["/api/down", "/api/good", "/api/inward", "/api/round"], "nobody was followed"


def memory(pid: int) -> int:
    """Octets that a process has in memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


SQL = """
[[tasks.database]]
name = "crm"
url = "{url}"
timeout = "1s"
[[tasks.template]]
id = "look"
[[tasks.template.step]]
id = "crm"
do = "sql"
database = "crm"
statement = "SELECT customer FROM delivery WHERE device = :device"
params = {{ device = "{{device.id}}" }}
[[tasks.template.step]]
id = "tell"
do = "sql"
database = "crm"
write = true
statement = "UPDATE delivery SET seen = seen + 1 WHERE device = :device"
params = {{ device = "{{device.id}}" }}
"""
TABLE = ("CREATE TABLE delivery (device text, customer text, seen int)", "INSERT INTO delivery VALUES (?, 'Ann', 0)")


def test_a_file_of_others_that_is_gone_or_locked_is_asked_again(tmp_path: Path) -> None:
    acme.install(tmp_path / "state")
    crm, away = tmp_path / "crm.db", tmp_path / "away.db"
    with contextlib.closing(sqlite3.connect(away)) as connection, connection:
        connection.execute(TABLE[0])
        connection.execute(TABLE[1], (acme.PHONE,))
    config, port = loopback_config(tmp_path / "state", sections=SQL.format(url=f"sqlite:///{crm}"))
    with Daemon(config, tmp_path) as daemon:
        seen(port)
        assert "there is no such file" in daemon.wait_for("TASK-RETRY")
        with contextlib.closing(sqlite3.connect(away, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            away.rename(crm)
            line = daemon.wait_for("TASK-RETRY")
            while "database is locked" not in line:
                line = daemon.wait_for("TASK-RETRY")
            other.execute("ROLLBACK")
        daemon.wait_for("TASK-DONE")
    with contextlib.closing(sqlite3.connect(crm)) as connection:
        assert connection.execute("SELECT seen FROM delivery").fetchall() == [(1,)]


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


@pytest.mark.peer
def test_a_server_of_others_that_goes_and_comes_back_is_asked_again(tmp_path: Path, postgres: PostgresServer) -> None:
    acme.install(tmp_path / "state")
    postgres.execute(TABLE[0])
    postgres.execute(TABLE[1].replace("?", "%s"), acme.PHONE)
    url = postgres.url("postgres").replace("postgresql:", "postgresql+psycopg:")
    config, port = loopback_config(tmp_path / "state", sections=SQL.format(url=url))
    with Daemon(config, tmp_path) as daemon:
        postgres.stop()
        seen(port)
        assert "database crm: " in daemon.wait_for("TASK-RETRY")
        postgres.start()
        postgres.execute("CREATE ROLE other LOGIN")
        # Somebody has the row: the write has its time, and then the next try.
        import psycopg

        with psycopg.connect(dbname="postgres", user="provd", host=str(postgres.folder)) as other:
            other.execute("UPDATE delivery SET customer = 'Bob'")
            line = daemon.wait_for("TASK-RETRY")
            while "statement timeout" not in line:
                line = daemon.wait_for("TASK-RETRY")
            other.rollback()
        daemon.wait_for("TASK-DONE")
    assert postgres.execute("SELECT customer, seen FROM delivery") == [("Ann", 1)]


# --- our own database


WAIT = '[[tasks.template]]\nid = "rest"\n[[tasks.template.step]]\nid = "own"\ndo = "set"\nmetadata = { a = "b" }\n'


def serials(daemon: Daemon, *names: str) -> None:
    daemon.provd("activation", "model", "add", "acme", "s2")
    for name in names:
        daemon.provd("activation", "serial", "add", "acme", "s2", name)
        daemon.provd("activation", "enable", "acme", "s2", name)


def activation(port: int, sn: str) -> tuple[int, str, float]:
    """Status, Retry-After and how long it took."""
    began = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", "/provision/activate", f"vendor=acme&model=s2&sn={sn}", kind)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, answer.getheader("Retry-After", ""), time.monotonic() - began


def run_of(daemon: Daemon, sn: str) -> str:
    (run,) = (each for each in daemon.json("task", "list") if each["device"] == f"acme/s2/{sn}")
    return str(run["state"])


def test_while_somebody_has_our_file_locked_devices_come_again_and_nothing_stands_still(tmp_path: Path) -> None:
    config, port = loopback_config(tmp_path / "state", sections=WAIT.replace('"rest"\n', '"rest"\nbegins = "seen"\n'))
    with Daemon(config, tmp_path) as daemon:
        serials(daemon, "S1", "S2")
        with contextlib.closing(sqlite3.connect(tmp_path / "state/provd.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            answers: list[tuple[int, str, float]] = []
            asking = threading.Thread(target=lambda: answers.append(activation(port, "S1")))
            asking.start()
            slowest = max(timestamp(port) for _ in quarters(asking))
            asking.join()
            assert [answer[:2] for answer in answers] == [(503, "10")]
            assert slowest < LOCK / 2, "who needs no database is served meanwhile"
            daemon.wait_for("DEGRADED")
            other.execute("ROLLBACK")
        daemon.wait_for("RECOVERED")
        assert activation(port, "S1")[0] == 200, "its window was not touched"
        daemon.wait_for("TASK-DONE")
        assert run_of(daemon, "S1") == "done"


def quarters(thread: threading.Thread) -> Iterator[None]:
    """Every quarter of a second until a thread ends."""
    while thread.is_alive():
        yield
        thread.join(0.25)


def timestamp(port: int) -> float:
    """How long it takes to be told the time."""
    began = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    connection.request("GET", "/timestamp")
    assert connection.getresponse().status == 200
    connection.close()
    return time.monotonic() - began


@pytest.mark.peer
def test_our_server_goes_and_comes_back_during_activation_and_runs(tmp_path: Path, postgres: PostgresServer) -> None:
    postgres.execute("CREATE DATABASE provd")
    with odd_peer() as peer:
        held, go_on = threading.Event(), threading.Event()
        peer.acts["/api/slow"] = holding(held, go_on)
        sections = f'[database]\nurl = "{postgres.url("provd")}"\n[tasks]\nallow = ["127.0.0.0/8"]\n'
        sections += f'[[tasks.server]]\nname = "odd"\nurl = "http://127.0.0.1:{peer.port}/api"\n'
        sections += template("slow").replace('"slow"\n', '"slow"\nbegins = "seen"\n', 1)
        config, port = loopback_config(tmp_path / "state", sections=sections)
        with Daemon(config, tmp_path) as daemon:
            serials(daemon, "S1", "S2")
            assert activation(port, "S1")[0] == 200
            assert held.wait(PATIENCE), "its run is at work"
            postgres.stop()
            status, after, _ = activation(port, "S2")
            assert (status, after) == (503, "10")
            daemon.wait_for("DEGRADED")
            go_on.set()  # the step is done, and cannot be kept
            assert activation(port, "S2")[0] == 503
            postgres.start()
            daemon.wait_for("RECOVERED")
            daemon.wait_for("TASK-DONE")
            assert activation(port, "S2")[0] == 200
            daemon.wait_for("TASK-DONE")
            assert {run_of(daemon, "S1"), run_of(daemon, "S2")} == {"done"}
            assert activation(port, "S1")[0] == activation(port, "S2")[0] == 409
            assert not [line for line in daemon.log if "INTERNAL-ERROR" in line]
    keys = [each.headers["idempotency-key"] for each in peer.asked]
    assert len(set(keys)) == 2
    assert len(keys) <= 3, "what was not kept was asked once more, under the same key"


def holding(held: threading.Event, go_on: threading.Event) -> Callable[[Send], None]:
    answer = reply({"n": 7})

    def act(send: Send) -> None:
        held.set()
        go_on.wait(PATIENCE)
        answer(send)

    return act
