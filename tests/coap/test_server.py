"""Activation over CoAP, asked by aiocoap's own client."""

from __future__ import annotations

import asyncio
import re
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from provd.app.activation.limits import AT_ONCE
from provd.base.errors import ConfigError
from provd.base.facts.activation import ThingActivated
from provd.cli.deep import problems
from provd.coap.server import CoapServer, peer_of
from provd.config.settings import Settings
from provd.daemon.reloads import applies
from tests.http.activation.kit import World, world
from tests.kit.daemon import ROOT, Daemon, loopback_config
from tests.kit.patience import PATIENCE
from tests.kit.ports import free_port

aiocoap = pytest.importorskip("aiocoap")
POST = aiocoap.numbers.codes.POST


class Device:
    """A client of its own: aiocoap's, with nothing of ours."""

    def __init__(self, context: aiocoap.Context, base: str) -> None:
        self.context = context
        self.base = base

    async def ask(self, path: str, code: object = POST, payload: bytes = b"") -> tuple[str, bytes]:
        message = aiocoap.Message(code=code, uri=f"{self.base}/{path}", payload=payload)
        async with asyncio.timeout(PATIENCE):
            answer = await self.context.request(message).response
        return str(answer.code).partition(" ")[0], answer.payload

    async def activate(self, sn: str, pair: str = "acme/m1") -> tuple[str, bytes]:
        return await self.ask(f"provision/activate/{pair}/{sn}")


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path / "state") as found:
        yield found


@pytest.fixture
async def device(here: World) -> AsyncIterator[Device]:
    server, port = CoapServer(here.desk, here.facts.append, here.clock), free_port()
    await server.listen("127.0.0.1", port)
    context = await aiocoap.Context.create_client_context(transports=["udp6"])
    yield Device(context, f"coap://127.0.0.1:{port}")
    await context.shutdown()
    await server.close()


async def test_a_key_and_then_none(here: World, device: Device) -> None:
    await here.give("S1")
    code, key = await device.activate("S1")
    assert (code, bool(re.fullmatch(rb"[0-9a-f]{40}", key))) == ("2.05", True)
    assert (await here.download(key.decode())).status == 200
    assert await device.activate("S1") == ("4.04", b"")
    assert [fact.peer for fact in here.facts if isinstance(fact, ThingActivated)] == ["127.0.0.1"]
    log = (await here.manage("GET", "m1/S1?show=log")).text
    assert [line.split(",")[1:] for line in log.split("\r\n")] == [
        ["127.0.0.1", "activated"],
        ["127.0.0.1", "refused activated"],
    ]


async def test_everything_else_is_not_found(here: World, device: Device) -> None:
    for state in ("unclaimed", "expired", "disabled"):
        await here.give(state, state)
        assert (await device.activate(state))[0] == "4.04"
    await here.give("S1")
    for path in ("m1/S1", "acme/m1/", "acme/m1/S1/more", "acme/m9/S1", "nobody/m1/S1", "acme/m1/S%0A1", ""):
        assert (await device.ask(f"provision/activate/{path}"))[0] == "4.04", path
    for path in ("", "provision", "provision/manage/model/m1/S1", ".well-known/core"):
        assert (await device.ask(path))[0] in {"4.04", "4.05"}, path
    assert (await device.ask("provision/activate/acme/m1/S1", aiocoap.numbers.codes.GET))[0] == "4.05"
    assert await here.state("S1") == "pending"


async def test_odd_serials_are_taken_as_they_are(here: World, device: Device) -> None:
    await here.give("S 1ä")
    assert (await device.activate("s 1ä"))[0] == "4.04"
    assert (await device.activate("S%201%C3%A4"))[0] == "2.05"


async def test_one_of_many_at_once_wins(here: World, device: Device) -> None:
    await here.give("S1")
    answers = await asyncio.gather(*(device.activate("S1") for _ in range(40)))
    assert sorted(code for code, _ in answers) == ["2.05"] + ["4.04"] * 39


async def test_guessing_is_slowed_down_over_both_protocols_together(here: World, device: Device) -> None:
    await here.give("S1")
    for number in range(AT_ONCE):
        assert (await device.activate(f"G{number}"))[0] == "4.04"
    assert (await device.activate("S1"))[0] == "4.04"
    assert (await here.activate("S1")).status == 429
    assert await here.state("S1") == "pending"


async def test_a_full_disk_is_no_verdict(here: World, device: Device) -> None:
    await here.give("S1")
    here.ledger.broken = True
    assert (await device.activate("S1"))[0] == "5.03"
    here.ledger.broken = False
    assert (await device.activate("S1"))[0] == "2.05"


async def test_a_datagram_that_comes_twice_is_answered_the_same(here: World, device: Device) -> None:
    await here.give("S1")
    port = int(device.base.rpartition(":")[2])
    message = aiocoap.Message(code=POST, uri=f"{device.base}/provision/activate/acme/m1/S1")
    octets = _wire(message)
    answers = await asyncio.to_thread(_twice, port, octets)
    # A slow server acknowledges at once and answers later; that acknowledgement is then what is repeated (5.2.2).
    assert answers[1] in {answers[0], b"\x60\0\x12\x34"}
    assert re.search(rb"[0-9a-f]{40}$", answers[0])


def _wire(message: object) -> bytes:
    """CON POST with the message id 0x1234 and an empty token (RFC 7252 section 3), path options 11."""
    path = [b"provision", b"activate", b"acme", b"m1", b"S1"]
    options = bytes([0xB0 | len(path[0])]) + path[0]
    options += b"".join(bytes([len(part)]) + part for part in path[1:])
    return b"\x40\x02\x12\x34" + options


def _twice(port: int, octets: bytes) -> list[bytes]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(PATIENCE)
        sock.connect(("127.0.0.1", port))
        answers = []
        sock.send(octets)
        while len(answer := sock.recv(1500)) <= len(b"\x60\0\x12\x34"):
            continue
        answers.append(answer)
        sock.send(octets)
        answers.append(sock.recv(1500))
    return answers


async def test_a_port_that_is_taken_is_a_configuration_error(here: World) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        server = CoapServer(here.desk, here.facts.append, here.clock)
        with pytest.raises(ConfigError, match="cannot listen on"):
            await server.listen("127.0.0.1", taken.getsockname()[1])


async def test_without_the_extra_it_says_so(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiocoap", None)
    server = CoapServer(here.desk, here.facts.append, here.clock)
    with pytest.raises(ConfigError, match=r"pip install 'provd\[coap\]'"):
        await server.listen("127.0.0.1", 5683)


def test_a_deep_check_says_so_before_the_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    wanted = Settings.model_validate({"activation": {"coap_listen": ["127.0.0.1:5683"]}})
    assert not [text for text in problems(wanted) if "coap" in text]
    monkeypatch.setitem(sys.modules, "aiocoap", None)
    (said,) = [text for text in problems(wanted) if "coap" in text]
    assert "pip install" in said


def test_what_a_reload_takes_over() -> None:
    assert not applies("activation.coap_listen")
    assert applies("activation.window")
    assert applies("activation.content_mib")


def test_whose_address_it_is() -> None:
    assert peer_of("[::ffff:192.0.2.1]:5683") == peer_of("192.0.2.1:5683") == peer_of("192.0.2.1") == "192.0.2.1"
    assert peer_of("[fe80::1%eth0]:9") == "fe80::1"


def test_who_does_not_want_it_does_not_load_it() -> None:
    code = "import provd.daemon.service, sys; sys.exit('aiocoap' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_the_daemon_speaks_it_when_told_so(tmp_path: Path) -> None:
    port = free_port()
    config, _ = loopback_config(tmp_path / "state", sections=f'[activation]\ncoap_listen = ["127.0.0.1:{port}"]\n')
    with Daemon(config, tmp_path) as daemon:
        daemon.provd("activation", "model", "add", "acme", "m1")
        daemon.provd("activation", "serial", "add", "acme", "m1", "S1")
        daemon.provd("activation", "enable", "acme", "m1", "S1")
        answers = _twice(port, _wire(None))
        assert re.search(rb"[0-9a-f]{40}$", answers[0])
        assert any("coap/127.0.0.1" in line for line in daemon.log)
