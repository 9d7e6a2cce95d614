"""Real daemons that hand devices over to each other, and die, hang or are lied to while they do."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from provd.base.secrets import Secret
from provd.domain.regions.speech import request_signature
from tests.kit.instances import SECRET, Member, Traveller
from tests.kit.patience import PATIENCE

pytestmark = pytest.mark.fault

EVERYBODY = '[[region.rule]]\nby = "all"\nregion = "eu"\n'
EXCHANGE = "/provision/region/exchange"


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Member, Member]]:
    world = Member("world", tmp_path / "world", role="global", rules=EVERYBODY)
    eu = Member("eu", tmp_path / "eu")
    with world, eu:
        world.know(eu)
        eu.know(world)
        yield world, eu


def registered(world: Member, *names: str) -> list[Traveller]:
    keys = {name: hashlib.sha256(f"key of {name}".encode()).hexdigest() for name in names}
    world.register(*({"device_id": name, "key_sha256": key} for name, key in keys.items()))
    return [Traveller(name, f"key of {name}") for name in names]


STEPS = ("asked", "accepted", "told", "came")


@pytest.mark.parametrize("victim", ["world", "eu"])
@pytest.mark.parametrize("fatal", STEPS)
def test_either_may_be_killed_at_every_step(pair: tuple[Member, Member], fatal: str, victim: str) -> None:
    world, eu = pair
    (device,) = registered(world, "sensor-1")
    ways: dict[str, Callable[[], object]] = {
        "asked": lambda: device.query(world.port),
        "accepted": lambda: eu.until(lambda: eu.state("sensor-1") == "PROV_PEN"),
        "told": lambda: device.finds(world.port),
        "came": lambda: came(device, eu),
    }
    for step in STEPS:
        ways[step]()
        if step == fatal:
            unlucky = world if victim == "world" else eu
            unlucky.kill()
            unlucky.start()
    world.until(lambda: world.state("sensor-1") == "GONE")
    eu.until(lambda: eu.state("sensor-1") == "ACTIVE")
    status = world.json("region", "status")
    assert (status["devices"], status["waiting"], status["stuck"]) == ({"GONE": 1}, [], [])


def came(device: Traveller, eu: Member) -> None:
    """It says it until it is heard."""
    eu.until(lambda: device.provision(eu.port)[0] == 200)


def test_a_busy_database_is_later_and_changes_nothing(pair: tuple[Member, Member]) -> None:
    world, _ = pair
    (device,) = registered(world, "sensor-1")
    with contextlib.closing(sqlite3.connect(world.folder / "state" / "provd.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        status, _, headers = device.ask(world.port, b"{}")
        assert status == 400, "what needs no database is answered"
        status, _ = device.query(world.port)
        assert status == 503
        other.execute("ROLLBACK")
    assert "Retry-After" not in headers
    assert world.state("sensor-1") == "REG"
    assert device.finds(world.port)["region"] == "eu"


def test_a_region_that_is_away_is_waited_for(pair: tuple[Member, Member]) -> None:
    world, eu = pair
    (device,) = registered(world, "sensor-1")
    eu.kill()
    status, body = device.query(world.port)
    assert (status, body["response"]) == (202, 1)
    world.wait_for("REGION-UNREACHED")
    (waiting,) = world.json("region", "status")["waiting"]
    assert (waiting["device"], waiting["to"], waiting["kind"]) == ("sensor-1", "eu", "register")
    assert world.json("region", "status", "sensor-1")["served"], "until the region has agreed it stays where it is"
    # Somebody does not want to wait: only the region itself could agree to that, and it is away.
    world.provd("region", "move", "sensor-1")
    assert world.state("sensor-1") == "REHOMING"
    eu.start()
    world.provd("region", "retry", "sensor-1", check=False)
    world.wait_for("DEVICE-NOT-REHOMED")
    assert (world.state("sensor-1"), eu.state("sensor-1")) == ("QRY_FAIL", "GONE")


def test_nobody_is_believed_who_does_not_know_the_secret(pair: tuple[Member, Member]) -> None:
    _, eu = pair
    said = {"kind": "register", "transfer": "t", "device_id": "stolen", "epoch": 99, "region": ""}
    device = {"primary": True, "attributes": {}, "key_hash": "0" * 64}
    body = json.dumps({**said, "device": device}).encode()
    good = request_signature(Secret(SECRET), "world", "n", EXCHANGE, body)
    bad = request_signature(Secret("x" * 32), "world", "n", EXCHANGE, body)
    tries: list[dict[str, str]] = [
        {},
        {"Provd-Instance": "world"},
        {"Provd-Instance": "world", "Provd-Nonce": "n", "Provd-Signature": f"v1={bad}"},
        {"Provd-Instance": "mars", "Provd-Nonce": "n", "Provd-Signature": f"v1={good}"},
        {"Provd-Instance": "world", "Provd-Nonce": "other", "Provd-Signature": f"v1={good}"},
        {"Provd-Instance": "world", "Provd-Nonce": "n", "Provd-Signature": good},
        {"Provd-Instance": "world", "Provd-Nonce": "n", "Provd-Signature": "v1=\u00e9"},
    ]
    for headers in tries:
        assert exchanged(eu.port, body, headers)[0] == 401, headers
    assert (
        exchanged(eu.port, body + b" ", {"Provd-Instance": "world", "Provd-Nonce": "n", "Provd-Signature": good})[0]
        == 401
    )
    eu.wait_for("REGION-DISTRUSTED")
    assert eu.state("stolen") == ""
    right = {"Provd-Instance": "world", "Provd-Nonce": "n", "Provd-Signature": f"v1={good}"}
    for _ in range(2):
        # The same octets once more are the same hand-over once more.
        status, answer = exchanged(eu.port, body, right)
        assert (status, json.loads(answer)["result"]) == (200, "accepted")
    nonsense = request_signature(Secret(SECRET), "world", "n", EXCHANGE, b"{}")
    assert exchanged(eu.port, b"{}", right | {"Provd-Signature": f"v1={nonsense}"})[0] == 400


def exchanged(port: int, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    connection.request("POST", EXCHANGE, body, {"Content-Type": "application/json"} | headers)
    response = connection.getresponse()
    text = response.read()
    connection.close()
    return response.status, text
