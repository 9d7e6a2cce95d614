"""Two daemons that are regions of each other by way of a broker, and a device that asks by it: killed and back."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from provd.cli.client import call
from provd.config.mqtt import MqttSection
from tests.kit.federation import provision, query
from tests.kit.instances import SECRET, Member
from tests.kit.mosquitto import Mosquitto
from tests.kit.patience import PATIENCE

pytestmark = pytest.mark.peer
KEY = "its-key"
KEY_HASH = hashlib.sha256(KEY.encode()).hexdigest()


def member(name: str, folder: Path, broker: Mosquitto, *, role: str = "regional", rules: str = "") -> Member:
    section = f'[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\ntls = false\n'
    return Member(name, folder, role=role, rules=f"{rules}\n{section}")


def meet(one: Member, other: Member) -> None:
    where = {"url": "mqtt:", "endpoint": f"mqtt://broker/{other.name}", "secret": SECRET}
    call(str(one.config), "region.add", name=other.name, **where)


def state(one: Member, device: str) -> str:
    return str(call(str(one.config), "region.device", device=device)["state"])


def asked(device: str, octets: bytes) -> bytes:
    proof = hmac.new(KEY_HASH.encode(), octets, hashlib.sha256).hexdigest()
    return json.dumps({"proof": proof, "message": octets.decode()}).encode()


async def answered(client: aiomqtt.Client, topic: str, payload: bytes) -> dict[str, Any]:
    """Publish, and read the next message."""
    await client.publish(topic, payload, qos=1)
    async with asyncio.timeout(PATIENCE):
        async for message in client.messages:
            return dict(json.loads(bytes(message.payload)))  # type: ignore[arg-type]
    raise AssertionError


async def test_a_device_goes_home_over_a_broker_that_is_killed_and_back(tmp_path: Path) -> None:
    rules = '[[region.rule]]\nby = "all"\nregion = "eu"\n'
    (tmp_path / "broker").mkdir()
    with Mosquitto(tmp_path / "broker") as broker:
        world = member("world", tmp_path / "world", broker, role="global", rules=rules)
        eu = member("eu", tmp_path / "eu", broker)
        with world, eu:
            meet(world, eu)
            meet(eu, world)
            item = {"device_id": "acme/s2/S1", "key_sha256": KEY_HASH}
            call(str(world.config), "region.register", devices=[item])
            await asyncio.to_thread(world.until, lambda: _known(world))
            ask, answer = "provd/world/ask/acme/s2/S1", "provd/world/answer/acme/s2/S1"
            await _rubbish(broker)
            async with aiomqtt.Client("127.0.0.1", broker.port) as device:
                await device.subscribe(answer, qos=1)
                first = query("acme/s2/S1", "q1")
                reply = await answered(device, ask, asked("acme/s2/S1", first))
                assert (reply["status"], reply["retry"] > 0) == (202, True)
                # Once more, and from somebody who has not its key.
                assert (await answered(device, ask, asked("acme/s2/S1", first)))["status"] in {200, 202}
                forged = json.dumps({"proof": "0" * 64, "message": first.decode()}).encode()
                assert (await answered(device, ask, forged))["status"] == 404
            await asyncio.to_thread(world.wait_for, "DEVICE-REGIONAL")
            broker.kill()
            await asyncio.to_thread(eu.wait_for, "DEGRADED")
            assert any("mqtt 127.0.0.1" in part for part in call(str(eu.config), "status")["degraded"])
            broker.start()
            await asyncio.to_thread(eu.wait_for, "RECOVERED")
            await asyncio.to_thread(world.wait_for, "RECOVERED")
            ask, answer = "provd/eu/ask/acme/s2/S1", "provd/eu/answer/acme/s2/S1"
            async with aiomqtt.Client("127.0.0.1", broker.port) as device:
                await device.subscribe(answer, qos=1)
                arrived = asked("acme/s2/S1", provision("acme/s2/S1", "p1"))
                for _ in range(2):
                    reply = await answered(device, ask, arrived)
                    assert reply["status"] == 200
                    assert "PROVISIONED" in reply["message"]
            await asyncio.to_thread(world.wait_for, "DEVICE-REHOMED")
            assert state(world, "acme/s2/S1") == "GONE"
            ignored = {line.partition("reason=")[2] for line in world.log if "MQTT-IGNORED" in line}
            assert {'"it is not JSON" count=1', '"it is not signed by whom the topic names" count=1'} <= ignored
            assert not [line for line in [*world.log, *eu.log] if KEY_HASH in line or SECRET in line]


async def said(broker: Mosquitto, place: str, octets: bytes) -> dict[str, Any]:
    """What the device is answered by that instance."""
    topic = f"provd/{place}/{{}}/acme/s2/S1"
    async with aiomqtt.Client("127.0.0.1", broker.port) as device:
        await device.subscribe(topic.format("answer"), qos=1)
        return await answered(device, topic.format("ask"), asked("acme/s2/S1", octets))


async def test_a_hand_over_is_taken_back_and_word_of_the_next_home_goes_round_by_the_broker(tmp_path: Path) -> None:
    name, rules = "acme/s2/S1", '[[region.rule]]\nby = "all"\nregion = "eu"\n'
    (tmp_path / "broker").mkdir()
    with Mosquitto(tmp_path / "broker") as broker:
        world = member("world", tmp_path / "world", broker, role="global", rules=rules)
        eu, us = member("eu", tmp_path / "eu", broker), member("us", tmp_path / "us", broker)

        async def comes(one: Member, wanted: str, region: str = "") -> None:
            def so() -> bool:
                found = call(str(one.config), "region.device", device=name)
                return found["state"] == wanted and region in ("", found["region"])

            await asyncio.to_thread(one.until, so)

        with world, eu, us:
            for one in (world, eu, us):
                for other in {world, eu, us} - {one}:
                    meet(one, other)
            call(str(world.config), "region.register", devices=[{"device_id": name, "key_sha256": KEY_HASH}])
            await asyncio.to_thread(world.until, lambda: _known(world))
            assert (await said(broker, "world", query(name, "q1")))["status"] == 202
            await comes(world, "REGIONAL")
            assert state(eu, name) == "PROV_PEN"
            # ``withdraw``: the region has it no longer, and says so when it is asked.
            call(str(world.config), "region.move", device=name)
            await comes(world, "QRY_FAIL")
            assert call(str(eu.config), "region.device", device=name)["region"] == "world"
            body = json.loads(json.loads((await said(broker, "eu", provision(name, "p0")))["message"])["body"])
            assert (body["lifecycle_state"], body["region"]) == ("GONE", "world")
            call(str(world.config), "region.retry", device=name)
            await comes(world, "REGIONAL")
            assert (await said(broker, "eu", provision(name, "p1")))["status"] == 200
            await comes(world, "GONE", "eu")
            # ``move`` to who has it, ``moved`` back to who once had it.
            call(str(world.config), "region.move", device=name, to="us")
            await comes(eu, "REGIONAL", "us")
            assert (await said(broker, "us", provision(name, "p2")))["status"] == 200
            await comes(eu, "GONE", "us")
            await comes(world, "GONE", "us")
            epochs = [call(str(one.config), "region.device", device=name)["epoch"] for one in (world, eu, us)]
            assert epochs == [3, 3, 3]
            for one in (world, eu, us):
                await asyncio.to_thread(one.until, partial(_owes_nothing, one))
                assert not [line for line in one.log if KEY_HASH in line or SECRET in line]


async def _rubbish(broker: Mosquitto) -> None:
    async with aiomqtt.Client("127.0.0.1", broker.port) as stranger:
        await stranger.publish("provd/world/said/eu", b"rubbish", qos=1, retain=True)
        await stranger.publish("provd/world/said/eu", bytes(4 << 20), qos=1)
        forged = json.dumps({"nonce": "1", "signature": "x", "body": "{}"}).encode()
        await stranger.publish("provd/world/said/eu", forged, qos=1)
        await stranger.publish("provd/world/heard/eu", json.dumps({"nonce": 7}).encode(), qos=1)


def _owes_nothing(one: Member) -> bool:
    return not call(str(one.config), "region.status")["waiting"]


def _known(world: Member) -> bool:
    try:
        return state(world, "acme/s2/S1") == "REG"
    except Exception:  # noqa: BLE001 - it is not there yet
        return False


def test_nothing_of_it_is_loaded_while_it_is_off(tmp_path: Path) -> None:
    code = (
        "import sys, provd.daemon, provd.daemon.service, provd.daemon.mqtt, provd.daemon.regions\n"
        "found = [name for name in sys.modules if name.split('.')[0] in {'aiomqtt', 'paho'}]\n"
        "assert not found, found"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).resolve().parents[2])
    assert MqttSection().host == ""


def test_a_broker_that_cannot_be_used_is_a_degraded_state(tmp_path: Path) -> None:
    section = '[mqtt]\nhost = "127.0.0.1"\nusername = "provd"\npassword_file = "/nowhere"\n'
    with Member("world", tmp_path / "world", role="global", rules=section) as world:
        line = world.wait_for("DEGRADED")
        assert "part=mqtt" in line
        assert "/nowhere cannot be read" in line
        world.config.write_text(world.config.read_text().replace(section, ""))
        world.reload()
        world.wait_for("RECOVERED part=mqtt")
