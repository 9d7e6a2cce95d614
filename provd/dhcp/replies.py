"""From an exchange to the reply on its way: which options, in which order, to where."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Final

from provd.dhcp.effects import Send, To
from provd.dhcp.exchange import Exchange
from provd.dhcp.options import SERVER_ONLY, Type
from provd.dhcp.pool import Binding
from provd.dhcp.reply import Mould, Tail, encode_reply, lease_options, mould_for, nak_tail

_TAILS: Final = 4096
"""Encoded option sets that are kept. There are as many as kinds of clients, times the lists they ask with."""
_MOULDS: Final = 64
"""Moulds that one pattern keeps: two, times the advices that its senders get."""
_BASIC: Final = bytes((3, 6, 15))
"""For a client that asks for nothing in particular (no option 55)."""
_HOST_NAME: Final = 12
_OFFER: Final = Type.OFFER.value
_ACK: Final = Type.ACK.value
_RELAY: Final = To.RELAY
_UNICAST: Final = To.UNICAST
_BROADCAST: Final = b"\x80\0"
_NO_ADDRESS: Final = bytes(4)


class Replies:
    """Builds replies and remembers their encoded options."""

    def __init__(self) -> None:
        self._tails: dict[Hashable, Tail] = {}

    def clear(self) -> None:
        """Forget every encoded option set: the configuration has changed."""
        self._tails.clear()

    def offer(self, x: Exchange, ip: int) -> Send:
        """The OFFER of an address."""
        return _addressed(x, self._lease_reply(x, _OFFER, _NO_ADDRESS, ip), 0, ip)

    def ack(self, x: Exchange, binding: Binding) -> Send:
        """The ACK of a lease."""
        ip = binding.ip
        send = _addressed(x, self._lease_reply(x, _ACK, x.data[12:16], ip), x.ciaddr, ip)
        if send.to is _UNICAST:
            send.text = binding.text
        return send

    def rest(self, x: Exchange, ip: int, seconds: int) -> Send:
        """The ACK of what is left of a lease."""
        tail, siaddr = Tail(_options(x, _ACK, seconds)), x.pool.siaddr
        payload = encode_reply(
            x.message, tail, ciaddr=x.data[12:16], yiaddr=ip.to_bytes(4, "big"), siaddr=siaddr, own=self._own(x)
        )
        return _addressed(x, payload, x.ciaddr, ip)

    def _lease_reply(self, x: Exchange, kind: int, ciaddr: bytes, ip: int) -> bytes:
        pattern, pool, yiaddr = x.pattern, x.pool, ip.to_bytes(4, "big")
        if not pattern.familiar or x.advice.own or (pool.reserved and pool.reservation(x.client, x.mac)):
            own = self._own(x)
            return encode_reply(
                x.message, self._tail(x, kind), ciaddr=ciaddr, yiaddr=yiaddr, siaddr=pool.siaddr, own=own
            )
        key = (kind, x.advice.key)
        try:
            mould = pattern.moulds[key]
        except KeyError:
            mould = self._mould(x, kind)
        if mould is None:
            return encode_reply(x.message, self._tail(x, kind), ciaddr=ciaddr, yiaddr=yiaddr, siaddr=pool.siaddr)
        return mould.cast(x.data, ciaddr, yiaddr)

    def _mould(self, x: Exchange, kind: int) -> Mould | None:
        pattern = x.pattern
        if len(pattern.moulds) >= _MOULDS:
            pattern.moulds.clear()
        made = mould_for(x.message, self._tail(x, kind), x.pool.siaddr, personal=pattern.client_at > 0)
        pattern.moulds[kind, x.advice.key] = made
        return made

    def inform(self, x: Exchange, address: int) -> Send:
        """The ACK of an INFORM: options only, no lease time, no yiaddr (RFC 2131 section 4.3.5)."""
        tail = self._tail(x, Type.INFORM)
        siaddr = x.pool.siaddr
        payload = encode_reply(x.message, tail, ciaddr=x.data[12:16], siaddr=siaddr, own=self._own(x))
        return _addressed(x, payload, address, 0)

    def nak(self, x: Exchange, reason: str) -> Send:
        """A NAK: always broadcast, at the far end when it goes through a relay (RFC 2131 sections 4.1, 4.3.2)."""
        message, pattern = x.message, x.pattern
        tail = nak_tail(pattern.server, reason)
        if message.giaddr:
            payload, to = encode_reply(message, tail, flags=_BROADCAST), To.RELAY
        else:
            payload, to = encode_reply(message, tail), To.BROADCAST
        return Send(payload, to, message.giaddr, message.chaddr, pattern.ingress.link.interface, pattern.source)

    def _tail(self, x: Exchange, kind: int) -> Tail:
        advice, pattern = x.advice, x.pattern
        key = (kind, x.pool.name, pattern.server, advice.key, pattern.asked, *advice.own)
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
        asked = x.pattern.asked or b""
        return {code: own[code] for code in own if (code in asked or code in advice.force) and code not in SERVER_ONLY}


def _options(x: Exchange, kind: int, seconds: int = 0) -> list[tuple[int, bytes]]:
    """The options in the order in which they are sent: the protocol's, the mask (RFC 2132 section 3.3: before the
    routers), what was asked for in the order of option 55, what is forced. ``seconds`` instead of a whole lease."""
    subnet, advice, server = x.pool.subnet, x.advice, x.pattern.server
    values = {**x.pool.options, **advice.options}
    if kind == Type.INFORM:
        items = lease_options(Type.ACK, server, 0, 0, 0)
    elif seconds and seconds != subnet.lease:
        items = lease_options(kind, server, seconds, seconds // 2, seconds * 7 // 8)
    else:
        items = lease_options(kind, server, subnet.lease, *subnet.timers)
    items.append((1, values.pop(1)))
    asked = _BASIC if x.pattern.asked is None else x.pattern.asked
    for code in dict.fromkeys((*asked, *sorted(advice.force))):
        if code in values and code not in SERVER_ONLY and code not in advice.own:
            items.append((code, values[code]))
    return items


def _addressed(x: Exchange, payload: bytes, client: int, ip: int) -> Send:
    """RFC 2131 section 4.1: to the relay, to the address the client has, or to one that it does not have yet."""
    pattern, data = x.pattern, x.data
    if pattern.giaddr:
        to, address = _RELAY, pattern.giaddr
    elif client:
        to, address = _UNICAST, client
    else:
        to, address = To.BROADCAST if data[10] & 0x80 else To.FRAME, ip
    return Send(payload, to, address, data[28:44], pattern.ingress.link.interface, pattern.source)
