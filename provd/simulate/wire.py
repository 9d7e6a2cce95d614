"""Performs the steps of simulated phones on a real network."""

from __future__ import annotations

import asyncio
import errno
import math
import random
from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import urlsplit

from provd.base.types import Mac, ip_text
from provd.plugin.phone import Account, Dhcp, Failed, Fetch, Fetched, LeaseGot, NotFound, Phone
from provd.simulate.dhcp_client import (
    ACK,
    DISCOVER,
    NAK,
    OFFER,
    OPTION_CLASS_IDENTIFIER,
    OPTION_CLIENT_IDENTIFIER,
    OPTION_HOST_NAME,
    OPTION_MAXIMUM_SIZE,
    OPTION_MESSAGE,
    OPTION_PARAMETER_LIST,
    OPTION_REQUESTED_ADDRESS,
    OPTION_SERVER_IDENTIFIER,
    OPTION_USER_CLASS,
    REQUEST,
    Reply,
    decode,
    encode,
)
from provd.simulate.http_client import http_get
from provd.simulate.link import Link
from provd.simulate.telephone import Telephone
from provd.simulate.tftp_client import tftp_get

_TRIES = 4
_MAXIMUM_SIZE = 1500

_Option = tuple[int, bytes]
_Answer = Fetched | NotFound | Failed


class WireTransport:
    """Sockets for a crowd of phones. Open it before use, close it afterwards.

    ``tick`` is how many real seconds a second of a phone's waiting takes; time-outs of protocols are not changed by
    it. ``patience`` is seconds for an HTTP request, ``first_delay`` until a DHCP message is sent again (then twice as
    long, and so on). ``blksize`` makes the TFTP client ask for that block size (and
    for the size of the file). With ``sip`` the phones register their accounts.
    """

    def __init__(
        self,
        link: Link,
        rng: random.Random,
        *,
        tick: float = 1.0,
        patience: float = 30.0,
        first_delay: float = 4.0,
        blksize: int = 0,
        sip: bool = False,
    ) -> None:
        self._link = link
        self._rng = rng
        self._tick = tick
        self._patience = patience
        self._first_delay = first_delay
        self._blksize = blksize
        self._sip = sip
        self._waiting: dict[int, asyncio.Queue[Reply]] = {}
        self.retransmissions = 0
        self.foreign_source = False
        """A leased address was not local to this machine, so that requests came from another one."""

    def open(self) -> None:
        """Begin to listen. Raises ConfigError."""
        self._link.open(self._heard)

    def close(self) -> None:
        """Stop listening."""
        self._link.close()

    async def wait(self, seconds: float) -> None:
        """Let the phone wait."""
        if math.isinf(seconds):
            await asyncio.Event().wait()
        await asyncio.sleep(seconds * self._tick)

    def telephone(
        self,
        phone: Phone,
        ip: str,
        accounts: Sequence[Account],
        tell: Callable[[str, str], None],
        obeyed: Callable[[str], None],
    ) -> Telephone | None:
        """Register these accounts from the phone's own address."""
        if not self._sip:
            return None
        # Not the crowd's own chance: another crowd with the same seed would use the same Call-IDs.
        rng = random.Random(f"{phone.mac}/{self._rng.getrandbits(32)}")
        return Telephone(phone, ip, accounts, rng=rng, tell=tell, obeyed=obeyed)

    # --- DHCP ---------------------------------------------------------------------------------------------------------

    async def dhcp(self, mac: Mac, step: Dhcp) -> LeaseGot | Failed:
        """DISCOVER, OFFER, REQUEST, ACK, with the retransmissions of RFC 2131 section 4.1."""
        xid = self._rng.getrandbits(32)
        replies = self._waiting[xid] = asyncio.Queue()
        try:
            offer = await self._exchange(mac, xid, replies, DISCOVER, _options(step), {OFFER})
            if offer is None:
                return Failed("no OFFER")
            server = offer.options.get(OPTION_SERVER_IDENTIFIER, b"")
            chosen = [
                (OPTION_REQUESTED_ADDRESS, offer.yiaddr.to_bytes(4, "big")),
                (OPTION_SERVER_IDENTIFIER, server),
                *_options(step),
            ]
            answer = await self._exchange(mac, xid, replies, REQUEST, chosen, {ACK, NAK})
            if answer is None:
                return Failed("no ACK")
            if answer.kind == NAK:
                return Failed(f"NAK {answer.options.get(OPTION_MESSAGE, b'').decode('latin-1')}".strip())
        finally:
            del self._waiting[xid]
        lease = LeaseGot(ip_text(answer.yiaddr), answer.options, ip_text(answer.address(OPTION_SERVER_IDENTIFIER)))
        self._link.hold(lease.ip)
        return lease

    async def _exchange(
        self, mac: Mac, xid: int, replies: asyncio.Queue[Reply], kind: int, options: list[_Option], wanted: set[int]
    ) -> Reply | None:
        """Send until one of the wanted replies comes; None when none does."""
        delay = self._first_delay
        elapsed = 0.0
        chaddr = bytes.fromhex(mac)
        for attempt in range(_TRIES):
            self.retransmissions += attempt > 0
            self._link.send(chaddr, encode(kind, xid, chaddr, options, secs=int(elapsed), giaddr=self._link.giaddr))
            patience = delay + self._first_delay * self._rng.uniform(-0.25, 0.25)
            try:
                async with asyncio.timeout(patience):
                    while True:
                        reply = await replies.get()
                        if reply.kind in wanted and reply.chaddr == chaddr:
                            return reply
            except TimeoutError:
                elapsed += patience
                delay *= 2
        return None

    def _heard(self, message: bytes) -> None:
        reply = decode(message)
        queue = self._waiting.get(reply.xid) if reply is not None else None
        if reply is not None and queue is not None:
            queue.put_nowait(reply)

    # --- files --------------------------------------------------------------------------------------------------------

    async def fetch(self, ip: str, step: Fetch) -> _Answer:
        """Get a file, from the phone's own address where that is local here."""
        parts = urlsplit(step.url)
        if parts.scheme == "tftp":
            return await self._from(ip, lambda source: self._tftp(step.url, source))
        if parts.scheme in {"http", "https"}:
            return await self._from(
                ip, lambda source: http_get(step.url, step.headers, source=source, patience=self._patience)
            )
        return Failed(f"{parts.scheme!r} is not simulated")

    async def _tftp(self, url: str, source: str) -> _Answer:
        # Not urlsplit: a "?" or "#" is part of a TFTP name.
        authority, _, name = url.removeprefix("tftp://").partition("/")
        host, _, port = authority.partition(":")
        return await tftp_get(
            host,
            name,
            port=int(port) if port.isdigit() else 69,
            source=source,
            blksize=self._blksize,
            tsize=bool(self._blksize),
        )

    async def _from(self, ip: str, get: Callable[[str], Awaitable[_Answer]]) -> _Answer:
        while True:
            try:
                return await get("" if self.foreign_source else ip)
            except OSError as error:
                if error.errno != errno.EADDRNOTAVAIL or self.foreign_source:
                    return Failed(error.strerror or str(error))
            self.foreign_source = True


def _options(step: Dhcp) -> list[_Option]:
    """The options of a client's messages, in the order in which clients usually send them."""
    return [
        (OPTION_CLIENT_IDENTIFIER, step.client_id),
        (OPTION_MAXIMUM_SIZE, _MAXIMUM_SIZE.to_bytes(2, "big")),
        (OPTION_PARAMETER_LIST, bytes(step.parameter_list)),
        (OPTION_CLASS_IDENTIFIER, step.option60.encode("latin-1", "replace")),
        (OPTION_HOST_NAME, step.hostname.encode("latin-1", "replace")),
        (OPTION_USER_CLASS, step.user_class),
    ]
