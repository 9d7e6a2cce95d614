"""The way to other instances: whom we talk to, and whom we believe."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from provd.app.regions.ports import Unreached
from provd.base.errors import ConfigError
from provd.base.secrets import Secret
from provd.config.regions import RegionSection
from provd.daemon.regions import way_of
from provd.domain.regions import speech
from provd.domain.regions.home import Home, Kind, Region
from provd.domain.regions.speech import Said
from provd.outbound.regions import RegionWeb, Way
from provd.outbound.web import Permit
from tests.app.fakes import FakeClock
from tests.kit.certificates import self_signed

SECRET = Secret("s" * 32)
LOOPBACK = Permit((ipaddress.ip_network("127.0.0.0/8"),), "region.allow")
SAID = Said(kind=Kind.RELEASE, transfer="t", device_id="d", epoch=1)
WAY = Way(name="world", permit=LOOPBACK, plain=True)

Answer = Callable[[web.Request, bytes], web.Response]


@asynccontextmanager
async def instance(answer: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[Region]:
    async def handle(request: web.Request) -> web.StreamResponse:
        return answer(request, await request.read())

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    port = runner.addresses[0][1]
    url = f"https://localhost:{port}" if tls else f"http://127.0.0.1:{port}"
    yield Region(name="eu", url=url, endpoint=url, secret=SECRET)
    await runner.cleanup()


async def said_to(region: Region, way: Way = WAY, **more: float) -> speech.Heard:
    peers = RegionWeb(way, FakeClock(), **more)
    try:
        return await peers.say(region, SAID)
    finally:
        await peers.close()


def signed(request: web.Request, octets: bytes, *, name: str = "eu", status: int = 200) -> web.Response:
    mac = speech.answer_signature(SECRET, name, request.headers["Provd-Nonce"], status, octets)
    return web.Response(status=status, body=octets, headers={"Provd-Signature": f"v1={mac}"})


def unlike(answer: web.Response) -> web.Response:
    """Signed for another status than it has."""
    answer.set_status(200)
    return answer


async def test_both_sides_sign() -> None:
    heard: list[tuple[str, bytes, str, str]] = []

    def answer(request: web.Request, body: bytes) -> web.Response:
        names = ("Provd-Instance", "Provd-Nonce", "Provd-Signature")
        name, nonce, mac = (request.headers[each] for each in names)
        assert mac == f"v1={speech.request_signature(SECRET, name, nonce, request.path, body)}"
        heard.append((request.path, body, name, nonce))
        return signed(request, speech.heard_octets(speech.RELEASED))

    async with instance(answer) as region:
        for _ in range(2):
            assert await said_to(region) == speech.RELEASED
    assert heard[0][:3] == ("/provision/region/exchange", speech.said_octets(SAID), "world")
    assert heard[0][3] != heard[1][3], "a nonce is good for one exchange"


@pytest.mark.parametrize(
    "answer",
    [
        lambda _request, _: web.Response(body=speech.heard_octets(speech.RELEASED)),
        lambda request, _: signed(request, speech.heard_octets(speech.RELEASED), name="us"),
        lambda request, _: unlike(signed(request, speech.heard_octets(speech.RELEASED), status=201)),
        lambda request, body: web.Response(body=body, headers={"Provd-Signature": request.headers["Provd-Signature"]}),
        lambda _request, _: web.Response(status=302, headers={"Location": "http://127.0.0.1:1/"}),
        lambda _request, _: web.Response(status=401),
    ],
    ids=["nothing", "another's", "another status", "our own", "elsewhere", "refused"],
)
async def test_what_is_not_signed_as_it_should_be_is_no_answer(answer: Answer) -> None:
    async with instance(answer) as region:
        with pytest.raises(Unreached) as error:
            await said_to(region)
    assert error.value.trust


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda request, _: signed(request, b"later", status=503), "answers 503"),
        (lambda request, _: signed(request, b"[]"), "cannot be read"),
        (lambda _request, _: web.Response(body=b"x" * 70_000), "too large"),
    ],
    ids=["later", "nonsense", "endless"],
)
async def test_a_signed_answer_may_still_be_none(answer: Answer, reason: str) -> None:
    async with instance(answer) as region:
        with pytest.raises(Unreached, match=reason) as error:
            await said_to(region)
    assert not error.value.trust


async def test_where_we_do_not_go() -> None:
    region = Region(name="eu", url="http://127.0.0.1:1", endpoint="", secret=SECRET)
    for url, way, reason in (
        ("http://127.0.0.1:1", replace(WAY, plain=False), "not reached by HTTPS"),
        ("http://127.0.0.1:1", replace(WAY, permit=Permit((), "region.allow")), "see region.allow"),
        ("http://169.254.169.254", WAY, "see region.allow"),
        ("http://localhost:1", replace(WAY, permit=Permit((), "region.allow")), "region.allow permits"),
        ("http://127.0.0.1:1", WAY, "127.0.0.1"),
    ):
        with pytest.raises(Unreached, match=reason):
            await said_to(replace(region, url=url), way)


async def test_who_does_not_answer_is_not_waited_for() -> None:
    silent = asyncio.Event()

    async def hold(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await silent.wait()
        writer.close()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    region = Region(name="eu", url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", endpoint="", secret=SECRET)
    with pytest.raises(Unreached, match="in time"):
        await said_to(region, seconds=0.1)
    silent.set()
    server.close()
    await server.wait_closed()


async def test_certificates_of_both_sides(tmp_path: Path) -> None:
    ours, theirs = self_signed(tmp_path, "world"), self_signed(tmp_path, "localhost")
    demanding = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    demanding.load_cert_chain(*theirs)
    demanding.verify_mode = ssl.CERT_REQUIRED
    demanding.load_verify_locations(ours[0])
    section = RegionSection(
        role="global",
        name="world",
        allow=("127.0.0.0/8",),
        ca=str(theirs[0]),
        client_certificate=str(ours[0]),
        client_key=str(ours[1]),
    )
    async with instance(lambda r, _: signed(r, speech.heard_octets(speech.NOTED)), demanding) as region:
        assert await said_to(region, way_of(section)) == speech.NOTED
        without = section.model_copy(update={"client_certificate": "", "client_key": ""})
        for way in (way_of(without), Way(name="world", permit=LOOPBACK)):
            with pytest.raises(Unreached):
                await said_to(region, way)
    with pytest.raises(ConfigError):
        way_of(section.model_copy(update={"ca": str(tmp_path / "nothing")}))
    with pytest.raises(ConfigError):
        way_of(section.model_copy(update={"client_key": str(theirs[1])}))


@pytest.mark.parametrize(
    ("status", "body", "region"),
    [
        (200, {"region": "us"}, "us"),
        (200, {}, ""),
        (204, None, ""),
        (404, None, ""),
        (200, {"region": 7}, None),
        (500, None, None),
    ],
)
async def test_a_server_that_knows_homes(status: int, body: object, region: str | None) -> None:
    asked: list[tuple[dict[str, object], str]] = []

    def answer(request: web.Request, octets: bytes) -> web.Response:
        asked.append((json.loads(octets), request.headers["Provd-Signature"]))
        return web.Response(status=status, body=b"" if body is None else json.dumps(body).encode())

    async with instance(answer) as server:
        peers = RegionWeb(replace(WAY, advisers={server.url: Secret("k")}), FakeClock())
        home = Home(device_id="d", country="DE", key_hash="secret")
        if region is None:
            with pytest.raises(Unreached):
                await peers.ask(server.url, home)
        else:
            assert await peers.ask(server.url, home) == region
        await peers.close()
    ((document, mac),) = asked
    assert (document["device_id"], document["country"], document["key_hash"]) == ("d", "DE", None)
    assert mac.startswith("t=")
