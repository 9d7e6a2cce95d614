"""The lines of a simulated phone on real sockets: SIP over UDP, and an ear for what is played."""

from __future__ import annotations

import asyncio
import random
import socket
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Self

from provd.base.errors import WireError
from provd.base.types import ip_int
from provd.plugin.phone import Account, Phone
from provd.simulate.session import Heard
from provd.simulate.sip_ua import Effect, News, Peer, Send, UserAgent
from provd.sip.prompts import FRAME, Prompt, frames
from provd.sip.rtp import RtpPacket, RtpSender, decode
from provd.sip.sdp import PCMA, PCMU, answer, parse_offer

SIP_PORT = 5060
_LARGEST = 65535
_PATIENCE = 40.0
"""Seconds that a person stays on the line."""
_MOST_PACKETS = 1000


class Telephone:
    """Registers the accounts of one phone and keeps them so. ``tell`` hears ``(kind, text)`` of what happens,
    ``obeyed`` the Event of each NOTIFY that the phone obeys."""

    def __init__(
        self,
        phone: Phone,
        ip: str,
        accounts: Sequence[Account],
        *,
        rng: random.Random,
        tell: Callable[[str, str], None],
        obeyed: Callable[[str], None],
    ) -> None:
        self._ip = ip
        self._rng = rng
        self._lines = [_Line(phone, ip, account, rng, tell, obeyed) for account in accounts if reachable(account, tell)]

    async def registered(self) -> None:
        """Wait until the first line is registered, for ever if it never is."""
        if not self._lines:
            await asyncio.Event().wait()
        await self._lines[0].registered.wait()

    async def call(self, user: str) -> Heard:
        """Call that user part on the first line and listen until somebody hangs up."""
        line = self._lines[0]
        with Ear(self._ip, line.server, self._rng) as ear:
            try:
                async with asyncio.timeout(_PATIENCE):
                    status, reason = await line.call(user, ear)
            except TimeoutError:
                line.hang_up()
                status, reason = 408, "nobody hung up"
            return Heard(status, reason, len(ear.packets), recognised(ear.packets))

    def close(self) -> None:
        """Take the registrations back and be gone."""
        for line in self._lines:
            line.close()


def reachable(account: Account, tell: Callable[[str, str], None]) -> bool:
    """Whether the account can be played here: over UDP, at a server that is named by its address."""
    with suppress(ValueError):
        ip_int(account.server)
        if account.transport == "udp":
            return True
    tell("unregistered", f"{account.username}: {account.transport} to {account.server} is not simulated")
    return False


class _Line:
    """One account on its own port, as phones with several accounts have it."""

    def __init__(
        self,
        phone: Phone,
        ip: str,
        account: Account,
        rng: random.Random,
        tell: Callable[[str, str], None],
        obeyed: Callable[[str], None],
    ) -> None:
        self.registered = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._name = account.username
        self._tell = tell
        self._obeyed = obeyed
        self.server = server = (account.server, account.port or SIP_PORT)
        self._sock = _socket(ip, SIP_PORT + account.line - 1, server)
        host, port = self._sock.getsockname()
        self._agent = UserAgent(
            account,
            local=(host, port),
            server=server,
            user_agent=phone.sip_user_agent,
            rng=rng,
            react=phone.notified,
        )
        self._timer: asyncio.TimerHandle | None = None
        self._ear: Ear | None = None
        self._ended: asyncio.Future[tuple[int, str]] | None = None
        self._answer = (0, "")
        self._loop.add_reader(self._sock, self._readable)
        self._perform(self._agent.register(self._loop.time()))

    async def call(self, user: str, ear: Ear) -> tuple[int, str]:
        self._ear, self._answer = ear, (0, "")
        self._ended = self._loop.create_future()
        try:
            self._perform(self._agent.invite(user, ear.description, self._loop.time()))
            return await self._ended
        finally:
            self._ear = self._ended = None

    def hang_up(self) -> None:
        self._perform(self._agent.hang_up(self._loop.time()))

    def close(self) -> None:
        if self._agent.registered:
            self._perform(self._agent.register(self._loop.time(), expires=0))
        if self._timer is not None:
            self._timer.cancel()
        self._loop.remove_reader(self._sock)
        self._sock.close()

    def _readable(self) -> None:
        for _ in range(32):
            try:
                octets, source = self._sock.recvfrom(_LARGEST)
            except OSError:
                return
            self._perform(self._agent.receive(octets, source, self._loop.time()))

    def _perform(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Send):
                with suppress(OSError):  # as good as lost; the agent repeats itself
                    self._sock.sendto(effect.octets, effect.to)
            else:
                self._learn(effect)
        if self._timer is not None:
            self._timer.cancel()
        when = self._agent.deadline
        self._timer = self._loop.call_at(when, self._expire) if when != float("inf") else None

    def _expire(self) -> None:
        self._perform(self._agent.expire(self._loop.time()))

    def _learn(self, news: News) -> None:
        match news.kind:
            case "registered":
                if not self.registered.is_set():
                    self._tell("registered", self._name)
                self.registered.set()
            case "unregistered":
                self.registered.clear()
                self._tell("unregistered", f"{self._name}: {news.status} {news.text}")
            case "notified":
                self._tell("notified", news.text)
                self._obeyed(news.text)
            case "answered":
                self._answer = (news.status, news.text)
                if self._ear is not None:
                    self._ear.greet(news.body)
            case "refused":
                self._over(news.status, news.text)
            case "ended":
                self._over(*self._answer)

    def _over(self, status: int, reason: str) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_result((status, reason))


class Ear:
    """Takes in the audio of one call. ``description`` is what the phone says of itself (SDP)."""

    def __init__(self, ip: str, server: Peer, rng: random.Random) -> None:
        self.packets: list[RtpPacket] = []
        self._loop = asyncio.get_running_loop()
        self._sock = _socket(ip, 0, server)
        host, port = self._sock.getsockname()
        self._sender = RtpSender(PCMU, ssrc=rng.getrandbits(32), sequence=1, timestamp=0)
        self.description = answer(None, address=host, port=port, payload_type=PCMU, session=port)
        self._loop.add_reader(self._sock, self._readable)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_why: object) -> None:
        self._loop.remove_reader(self._sock)
        self._sock.close()

    def greet(self, description: bytes) -> None:
        """A first packet of silence: it opens the way back through a NAT."""
        with suppress(OSError, WireError):
            self._sock.sendto(self._sender.packet(b"\xff" * FRAME), parse_offer(description).remote)

    def _readable(self) -> None:
        while len(self.packets) < _MOST_PACKETS:
            try:
                octets = self._sock.recv(_LARGEST)
            except OSError:
                return
            with suppress(WireError):
                self.packets.append(decode(octets))


def recognised(packets: Sequence[RtpPacket]) -> str:
    """Which prompt that was, also when some packets were lost; empty when it was none."""
    heard = Counter(packet.payload for packet in packets)
    kind = packets[0].payload_type if packets else -1
    if kind not in {PCMU, PCMA}:
        return ""

    def shared(prompt: Prompt) -> int:
        return (heard & Counter(frames(prompt, kind))).total()

    best = max(Prompt, key=shared)
    return best.value if shared(best) >= 0.8 * max(len(packets), len(frames(best, kind))) else ""


def _socket(ip: str, port: int, server: Peer) -> socket.socket:
    """A UDP socket on the phone's own address; on the one that leads to the server where the phone's is not local."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    for place in ((ip, port), (ip, 0)):
        with suppress(OSError):
            sock.bind(place)
            return sock
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(server)
        sock.bind((probe.getsockname()[0], 0))
    return sock
