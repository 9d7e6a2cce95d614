"""The way to other instances, and to servers that know homes: signed JSON by HTTPS, under the guard of all requests."""

from __future__ import annotations

import hmac
import json
import secrets
import ssl
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from provd.app.regions.ports import Unreached
from provd.base.clock import Clock
from provd.base.dataclass import dataclass
from provd.base.errors import WireError
from provd.base.secrets import Secret
from provd.domain.regions import speech
from provd.domain.regions.home import Home, Region
from provd.domain.regions.speech import Heard, Said
from provd.net.authorities import trusting
from provd.outbound.web import NotPermittedError, Permit, guarded_session, plain, signature, unfit

EXCHANGE = "/provision/region/exchange"
"""Where an instance hears others, below its URL."""
INSTANCE, NONCE, SIGNATURE = "Provd-Instance", "Provd-Nonce", "Provd-Signature"
SECONDS = 10.0
"""How long another instance, or a server that knows homes, may take to answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How others are reached. ``plain`` permits ``http://``; ``advisers`` are secrets of servers by their URLs."""

    name: str = ""
    permit: Permit = field(default_factory=Permit)
    plain: bool = False
    tls: ssl.SSLContext | None = None
    advisers: Mapping[str, Secret] = field(default_factory=dict)


class RegionWeb:
    """Implements the regions' ports ``Peers`` and ``Advice``."""

    def __init__(
        self,
        way: Way,
        clock: Clock,
        *,
        seconds: float = SECONDS,
        resolver: Callable[[], AbstractResolver] = aiohttp.ThreadedResolver,
    ) -> None:
        self._way = way
        self._clock = clock
        self._timeout = aiohttp.ClientTimeout(total=seconds)
        self._resolver = resolver
        self._session: aiohttp.ClientSession | None = None
        self._tls: ssl.SSLContext | None = None

    async def close(self) -> None:
        """End what is in hand."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def say(self, region: Region, said: Said) -> Heard:
        """Say it once, and believe the answer only when it is signed. Raises Unreached."""
        url = URL(region.url.rstrip("/") + EXCHANGE)
        body, nonce = speech.said_octets(said), secrets.token_hex(16)
        mine = speech.request_signature(region.secret, self._way.name, nonce, EXCHANGE, body)
        headers = {INSTANCE: self._way.name, NONCE: nonce, SIGNATURE: f"v1={mine}", "Content-Type": "application/json"}
        status, octets, given = await self._exchange(url, body, headers)
        theirs = speech.answer_signature(region.secret, region.name, nonce, status, octets)
        if not hmac.compare_digest(given.encode(), f"v1={theirs}".encode()):
            raise Unreached(
                f"{url.host} answers {status} without a right signature: compare names and secrets", trust=True
            )
        if status != 200:
            raise Unreached(f"{url.host} answers {status}")
        try:
            return speech.heard_of(octets)
        except WireError as error:
            raise Unreached(f"{url.host} answers what cannot be read: {error}") from None

    async def ask(self, server: str, home: Home) -> str:
        """The region that a server has for a device: ``{"region": "eu"}``; 204, 404 or an empty one for none."""
        body = json.dumps({"device_id": home.device_id, **speech.facts_of(home), "key_hash": None}).encode()
        secret = self._way.advisers.get(server, Secret(""))
        headers = {"Content-Type": "application/json"}
        if secret:
            headers[SIGNATURE] = signature(secret, body, int(self._clock.now()))
        status, octets, _ = await self._exchange(URL(server), body, headers)
        if status in {204, 404}:
            return ""
        found: Any = None
        if status == 200:
            try:
                found = json.loads(octets)
            except (ValueError, RecursionError):
                found = None
        region = found.get("region", "") if isinstance(found, dict) else None
        if not isinstance(region, str):
            raise Unreached(f"{URL(server).host} answers {status} and names no region")
        return region

    async def _exchange(self, url: URL, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes, str]:
        """Status, body and signature of the answer. Raises Unreached."""
        if url.scheme != "https" and not self._way.plain:
            raise Unreached(f"{url.host} is not reached by HTTPS: see region.plain")
        if reason := unfit(url, self._way.permit):
            raise Unreached(reason)
        tls = self._tls = self._tls or self._way.tls or await trusting()
        if self._session is None:
            self._session = guarded_session(self._way.permit, self._resolver, tls)
        try:
            async with self._session.post(
                url, data=body, headers=headers, allow_redirects=False, timeout=self._timeout
            ) as answer:
                octets = await _some(answer)
                return answer.status, octets, answer.headers.get(SIGNATURE, "")
        except TimeoutError:
            raise Unreached(f"{url.host} does not answer in time") from None
        except aiohttp.ClientConnectorError as error:
            if isinstance(error.os_error, NotPermittedError):
                raise Unreached(str(error.os_error)) from None
            raise Unreached(f"{url.host}: {plain(error.os_error.strerror or error)}") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Unreached(f"{url.host}: {plain(error)}") from None


async def _some(answer: aiohttp.ClientResponse) -> bytes:
    octets = bytearray()
    async for piece in answer.content.iter_chunked(speech.LARGEST):
        octets += piece
        if len(octets) > speech.LARGEST:
            raise ValueError("the answer is too large")
    return bytes(octets)
