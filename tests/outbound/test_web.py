"""Requests of tasks: what replies mean, and where requests do not go."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver

from provd.app.tasks.ports import HttpCall
from provd.base.secrets import Secret
from provd.domain.tasks import Done, Failed, NotYet, Retry
from provd.outbound.web import LARGEST, Permit, Server, Web
from tests.app.fakes import FakeClock
from tests.kit.ports import free_port

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)


class Elsewhere(AbstractResolver):
    """Knows one address for every name."""

    def __init__(self, address: str) -> None:
        self.address = address

    async def resolve(self, host, port=0, family=0):
        return [{"hostname": host, "host": self.address, "port": port, "family": 2, "proto": 0, "flags": 0}]

    async def close(self) -> None:
        """Nothing is open."""


class Site:
    """A server that answers what it is told and remembers what it was asked."""

    def __init__(self) -> None:
        self.answer = web.Response
        self.asked: list[web.Request] = []
        self.bodies: list[bytes] = []
        self.port = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        self.bodies.append(await request.read())
        return self.answer()

    def server(self, host: str = "127.0.0.1", **more: object) -> Server:
        return Server(name="s", url=f"http://{host}:{self.port}/api/", **more)


@asynccontextmanager
async def running(permit: Permit | None = None, **more: object) -> AsyncIterator[tuple[Site, Web]]:
    site = Site()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", site.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    listening = web.TCPSite(runner, "127.0.0.1", 0)
    await listening.start()
    site.port = runner.addresses[0][1]
    client = Web(permit or Permit(LOOPBACK), FakeClock(), **more)
    yield site, client
    await client.close()
    await runner.cleanup()


def call(**more: object) -> HttpCall:
    return HttpCall(**{"server": "s", "method": "GET", "path": "/d/1", "key": "run:step", "what": "it", **more})


def answering(value: object) -> object:
    return lambda: web.json_response(value)


async def test_values_are_taken_by_pointer():
    async with running() as (site, client):
        site.answer = answering({"data": [{"id": 7, "name": "Ann", "more": {"a": [1]}}]})
        take = {"id": "/data/0/id", "name": "/data/0/name", "more": "/data/0/more"}
        outcome = await client.do(site.server(headers={"Authorization": Secret("Bearer x")}), call(take=take))
        assert outcome == Done({"id": 7, "name": "Ann", "more": {"a": [1]}})
        (asked,) = site.asked
        assert (asked.method, asked.raw_path) == ("GET", "/api/d/1")
        assert asked.headers["Idempotency-Key"] == "run:step"
        assert asked.headers["Authorization"] == "Bearer x"


async def test_a_body_is_json_and_signed_with_its_time():
    async with running() as (site, client):
        outcome = await client.do(site.server(signing=Secret("k")), call(method="POST", body={"a": 1}))
        assert outcome == Done({"status": 200})
        time, _, mac = site.asked[0].headers["Provd-Signature"].partition(",v1=")
        stamp = time.removeprefix("t=")
        assert mac == hmac.new(b"k", f"{stamp}.".encode() + site.bodies[0], hashlib.sha256).hexdigest()
        assert json.loads(site.bodies[0]) == {"a": 1}
        assert int(stamp) == 1_000_000


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (answering([]), NotYet("it")),
        (answering({"data": []}), NotYet("it")),
        (lambda: web.Response(status=404), NotYet("it")),
        (lambda: web.Response(text="<html>"), Failed("the reply is not JSON")),
        (lambda: web.Response(text="[" * 100_000), Failed("the reply is not JSON")),
        (lambda: web.Response(body=b" " * (LARGEST + 1)), Failed("the reply is larger than 1 MiB")),
        (lambda: web.Response(status=403), Failed("it answers 403")),
        (lambda: web.Response(status=500), Retry("it answers 500")),
        (lambda: web.Response(status=429, headers={"Retry-After": "30"}), Retry("429: too many requests", 30.0)),
        (
            lambda: web.Response(status=429, headers={"Retry-After": "Mon, 12 Jan 1970 13:47:00 GMT"}),
            Retry("429: too many requests", 20.0),
        ),
        (lambda: web.Response(status=429, headers={"Retry-After": "soon"}), Retry("429: too many requests", 0.0)),
        (
            lambda: web.Response(status=302, headers={"Location": "http://169.254.169.254/"}),
            Failed("it answers 302: it sends us elsewhere"),
        ),
    ],
)
async def test_what_a_reply_means(answer, outcome):
    async with running() as (site, client):
        site.answer = answer
        assert await client.do(site.server(), call(take={"a": "/data/0/id"})) == outcome
        assert len(site.asked) == 1


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "10.1.2.3", "169.254.169.254", "0.0.0.0", "[fe80::1]"),
        *("[64:ff9b::7f00:1]", "[2002:7f00:1::]", "192.168.1.1", "100.64.0.1", "[fd00::1]", "255.255.255.255"),
        *("224.0.0.1", "[ff02::1]"),
    ],
)
async def test_no_request_goes_to_an_address_that_is_not_listed(host):
    async with running(Permit()) as (site, client):
        outcome = await client.do(site.server(host), call())
        assert isinstance(outcome, Failed)
        assert "not permitted: see tasks.allow" in outcome.reason
        assert site.asked == []


async def test_nor_does_one_by_a_name_that_leads_there():
    async with running(Permit(), resolver=lambda: Elsewhere("127.0.0.1")) as (site, client):
        outcome = await client.do(site.server("crm.example"), call())
        assert outcome == Failed("crm.example has no address that tasks.allow permits")
        assert site.asked == []
    async with running(resolver=lambda: Elsewhere("127.0.0.1")) as (site, client):
        assert await client.do(site.server("crm.example"), call()) == Done({"status": 200})


def test_public_addresses_need_no_listing_and_a_listed_network_is_exactly_that():
    permit = Permit((ipaddress.ip_network("10.0.5.0/24"), ipaddress.ip_network("fd00:1::/64")))
    for address, good in {
        "198.41.0.4": True,
        "2001:500:2::c": True,
        "10.0.5.9": True,
        "::ffff:10.0.5.9": True,
        "10.0.6.9": False,
        "fd00:1::9": True,
        "fd00:2::9": False,
    }.items():
        assert permit(ipaddress.ip_address(address)) is good, address


async def test_who_is_not_there_is_tried_again():
    async with running() as (_, client):
        gone = Server(name="s", url=f"http://127.0.0.1:{free_port()}")
        outcome = await client.do(gone, call())
        assert isinstance(outcome, Retry)
        assert outcome.reason.startswith("127.0.0.1: ")


async def test_who_says_nothing_is_not_waited_for():
    async def silent(stream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await stream.read()
        writer.close()

    async with running(seconds=0.05) as (_, client), await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        outcome = await client.do(Server(name="s", url=f"http://127.0.0.1:{port}"), call())
        assert outcome == Retry("127.0.0.1 does not answer in time")
