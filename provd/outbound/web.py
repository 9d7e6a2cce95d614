"""Servers of others, by HTTP: JSON in and out, no redirects, and no way to addresses that nobody has listed.

A name is looked up once for each connection, and the address found is the one that is checked and connected to: a name
that answers differently the second time gains nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import json
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from email.utils import parsedate_to_datetime

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from provd.app.tasks.ports import HttpCall
from provd.base.clock import Clock
from provd.base.dataclass import dataclass
from provd.base.secrets import Secret
from provd.domain.filling import pointed
from provd.domain.tasks import Done, Failed, NotYet, Outcome, Retry, http_outcome
from provd.net.authorities import trusting

SECONDS = 10.0
"""For a whole exchange."""
LARGEST = 1 << 20
"""Octets of a reply."""
_PARSED_HERE = 65536
"""Octets of JSON that are read on the event loop's thread."""
AT_ONCE = 32

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server by the URL below which everything asked of it lies.

    ``headers`` go with every request (a token, mostly). With ``signing`` requests carry ``Provd-Signature: t=TIME,
    v1=HEX``: HMAC-SHA256 over ``TIME.BODY``, TIME in seconds since the epoch.
    """

    name: str
    url: str
    headers: Mapping[str, Secret] = field(default_factory=dict)
    signing: Secret = field(default_factory=lambda: Secret(""))


class NotPermittedError(OSError):
    """The address is none that we may talk to."""


@dataclass(frozen=True, slots=True)
class Permit:
    """Public addresses, and those networks that were listed; ``setting`` is where that is done."""

    listed: tuple[Network, ...] = ()
    setting: str = "tasks.allow"

    def __call__(self, address: Address) -> bool:
        """Whether this address may be talked to."""
        seen = _inner(address) if isinstance(address, ipaddress.IPv6Address) else address
        if any(seen.version == network.version and seen in network for network in self.listed):
            return True
        return seen.is_global and not seen.is_multicast


_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def _inner(address: ipaddress.IPv6Address) -> Address:
    """The IPv4 address that packets to this one end up at, where there is one."""
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


class GuardedResolver(AbstractResolver):
    """Finds addresses of names, and gives only those that may be talked to."""

    def __init__(self, permit: Permit, inner: Callable[[], AbstractResolver]) -> None:
        self._permit = permit
        self._inner = inner()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a name. Raises NotPermittedError when none is left."""
        found = await self._inner.resolve(host, port, family)
        good = [each for each in found if self._permit(ipaddress.ip_address(each["host"].partition("%")[0]))]
        if not good:
            raise NotPermittedError(f"{host} has no address that {self._permit.setting} permits")
        return good

    async def close(self) -> None:
        """Nothing is kept open."""
        await self._inner.close()


def guarded_session(
    permit: Permit, resolver: Callable[[], AbstractResolver], tls: ssl.SSLContext
) -> aiohttp.ClientSession:
    """A session that reaches permitted addresses only, by way of their names; see :func:`unfit` for the others."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=AT_ONCE,
            force_close=True,
            use_dns_cache=False,
            resolver=GuardedResolver(permit, resolver),
            ssl=tls,
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        # A small reply could become a large one.
        auto_decompress=False,
        trust_env=False,
        headers={"User-Agent": "provd", "Accept-Encoding": "identity"},
    )


def unfit(url: URL, permit: Permit) -> str:
    """Why a URL is not asked at all. An address in it is not looked up, and so checked here."""
    try:
        address = ipaddress.ip_address((url.host or "").partition("%")[0])
    except ValueError:
        return ""
    return "" if permit(address) else f"{address} is not permitted: see {permit.setting}"


class Web:
    """Requests of tasks."""

    def __init__(
        self,
        permit: Permit,
        clock: Clock,
        *,
        seconds: float = SECONDS,
        resolver: Callable[[], AbstractResolver] = aiohttp.ThreadedResolver,
    ) -> None:
        self._permit = permit
        self._clock = clock
        self._timeout = aiohttp.ClientTimeout(total=seconds)
        self._resolver = resolver
        self._session: aiohttp.ClientSession | None = None
        self._trusted: ssl.SSLContext | None = None

    async def close(self) -> None:
        """End what is in hand."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def do(self, server: Server, call: HttpCall) -> Outcome:
        """One request and what its reply means."""
        url = URL(f"{server.url.rstrip('/')}/{call.path.lstrip('/')}", encoded=True)
        if refusal := unfit(url, self._permit):
            return Failed(refusal)
        body = b"" if call.body is None else json.dumps(dict(call.body), default=str).encode()
        try:
            async with (await self._opened()).request(
                call.method,
                url,
                data=body or None,
                headers=self._headers(server, call, body),
                allow_redirects=False,
                timeout=self._timeout,
            ) as answer:
                pause = asked_pause(answer.headers.get("Retry-After", ""), self._clock.now())
                bad = None if answer.status in call.accepts else http_outcome(answer.status, pause, call.what)
                return bad or await _taken(answer, call)
        except TimeoutError:
            return Retry(f"{url.host} does not answer in time")
        except aiohttp.ClientConnectorError as error:
            if isinstance(error.os_error, NotPermittedError):
                return Failed(str(error.os_error))
            return Retry(f"{url.host}: {plain(error.os_error.strerror or error)}")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Retry(f"{url.host}: {plain(error)}")

    def _headers(self, server: Server, call: HttpCall, body: bytes) -> dict[str, str]:
        headers = {"Accept": "application/json", "Idempotency-Key": call.key}
        if call.body is not None:
            headers["Content-Type"] = "application/json"
        headers |= {name: value.reveal() for name, value in server.headers.items()}
        if server.signing:
            headers["Provd-Signature"] = signature(server.signing, body, int(self._clock.now()))
        return headers

    async def _opened(self) -> aiohttp.ClientSession:
        trusted = self._trusted = self._trusted or await trusting()
        if self._session is None:
            self._session = guarded_session(self._permit, self._resolver, trusted)
        return self._session


def asked_pause(text: str, now: float) -> float:
    """Seconds of a Retry-After, which may be a date (RFC 9110 section 10.2.3); 0 for none."""
    if text.isascii() and text.isdigit() and len(text) < 9:
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, TypeError):
        return 0.0


def signature(secret: Secret, body: bytes, now: int) -> str:
    """The value of ``Provd-Signature``."""
    mac = hmac.new(secret.reveal().encode(), f"{now}.".encode() + body, hashlib.sha256)
    return f"t={now},v1={mac.hexdigest()}"


async def _taken(answer: aiohttp.ClientResponse, call: HttpCall) -> Outcome:
    """The values that a good reply was asked for."""
    if not (call.take or call.whole):
        return Done({"status": answer.status})
    octets = bytearray()
    async for piece in answer.content.iter_chunked(_PARSED_HERE):
        octets += piece
        if len(octets) > LARGEST:
            return Failed(f"the reply is larger than {LARGEST >> 20} MiB")
    try:
        document = await _document(bytes(octets)) if octets or not call.whole else None
    except (ValueError, RecursionError):
        return Failed("the reply is not JSON")
    if call.whole:
        return Done({"status": answer.status, "reply": document})
    try:
        return Done({name: _small(pointed(document, pointer)) for name, pointer in call.take.items()})
    except LookupError:
        # A search that finds nothing is a good reply with nothing in it.
        return NotYet(call.what)


async def _document(octets: bytes) -> object:
    """JSON. Raises ValueError, RecursionError."""
    if len(octets) > _PARSED_HERE:
        return await asyncio.to_thread(json.loads, octets)
    return json.loads(octets)


def _small(value: object) -> object:
    if isinstance(value, str):
        return value[:4000]
    if isinstance(value, Mapping | Sequence):
        text = json.dumps(value)
        return value if len(text) <= 4000 else text[:4000]
    return value


def plain(said: object) -> str:
    """What somebody else said, on one short line."""
    text = str(said) or type(said).__name__
    return "".join(each if each.isprintable() else " " for each in text)[:120]
