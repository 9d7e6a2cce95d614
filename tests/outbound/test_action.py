"""A phone's web server, told to fetch its files: who is asked, what is shown to whom, and what the answer means."""

import asyncio
import hashlib
import re
import ssl
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest

from provd.app.resyncing import Heard, Order
from provd.base.secrets import Secret
from provd.base.types import Mac
from provd.domain.records import Device
from provd.outbound.action import ActionWay, is_phone_address
from provd.plugin import ActionUri
from tests.app.fakes import FakeLeases
from tests.kit.certificates import self_signed

PHONE = Device(mac=Mac("02aaaa000001"), ip="127.0.0.1")
OTHER = Mac("02aaaa000002")
OURS, FACTORY = Secret('our\'s, "quoted" pässword'), Secret("admin")


@dataclass
class WebServer:
    """A phone's: one connection, one request, one answer. ``scheme`` is what it asks for; ``raw`` replaces it all."""

    password: str = OURS.reveal()
    scheme: str = "digest"
    paths: dict[str, tuple[int, str]] = field(default_factory=lambda: {"/resync?key=AutoP": (200, "ok")})
    raw: bytes = b""
    silent: bool = False
    requests: list[tuple[str, str]] = field(default_factory=list)

    async def serve(self, stream, writer):
        try:
            head = (await stream.readuntil(b"\r\n\r\n")).decode()
            shown = re.search(r"^authorization: (.*)\r$", head, re.IGNORECASE | re.MULTILINE)
            path = head.split(" ")[1]
            self.requests.append((path, shown[1] if shown else ""))
            if self.silent:
                await stream.read()
            writer.write(self.raw or self.answer(path, shown[1] if shown else ""))
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def answer(self, path: str, shown: str) -> bytes:
        status, text = self.paths.get(path, (404, "no"))
        more = ""
        if status != 404 and self.scheme and not self.proven(path, shown):
            challenge = 'Digest realm="phone", nonce="n1", qop="auth"' if self.scheme == "digest" else 'Basic realm="x"'
            status, text, more = 401, "who?", f"WWW-Authenticate: {challenge}\r\n"
        if status == 302:
            more = "Location: http://127.0.0.1:1/elsewhere\r\n"
        return f"HTTP/1.1 {status} X\r\n{more}Content-Length: {len(text)}\r\nConnection: close\r\n\r\n{text}".encode()

    def proven(self, path: str, shown: str) -> bool:
        if self.scheme == "basic":
            import base64

            return shown == "Basic " + base64.b64encode(f"admin:{self.password}".encode()).decode()
        if not shown.startswith("Digest "):
            return False
        given = dict(re.findall(r'(\w+)="?([^",]*)"?', shown))
        ha1 = hashlib.md5(f"admin:phone:{self.password}".encode()).hexdigest()
        ha2 = hashlib.md5(f"GET:{path}".encode()).hexdigest()
        whole = f"{ha1}:n1:{given['nc']}:{given['cnonce']}:auth:{ha2}"
        return given["response"] == hashlib.md5(whole.encode()).hexdigest()


@asynccontextmanager
async def phone(server, *, leases=None, neighbours=(), patience=(5.0, 5.0), permitted=lambda _: True, tls=None):
    opened = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls)
    way = ActionWay(leases or FakeLeases(), lambda _: neighbours, permitted=permitted, patience=patience)

    async def tell(device=PHONE, passwords=(OURS,), **changes):
        action = ActionUri(("/resync?key=AutoP",), port=opened.sockets[0].getsockname()[1])
        return await way.tell(
            device, Order(event="check-sync", action=replace(action, **changes), passwords=tuple(passwords))
        )

    try:
        yield tell
    finally:
        await way.close()
        opened.close()
        await opened.wait_closed()


async def test_a_digest_is_given_only_when_it_is_asked_for():
    server = WebServer()
    async with phone(server) as tell:
        assert (await tell()).heard is Heard.ACCEPTED
    assert [bool(shown) for _, shown in server.requests] == [False, False, True]
    assert all("password" not in shown for _, shown in server.requests)


async def test_no_password_is_shown_to_a_phone_that_wants_none():
    server = WebServer(scheme="")
    async with phone(server) as tell:
        assert (await tell()).heard is Heard.ACCEPTED
    assert server.requests == [("/resync?key=AutoP", "")]


async def test_the_password_of_the_factory_comes_after_ours():
    server = WebServer(password="admin")
    async with phone(server) as tell:
        assert (await tell(passwords=(OURS, FACTORY))).heard is Heard.ACCEPTED
        told = await tell(passwords=(OURS,))
    assert (told.heard, told.detail) == (Heard.REFUSED, "401: no password of ours is right")


async def test_basic_where_the_vendor_uses_it():
    server = WebServer(scheme="basic")
    async with phone(server) as tell:
        assert (await tell(auth="basic")).heard is Heard.ACCEPTED


async def test_nobody_talks_us_into_showing_the_password():
    server = WebServer(scheme="basic")
    async with phone(server) as tell:
        told = await tell(auth="digest")
        assert (told.heard, told.detail) == (Heard.REFUSED, "401: it wants a password")
        assert (await tell(auth="none")).heard is Heard.REFUSED
    assert {shown for _, shown in server.requests} == {""}


async def test_a_digest_is_taken_where_basic_would_do():
    server = WebServer()
    async with phone(server) as tell:
        assert (await tell(auth="basic")).heard is Heard.ACCEPTED
    assert not any(shown.startswith("Basic") for _, shown in server.requests)


async def test_a_phone_that_has_signed_its_certificate_itself(tmp_path):
    certificate, key = self_signed(tmp_path, "phone.test")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    async with phone(WebServer(), tls=tls) as tell:
        assert (await tell(tls=True)).heard is Heard.ACCEPTED
        assert (await tell()).heard is Heard.SILENT


async def test_the_older_path_is_tried_when_the_newer_is_missing():
    server = WebServer(scheme="", paths={"/old?key=AutoP": (200, "ok")})
    async with phone(server) as tell:
        assert (await tell(paths=("/new", "/old?key=AutoP"))).heard is Heard.ACCEPTED
        assert (await tell(paths=("/new",))).detail == "404: it has no such address"
    assert [path for path, _ in server.requests] == ["/new", "/old?key=AutoP", "/new"]


async def test_a_phone_that_is_talked_on_does_it_afterwards():
    server = WebServer(scheme="", paths={"/resync?key=AutoP": (200, "It will resync when it is NOT IN USE.")})
    async with phone(server) as tell:
        assert (await tell(later="not in use")).detail == "as soon as it is idle"
        assert (await tell()).detail == "200 X"


@pytest.mark.parametrize(
    ("status", "detail"),
    [(302, "302: it sends us elsewhere"), (403, "403 X"), (503, "503: it is busy"), (500, "500 X")],
)
async def test_refusals(status, detail):
    server = WebServer(scheme="", paths={"/resync?key=AutoP": (status, "")})
    async with phone(server) as tell:
        told = await tell()
    assert (told.heard, told.detail) == (Heard.REFUSED, detail)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "raw",
    [
        b"SSH-2.0-x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000,
        b"\x00" * 5000,
        b'HTTP/1.1 401 X\r\nWWW-Authenticate: Digest realm="x", nonce="", qop="z"\r\nContent-Length: 0\r\n\r\n',
        b"HTTP/1.1 200 \x1b[31m\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_what_is_no_web_server_does_no_harm(raw):
    async with phone(WebServer(raw=raw)) as tell:
        told = await tell()
    assert told.heard is not Heard.ACCEPTED
    assert told.detail.isprintable()


async def test_a_phone_that_restarts_while_it_answers_has_said_yes():
    async with phone(WebServer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\nrestarting, not in us")) as tell:
        assert (await tell()).heard is Heard.ACCEPTED


async def test_an_endless_answer_is_not_read_to_its_end():
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n" + b"x" * 9_000_000
    async with phone(WebServer(raw=raw)) as tell:
        assert (await tell()).heard is Heard.ACCEPTED


async def test_a_silent_phone_is_not_waited_for():
    async with phone(WebServer(silent=True), patience=(0.05, 0.05)) as tell:
        told = await tell()
    assert (told.heard, told.detail) == (Heard.SILENT, "127.0.0.1 does not answer")


async def test_nobody_is_there():
    async with phone(WebServer()) as tell:
        told = await tell(port=1)
    assert (told.heard, told.detail) == (Heard.SILENT, "127.0.0.1: Connection refused")


async def test_only_the_devices_own_address_is_asked():
    server, leases = WebServer(scheme=""), FakeLeases()
    async with phone(server, leases=leases, neighbours=(PHONE, Device(mac=OTHER, ip="127.0.0.1"))) as tell:
        assert (await tell()).detail == "127.0.0.1 is the address of several devices: there is a NAT before them"
        leases.held["127.0.0.1"] = OTHER
        assert (await tell()).detail == "127.0.0.1 is leased to another device by now"
        assert (await tell(replace(PHONE, ip=""))).detail == "its address is not known"
        assert (await tell(replace(PHONE, ip="evil.example"))).detail == "its address is not known"
        assert server.requests == []
        leases.held["127.0.0.1"] = PHONE.mac
        assert (await tell()).heard is Heard.ACCEPTED


@pytest.mark.parametrize("ip", ["127.0.0.1", "0.0.0.0", "224.0.1.75", "169.254.169.254", "255.255.255.255"])
async def test_this_machine_and_everybody_are_no_phones(ip):
    server = WebServer(scheme="")
    async with phone(server, permitted=is_phone_address) as tell:
        assert (await tell(replace(PHONE, ip=ip))).heard is Heard.NO_WAY
    assert server.requests == []


async def test_no_action_no_way():
    way = ActionWay(FakeLeases(), lambda _: ())
    assert (await way.tell(PHONE, Order(event="check-sync"))).heard is Heard.NO_WAY
    await way.close()
