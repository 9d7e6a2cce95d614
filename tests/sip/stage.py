"""Conversations with the SIP endpoint: messages go in, effects come out as lines of text; time is ``stage.now``.

    stage = Stage()
    phone = stage.phone(1)
    assert stage(phone.register()) == ["<< 401 Unauthorized"]
    assert stage(phone.register()) == ["<< 200 OK", "!! AUTOPROV-REGISTERED", "** registered ap02aaaa000001"]

The phone is a second implementation: text templates and its own digest, nothing of what it talks to.
"""

from __future__ import annotations

import hashlib
import heapq
import itertools
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from provd.base.facts import Fact
from provd.base.secrets import Secret
from provd.base.types import Mac
from provd.sip.effects import (
    Account,
    Close,
    Effect,
    Emit,
    Flow,
    OpenMedia,
    Play,
    Redeem,
    Registered,
    Report,
    Send,
    StopMedia,
    Verdict,
)
from provd.sip.endpoint import Endpoint, SipSettings

NOW = 1_000_000.0
SERVER = "10.20.0.1"
KEY = b"the key of the nonces in tests.."
SDP = (
    b"v=0\r\no=- 1 1 IN IP4 10.20.16.1\r\ns=-\r\nc=IN IP4 10.20.16.1\r\nt=0 0\r\nm=audio 11800 RTP/AVP 0 8 101\r\n"
    b"a=rtpmap:101 telephone-event/8000\r\n"
)


def password_of(number: int) -> str:
    return f"secret-{number}"


def accounts(count: int = 50) -> dict[str, Account]:
    made = {}
    for number in range(1, count + 1):
        mac = Mac(f"02aaaa{number:06x}")
        made["ap" + mac] = Account("ap" + mac, Secret(password_of(number)), mac)
    return made


@dataclass
class Heard:
    """A message that the endpoint sent, taken apart the simple way."""

    start: str
    headers: dict[str, list[str]]
    body: bytes
    octets: bytes

    @property
    def code(self) -> int:
        return int(self.start.split(" ")[1]) if self.start.startswith("SIP/2.0") else 0

    @property
    def method(self) -> str:
        return "" if self.code else self.start.split(" ")[0]

    def get(self, name: str) -> str:
        return self.headers.get(name.lower(), [""])[0]

    def tag(self, name: str) -> str:
        found = re.search(r";tag=([^;\s]+)", self.get(name))
        return found[1] if found else ""


def heard(octets: bytes) -> Heard:
    head, _, body = octets.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers: dict[str, list[str]] = {}
    for line in lines[1:]:
        name, _, value = line.partition(": ")
        headers.setdefault(name.lower(), []).append(value)
    assert int(headers["content-length"][0]) == len(body)
    return Heard(lines[0], headers, body, octets)


@dataclass
class Phone:
    """A user agent as phones are: remembers the last challenge and comes back with credentials at once."""

    number: int
    host: str = ""
    port: int = 5060
    user: str = ""
    password: str = ""
    transport: str = "udp"
    connection: int = 0
    contact: str = ""
    """host:port in Contact and Via, where it differs from what the server sees (a NAT)."""
    rport: bool = True
    algorithm: str = "SHA-256"
    extra: str = (
        "User-Agent: Acme A1/1.2.3 02aaaa000001\r\nAllow: INVITE, ACK, CANCEL, BYE, OPTIONS, NOTIFY, UPDATE\r\n"
    )
    nonce: str = ""
    opaque: str = ""
    qop: bool = True
    nc: int = 0
    cseq: int = 100
    branches: itertools.count = field(default_factory=lambda: itertools.count(1))
    calls: itertools.count = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.host = self.host or f"10.20.16.{self.number}"
        self.user = self.user or f"ap02aaaa{self.number:06x}"
        self.password = self.password or password_of(self.number)
        self.contact = self.contact or f"{self.host}:{self.port}"

    @property
    def flow(self) -> Flow:
        return Flow(self.transport, self.host, self.port, SERVER, 5060, self.connection)

    def register(self, expires: int | None = 3600, **more: str) -> bytes:
        contact = more.pop("contact", f"<sip:{self.user}@{self.contact}>")
        fields = f"Contact: {contact}\r\n" if contact else ""
        if expires is not None:
            fields += f"Expires: {expires}\r\n"
        return self.request("REGISTER", f"sip:{SERVER}", fields=fields, **{"call": "reg", **more})

    def invite(self, number: str = "1234", call: str = "", body: bytes = SDP, **more: str) -> bytes:
        fields = f"Contact: <sip:{self.user}@{self.contact}>\r\n" + more.pop("fields", "")
        if body:
            fields += "Content-Type: application/sdp\r\n"
        uri = more.pop("uri", f"sip:{number}@{SERVER}")
        to = more.pop("to", f"<{uri}>")
        return self.request(
            "INVITE", uri, call=call or f"call{next(self.calls)}", fields=fields, body=body, to=to, **more
        )

    def request(
        self,
        method: str,
        uri: str,
        *,
        call: str = "x",
        fields: str = "",
        body: bytes = b"",
        to: str = "",
        cseq: int = 0,
        branch: str = "",
        authorize: bool = True,
        tag: str = "",
        via: str = "",
    ) -> bytes:
        if not cseq:
            self.cseq += 1
        rport = ";rport" if self.rport else ""
        branch = branch or f"z9hG4bK{self.number}-{next(self.branches)}"
        via = via or f"SIP/2.0/{self.transport.upper()} {self.contact};branch={branch}{rport}"
        authorization = self.authorization(method, uri) if authorize and method not in {"ACK", "CANCEL"} else ""
        head = (
            f"{method} {uri} SIP/2.0\r\n"
            f"Via: {via}\r\n"
            "Max-Forwards: 70\r\n"
            f'From: "Provisioning" <sip:{self.user}@{SERVER}>;tag={tag or f"t{self.number}"}\r\n'
            f"To: {to or f'<sip:{self.user}@{SERVER}>'}\r\n"
            f"Call-ID: {call}-{self.number}@{self.host}\r\n"
            f"CSeq: {cseq or self.cseq} {method}\r\n"
            f"{fields}{self.extra}{authorization}Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def authorization(self, method: str, uri: str) -> str:
        if not self.nonce:
            return ""
        self.nc += 1
        name = {"SHA-256": "sha256", "MD5": "md5"}[self.algorithm]

        def h(text: str) -> str:
            return hashlib.new(name, text.encode()).hexdigest()

        a1, a2 = h(f"{self.user}:provd:{self.password}"), h(f"{method}:{uri}")
        if self.qop:
            end = f', qop=auth, nc={self.nc:08x}, cnonce="c0"'
            response = h(f"{a1}:{self.nonce}:{self.nc:08x}:c0:auth:{a2}")
        else:
            end, response = "", h(f"{a1}:{self.nonce}:{a2}")
        return (
            f'Authorization: Digest username="{self.user}", realm="provd", nonce="{self.nonce}", uri="{uri}", '
            f'response="{response}", algorithm={self.algorithm}, opaque="{self.opaque}"{end}\r\n'
        )

    def take(self, message: Heard) -> None:
        """Learn from a challenge."""
        for value in message.headers.get("www-authenticate", ()):
            if f"algorithm={self.algorithm}" in value:
                nonce, opaque = re.search(r'nonce="([^"]*)"', value), re.search(r'opaque="([^"]*)"', value)
                assert nonce
                assert opaque
                self.nonce, self.opaque, self.nc = nonce[1], opaque[1], 0

    def within(self, method: str, invite: bytes, answer: Heard, *, cseq: int = 0, branch: str = "") -> bytes:
        """A request of the phone in the dialog that ``answer`` made."""
        sent = heard(invite)
        call = sent.get("call-id").partition("-")[0]
        return self.request(
            method, f"sip:{SERVER}:5060", call=call, to=answer.get("to"), cseq=cseq, branch=branch, authorize=False
        )  # fmt: skip

    def ack(self, invite: bytes, answer: Heard) -> bytes:
        number = int(heard(invite).get("cseq").split()[0])
        return self.within("ACK", invite, answer, cseq=number, branch=f"z9hG4bKack{next(self.branches)}")

    def ack_refusal(self, invite: bytes, answer: Heard) -> bytes:
        """The ACK of a refusal: the branch of its INVITE."""
        sent = heard(invite)
        branch = re.search(r"branch=([^;]+)", sent.get("via"))
        assert branch
        number = int(sent.get("cseq").split()[0])
        return self.within("ACK", invite, answer, cseq=number, branch=branch[1])

    def cancel(self, invite: bytes) -> bytes:
        sent = heard(invite)
        return self.request(
            "CANCEL", sent.start.split(" ")[1], call=sent.get("call-id").partition("-")[0], to=sent.get("to"),
            cseq=int(sent.get("cseq").split()[0]), via=sent.get("via"),
        )  # fmt: skip

    def answer(self, request: Heard, code: int = 200, phrase: str = "OK", fields: str = "") -> bytes:
        """A response of the phone to a request of the endpoint."""
        to = request.get("to") + ("" if request.tag("to") else ";tag=phone")
        return (
            f"SIP/2.0 {code} {phrase}\r\nVia: {request.get('via')}\r\nFrom: {request.get('from')}\r\nTo: {to}\r\n"
            f"Call-ID: {request.get('call-id')}\r\nCSeq: {request.get('cseq')}\r\n{fields}Content-Length: 0\r\n\r\n"
        ).encode()


class Stage:
    """An endpoint with everything around it simulated."""

    def __init__(self, settings: SipSettings | None = None, *, book: dict[str, Account] | None = None) -> None:
        self.now = NOW
        self.book = accounts() if book is None else book
        self.random = random.Random(7)
        self.endpoint = Endpoint(settings or SipSettings(), self.book.get, KEY, self.random.randbytes)
        self.sent: list[tuple[Flow, Heard]] = []
        self.sent_at: list[float] = []
        self.octets: list[tuple[Flow, bytes]] = []
        self.facts: list[Fact] = []
        self.effects: list[Effect] = []
        self.redeems: list[Redeem] = []
        self.reports: list[Report] = []
        self.media = 40000
        self.phones: dict[tuple[str, str, int], Phone] = {}

    def phone(self, number: int, **more: object) -> Phone:
        phone = Phone(number, **more)
        for port in (phone.port, int(phone.contact.partition(":")[2])):
            self.phones[phone.transport, phone.host, port] = phone
        return phone

    def __call__(self, octets: bytes, phone: Phone | None = None, flow: Flow | None = None) -> list[str]:
        """Give the endpoint a message; what it does, as lines."""
        if flow is None:
            flow = (phone or next(iter(self.phones.values()))).flow
        return self.lines(self.endpoint.handle(octets, flow, self.now))

    def wait(self, seconds: float) -> list[str]:
        """Let time pass; what is done meanwhile."""
        until, lines = self.now + seconds, []
        while self.endpoint.deadline <= until:
            self.now = self.endpoint.deadline
            lines += self.lines(self.endpoint.expire(self.now))
        self.now = until
        return lines

    def lines(self, effects: Sequence[Effect]) -> list[str]:
        lines = []
        for effect in effects:
            self.effects.append(effect)
            lines.append(self._line(effect))
            if isinstance(effect, OpenMedia):
                lines += self.lines(self.endpoint.opened(effect.call, self.media, self.now))
        return lines

    def _line(self, effect: Effect) -> str:  # noqa: C901, PLR0911 - one line for each effect
        match effect:
            case Send():
                self.octets.append((effect.flow, effect.octets))
                if not effect.octets.strip():
                    return f"<< {effect.octets!r}"
                message = heard(effect.octets)
                self.sent.append((effect.flow, message))
                self.sent_at.append(round(self.now - NOW, 3))
                phone = self.phones.get((effect.flow.transport, effect.flow.host, effect.flow.port))
                if phone is not None:
                    phone.take(message)
                return f"<< {message.start.removeprefix('SIP/2.0 ')}" if message.code else f"<< {message.method}"
            case Emit():
                self.facts.append(effect.fact)
                return f"!! {effect.fact.ID}"
            case Redeem():
                self.redeems.append(effect)
                return f"** redeem {effect.dialed.digits}"
            case OpenMedia():
                return f"** media {effect.local}"
            case Play():
                return f"** play {effect.prompt} to {effect.remote[0]}:{effect.remote[1]}"
            case StopMedia():
                return "** stop"
            case Report():
                self.reports.append(effect)
                return f"** report {effect.told} {effect.detail}"
            case Registered():
                return f"** registered {effect.account.username}"
            case Close():
                return "** close"

    @property
    def last(self) -> Heard:
        return self.sent[-1][1]

    def registered(self, number: int = 1, **more: object) -> Phone:
        """A phone that has registered."""
        phone = self.phone(number, **more)
        assert self(phone.register(), phone) == ["<< 401 Unauthorized"]
        lines = self(phone.register(), phone)
        assert lines[0] == "<< 200 OK", lines
        return phone

    def redeem(self, verdict: Verdict, call: int = 0) -> list[str]:
        return self.lines(self.endpoint.redeemed(call or self.redeems[-1].call, verdict, self.now))

    def played(self) -> list[str]:
        return self.lines(self.endpoint.played(self.redeems[-1].call, self.now))

    def notify(self, username: str, event: str = "check-sync", flow: Flow | None = None) -> list[str]:
        return self.lines(self.endpoint.notify(len(self.reports) + 1, username, event, self.now, flow))


GOOD = Verdict(200, "Line 101 is yours", prompt="accepted", cause=200)
WRONG = Verdict(200, "No such code", prompt="wrong", cause=404)


class Network:
    """Carries messages between a stage and phones that answer by themselves; loses, doubles, delays and reorders."""

    def __init__(
        self, stage: Stage, seed: int, *, loss: float = 0.2, duplication: float = 0.2, jitter: float = 0.3
    ) -> None:
        self.stage = stage
        self.chance = random.Random(seed)
        self.loss, self.duplication, self.jitter = loss, duplication, jitter
        self.order = itertools.count()
        self.events: list[tuple[float, int, Callable[[], None]]] = []
        self.taken = 0

    def later(self, delay: float, what: Callable[[], None]) -> None:
        heapq.heappush(self.events, (self.stage.now + delay, next(self.order), what))

    def post(self, what: Callable[[], None]) -> None:
        if self.chance.random() < self.loss:
            return
        for _ in range(1 + (self.chance.random() < self.duplication)):
            self.later(0.005 + self.chance.random() * self.jitter, what)

    def run(self, until: float, hear: Callable[[Flow, Heard], None]) -> None:
        """Let everything happen until that time; ``hear`` gets what arrives at phones."""
        stage = self.stage
        self._carry(hear)
        while True:
            due = min(stage.endpoint.deadline, self.events[0][0] if self.events else until)
            if due >= until:
                stage.now = until
                return
            stage.now = max(stage.now, due)
            if self.events and self.events[0][0] <= stage.endpoint.deadline:
                heapq.heappop(self.events)[2]()
            else:
                stage.lines(stage.endpoint.expire(stage.now))
            self._carry(hear)

    def _carry(self, hear: Callable[[Flow, Heard], None]) -> None:
        fresh, self.taken = stage_sent(self.stage)[self.taken :], len(self.stage.sent)
        for flow, message in fresh:
            self.post(lambda flow=flow, message=message: hear(flow, message))


def stage_sent(stage: Stage) -> list[tuple[Flow, Heard]]:
    return stage.sent


def moved(flow: Flow, **changes: object) -> Flow:
    return replace(flow, **changes)
