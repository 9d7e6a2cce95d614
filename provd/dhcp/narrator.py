"""The facts that the engine tells about what it does not do, or does not do often."""

from __future__ import annotations

from collections import OrderedDict

from provd.base.drafts import drafted
from provd.base.facts import dhcp as facts
from provd.base.types import Mac, ip_text
from provd.dhcp.effects import Emit, Persist, Send
from provd.dhcp.exchange import Exchange
from provd.dhcp.ingress import Ingress, Link
from provd.dhcp.lease import INFINITE, Lease
from provd.dhcp.packet import Message, decode
from provd.dhcp.pool import Binding
from provd.guard.tally import Tally

_MINUTE = 60.0
_NAMES = 4096
_CHANGED = 1024
_OFFERED = drafted(facts.DhcpOffer)
_ACKNOWLEDGED = drafted(facts.DhcpAck)


class Narrator:
    """Makes facts; those that a flood would repeat are told once per period, with their number."""

    def __init__(self) -> None:
        self._no_address = Tally[str](_MINUTE)
        self._taken = Tally[str](_MINUTE)
        self._malformed = Tally[str](_MINUTE)
        self._foreign = Tally[int](10 * _MINUTE)
        self._shared = Tally[bytes](10 * _MINUTE)
        self._changed: OrderedDict[bytes, tuple[Mac, float]] = OrderedDict()
        self._texts: dict[int, str] = {0: ""}

    def text(self, address: int) -> str:
        """Dotted form of an address that comes again and again; empty for 0."""
        text = self._texts.get(address)
        if text is None:
            if len(self._texts) >= _NAMES:
                self._texts = {0: ""}
            text = self._texts[address] = ip_text(address)
        return text

    def malformed(self, error: object, source: str, interface: str, now: float) -> list[Emit]:
        """A datagram that did not decode."""
        count = self._malformed.add(source, now)
        if not count:
            return []
        fact = facts.DhcpMalformed(at=now, source=source, interface=interface, reason=str(error), count=count)
        return [Emit(fact)]

    def ignored(self, message: Message, ingress: Ingress, now: float, reason: str) -> Emit:
        """A message that deserves no answer."""
        fact = facts.DhcpIgnored(
            at=now,
            mac=message.mac,
            reason=reason,
            type=message.type_name,
            interface=ingress.link.interface,
            relay=self.text(message.giaddr),
        )
        return Emit(fact)

    def other_server(self, server: int, link: Link, now: float) -> list[Emit]:
        """Somebody else answers DHCP here."""
        count = self._foreign.add(server, now)
        if not count:
            return []
        fact = facts.DhcpForeignServer(at=now, server=ip_text(server), interface=link.interface, count=count)
        return [Emit(fact)]

    def none_left(self, x: Exchange, reason: str) -> list[Emit]:
        """A DISCOVER that stays without an answer."""
        name = x.pool.name
        count = self._no_address.add(name, x.now)
        if not count:
            return []
        return [Emit(facts.DhcpNoAddress(at=x.now, mac=x.mac, subnet=name, reason=reason, count=count))]

    def taken_over(self, x: Exchange, binding: Binding) -> list[Emit]:
        """An address is offered to somebody else than the one before, who did not come for it."""
        name = x.pool.name
        count = self._taken.add(name, x.now)
        if not count:
            return []
        return [Emit(facts.DhcpOfferTaken(at=x.now, mac=x.mac, ip=binding.text, subnet=name, count=count))]

    def shared(self, x: Exchange, binding: Binding) -> list[Emit]:
        """The lease of a client goes to another hardware address: once that is another card of the same machine, back
        again within the time of a lease it is two devices."""
        lease = binding.lease
        if lease is None or lease.mac == x.mac or lease.client != x.client or not binding.active(x.now):
            return []
        before, since = self._changed.pop(x.client, ("", 0.0))
        self._changed[x.client] = lease.mac, x.now
        if len(self._changed) > _CHANGED:
            self._changed.popitem(last=False)
        if before != x.mac or x.now - since > x.pool.subnet.lease:
            return []
        count = self._shared.add(x.client, x.now)
        if not count:
            return []
        name, other = x.pool.name, lease.mac
        fact = facts.DhcpClientShared(
            at=x.now, mac=x.mac, boot=x.advice.boot, other=other, ip=binding.text, subnet=name, count=count
        )
        return [Emit(fact)]

    def would(self, x: Exchange, answer: str, send: Send, ip: int) -> Emit:
        """What the mode ``observe`` keeps from sending."""
        options = ",".join(str(code) for code in decode(send.payload).options)
        fact = facts.DhcpWouldAnswer(
            at=x.now,
            mac=x.mac,
            boot=x.advice.boot,
            answer=answer,
            ip=ip_text(ip),
            subnet=x.pool.name,
            phone=x.advice.phone,
            options=options,
        )
        return Emit(fact)

    def offered(self, x: Exchange, binding: Binding) -> Emit:
        """An OFFER leaves."""
        pattern = x.pattern
        interface = pattern.ingress.link.interface
        return Emit(_OFFERED(x.now, x.mac, x.advice.boot, binding.text, x.pool.name, interface, pattern.relay))

    def acknowledged(self, persist: Persist, then: Send, text: str, now: float) -> Emit:
        """An ACK leaves; ``text`` is its address."""
        lease = persist.lease
        seconds = INFINITE if lease.expires == INFINITE else lease.expires - lease.starts
        boot, state, interface, relay = persist.advice.boot, persist.state, then.interface, persist.relay
        return Emit(_ACKNOWLEDGED(now, lease.mac, boot, text, lease.subnet, seconds, state, interface, relay))

    def rest(self, persist: Persist, binding: Binding, seconds: int, send: Send, now: float) -> Emit:
        """An ACK of what is left of a lease leaves."""
        fact = facts.DhcpAckRest(
            at=now,
            mac=persist.lease.mac,
            boot=persist.advice.boot,
            ip=binding.text,
            subnet=persist.lease.subnet,
            seconds=seconds,
            state=persist.state,
            interface=send.interface,
            relay=persist.relay,
        )
        return Emit(fact)

    def refused(self, x: Exchange, ip: int, reason: str) -> Emit:
        """A NAK leaves."""
        fact = facts.DhcpNak(
            at=x.now,
            mac=x.mac,
            boot=x.advice.boot,
            ip=ip_text(ip),
            reason=reason,
            interface=x.pattern.ingress.link.interface,
            relay=x.pattern.relay,
        )
        return Emit(fact)

    def conflict(self, x: Exchange, binding: Binding, holder: Mac, seconds: float) -> Emit:
        """A probe was answered."""
        fact = facts.DhcpConflict(
            at=x.now,
            mac=x.mac,
            boot=x.advice.boot,
            ip=binding.text,
            subnet=x.pool.name,
            holder=holder,
            seconds=int(seconds),
        )
        return Emit(fact)

    def declined(self, x: Exchange, binding: Binding, seconds: float) -> Emit:
        """A client has found its address in use."""
        fact = facts.DhcpDecline(at=x.now, mac=x.mac, ip=binding.text, subnet=x.pool.name, seconds=int(seconds))
        return Emit(fact)

    def released(self, lease: Lease, binding: Binding, now: float) -> Emit:
        """An address was given back."""
        return Emit(facts.DhcpRelease(at=now, mac=lease.mac, ip=binding.text, subnet=lease.subnet))

    def informed(self, x: Exchange, address: int) -> Emit:
        """A client with an address of its own gets options."""
        name = x.pool.name
        fact = facts.DhcpInform(at=x.now, mac=x.mac, boot=x.advice.boot, ip=ip_text(address), subnet=name)
        return Emit(fact)

    def not_stored(self, leases: int, reason: object, now: float) -> Emit:
        """So many leases could not be made durable."""
        return Emit(facts.DhcpNotStored(at=now, leases=leases, reason=str(reason)))
