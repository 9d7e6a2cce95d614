"""A world without sockets: what phones ask is answered by plain calls, and waiting costs nothing."""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from typing import Protocol

from provd.base.dataclass import dataclass
from provd.base.errors import UsageError
from provd.base.types import Mac
from provd.plugin.phone import (
    Account,
    Complaint,
    Dhcp,
    Failed,
    Fetch,
    Fetched,
    LeaseGot,
    NotFound,
    Notified,
    Notify,
    Phone,
    Reaction,
    Report,
    Result,
    Settled,
    Step,
    Upgraded,
    Wait,
)
from provd.simulate.sip_ua import Effect, News, Peer, Send, UserAgent

Answer = Fetched | NotFound | Failed

SIP_PORT = 5060
DESCRIPTION = "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 11780 RTP/AVP 8 0\r\n"


class SipSide(Protocol):
    """What answers the phones' SIP."""

    @property
    def deadline(self) -> float:
        """When it wants to be woken, in the world's seconds."""
        ...

    def receive(self, octets: bytes, source: Peer, to: Peer) -> None:
        """A phone's datagram; what comes of it goes through :meth:`MemoryWorld.deliver`."""
        ...

    def wake(self) -> None:
        """The deadline has come."""
        ...


@dataclass
class MemoryWorld:
    """Leases and files held in memory, with the story of what was asked.

    ``serve`` may be given instead of ``files`` (by URL) to put real code behind the phones.
    """

    ip: str = "10.20.16.5"
    server: str = "10.20.0.1"
    options: Mapping[int, bytes] = field(default_factory=dict)
    files: dict[str, bytes | Answer] = field(default_factory=dict)
    serve: Callable[[Mac, str, Fetch], Answer] | None = None
    lease: Callable[[Mac, Dhcp], LeaseGot | Failed] | None = None
    ips: dict[Mac, str] = field(default_factory=dict)
    """The address that each phone was given last."""
    sip: SipSide | None = None
    """None: phones do not register."""
    lines: dict[Peer, Telephony] = field(default_factory=dict)
    """Who has which address and port for SIP."""
    now: float = 0.0
    story: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def boot(self, phone: Phone, *, until: float | None = None, most_steps: int = 1000) -> None:
        """Switch the phone on, let it live as :meth:`PluggedIn.live` does, and switch it off."""
        plugged = self.plug_in(phone)
        plugged.live(until, most_steps=most_steps)
        plugged.pull()

    def plug_in(self, phone: Phone) -> PluggedIn:
        """Switch the phone on. Nothing happens before somebody lets it live."""
        return PluggedIn(self, phone)

    def asked(self) -> list[str]:
        """What was asked for, in order: ``GET url`` and its outcome."""
        return [line for line in self.story if line.startswith("GET ")]

    def perform(self, mac: Mac, step: Step) -> Result:
        """Carry out a step that is no waiting, and tell it."""
        result: Result = None
        match step:
            case Dhcp():
                result = self.lease(mac, step) if self.lease else LeaseGot(self.ip, self.options, self.server)
                if isinstance(result, LeaseGot):
                    self.ips[mac] = result.ip
                self.story.append(f"DHCP {step.option60}")
            case Fetch():
                result = self._fetch(mac, step)
                outcome = {Fetched: "200", NotFound: "404", Failed: "failed"}[type(result)]
                self.story.append(f"GET {step.url} {outcome}")
            case Report():
                self.story.append(step.text)
            case Complaint():
                self.story.append(f"complains: {step.text}")
                self.complaints.append(step.text)
            case Upgraded():
                self.story.append(f"firmware {step.was} becomes {step.version}")
            case Settled():
                self.story.append(f"accounts: {' '.join(account.username for account in step.accounts) or 'none'}")
        return result

    def deliver(self, octets: bytes, to: Peer) -> None:
        """A SIP datagram for a phone; lost when nobody is there."""
        line = self.lines.get(to)
        if line is not None:
            line.receive(octets, to)

    def until(self, moment: float) -> None:
        """Let the time pass, with everything that SIP does in it."""
        while self.sip is not None:
            agents = [line for line in self.lines.values() if line.deadline <= moment]
            due = min([self.sip.deadline, *(line.deadline for line in agents)])
            if due > moment:
                break
            self.now = max(self.now, due)
            if self.sip.deadline <= self.now:
                self.sip.wake()
            for line in agents:
                line.wake()
        self.now = max(self.now, moment)

    def _fetch(self, mac: Mac, step: Fetch) -> Answer:
        if self.serve is not None:
            return self.serve(mac, self.ips.get(mac, self.ip), step)
        held = self.files.get(step.url)
        if held is None:
            return NotFound()
        return Fetched(held) if isinstance(held, bytes) else held


class PluggedIn:
    """A phone that is switched on, and its place in its own script."""

    def __init__(self, world: MemoryWorld, phone: Phone) -> None:
        self.phone = phone
        self._world = world
        self._script = phone.run()
        self._result: Result = None
        self._wait: Wait | None = None
        self._due = 0.0
        self.telephony: Telephony | None = None
        """Its lines, while it has any that can be played."""
        self._orders: deque[str] = deque()

    def live(self, seconds: float | None = None, *, most_steps: int = 1000) -> None:
        """Let the phone live for so many seconds of the world's clock, or to its next long rest.

        A rest is a wait after "settled". What is left of a wait is kept for the next call. Raises UsageError when the
        phone does not come to rest.
        """
        world = self._world
        end = math.inf if seconds is None else world.now + seconds
        settled = False
        if not self._waited(end, rest=False):
            return
        for _ in range(most_steps):
            try:
                step = self._script.send(self._result)
            except StopIteration:
                return
            self._result = None
            if isinstance(step, Wait):
                self._wait, self._due = step, world.now + step.seconds
                if not self._waited(end, rest=settled and seconds is None):
                    return
                world.story.append(f"waits {step.seconds:.0f}: {step.why}")
                continue
            settled = isinstance(step, Settled)
            if isinstance(step, Dhcp):
                self._hang_up()
            self._result = world.perform(self.phone.mac, step)
            if isinstance(step, Settled):
                self._register(step.accounts)
        raise UsageError(f"the phone did not come to rest within {most_steps} steps")

    def _waited(self, end: float, *, rest: bool) -> bool:
        """Let the present wait pass; False when it is a rest or outlasts ``end``."""
        world = self._world
        if self._wait is None:
            return True
        if self._wait.wakes and self._orders:
            self._result = Notified(self._orders.popleft())
            self._orders.clear()
            self._wait = None
            return True
        if rest or math.isinf(self._due) or self._due > end:
            world.story.append(f"rests: {self._wait.why}")
            if math.isfinite(end):
                world.until(end)
            return False
        world.until(self._due)
        self._wait = None
        return True

    def pull(self) -> None:
        """Pull the plug: what the phone has stored stays."""
        self._hang_up()
        self._script.close()

    def notify(self, event: str, body: str = "") -> Reaction:
        """A NOTIFY comes over the first line, from its server and with its password: what the phone answers, and does
        when it rests next."""
        account = self.phone.accounts[0]
        notify = Notify(account.line, event, account.server, account.server, authenticated=True, body=body)
        reaction = self.phone.notified(notify)
        if reaction.obeys:
            self._orders.append(event)
        return reaction

    def dial(self, digits: str) -> str:
        """Type digits on the first line and wait for the end of the call: what the display shows, or why there is no
        call. What was played is for the other side to tell."""
        dialed = self.phone.dial(digits)
        if self.telephony is None or not dialed.user:
            return dialed.why or "not registered"
        return self.telephony.call(dialed.user)

    def _register(self, accounts: tuple[Account, ...]) -> None:
        if self.telephony is not None and self.telephony.accounts == accounts:
            return
        self._hang_up()
        if self._world.sip is not None and accounts:
            self.telephony = Telephony(self._world, self.phone, accounts, self._orders.append)

    def _hang_up(self) -> None:
        if self.telephony is not None:
            self.telephony.close()
        self.telephony = None


class Telephony:
    """The lines of one phone. What they send arrives at once, and so does what is sent to them."""

    def __init__(
        self, world: MemoryWorld, phone: Phone, accounts: tuple[Account, ...], obeyed: Callable[[str], None]
    ) -> None:
        self.accounts = accounts
        self.news: list[News] = []
        self._world = world
        self._obeyed = obeyed
        self._ip = world.ips.get(phone.mac, world.ip)
        self._agents: dict[Peer, UserAgent] = {}
        self._outbox: deque[tuple[bytes, Peer, Peer]] = deque()
        self._busy = False
        for account in accounts:
            local = (self._ip, SIP_PORT + account.line - 1)
            self._agents[local] = agent = UserAgent(
                account,
                local=local,
                server=(account.server, account.port or SIP_PORT),
                user_agent=phone.sip_user_agent,
                rng=random.Random(f"{phone.mac}/{account.username}/{world.now}"),
                react=phone.notified,
            )
            world.lines[local] = self
            self._perform(local, agent.register(world.now))

    @property
    def deadline(self) -> float:
        """When :meth:`wake` wants to be called."""
        return min(agent.deadline for agent in self._agents.values())

    @property
    def registered(self) -> bool:
        """Whether every line is."""
        return all(agent.registered for agent in self._agents.values())

    def wake(self) -> None:
        """Repeat, refresh and give up what is due."""
        for local, agent in self._agents.items():
            self._perform(local, agent.expire(self._world.now))

    def receive(self, octets: bytes, to: Peer) -> None:
        """A datagram from the server of that line."""
        agent = self._agents[to]
        server = (agent.account.server, agent.account.port or SIP_PORT)
        self._perform(to, agent.receive(octets, server, self._world.now))

    def call(self, user: str) -> str:
        """Call from the first line; the last word about it."""
        local, agent = next(iter(self._agents.items()))
        self.news.clear()
        self._perform(local, agent.invite(user, DESCRIPTION.format(ip=self._ip).encode(), self._world.now))
        while agent.in_call and min(self.deadline, self._wakes()) < math.inf:
            self._world.until(min(self.deadline, self._wakes()))
        answers = [f"{news.status} {news.text}" for news in self.news if news.kind in {"answered", "refused"}]
        return answers[-1] if answers else "nobody answers"

    def close(self) -> None:
        """Take the registrations back and be gone."""
        for local, agent in self._agents.items():
            if agent.registered:
                self._perform(local, agent.register(self._world.now, expires=0))
            self._world.lines.pop(local, None)

    def _wakes(self) -> float:
        return self._world.sip.deadline if self._world.sip is not None else math.inf

    def _perform(self, local: Peer, effects: Iterable[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Send):
                self._outbox.append((effect.octets, local, effect.to))
            elif effect.kind == "notified":
                self._obeyed(effect.text)
                self.news.append(effect)
            else:
                self.news.append(effect)
        if self._busy or self._world.sip is None:
            return  # whoever is above us on the stack sends it, in its order
        self._busy = True
        while self._outbox:
            self._world.sip.receive(*self._outbox.popleft())
        self._busy = False
