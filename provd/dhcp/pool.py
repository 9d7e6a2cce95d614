"""Addresses: who has which, who may get which next. All operations take constant time, amortised.

RFC 2131 section 4.3.1 orders the choice: the client's current address, its previous one, the one it asks for, a
new one. Among new ones never used ones go first, then the one that has been free for longest.
"""

from __future__ import annotations

import bisect
import math
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from provd.base.errors import WireError
from provd.base.types import Mac, ip_text
from provd.dhcp.lease import INFINITE, Lease, LeaseState, but_for_times
from provd.dhcp.options import sub_options
from provd.dhcp.subnet import ReservedAddress, Subnet, prefix_mask

if TYPE_CHECKING:
    from provd.dhcp.effects import Persist
    from provd.dhcp.exchange import Exchange

NEVER: Final = math.inf


class Binding:
    """One address and what is going on with it. There is never a second one of an address."""

    __slots__ = (
        "checked",
        "circuit",
        "client",
        "ip",
        "lease",
        "offered",
        "open",
        "pending",
        "pool",
        "probing",
        "queued",
        "text",
    )

    def __init__(self, ip: int, pool: Pool | None, client: bytes) -> None:
        self.ip = ip
        self.text = ip_text(ip)
        self.pool = pool
        self.client = client
        """Who holds it, or held it last."""
        self.lease: Lease | None = None
        """What is on disk."""
        self.offered = 0.0
        """Until when it is held for an offer."""
        self.pending: Persist | None = None
        """The lease that is on its way to the disk, with the ACK that waits for it."""
        self.probing: Exchange | None = None
        """The DISCOVER that waits for the end of an ARP probe."""
        self.circuit = b""
        """The relay port that its holder is behind, where these are counted."""
        self.checked = 0.0
        """When nobody answered to a probe for it."""
        self.open = False
        """Whether any client may have it; its pool says so."""
        self.queued = NEVER
        """When its next look at the clock is due."""

    def free_at(self) -> float:
        """When offer, lease and quarantine have all ended."""
        lease = self.lease
        if lease is None or lease.state is LeaseState.RELEASED:
            return self.offered
        if lease.expires == INFINITE:
            return NEVER
        return max(self.offered, lease.expires)

    def busy(self, now: float) -> bool:
        """Whether nobody but its holder may have it."""
        return self.pending is not None or self.free_at() > now

    @property
    def stranger(self) -> bool:
        """Whether whom it is held for never had a lease of it."""
        return self.lease is None or self.lease.client != self.client

    def active(self, now: float) -> bool:
        """Whether its holder has a lease that is on disk and has not ended."""
        lease = self.lease
        if lease is None or lease.state is not LeaseState.ACTIVE:
            return False
        return lease.expires > now or lease.expires == INFINITE

    def extended_by(self, lease: Lease) -> bool:
        """Whether the lease is the durable one but for the times."""
        return self.lease is not None and but_for_times(self.lease) == but_for_times(lease)

    def rest(self, longest: int, now: float) -> int:
        """Whole seconds that its holder's durable lease still lasts, up to ``longest``; 0 without one."""
        lease = self.lease
        if lease is None or lease.client != self.client or not self.active(now):
            return 0
        return longest if lease.expires == INFINITE else min(longest, math.floor(lease.expires - now))


class Pool:
    """The addresses of one subnet."""

    def __init__(
        self, subnet: Subnet, reserved: Iterable[ReservedAddress], own: frozenset[int], reserve_share: float
    ) -> None:
        self.subnet = subnet
        self.name = subnet.name
        self.network = subnet.network
        self.mask = prefix_mask(subnet.prefixlen)
        self.options: Mapping[int, bytes] = subnet.encoded_options()
        self.siaddr = subnet.next_server.to_bytes(4, "big")
        self.by_client: dict[bytes, Binding] = {}
        self.idle: OrderedDict[int, Binding] = OrderedDict()
        """Free addresses that were used before, the longest free first."""
        self.offers: dict[int, float] = {}
        """When each address was offered that nobody has requested yet and whose client never had it, the oldest first;
        also some that have been settled since."""
        self.circuits: dict[bytes, dict[int, Binding]] = {}
        self._ranges = sorted(subnet.pools)
        self._starts = [first for first, _ in self._ranges]
        self._cursor = self._starts[0] if self._starts else 0
        self._range = 0
        mine = [entry for entry in reserved if entry.ip in subnet]
        self.reserved = {entry.ip: entry for entry in mine}
        edges = {subnet.network, subnet.broadcast} if subnet.prefixlen < 31 else set()
        # Behind a relay nobody probes: a router that lies in a pool would lose its address to the first client.
        self.never = own | edges | set(subnet.routers).difference(self.reserved)
        """What nobody gets, reserved or not."""
        mine = [entry for entry in mine if entry.ip not in self.never]
        self._by_mac = {entry.mac: entry for entry in mine if entry.mac}
        self._by_id = {entry.client: entry for entry in mine if entry.client}
        closed = self.never | set(self.reserved)
        self.size = sum(last - first + 1 for first, last in self._ranges) - sum(map(self.in_ranges, closed))
        self._unused = self.size
        self._kept = int(self.size * reserve_share)

    def in_ranges(self, ip: int) -> bool:
        """Whether the address lies in one of the pools."""
        index = bisect.bisect_right(self._starts, ip) - 1
        return index >= 0 and ip <= self._ranges[index][1]

    def reservation(self, client: bytes, mac: Mac) -> ReservedAddress | None:
        """What is reserved for this client; its identifier counts more than its MAC."""
        if not self.reserved:
            return None
        return self._by_id.get(client) or self._by_mac.get(mac)

    def allowed(self, ip: int, client: bytes, mac: Mac) -> bool:
        """Whether this client may have this address at all."""
        if ip in self.reserved:
            entry = self.reserved[ip]
            return entry is self.reservation(client, mac) and ip not in self.never
        return self.in_ranges(ip) and ip not in self.never

    def open(self, ip: int) -> bool:
        """Whether any client may have this address."""
        return ip not in self.reserved and ip not in self.never and self.in_ranges(ip)

    @property
    def free(self) -> int:
        """Addresses that a new client could get."""
        return self._unused + len(self.idle)

    @property
    def scarce(self) -> bool:
        """Whether only the share for phones and known clients is left; never where none is kept for them."""
        return 0 < self._kept >= self._unused + len(self.idle)

    def admit(self, binding: Binding) -> None:
        """An address of this pool is used for the first time."""
        binding.open = self.open(binding.ip)
        if binding.open:
            self._unused -= 1

    def next_address(self, used: Mapping[int, Binding]) -> int:
        """The address for a new client, 0 when there is none. Takes nothing."""
        while self._range < len(self._ranges):
            last = self._ranges[self._range][1]
            ip = self._cursor
            while ip <= last and (ip in used or ip in self.never or ip in self.reserved):
                ip += 1
            self._cursor = ip
            if ip <= last:
                return ip
            self._range += 1
            if self._range < len(self._ranges):
                self._cursor = self._starts[self._range]
        return next(iter(self.idle), 0)

    def count(self, binding: Binding, circuit: bytes) -> None:
        """The holder is behind this relay port; behind none when that is empty."""
        if not self.subnet.circuit_limit:
            return
        before, binding.circuit = binding.circuit, circuit
        if before != circuit and (held := self.circuits.get(before)) is not None:
            held.pop(binding.ip, None)
            if not held:
                del self.circuits[before]  # who makes up ports leaves none behind
        if circuit:
            self.circuits.setdefault(circuit, {})[binding.ip] = binding

    def circuit_full(self, circuit: bytes, now: float) -> bool:
        """Whether this relay port has as many addresses as it may (RFC 3046 section 5)."""
        held = self.circuits.get(circuit)
        if held is None or not circuit or len(held) < self.subnet.circuit_limit:
            return False
        for ip in [ip for ip, other in held.items() if other.circuit != circuit or not other.busy(now)]:
            del held[ip]
        return len(held) >= self.subnet.circuit_limit


def circuit_of(agent: bytes) -> bytes:
    """The relay port in option 82: circuit and remote id as they stand there; empty when there is neither."""
    try:
        found = sub_options(agent)
    except WireError:
        return b""
    return b"".join(bytes((code, len(found[code]))) + found[code] for code in (1, 2) if code in found)
