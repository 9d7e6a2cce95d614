"""The DHCP server as a pure machine (RFC 2131 section 4.3): messages and time in, effects out.

An ACK leaves only after its lease was reported durable: ``handle`` returns a Persist that carries the ACK, and
``persisted`` gives it free. Nothing here reads a clock, opens a socket or writes anything.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from provd.base.types import Mac, ip_int
from provd.dhcp.advice import Advisor
from provd.dhcp.effects import Effect, Emit, Persist, Probe
from provd.dhcp.exchange import Exchange
from provd.dhcp.familiar import Familiar
from provd.dhcp.ingress import Ingress, Link
from provd.dhcp.lease import INFINITE, Lease, LeaseState, active_lease
from provd.dhcp.locate import Locator
from provd.dhcp.narrator import Narrator
from provd.dhcp.options import Type
from provd.dhcp.packet import BOOTREPLY, BOOTREQUEST, Message, decode
from provd.dhcp.pool import Binding
from provd.dhcp.rations import answers_for_all, count_for_port, declines_too_much, port_is_full
from provd.dhcp.replies import Replies
from provd.dhcp.states import State
from provd.dhcp.subnet import DhcpSettings, Mode, ReservedAddress
from provd.dhcp.table import LeaseTable
from provd.dhcp.verdict import Verdict, judge

_ACTIVE = LeaseState.ACTIVE
_TOO_LATE = 10.0
"""Seconds after which an ACK that waited for the disk is not sent any more: the lease would end before its client
thinks so (RFC 2131 section 4.4.1 lets it count from its last REQUEST)."""
_LEAST_REST = 60
"""Seconds that the rest of a lease must last to be worth an answer: a client with less would ask again at once."""


class DhcpEngine:
    """All of DHCP but input and output. ``leases`` are those that were stored; ``own`` our addresses anywhere."""

    def __init__(
        self,
        settings: DhcpSettings,
        advisor: Advisor,
        *,
        leases: Iterable[Lease] = (),
        reservations: Sequence[ReservedAddress] = (),
        own: frozenset[int] = frozenset(),
        now: float,
    ) -> None:
        self.settings = settings
        self._advisor = advisor
        self._reservations = tuple(reservations)
        self._replies = Replies()
        self._table = LeaseTable()
        self._familiar = Familiar(self._table)
        self._tell = Narrator()
        self._handlers = {
            Type.DISCOVER.value: self._discover,
            Type.REQUEST.value: self._request,
            Type.DECLINE.value: self._decline,
            Type.RELEASE.value: self._release,
            Type.INFORM.value: self._inform,
        }
        self._own = own
        self._began = now
        self.failing = False
        """Whether the last leases could not be made durable. Whoever knows better may say that it is over."""
        self._configure(now)
        self.skipped = self._table.load(leases, now)
        """Stored leases that made no sense, with the reason."""

    # --- configuration

    def reconfigure(self, settings: DhcpSettings, reservations: Sequence[ReservedAddress], now: float) -> None:
        """Take new settings. Every lease stays; who has an address outside the new pools keeps it until it ends."""
        self.settings = settings
        self._reservations = tuple(reservations)
        self._configure(now)

    def addressed(self, own: frozenset[int], now: float) -> None:
        """Our own addresses have changed: they are our identities (option 54) and never given to anybody."""
        if own != self._own:
            self._own = own
            self._configure(now)

    def _configure(self, now: float) -> None:
        self._table.configure(self.settings, self._reservations, self._own, now)
        self.unusable = self._table.unusable(self._reservations)
        """Reserved addresses that nobody can be given, with the reason."""
        self._locator = Locator(self.settings, self._table, self._own)
        self._replies.clear()
        self._familiar.clear()
        self._serving = self.settings.mode is not Mode.OFF
        self._observing = self.settings.mode is Mode.OBSERVE
        self._phones_only = self.settings.mode is Mode.PHONES_ONLY

    # --- views

    def leases(self) -> list[Lease]:
        """Every lease that is on disk, also ended ones."""
        return [binding.lease for binding in self._table.by_ip.values() if binding.lease is not None]

    def holder(self, ip: int, now: float) -> Mac | None:
        """Who has an active lease of the address."""
        return self._table.holder(ip, now)

    def usage(self) -> dict[str, tuple[int, int]]:
        """Free addresses and size of the pools of each subnet by name."""
        return {pool.subnet.name: (pool.free, pool.size) for pool in self._table.pools}

    @property
    def deadline(self) -> float:
        """When :meth:`expire` has work, infinity for never."""
        return self._table.deadline

    # --- input

    def receive(self, data: bytes, link: Link, source: str, destination: bytes, now: float) -> list[Effect]:
        """A datagram from the network: dotted address of its sender, octets of its destination. Raises WireError."""
        x = self._familiar.find(data, link, source, destination, now) if self._serving else None
        if x is None:
            return self.handle(
                decode(data), Ingress(link, ip_int(source), int.from_bytes(destination, "big")), now, source
            )
        effects = self.expire(now) if self._table.due(now) else []
        self._handlers[x.pattern.type](x, effects)
        return effects

    def handle(self, message: Message, ingress: Ingress, now: float, source: str = "") -> list[Effect]:
        """The same, decoded. With ``source`` its like is understood without decoding from then on."""
        effects = self.expire(now) if self._table.due(now) else []
        if not self._serving:
            return effects
        if message.op != BOOTREQUEST or message.hlen != 6:
            effects += self._unfit(message, ingress, now)
            return effects
        handler = self._handlers.get(message.type)
        if handler is None:
            effects.append(self._tell.ignored(message, ingress, now, f"message type {message.type_name}"))
            return effects
        pattern = self._locator.pattern(message, ingress)
        if isinstance(pattern, str):
            effects.append(self._tell.ignored(message, ingress, now, pattern))
            return effects
        if source and pattern.kin:
            self._familiar.learn(message, pattern, source)
        handler(Exchange(pattern, message.data, message, now), effects)
        return effects

    def malformed(self, error: object, source: str, interface: str, now: float) -> list[Effect]:
        """A datagram that did not decode."""
        return list(self._tell.malformed(error, source, interface, now))

    def persisted(self, batch: Iterable[Persist], now: float) -> list[Effect]:
        """These leases are durable: their ACKs may go."""
        effects: list[Effect] = []
        table = self._table
        self.failing = False
        for persist in batch:
            lease, then = persist.lease, persist.then
            binding = table.by_ip[lease.ip]
            if then is None or binding.pending is not persist:
                continue  # nobody waits, or the client has released or declined it meanwhile
            table.granted(binding, lease)
            if persist.asked is None:
                continue  # it got its answer while the store failed
            if now - lease.starts > _TOO_LATE:
                continue  # the client has asked again meanwhile and would count from then; its next REQUEST is quick
            effects += (then, self._tell.acknowledged(persist, then, binding.text, now))
            if persist.advice.phone:
                self._advisor.bound(lease, persist.advice.boot, now)
        return effects

    def persist_failed(self, batch: Sequence[Persist], reason: object, now: float) -> list[Effect]:
        """These leases could not be made durable: no ACK of them leaves, and every binding is what it was. Whose lease
        of before still runs hears how long it does."""
        effects: list[Effect] = [self._tell.not_stored(len(batch), reason, now)]
        self.failing = True
        for persist in batch:
            binding = self._table.by_ip[persist.lease.ip]
            if binding.pending is persist:
                self._table.refused(binding, now)
                if now - persist.lease.starts <= _TOO_LATE:
                    self._acknowledge_rest(persist, binding, now, effects)
        return effects

    def probed(self, ip: int, holder: Mac | None, now: float) -> list[Effect]:
        """The end of a Probe: ``holder`` answered for the address, None when nobody did."""
        effects: list[Effect] = []
        binding = self._table.by_ip.get(ip)
        x = binding.probing if binding is not None else None
        if binding is None or x is None:
            return effects
        binding.probing = None
        x.now = now
        if holder is None or answers_for_all(x, holder, self._table):
            binding.checked = now
            self._offer(x, binding, effects)
            return effects
        seconds = self.settings.quarantine
        effects.append(Persist(self._table.quarantine(binding, holder, now, seconds)))
        effects.append(self._tell.conflict(x, binding, holder, seconds))
        self._discover(x, effects)
        return effects

    def expire(self, now: float) -> list[Effect]:
        """Free what has ended by now."""
        for lease in self._table.expire(now):
            self._advisor.unbound(lease, now)
        return []

    def leapt(self, seconds: int, now: float) -> list[Effect]:
        """The clock was set forward while we ran, and no time has passed: what was given meanwhile keeps its rest."""
        return [Persist(lease) for lease in self._table.leapt(self._began, seconds, now)]

    def release(self, ip: int, now: float) -> list[Effect]:
        """An operator takes an address back. Nothing happens when it has no active lease."""
        binding = self._table.by_ip.get(ip)
        if binding is None or binding.lease is None or not binding.active(now):
            return []
        return self._give_back(binding, now)

    # --- the client messages

    def _discover(self, x: Exchange, effects: list[Effect]) -> None:
        self._advise(x, first=True)
        if self._phones_only and self._unwanted(x, effects):
            return
        table, pool, pattern = self._table, x.pool, x.pattern
        held = pool.by_client.get(x.client)
        if refusal := port_is_full(x, held) or declines_too_much(x, held, table):
            effects += self._tell.none_left(x, refusal)
            return
        ip = table.choose(pool, x.client, x.mac, x.requested, known=x.advice.phone, now=x.now)
        if not ip:
            reason = "only the share for phones and known clients is left" if pool.free else "no free address"
            effects += self._tell.none_left(x, reason)
            return
        if self._observing:
            effects.append(self._tell.would(x, "OFFER", self._replies.offer(x, ip), ip))
            return
        taken = pool.offers and table.by_ip.get(ip)
        if taken and taken.client != x.client and taken.busy(x.now):
            effects += self._tell.taken_over(x, taken)
        binding = table.hold(pool, ip, x.client, x.now, x.now + self.settings.offer_hold)
        count_for_port(x, binding)
        if pool.subnet.probe and not pattern.giaddr and self._doubtful(binding, x.now):
            if binding.probing is None:
                effects.append(Probe(ip, pattern.ingress.link.interface, x.data[28:34]))
            binding.probing = x
            return
        self._offer(x, binding, effects)

    def _doubtful(self, binding: Binding, now: float) -> bool:
        """Whether the address should be probed: not while its client has it, nor twice for a repeated DISCOVER."""
        return not binding.active(now) and now - binding.checked > self.settings.offer_hold

    def _offer(self, x: Exchange, binding: Binding, effects: list[Effect]) -> None:
        effects += (self._replies.offer(x, binding.ip), self._tell.offered(x, binding))

    def _request(self, x: Exchange, effects: list[Effect]) -> None:
        pattern = x.pattern
        state = pattern.state
        if state is None:
            effects.append(self._ignored(x, "options 50, 54 and ciaddr contradict each other"))
            return
        if state is State.SELECTING and not self._locator.ours(pattern.named, x):
            self._withdraw(x, effects)
            return
        self._advise(x, first=state is State.INIT_REBOOT)
        if self._phones_only and self._unwanted(x, effects):
            return
        verdict, binding, reason = judge(x, state, self._table, authoritative=self.settings.authoritative)
        if verdict is Verdict.NAK:
            self._nak(x, reason, effects)
        elif binding is None:
            effects.append(self._ignored(x, reason))
        elif self._observing:
            effects.append(self._tell.would(x, "ACK", self._replies.ack(x, binding), binding.ip))
        elif refusal := port_is_full(x, binding):
            effects += self._tell.none_left(x, refusal)
        else:
            self._grant(x, binding, state, effects)

    def _grant(self, x: Exchange, binding: Binding, state: State, effects: list[Effect]) -> None:
        send = self._replies.ack(x, binding)
        pending = binding.pending
        if pending is not None and pending.then is not None:
            pending.then, pending.asked = send, x  # a repeated REQUEST: the newest xid is answered, once
            if self.failing:
                self._acknowledge_rest(pending, binding, x.now, effects)
            return
        pool, pattern, ip = x.pool, x.pattern, binding.ip
        starts, seconds = math.ceil(x.now), pool.subnet.lease
        expires = INFINITE if seconds == INFINITE else starts + seconds
        host, kind, agent = pattern.hostname, pattern.vendor_class, count_for_port(x, binding)
        lease = active_lease(ip, x.client, x.mac, _ACTIVE, starts, expires, pool.name, host, kind, agent)
        persist = Persist(lease, send, x.advice, state, pattern.relay, x, binding.extended_by(lease))
        pool.idle.pop(ip, None)
        pool.offers.pop(ip, None)
        binding.pending = persist
        effects.append(persist)
        if not persist.extends:
            effects += self._tell.shared(x, binding)
        if self.failing:
            self._acknowledge_rest(persist, binding, x.now, effects)

    def _acknowledge_rest(self, persist: Persist, binding: Binding, now: float, effects: list[Effect]) -> None:
        """The store fails: acknowledge what is left of the lease that is on disk, and nothing beyond it.

        That promises nothing new, so it needs no disk; RFC 2131 leaves the lease time of each ACK to the server. A
        client that went through DISCOVER was offered more (section 3.1 step 4: the ACK should not conflict with the
        OFFER), but it is better off with the rest than without an address.
        """
        x, lease = persist.asked, binding.lease
        seconds = binding.rest(x.pool.subnet.lease, now) if x is not None else 0
        if x is None or lease is None or seconds < _LEAST_REST:
            return
        persist.asked = None
        send = self._replies.rest(x, binding.ip, seconds)
        effects += (send, self._tell.rest(persist, binding, seconds, send, now))
        if persist.advice.phone:
            self._advisor.bound(lease, persist.advice.boot, now)

    def _withdraw(self, x: Exchange, effects: list[Effect]) -> None:
        """The client chose another server: our offer is free again (RFC 2131 section 4.3.2). No answer."""
        binding = x.pool.by_client.get(x.client)
        if binding is not None and not self._observing:
            self._table.withdraw(binding, x.now)
        effects += self._tell.other_server(x.pattern.named, x.pattern.ingress.link, x.now)

    def _decline(self, x: Exchange, effects: list[Effect]) -> None:
        binding = self._held(x, x.requested, effects)
        if binding is None or binding.lease is None:
            return
        seconds = self.settings.quarantine
        lease = binding.lease
        effects.append(Persist(self._table.quarantine(binding, x.mac, x.now, seconds)))
        effects.append(self._tell.declined(x, binding, seconds))
        self._advisor.unbound(lease, x.now)

    def _release(self, x: Exchange, effects: list[Effect]) -> None:
        binding = self._held(x, x.ciaddr, effects)
        if binding is not None:
            effects += self._give_back(binding, x.now)

    def _give_back(self, binding: Binding, now: float) -> list[Effect]:
        lease = self._table.release(binding, now)
        if lease is None:
            return []
        self._advisor.unbound(lease, now)
        return [Persist(lease), self._tell.released(lease, binding, now)]

    def _inform(self, x: Exchange, effects: list[Effect]) -> None:
        pattern = x.pattern
        address = x.ciaddr or (0 if pattern.giaddr else pattern.ingress.source)
        if not address and not pattern.giaddr:
            effects.append(self._ignored(x, "INFORM without any address"))
            return
        if address and address not in x.pool.subnet:
            # Answering would let anybody send our options to an address of their choice.
            effects.append(self._ignored(x, "INFORM for an address of another network"))
            return
        self._advise(x, first=False)
        if self._phones_only and self._unwanted(x, effects):
            return
        send = self._replies.inform(x, address)
        if self._observing:
            effects.append(self._tell.would(x, "ACK", send, address))
            return
        effects += (send, self._tell.informed(x, address))

    # --- what several of them need

    def _unfit(self, message: Message, ingress: Ingress, now: float) -> list[Emit]:
        """Not from a client with a six-octet hardware address; a server's reply tells of that server."""
        server = message.address(54) or message.siaddr
        if message.op == BOOTREPLY and server and not self._locator.is_own(server, ingress.link):
            return self._tell.other_server(server, ingress.link, now)
        reason = f"op {message.op}, hlen {message.hlen}: no request of an Ethernet client"
        return [self._tell.ignored(message, ingress, now, reason)]

    def _ignored(self, x: Exchange, reason: str) -> Emit:
        return self._tell.ignored(x.message, x.pattern.ingress, x.now, reason)

    def _advise(self, x: Exchange, *, first: bool) -> None:
        x.advice = self._advisor.advise(x.client_info(first), x.now)

    def _unwanted(self, x: Exchange, effects: list[Effect]) -> bool:
        """Whether the mode forbids to answer this client, where it answers phones only."""
        if x.advice.phone:
            return False
        effects.append(self._ignored(x, "not a phone"))
        return True

    def _nak(self, x: Exchange, reason: str, effects: list[Effect]) -> None:
        address = x.ciaddr or x.requested
        send = self._replies.nak(x, reason)
        if self._observing:
            effects.append(self._tell.would(x, "NAK", send, address))
        else:
            effects += (send, self._tell.refused(x, address, reason))

    def _held(self, x: Exchange, address: int, effects: list[Effect]) -> Binding | None:
        """The binding that the sender of a DECLINE or RELEASE holds, by client key and by hardware address."""
        binding = self._table.by_ip.get(address)
        if self._observing or (x.pattern.has_server and not self._locator.ours(x.pattern.named, x)):
            reason = "meant for another server"
        elif binding is None or binding.client != x.client or binding.lease is None or binding.lease.mac != x.mac:
            reason = "the sender does not hold this address"
        elif not binding.active(x.now):
            reason = "the lease has ended"
        else:
            return binding
        effects.append(self._ignored(x, reason))
        return None
