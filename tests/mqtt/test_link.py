"""The connection to a broker, against Mosquitto: killed and back, duplicates, retained rubbish, oversize messages."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiomqtt
import pytest

from provd.base.errors import PeerError
from provd.base.facts import Fact
from provd.base.secrets import Secret
from provd.mqtt.link import LARGEST, Broker, Link
from tests.http.kit import FixedClock
from tests.kit.certificates import self_signed
from tests.kit.mosquitto import Mosquitto
from tests.kit.patience import PATIENCE

pytestmark = pytest.mark.peer


class Ear:
    """What a link has heard and told, and who waits for more. Pauses between two connections take a tenth."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self.facts: list[Fact] = []
        self.pauses: list[float] = []
        self._news = asyncio.Event()

    async def hear(self, topic: str, payload: bytes) -> None:
        self.heard.append((topic, payload))
        self._news.set()

    def emit(self, fact: Fact) -> None:
        self.facts.append(fact)
        self._news.set()

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self._news.set()
        await asyncio.sleep(seconds / 10)

    def told(self, fact_id: str) -> list[Fact]:
        return [fact for fact in self.facts if fact_id == fact.ID]

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def linked(port: int, client: str = "provd-a", *topics: str, **more: object) -> AsyncIterator[tuple[Link, Ear]]:
    ear = Ear()
    broker = Broker(**{"host": "127.0.0.1", "port": port, "client": client, **more})  # type: ignore[arg-type]
    link = Link(broker, topics or ("t/a/#",), ear.hear, clock=FixedClock(), emit=ear.emit, pause=ear.pause)
    link.start()
    try:
        yield link, ear
    finally:
        await link.close()


async def connected(link: Link) -> None:
    async with asyncio.timeout(PATIENCE):
        await link._up.wait()
    assert link.connected


async def test_what_is_published_is_heard(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker:
        async with linked(broker.port) as (a, ear), linked(broker.port, "provd-b", "t/b") as (b, _):
            await connected(a)
            await connected(b)
            await b.publish("t/a/x", b"hello")
            await ear.until(lambda: ear.heard)
            assert ear.heard == [("t/a/x", b"hello")]
            assert ear.facts == []
            assert (a.received, b.sent) == (1, 1)


async def test_a_broker_that_is_killed_is_a_degraded_state_and_nothing_sent_meanwhile_is_lost(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker:
        async with linked(broker.port) as (link, ear):
            await connected(link)
            broker.kill()
            await ear.until(lambda: ear.told("DEGRADED"))
            (degraded,) = ear.told("DEGRADED")
            assert degraded.part == f"mqtt 127.0.0.1:{broker.port}"  # type: ignore[attr-defined]
            with pytest.raises(PeerError, match="not connected"):
                await link.publish("t/b", b"x")
            await ear.until(lambda: len(ear.pauses) > 2)
            assert ear.pauses[:3] == [1.0, 2.0, 4.0]
            assert len(ear.told("DEGRADED")) == 1, "it is told once"
            broker.start()
            await ear.until(lambda: ear.told("RECOVERED"))
            async with aiomqtt.Client("127.0.0.1", broker.port) as other:
                await other.publish("t/a/1", b"again", qos=1)
            await ear.until(lambda: ear.heard)


async def test_what_comes_while_the_connection_is_away_comes_afterwards(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker:
        async with linked(broker.port) as (link, _):
            await connected(link)
        async with aiomqtt.Client("127.0.0.1", broker.port) as other:
            await other.publish("t/a/1", b"while you were away", qos=1)
        async with linked(broker.port) as (_, ear):
            await ear.until(lambda: ear.heard)
        assert ear.heard == [("t/a/1", b"while you were away")]


async def test_retained_rubbish_and_what_is_too_large_is_not_heard(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker:
        async with aiomqtt.Client("127.0.0.1", broker.port) as other:
            await other.publish("t/a/old", b"retained before we came", qos=1, retain=True)
            async with linked(broker.port) as (link, ear):
                await connected(link)
                await other.publish("t/a/huge", bytes(LARGEST + 1), qos=1)
                await other.publish("t/a/enormous", bytes(4 << 20), qos=1)
                await other.publish("t/a/good", b"good", qos=1)
                await ear.until(lambda: ear.heard)
                assert ear.heard == [("t/a/good", b"good")]
                assert [fact.reason for fact in ear.told("MQTT-IGNORED")] == ["it is too large"]  # type: ignore[attr-defined]
                with pytest.raises(PeerError, match="too large"):
                    await link.publish("t/b", bytes(LARGEST + 1))
                assert link.connected


async def test_a_retained_message_that_is_delivered_all_the_same_is_told_of(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker:
        ear = Ear()
        made = Broker(host="127.0.0.1", port=broker.port, client="provd-a")
        link = Link(made, ("t/a/#",), ear.hear, clock=FixedClock(), emit=ear.emit)
        async with (
            aiomqtt.Client("127.0.0.1", broker.port) as other,
            aiomqtt.Client("127.0.0.1", broker.port) as careless,
        ):
            await other.publish("t/a/old", b"rubbish", qos=1, retain=True)
            await careless.subscribe("t/a/#", qos=1)
            async for message in careless.messages:
                await link._take(message)
                break
        assert [(fact.topic, fact.reason) for fact in ear.facts] == [("t/a/old", "it is a retained message")]  # type: ignore[attr-defined]
        assert ear.heard == []


# The library below leaves the socket of a failed handshake to the collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_the_broker_is_told_who_we_are_and_believed_by_its_certificate(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path, "localhost")
    trusting = ssl.create_default_context(cafile=str(certificate))
    with Mosquitto(tmp_path, users={"provd": "s3cret"}, tls=(certificate, key)) as broker:
        good = {"host": "localhost", "username": "provd", "password": Secret("s3cret"), "tls": trusting}
        async with linked(broker.port, "provd-a", **good) as (link, _):  # type: ignore[arg-type]
            await connected(link)
        for wrong in (good | {"password": Secret("wrong")}, good | {"tls": ssl.create_default_context()}):
            async with linked(broker.port, "provd-a", **wrong) as (link, ear):  # type: ignore[arg-type]
                await ear.until(lambda ear=ear: ear.told("DEGRADED"))
                assert not link.connected
                assert "s3cret" not in str(ear.facts)


async def test_two_that_call_themselves_alike_do_not_storm(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker:
        async with linked(broker.port, "same") as (_, first), linked(broker.port, "same") as (_, second):
            both = (first, second)
            waiting = [asyncio.create_task(ear.until(lambda ear=ear: 4.0 in ear.pauses)) for ear in both]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for each in waiting:
                each.cancel()
        assert all(ear.pauses == sorted(ear.pauses) for ear in both), "each time they wait longer"


async def test_a_subscription_that_is_refused_is_told(tmp_path: Path) -> None:
    rules = tmp_path / "acl"
    rules.write_text("topic read t/b\n")
    with Mosquitto(tmp_path, lines=f"acl_file {rules}") as broker:
        async with linked(broker.port, "provd-a", "t/#/broken") as (link, ear):
            await ear.until(lambda: ear.told("DEGRADED"))
            assert not link.connected
