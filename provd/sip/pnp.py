"""Multicast PnP as a pure machine: SUBSCRIBE for ua-profile in, 200 and one NOTIFY with a URL out.

Phones of many vendors ask like this at their first boot (RFC 6080 in the form that they speak it: SUBSCRIBE to
224.0.1.75, Expires 0, the answer in one NOTIFY of type application/url). Each Call-ID is answered once.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import field
from typing import Final, Protocol
from urllib.parse import unquote

from provd.base.dataclass import dataclass
from provd.base.errors import WireError
from provd.base.facts import Fact
from provd.base.facts.pnp import PnpAnswered, PnpIgnored, PnpUnheard, PnpWouldAnswer
from provd.base.types import Mac, ip_int, parse_mac
from provd.guard.bucket import KeyedBuckets
from provd.guard.tally import Tally
from provd.sip.address import name_address, split_list, uri_parts
from provd.sip.build import request as build_request
from provd.sip.build import response
from provd.sip.message import Request, Response, parse, shown

GROUP: Final = "224.0.1.75"
"""``sip.mcast.net`` (RFC 3261 section 18.1.1)."""
PORT: Final = 5060
EVENT: Final = "ua-profile"

_T1 = 0.5
_MOST_SENT = 5
"""A NOTIFY is sent at 0, 0.5, 1.5, 3.5 and 7.5 seconds, until it is confirmed."""
_MOST_NOTICES = 1000
"""NOTIFYs that wait to be confirmed; beyond that they are sent once, for a flood of forged questions must not be looked
through at each of them."""
_REMEMBERED = 4096
_CALLS_FOR = 600.0
"""Seconds for which a Call-ID is known to have been answered."""
_FIRST_FREE_PORT = 1024
_MAC_WORD = re.compile(r"(?:mac)?[:=]?([0-9a-f]{12}|[0-9a-f]{2}([:-])(?:[0-9a-f]{2}\2){4}[0-9a-f]{2})", re.IGNORECASE)

Peer = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Words:
    """What a device says of itself in its Event header; empty where it does not."""

    event: str = ""
    vendor: str = ""
    model: str = ""
    version: str = ""


def device_words(event: str) -> Words:
    """Read ``ua-profile;profile-type="device";vendor="…";model="…";version="…"``; quotes and blanks may be missing."""
    first, *rest = split_list(event, ";") or [""]
    said: dict[str, str] = {}
    for part in rest:
        name, _, value = part.partition("=")
        said.setdefault(name.strip().lower(), shown(value.strip().strip('"'))[:80])
    return Words(first.strip().lower(), said.get("vendor", ""), said.get("model", ""), said.get("version", ""))


def mac_in(uri: str) -> Mac | None:
    """The MAC in ``sip:MAC001565…@host``, ``sip:MAC%3a0015…@host``, ``sip:MAC=0015…@host``; None when there is none."""
    # Not uri_parts: some write the colon behind "MAC" as it is, which then looks like a password.
    user = uri.partition(":")[2].rpartition("@")[0]
    found = _MAC_WORD.fullmatch(unquote(user[:64]))
    return parse_mac(found[1]) if found is not None else None


def question_in(octets: bytes) -> tuple[str, str]:
    """Event header and Request-URI of a SUBSCRIBE for ua-profile, ("", "") for every other message. Raises
    WireError."""
    message = _subscribe(octets) if octets.strip(b"\r\n\0 ") else None
    return ("", "") if message is None else (message.headers.get("event"), message.uri)


@dataclass(frozen=True, slots=True)
class Arrival:
    """How a datagram came: who sent it, the interface (name and index), and our address there."""

    source: Peer
    interface: str
    index: int
    local: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What a device wants to know."""

    mac: Mac
    words: Words
    user_agent: str
    arrival: Arrival


@dataclass(frozen=True, slots=True)
class Advice:
    """What to tell it: a URL, or why nothing."""

    url: str = ""
    reason: str = ""
    plugin: str = ""
    model: str = ""
    boot: str = ""


class Adviser(Protocol):
    """Knows what to tell a device. Called from the machine, so it answers from memory and never blocks."""

    def asked(self, asked: Asked, now: float) -> Advice:
        """The URL for this device, or why it gets none."""
        ...

    def told(self, asked: Asked, now: float) -> None:
        """The device was told."""
        ...


@dataclass(frozen=True, slots=True)
class Send:
    """Send a datagram from port 5060 by that interface."""

    octets: bytes
    to: Peer
    index: int
    local: str


@dataclass(frozen=True, slots=True)
class Emit:
    """Tell a fact."""

    fact: Fact


Effect = Send | Emit


@dataclass(slots=True)
class _Notice:
    """A NOTIFY that was not confirmed yet."""

    send: Send
    asked: Asked
    boot: str
    due: float
    pause: float = _T1
    sent: int = 1


@dataclass(slots=True)
class PnpStats:
    """Counters since the start, for metrics."""

    received: int = 0
    malformed: int = 0
    repeated: int = 0
    answered: int = 0
    ignored: int = 0
    confirmed: int = 0


@dataclass(slots=True)
class Responder:
    """Answers devices. ``speak`` False: what would be answered is only told. ``token`` makes branches and tags that
    nobody can guess; ``port`` is where the SIP server hears what devices answer, 0 where there is none:
    then a NOTIFY is sent once."""

    adviser: Adviser
    speak: bool
    token: Callable[[], str]
    port: int = PORT
    stats: PnpStats = field(default_factory=PnpStats)
    _calls: OrderedDict[str, float] = field(default_factory=OrderedDict)
    _notices: dict[str, _Notice] = field(default_factory=dict)
    _macs: KeyedBuckets[Mac] = field(default_factory=lambda: KeyedBuckets(0.1, 3))
    _sources: KeyedBuckets[str] = field(default_factory=lambda: KeyedBuckets(1, 10))
    _ignored: Tally[tuple[str, str]] = field(default_factory=lambda: Tally(60.0))

    @property
    def deadline(self) -> float:
        """When :meth:`expire` is to be called at the latest."""
        return min((notice.due for notice in self._notices.values()), default=float("inf"))

    def handle(self, octets: bytes, arrival: Arrival, now: float) -> list[Effect]:
        """A datagram that came to the group. What is no SUBSCRIBE for ua-profile is nobody's concern."""
        self.stats.received += 1
        try:
            message = _subscribe(octets)
        except WireError:
            self.stats.malformed += 1
            return []
        if message is None:
            return []
        if self._known(message.call_id, now):
            self.stats.repeated += 1
            return []
        words = device_words(message.headers.get("event"))
        mac = mac_in(message.uri) or mac_in(message.from_.uri)
        if mac is None:
            return self._ignore("it names no MAC", None, words, arrival, now)
        asked = Asked(mac, words, message.user_agent, arrival)
        if reason := self._unwanted(asked, now):
            return self._ignore(reason, mac, words, arrival, now)
        return self._answer(message, asked, now)

    def confirmed(self, octets: bytes, source: Peer, now: float) -> list[Effect] | None:
        """A response that came to our address; None when it answers nothing of ours."""
        try:
            message = parse(octets)
        except WireError:
            return None
        notice = self._notices.get(message.via.branch) if isinstance(message, Response) else None
        if notice is None or not isinstance(message, Response) or source[0] != notice.asked.arrival.source[0]:
            return None
        if message.code < 200:
            return []
        del self._notices[message.via.branch]
        if message.code < 300:
            self.stats.confirmed += 1
            return []
        return [Emit(_unheard(notice, now, message.code))]

    def expire(self, now: float) -> list[Effect]:
        """Send again, or give up, what is due."""
        effects: list[Effect] = []
        for branch, notice in list(self._notices.items()):
            if notice.due > now:
                continue
            if notice.sent == _MOST_SENT:
                del self._notices[branch]
                effects.append(Emit(_unheard(notice, now, 0)))
                continue
            notice.sent += 1
            notice.pause *= 2
            notice.due = now + notice.pause
            effects.append(notice.send)
        return effects

    def _known(self, call_id: str, now: float) -> bool:
        """Whether that Call-ID came already; from now on it did."""
        calls = self._calls
        while calls and (len(calls) > _REMEMBERED or next(iter(calls.values())) < now - _CALLS_FOR):
            calls.popitem(last=False)
        if call_id in calls:
            return True
        calls[call_id] = now
        return False

    def _unwanted(self, asked: Asked, now: float) -> str:
        """Why this request is not even considered, or an empty text."""
        address, port = asked.arrival.source
        number = ip_int(address)
        if not 0 < number >> 24 < 224 or address == asked.arrival.local or port < _FIRST_FREE_PORT:
            return "no device sends from there"
        if not self._sources.allow(address, now):
            return "too many requests of this address"
        return "" if self._macs.allow(asked.mac, now) else "too many requests of this device"

    def _ignore(self, reason: str, mac: Mac | None, words: Words, arrival: Arrival, now: float) -> list[Effect]:
        self.stats.ignored += 1
        count = self._ignored.add((mac or arrival.source[0], reason), now)
        if not count:
            return []
        peer = f"{arrival.source[0]}:{arrival.source[1]}"
        return [
            Emit(
                PnpIgnored(
                    at=now, mac=mac, reason=reason, peer=peer, interface=arrival.interface, vendor=words.vendor,
                    model=words.model, count=count,
                )
            )
        ]  # fmt: skip

    def _answer(self, message: Request, asked: Asked, now: float) -> list[Effect]:
        advice = self.adviser.asked(asked, now)
        words, arrival = asked.words, asked.arrival
        if not advice.url:
            return self._ignore(advice.reason, asked.mac, words, arrival, now)
        told = PnpAnswered if self.speak else PnpWouldAnswer
        fact = told(
            at=now, mac=asked.mac, boot=advice.boot, peer=f"{arrival.source[0]}:{arrival.source[1]}",
            interface=arrival.interface, vendor=words.vendor, model=advice.model or words.model, version=words.version,
            plugin=advice.plugin,
        )  # fmt: skip
        if not self.speak:
            return [Emit(fact)]
        self.stats.answered += 1
        self.adviser.told(asked, now)
        tag, branch = self.token(), f"z9hG4bK{self.token()}"
        port = self.port or PORT
        contact = ("Contact", f"<sip:{arrival.local}:{port}>")
        fields = [("Expires", "0"), contact]
        ok = response(message, 200, "OK", source=arrival.source, tag=tag, fields=fields)
        # Where answers are not heard on the port that we send from, they must not be drawn to it (RFC 3581).
        via = f"SIP/2.0/UDP {arrival.local}:{port};branch={branch}{';rport' if port == PORT else ''}"
        notify = _notify(message, advice.url, tag, [("Via", via), contact])
        send = Send(notify, _target(message, arrival.source), arrival.index, arrival.local)
        if self.port and len(self._notices) < _MOST_NOTICES:
            self._notices[branch] = _Notice(send, asked, advice.boot, now + _T1)
        return [Send(ok, arrival.source, arrival.index, arrival.local), send, Emit(fact)]


def _subscribe(octets: bytes) -> Request | None:
    """The SUBSCRIBE for ua-profile that this is, None for any other message. Raises WireError."""
    message = parse(octets)
    if not isinstance(message, Request) or message.method != "SUBSCRIBE" or message.defect is not None:
        return None
    return message if device_words(message.headers.get("event")).event == EVENT else None


def _notify(message: Request, url: str, tag: str, ours: list[tuple[str, str]]) -> bytes:
    """The one NOTIFY of the subscription that is over with it (RFC 6665 section 4.2.2)."""
    to = message.headers.get("to")
    contact = name_address(message.headers.get("contact")).uri or message.from_.uri
    fields = [
        *ours,
        ("From", to if message.to.tag else f"{to};tag={tag}"),
        ("To", message.headers.get("from")),
        ("Call-ID", message.call_id),
        ("CSeq", "1 NOTIFY"),
        ("Event", EVENT),
        ("Subscription-State", "terminated;reason=timeout"),
        ("Content-Type", "application/url"),
    ]
    return build_request("NOTIFY", contact, fields, url.encode())


def _target(message: Request, source: Peer) -> Peer:
    """Where the NOTIFY goes: to the port that the device names, but never to another host than the one that asked."""
    parts = uri_parts(name_address(message.headers.get("contact")).uri)
    if parts is None or parts.host != source[0]:
        return source
    return source[0], parts.port or PORT


def _unheard(notice: _Notice, now: float, status: int) -> PnpUnheard:
    address, port = notice.send.to
    return PnpUnheard(at=now, mac=notice.asked.mac, boot=notice.boot, peer=f"{address}:{port}", status=status)
