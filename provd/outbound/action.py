"""The way to a phone over its own web server: one GET that makes it fetch its files.

The request goes to the address that the device was last seen at and nowhere else: no proxy, no redirect, no name to be
looked up. A password is shown only when it is asked for, in no weaker form than the device's vendor is known to use,
and in the clear only to a private address: behind a public one there may be a router that asks like a phone.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
from collections.abc import Callable, Iterable

import aiohttp
from yarl import URL

from provd.app.ports import LeaseView
from provd.app.resyncing import Heard, Order, Told
from provd.base.secrets import Secret
from provd.domain.records import Device
from provd.outbound.web import plain
from provd.plugin import ActionUri

TOTAL, CONNECT = 8.0, 3.0
"""Seconds for the whole attempt of one path, and for its connection."""
LARGEST = 65536
"""Octets of an answer that are looked at; the rest is not waited for."""
AT_ONCE = 50

Permitted = Callable[[ipaddress.IPv4Address], bool]
Neighbours = Callable[[str], Iterable[Device]]
"""Every device that was last seen at that address."""


def is_phone_address(address: ipaddress.IPv4Address) -> bool:
    """Whether a phone may be there: not this machine itself, nobody, everybody or a link without addresses."""
    return not (
        address.is_loopback
        or address.is_multicast
        or address.is_unspecified
        or address.is_reserved
        or address.is_link_local
    )


class ActionWay:
    """Implements :class:`~provd.app.resyncing.Way`. ``permitted`` decides which addresses are asked at all."""

    name = "http"

    def __init__(
        self,
        leases: LeaseView,
        neighbours: Neighbours,
        *,
        permitted: Permitted = is_phone_address,
        patience: tuple[float, float] = (TOTAL, CONNECT),
    ) -> None:
        self._leases = leases
        self._neighbours = neighbours
        self._permitted = permitted
        self._timeout = aiohttp.ClientTimeout(total=patience[0], sock_connect=patience[1])
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """End what is in hand."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def tell(self, device: Device, order: Order) -> Told:
        """Try the vendor's paths, and the passwords that the device may have."""
        action, reason = order.action, self._unfit(device)
        if action is None:
            return self._told(Heard.NO_WAY, "its vendor's phones have no such address")
        if reason:
            return self._told(Heard.NO_WAY, reason)
        told = self._told(Heard.REFUSED, "")
        for path in action.paths:
            told = await self._path(device.ip, action, path, order.passwords)
            if told.detail != _MISSING:
                break
        return told

    def _unfit(self, device: Device) -> str:
        """Why the device's address is not asked, or an empty text."""
        try:
            address = ipaddress.IPv4Address(device.ip)
        except ValueError:
            return "its address is not known"
        if not self._permitted(address):
            return f"{device.ip} is not the address of a phone"
        holder = self._leases.holder(device.ip)
        if holder is not None and holder != device.mac:
            return f"{device.ip} is leased to another device by now"
        if holder is None and any(other.mac != device.mac for other in self._neighbours(device.ip)):
            return f"{device.ip} is the address of several devices: there is a NAT before them"
        return ""

    async def _path(self, ip: str, action: ActionUri, path: str, passwords: tuple[Secret, ...]) -> Told:
        scheme, usual = ("https", 443) if action.tls else ("http", 80)
        url = URL(f"{scheme}://{ip}:{action.port or usual}{path}", encoded=True)
        try:
            told, scheme = await self._get(url, action)
            if told.detail != _CHALLENGED or scheme not in {"digest", action.auth}:
                return told
            if scheme == "basic" and not ipaddress.IPv4Address(ip).is_private:
                return self._told(Heard.REFUSED, "it asks for its password in the clear, across a network of others")
            for password in passwords:
                told, _ = await self._get(url, action, scheme, password)
                if told.detail != _WRONG:
                    break
        except TimeoutError:
            return self._told(Heard.SILENT, f"{ip} does not answer")
        except aiohttp.ClientConnectorError as error:
            number = error.os_error.errno
            return self._told(Heard.SILENT, f"{ip}: {os.strerror(number) if number else plain(error)}")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return self._told(Heard.SILENT, f"{ip}: {plain(error)}")
        return told

    async def _get(
        self, url: URL, action: ActionUri, scheme: str = "", password: Secret | None = None
    ) -> tuple[Told, str]:
        """One request, and the scheme of the challenge in its answer. Raises aiohttp's errors and TimeoutError."""
        headers: dict[str, str] = {}
        middlewares: list[aiohttp.ClientMiddlewareType] = []
        if password is not None and scheme == "digest":
            middlewares.append(aiohttp.DigestAuthMiddleware(action.user, password.reveal()))
        elif password is not None:
            headers["Authorization"] = aiohttp.encode_basic_auth(action.user, password.reveal(), "utf-8")
        async with self._opened().get(
            url, headers=headers, allow_redirects=False, middlewares=middlewares, timeout=self._timeout
        ) as answer:
            text = await _text(answer)
            asked = answer.headers.get("WWW-Authenticate", "").partition(" ")[0].lower()
            return self._judged(answer, text, action, shown=password is not None), asked

    def _judged(self, answer: aiohttp.ClientResponse, text: str, action: ActionUri, *, shown: bool) -> Told:
        said = f"{answer.status} {plain(answer.reason or '-')}".strip()
        if 200 <= answer.status < 300:
            later = action.later and action.later.lower() in text.lower()
            return self._told(Heard.ACCEPTED, "as soon as it is idle" if later else said)
        detail = {401: _WRONG if shown else _CHALLENGED, 404: _MISSING, 503: "503: it is busy"}.get(answer.status, said)
        if 300 <= answer.status < 400:
            detail = f"{answer.status}: it sends us elsewhere"
        return self._told(Heard.REFUSED, detail)

    def _told(self, heard: Heard, detail: str) -> Told:
        return Told(way=self.name, heard=heard, detail=detail)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=AT_ONCE, force_close=True, ssl=False),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                headers={"User-Agent": "provd"},
            )
        return self._session


_CHALLENGED = "401: it wants a password"
_WRONG = "401: no password of ours is right"
_MISSING = "404: it has no such address"


async def _text(answer: aiohttp.ClientResponse) -> str:
    """The beginning of the answer. A phone that restarts at once may not come to its end; the status says it all."""
    octets = bytearray()
    with contextlib.suppress(aiohttp.ClientPayloadError, ConnectionError):
        while len(octets) < LARGEST and (piece := await answer.content.read(LARGEST)):
            octets += piece
    return octets[:LARGEST].decode("utf-8", "replace")
