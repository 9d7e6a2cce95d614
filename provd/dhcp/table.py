"""Every binding of every subnet, and the clock that ends offers, leases and quarantines."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from provd.base.types import Mac
from provd.dhcp.lease import INFINITE, Lease, LeaseState
from provd.dhcp.pool import NEVER, Binding, Pool, circuit_of
from provd.dhcp.subnet import DhcpSettings, ReservedAddress

UNREQUESTED = 2.0
"""Seconds that an offer is safe in a pool that has nothing else left; clients choose within one, mostly."""
_PENDING_LOOK = 10.0
"""Seconds until a binding is looked at again whose lease is still on its way to the disk."""


class LeaseTable:
    """The in-memory truth. ``by_ip`` has one binding for each address that was ever used."""

    def __init__(self) -> None:
        self.by_ip: dict[int, Binding] = {}
        self.pools: tuple[Pool, ...] = ()
        self._queue: list[tuple[float, int]] = []
        self._declined: dict[Mac, set[int]] = {}
        self._answered: dict[int, Mac] = {}

    # --- configuration

    def configure(
        self, settings: DhcpSettings, reserved: Sequence[ReservedAddress], own: frozenset[int], now: float
    ) -> None:
        """Build the pools anew; every binding stays and finds its place again."""
        # The longest prefix comes first, so that a subnet inside another one is found.
        subnets = sorted(settings.subnets, key=lambda subnet: -subnet.prefixlen)
        self.pools = tuple(Pool(subnet, reserved, own, settings.reserve_share) for subnet in subnets)
        for binding in sorted(self.by_ip.values(), key=Binding.free_at):
            self._attach(binding, now)

    def unusable(self, reserved: Iterable[ReservedAddress]) -> dict[int, str]:
        """Reserved addresses that nobody can be given, with the reason."""
        found = {}
        for entry in reserved:
            pool = self.pool_of(entry.ip)
            if pool is None:
                found[entry.ip] = "no subnet has this address"
            elif entry.ip in pool.never:
                found[entry.ip] = "it is an address of ours, or the subnet's first or last one"
            elif pool.reservation(entry.client, entry.mac or Mac("")) is not entry:
                found[entry.ip] = "another address of the subnet is reserved for its client"
        return found

    def load(self, leases: Iterable[Lease], now: float) -> list[tuple[Lease, str]]:
        """Take over what was stored. Returns what makes no sense, with the reason: it is left out."""
        skipped = []
        for lease in sorted(leases, key=lambda lease: lease.expires):
            if not 0 < lease.ip < 0xFFFFFFFF:
                skipped.append((lease, "no such address"))
            elif lease.ip in self.by_ip:
                skipped.append((lease, "a second lease of the address"))
            elif not lease.client and lease.state is LeaseState.ACTIVE:
                skipped.append((lease, "no client"))
            else:
                binding = Binding(lease.ip, None, b"" if lease.state is LeaseState.DECLINED else lease.client)
                binding.lease = lease
                self.by_ip[lease.ip] = binding
                self._note_decline(lease)
                self._attach(binding, now)
        return skipped

    def _attach(self, binding: Binding, now: float) -> None:
        binding.probing = None  # who waits for a probe knows the subnets of before; it asks again
        binding.pool = pool = self.pool_of(binding.ip)
        if pool is None:
            return  # kept for the day on which its subnet comes back
        pool.admit(binding)
        if binding.client:
            pool.by_client[binding.client] = binding  # of several the one that ends last
        if binding.lease is not None and binding.lease.agent:
            pool.count(binding, circuit_of(binding.lease.agent))
        if binding.stranger and binding.offered > now:
            pool.offers[binding.ip] = now
        if binding.busy(now):
            self.schedule(binding)
        else:
            self._settle(binding)

    def pool_of(self, address: int) -> Pool | None:
        """The pool of the subnet that has this address."""
        for pool in self.pools:
            if address & pool.mask == pool.network:
                return pool
        return None

    def holder(self, ip: int, now: float) -> Mac | None:
        """Who has an active lease of the address."""
        binding = self.by_ip.get(ip)
        if binding is None or binding.lease is None or not binding.active(now):
            return None
        return binding.lease.mac

    # --- choosing and holding

    def choose(self, pool: Pool, client: bytes, mac: Mac, wanted: int, *, known: bool, now: float) -> int:
        """The address for a DISCOVER (RFC 2131 section 4.3.1), 0 when there is none. Takes nothing."""
        if pool.reserved:
            entry = pool.reservation(client, mac)
            if entry is not None and self.free_for(entry.ip, client, now):
                return entry.ip
        held = pool.by_client.get(client)
        if held is not None and self.keeps(pool, held, client, mac, now):
            return held.ip
        if pool.scarce and not known:
            return 0
        if wanted and pool.allowed(wanted, client, mac) and self.free_for(wanted, client, now):
            return wanted
        return pool.next_address(self.by_ip) or self._unrequested(pool, now)

    def _unrequested(self, pool: Pool, now: float) -> int:
        """The oldest offer that nobody came for, 0 when there is none: who only ever asks must not empty the pool."""
        offers = pool.offers
        while offers:
            ip = next(iter(offers))
            binding = self.by_ip[ip]
            if binding.pending is None and binding.offered > now and binding.stranger:
                return ip if now - offers[ip] > UNREQUESTED else 0
            del offers[ip]
        return 0

    def keeps(self, pool: Pool, binding: Binding, client: bytes, mac: Mac, now: float) -> bool:
        """Whether the client may go on with an address it has, or had: also one that has left the pools since."""
        if (binding.open and binding.pool is pool) or pool.allowed(binding.ip, client, mac):
            return True
        return binding.ip not in pool.reserved and binding.active(now)

    def free_for(self, ip: int, client: bytes, now: float) -> bool:
        """Whether nobody but this client has the address."""
        binding = self.by_ip.get(ip)
        return binding is None or binding.client == client or not binding.busy(now)

    def hold(self, pool: Pool, ip: int, client: bytes, now: float, until: float) -> Binding:
        """Keep the address for this client until then."""
        binding = self.by_ip.get(ip)
        before = pool.by_client.get(client)
        if binding is None:
            binding = self.by_ip[ip] = Binding(ip, pool, client)
            pool.admit(binding)
        else:
            pool.idle.pop(ip, None)
            if binding.client != client:
                self._forget(binding)
                binding.client = client
                binding.probing = None
        pool.by_client[client] = binding
        binding.offered = until
        pool.offers.pop(ip, None)
        if binding.stranger:
            pool.offers[ip] = now
        self.schedule(binding)
        if before is not None and before is not binding:
            self.withdraw(before, now)
        return binding

    def withdraw(self, binding: Binding, now: float) -> None:
        """An offer is not wanted any more."""
        if binding.offered:
            binding.offered = 0.0
            binding.probing = None
            if not binding.busy(now):
                self._settle(binding)

    # --- the life of a lease

    def granted(self, binding: Binding, lease: Lease) -> None:
        """The lease is on disk."""
        binding.pending = None
        binding.lease = lease
        binding.offered = 0.0
        if lease.expires < binding.queued:  # not so at a renewal: the look at the old end is still to come
            self.schedule(binding)

    def refused(self, binding: Binding, now: float) -> None:
        """The lease could not be written: the binding is what it was."""
        binding.pending = None
        if binding.busy(now):
            self.schedule(binding)
        else:
            self._settle(binding)

    def release(self, binding: Binding, now: float) -> Lease | None:
        """The holder gives the address back and stays known. Returns the lease to be written, if there was one."""
        binding.pending = None
        binding.offered = 0.0
        if binding.lease is not None:
            binding.lease = replace(binding.lease, state=LeaseState.RELEASED, expires=int(now))
        self._settle(binding)
        return binding.lease

    def quarantine(self, binding: Binding, holder: Mac, now: float, seconds: float) -> Lease:
        """Somebody else uses the address. Returns the lease to be written."""
        self._forget(binding)
        pool = binding.pool
        until = math.ceil(now + seconds)
        if binding.lease is None or binding.lease.mac != holder:
            self._answered[binding.ip] = holder  # it answered to a probe; otherwise it is the client's own word
        if binding.lease is not None and binding.client == binding.lease.client:
            lease = replace(binding.lease, state=LeaseState.DECLINED, expires=until)
        else:
            name = pool.subnet.name if pool else ""
            state = LeaseState.DECLINED
            lease = Lease(
                ip=binding.ip, client=b"", mac=holder, state=state, starts=int(now), expires=until, subnet=name
            )
        binding.client = b""
        binding.pending = binding.probing = None
        binding.offered = 0.0
        binding.lease = lease
        self._note_decline(lease)
        self.schedule(binding)
        return lease

    def answers(self, holder: Mac, now: float) -> int:
        """How many addresses are in quarantine because this host answers for them."""
        for ip in list(self._answered):
            lease = self.by_ip[ip].lease
            if lease is None or lease.state is not LeaseState.DECLINED or lease.expires <= now:
                del self._answered[ip]
        return sum(mac == holder for mac in self._answered.values())

    def leapt(self, since: float, seconds: int, now: float) -> list[Lease]:
        """Let everything that was given since then end so many seconds later. Returns the leases to be written."""
        moved = []
        for binding in self.by_ip.values():
            if binding.offered > now - seconds:
                binding.offered += seconds
            lease = binding.lease
            # What is on its way to the disk must not be overwritten by this; its client asks again.
            if lease is None or lease.starts < since or lease.expires == INFINITE or binding.pending is not None:
                continue
            if lease.state is not LeaseState.RELEASED:
                later = min(lease.expires + seconds, INFINITE - 1)
                binding.lease = replace(lease, starts=lease.starts + seconds, expires=later)
                moved.append(binding.lease)
        return moved

    def _note_decline(self, lease: Lease) -> None:
        # Without a client it was found in use by a probe, and is nobody's word.
        if lease.state is LeaseState.DECLINED and lease.client:
            self._declined.setdefault(lease.mac, set()).add(lease.ip)

    def declines(self, mac: Mac, now: float) -> int:
        """How many addresses are in quarantine because this client has declined them."""
        told = self._declined.get(mac)
        if told is None:
            return 0
        for ip in list(told):
            lease = self.by_ip[ip].lease
            if lease is None or lease.state is not LeaseState.DECLINED or lease.mac != mac or lease.expires <= now:
                told.discard(ip)
        if not told:
            del self._declined[mac]
        return len(told)

    def _forget(self, binding: Binding) -> None:
        pool = binding.pool
        if pool is not None and pool.by_client.get(binding.client) is binding:
            del pool.by_client[binding.client]

    def _settle(self, binding: Binding) -> None:
        """The address is free: it goes to the end of the line, if everybody may have it."""
        pool = binding.pool
        if pool is not None and binding.open:
            pool.idle[binding.ip] = binding

    # --- the clock

    @property
    def deadline(self) -> float:
        """When :meth:`expire` has something to look at."""
        return self._queue[0][0] if self._queue else NEVER

    def due(self, now: float) -> bool:
        """Whether the deadline has passed."""
        queue = self._queue
        return bool(queue) and queue[0][0] <= now

    def schedule(self, binding: Binding) -> None:
        """See to it that the binding is looked at when it ends. One entry serves until then, however often the
        lease is renewed: what is found still busy is queued again."""
        free_at = binding.free_at()
        if free_at < binding.queued:
            binding.queued = free_at
            heapq.heappush(self._queue, (free_at, binding.ip))

    def expire(self, now: float) -> list[Lease]:
        """Free what has ended. Returns leases that ended without having been given back."""
        ended = []
        queue = self._queue
        while queue and queue[0][0] <= now:
            when, ip = heapq.heappop(queue)
            binding = self.by_ip[ip]
            if binding.queued != when:
                continue  # superseded by an earlier entry
            binding.queued = NEVER
            if binding.pending is not None:
                binding.queued = now + _PENDING_LOOK
                heapq.heappush(queue, (binding.queued, ip))
            elif binding.free_at() > now:
                self.schedule(binding)
            else:
                binding.probing = None
                self._settle(binding)
                lease = binding.lease
                if lease is not None and lease.state is LeaseState.ACTIVE and lease.expires > binding.offered:
                    ended.append(lease)
        return ended
