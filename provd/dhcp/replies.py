"""From an exchange to the reply on its way: which options, in which order, to where."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Final

from provd.base.types import Mac
from provd.dhcp.advice import PLAIN, Advice
from provd.dhcp.effects import Ingress, Send, To
from provd.dhcp.options import SERVER_ONLY, Type, text_of
from provd.dhcp.packet import Message
from provd.dhcp.pool import Pool
from provd.dhcp.reply import Tail, encode_reply, lease_options, nak_tail

_TAILS: Final = 4096
"""Encoded option sets that are kept. There are as many as kinds of clients, times the lists they ask with."""
_BASIC: Final = bytes((3, 6, 15))
"""For a client that asks for nothing in particular (no option 55)."""
_HOST_NAME: Final = 12
_OFFER: Final = Type.OFFER.value
_ACK: Final = Type.ACK.value
_RELAY: Final = To.RELAY
_BROADCAST: Final = b"\x80\0"


class Exchange:
    """One client message with what we know about its sender. ``server`` is the identifier that goes into option 54,
    ``source`` the address of ours that the reply leaves from (not the same with RFC 5107)."""

    __slots__ = (
        "advice",
        "client",
        "hostname",
        "ingress",
        "mac",
        "message",
        "now",
        "pool",
        "server",
        "source",
        "vendor_class",
    )

    def __init__(self, message: Message, ingress: Ingress, pool: Pool, server: int, source: int, *, now: float) -> None:
        self.message = message
        self.ingress = ingress
        self.pool = pool
        self.server = server
        self.source = source
        self.now = now
        options = message.options
        mac = message.chaddr[:6]
        self.mac = Mac(mac.hex())
        # The same key as Message.client, without its detours.
        self.client: bytes = options.get(61) or message.data[1:2] + mac
        self.hostname = text_of(options[12]) if 12 in options else ""
        self.vendor_class = text_of(options[60]) if 60 in options else ""
        self.advice: Advice = PLAIN


class Replies:
    """Builds replies and remembers their encoded options."""

    def __init__(self) -> None:
        self._tails: dict[Hashable, Tail] = {}

    def clear(self) -> None:
        """Forget every encoded option set: the configuration has changed."""
        self._tails.clear()

    def offer(self, x: Exchange, ip: int) -> Send:
        """The OFFER of an address."""
        tail = self._tail(x, _OFFER)
        yiaddr = ip.to_bytes(4, "big")
        siaddr = x.pool.siaddr
        payload = encode_reply(x.message, tail, yiaddr=yiaddr, siaddr=siaddr, own=self._own(x))
        return _addressed(x, payload, 0, ip)

    def rest(self, x: Exchange, ip: int, seconds: int) -> Send:
        """The ACK of what is left of a lease."""
        return self.ack(x, ip, Tail(_options(x, _ACK, seconds)))

    def ack(self, x: Exchange, ip: int, tail: Tail | None = None) -> Send:
        """The ACK of a lease; ``tail`` when its options are not those of every other one."""
        tail = tail or self._tail(x, _ACK)
        message = x.message
        payload = encode_reply(
            message,
            tail,
            ciaddr=message.data[12:16],
            yiaddr=ip.to_bytes(4, "big"),
            siaddr=x.pool.siaddr,
            own=self._own(x),
        )
        return _addressed(x, payload, message.ciaddr, ip)

    def inform(self, x: Exchange, address: int) -> Send:
        """The ACK of an INFORM: options only, no lease time, no yiaddr (RFC 2131 section 4.3.5)."""
        tail = self._tail(x, Type.INFORM)
        message = x.message
        siaddr = x.pool.siaddr
        payload = encode_reply(message, tail, ciaddr=message.data[12:16], siaddr=siaddr, own=self._own(x))
        return _addressed(x, payload, address, 0)

    def nak(self, x: Exchange, reason: str) -> Send:
        """A NAK: always broadcast, at the far end when it goes through a relay (RFC 2131 sections 4.1, 4.3.2)."""
        message = x.message
        tail = nak_tail(x.server, reason)
        if message.giaddr:
            payload, to = encode_reply(message, tail, flags=_BROADCAST), To.RELAY
        else:
            payload, to = encode_reply(message, tail), To.BROADCAST
        return Send(payload, to, message.giaddr, message.chaddr, x.ingress.link.interface, x.source)

    def _tail(self, x: Exchange, kind: int) -> Tail:
        advice = x.advice
        key = (kind, x.pool.name, x.server, advice.key, x.message.options.get(55), *advice.own)
        tail = self._tails.get(key)
        if tail is None:
            if len(self._tails) >= _TAILS:
                self._tails.clear()
            tail = self._tails[key] = Tail(_options(x, kind))
        return tail

    def _own(self, x: Exchange) -> Mapping[int, bytes]:
        """What this device alone gets, as far as it asked for it."""
        advice, pool = x.advice, x.pool
        own = advice.own
        if pool.reserved and (entry := pool.reservation(x.client, x.mac)) is not None and entry.hostname:
            own = {_HOST_NAME: entry.hostname.encode("ascii", "replace"), **own}
        if not own:
            return own
        asked = x.message.options.get(55, b"")
        return {code: own[code] for code in own if (code in asked or code in advice.force) and code not in SERVER_ONLY}


def _options(x: Exchange, kind: int, seconds: int = 0) -> list[tuple[int, bytes]]:
    """The options in the order in which they are sent: the protocol's, the mask (RFC 2132 section 3.3: before the
    routers), what was asked for in the order of option 55, what is forced. ``seconds`` instead of a whole lease."""
    subnet, advice = x.pool.subnet, x.advice
    values = {**x.pool.options, **advice.options}
    if kind == Type.INFORM:
        items = lease_options(Type.ACK, x.server, 0, 0, 0)
    elif seconds and seconds != subnet.lease:
        items = lease_options(kind, x.server, seconds, seconds // 2, seconds * 7 // 8)
    else:
        items = lease_options(kind, x.server, subnet.lease, *subnet.timers)
    items.append((1, values.pop(1)))
    asked = x.message.options.get(55, _BASIC)
    for code in dict.fromkeys((*asked, *sorted(advice.force))):
        if code in values and code not in SERVER_ONLY and code not in advice.own:
            items.append((code, values[code]))
    return items


def _addressed(x: Exchange, payload: bytes, client: int, ip: int) -> Send:
    """RFC 2131 section 4.1: to the relay, to the address the client has, or to one that it does not have yet."""
    message = x.message
    if message.giaddr:
        to, address = _RELAY, message.giaddr
    elif client:
        to, address = To.UNICAST, client
    else:
        to, address = To.BROADCAST if message.flags & 0x8000 else To.FRAME, ip
    return Send(payload, to, address, message.chaddr, x.ingress.link.interface, x.source)
