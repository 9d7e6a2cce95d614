"""What the operator says about DHCP: mode, subnets, pools, reserved addresses. Plain values; addresses are numbers."""

from __future__ import annotations

import enum
import itertools
from collections.abc import Mapping
from dataclasses import field

from provd.base.dataclass import dataclass
from provd.base.errors import ConfigError
from provd.base.types import Mac, ip_text
from provd.dhcp.lease import INFINITE
from provd.dhcp.options import SERVER_ONLY, Code, addresses, classless_routes, octets_of


class Mode(enum.StrEnum):
    """How far provd goes on a LAN."""

    OFF = "off"
    OBSERVE = "observe"
    """Says in facts what it would answer; sends nothing, takes nothing."""
    PHONES_ONLY = "phones-only"
    """Answers clients that the advisor knows as phones, and nobody else."""
    FULL = "full"


def prefix_mask(prefixlen: int) -> int:
    """The netmask of a prefix length as a number."""
    return 0xFFFFFFFF << (32 - prefixlen) & 0xFFFFFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class Subnet:
    """One IPv4 network with its pools and options. Raises ConfigError when it contradicts itself.

    ``pools`` are inclusive ranges. ``lease``, ``t1`` and ``t2`` are seconds; ``t1`` and ``t2`` 0 mean 1/2 and 7/8
    of the lease (RFC 2131 section 4.4.5); a lease of 0xffffffff never ends. ``options`` are further options as
    octets by code; option 43 is not among them, because it means nothing without a vendor (RFC 2132 section 8.4).
    """

    name: str
    network: int
    prefixlen: int
    pools: tuple[tuple[int, int], ...] = ()
    routers: tuple[int, ...] = ()
    dns: tuple[int, ...] = ()
    ntp: tuple[int, ...] = ()
    domain: str = ""
    routes: tuple[tuple[int, int, int], ...] = ()
    """``(network, prefixlen, router)``, sent as options 121 and 249 (RFC 3442)."""
    next_server: int = 0
    """``siaddr``."""
    lease: int = 3600
    t1: int = 0
    t2: int = 0
    probe: bool = True
    """ARP for an address before it is offered to a client of the same link."""
    circuit_limit: int = 0
    """Addresses for one relay port (option 82 sub-options 1 and 2); 0 = as many as there are."""
    options: Mapping[int, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        where = f"subnet {self.name}"
        if not 0 <= self.prefixlen <= 32 or self.network & ~prefix_mask(self.prefixlen):
            raise ConfigError(f"{where}: {ip_text(self.network)}/{self.prefixlen} is not a network")
        for first, last in self.pools:
            if first > last or first not in self or last not in self:
                raise ConfigError(f"{where}: pool {ip_text(first)}-{ip_text(last)} is not a range of this network")
        ordered = sorted(self.pools)
        if any(end >= start for (_, end), (start, _) in itertools.pairwise(ordered)):
            raise ConfigError(f"{where}: pools overlap")
        if not 1 <= self.lease <= INFINITE:
            raise ConfigError(f"{where}: a lease of {self.lease} seconds")
        if (self.t1 or self.t2) and not 0 < self.t1 < self.t2 < self.lease:
            raise ConfigError(f"{where}: t1 < t2 < lease is not so (RFC 2131 section 4.4.5)")
        if refused := sorted(NOT_AMONG_OPTIONS & set(self.options)):
            raise ConfigError(f"{where}: option {refused[0]} is not set among `options`")

    def __contains__(self, address: int) -> bool:
        return address & prefix_mask(self.prefixlen) == self.network

    @property
    def broadcast(self) -> int:
        """The directed broadcast address (option 28)."""
        return self.network | ~prefix_mask(self.prefixlen) & 0xFFFFFFFF

    @property
    def timers(self) -> tuple[int, int]:
        """T1 and T2 in seconds; (0, 0) where none can lie between now and the end of the lease."""
        if self.t1:
            return self.t1, self.t2
        t1, t2 = self.lease // 2, self.lease * 7 // 8
        return (t1, t2) if 0 < t1 < t2 < self.lease < INFINITE else (0, 0)

    def encoded_options(self) -> dict[int, bytes]:
        """Every option of this subnet by code, in the order in which a client without option 55 gets the basic ones."""
        found: dict[int, bytes] = {Code.SUBNET_MASK: octets_of(prefix_mask(self.prefixlen))}
        named = {
            Code.ROUTERS: addresses(self.routers),
            Code.DNS: addresses(self.dns),
            Code.DOMAIN_NAME: self.domain.encode("ascii", "replace"),
            # On a link of two hosts the last address is one of them (RFC 3021 section 2.1).
            Code.BROADCAST: octets_of(self.broadcast) if self.prefixlen < 31 else b"",
            Code.NTP: addresses(self.ntp),
            Code.CLASSLESS_ROUTES: classless_routes(self.routes),
            Code.CLASSLESS_ROUTES_249: classless_routes(self.routes),
        }
        found |= {code: value for code, value in named.items() if value}
        return {int(code): value for code, value in (found | dict(self.options)).items()}


NOT_AMONG_OPTIONS = SERVER_ONLY | {1, 3, 6, 15, 42, 43, 121, 249}
"""Options that the engine decides, that have a setting of their own, or that mean nothing without a vendor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservedAddress:
    """An address kept for one client, by MAC or by client identifier (the octets of option 61)."""

    ip: int
    mac: Mac | None = None
    client: bytes = b""
    hostname: str = ""
    """Option 12 of the replies, when the client asks for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DhcpSettings:
    """The whole of the DHCP configuration. Times in seconds."""

    mode: Mode = Mode.OFF
    interfaces: tuple[str, ...] = ()
    """Names of interfaces, or, for a daemon without root, addresses to bind plainly."""
    server_port: int = 67
    client_port: int = 68
    subnets: tuple[Subnet, ...] = ()
    authoritative: bool = False
    """NAK also what we have no record of (RFC 2131 section 4.3.2)."""
    relays: tuple[tuple[int, int], ...] = ()
    """``(network, prefixlen)`` of trusted relays: others are then ignored, and these may use link selection (RFC 3527)
    with a giaddr of no subnet, and the server identifier override (RFC 5107). Empty: any relay whose giaddr is of a
    configured subnet, without that override."""
    offer_hold: float = 120.0
    """How long an offered address waits for its REQUEST: a phone that asks several servers takes up to a minute."""
    quarantine: float = 3600.0
    """How long a declined or conflicting address is left alone."""
    reserve_share: float = 0.2
    """Share of each pool that only phones and clients seen before may still take."""
    probe_time: float = 0.4
    """How long to wait for an answer to an ARP probe."""
    queue: int = 8192
    """Datagrams waiting to be worked on; beyond that the oldest go."""
