"""Facts about the DHCP exchange (RFC 2131). Addresses are dotted text."""

from __future__ import annotations

from typing import ClassVar

from provd.base.dataclass import dataclass
from provd.base.facts.base import Fact, Level


@dataclass(frozen=True, slots=True, kw_only=True)
class DhcpOffer(Fact):
    """A client without an address was offered one.

    Do: nothing; offers that no ``DHCP-ACK`` follows mean that the client took another server's, or does not hear us.
    """

    ID: ClassVar[str] = "DHCP-OFFER"

    ip: str
    subnet: str
    interface: str = ""
    relay: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DhcpAck(Fact):
    """A client has its lease: the lease was on disk before the answer left.

    Do: nothing.
    """

    ID: ClassVar[str] = "DHCP-ACK"

    ip: str
    subnet: str
    seconds: int
    state: str = ""
    interface: str = ""
    relay: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DhcpAckRest(Fact):
    """The store fails, and a client asked for an address of which it has a stored lease: it was told how long that
    still lasts, in ``seconds``, and nothing new was promised.

    Do: mend the store (see ``DHCP-NOT-STORED``) before these leases end.
    """

    ID: ClassVar[str] = "DHCP-ACK-REST"
    LEVEL: ClassVar[Level] = Level.WARNING

    ip: str
    subnet: str
    seconds: int
    state: str = ""
    interface: str = ""
    relay: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DhcpNak(Fact):
    """A client asked to use an address that it may not use here; it was told so and starts afresh.

    Do: nothing for a device that was moved; look for a second DHCP server when it goes on.
    """

    ID: ClassVar[str] = "DHCP-NAK"

    ip: str
    reason: str
    interface: str = ""
    relay: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DhcpDecline(Fact):
    """A client found that the address it got is used by somebody else; nobody gets it for a while.

    Do: find the device that uses this address without a lease, or take the address out of the pool.
    """

    ID: ClassVar[str] = "DHCP-DECLINE"
    LEVEL: ClassVar[Level] = Level.WARNING

    ip: str
    subnet: str
    seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DhcpRelease(Fact):
    """A client, or an operator for it, gave its address back.

    Do: nothing.
    """

    ID: ClassVar[str] = "DHCP-RELEASE"

    ip: str
    subnet: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DhcpInform(Fact):
    """A client that has an address asked for options only and got them.

    Do: nothing.
    """

    ID: ClassVar[str] = "DHCP-INFORM"

    ip: str
    subnet: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DhcpNoAddress(Fact):
    """A client could not be offered an address. Told at most once a minute for each subnet; ``count`` is how many
    DISCOVERs went unanswered since it was last told.

    Do: enlarge the pool or shorten the lease time; when the clients are not yours, somebody is exhausting the pool:
    set the subnet's ``circuit_limit``. The last share of a pool is kept for phones and for clients seen before. A
    client that has declined many addresses finds them all in use: mostly a router answers ARP for them (proxy ARP).
    """

    ID: ClassVar[str] = "DHCP-NO-ADDRESS"
    LEVEL: ClassVar[Level] = Level.ERROR

    subnet: str
    reason: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DhcpOfferTaken(Fact):
    """The pool was empty, and a client was offered an address that had been offered to another one which never came for
    it. Told at most once a minute for each subnet; ``count`` is how often it happened since it was last told.

    Do: enlarge the pool or shorten the lease time; when most clients only ask and never take, somebody is exhausting
    the pool: set ``circuit_limit``.
    """

    ID: ClassVar[str] = "DHCP-OFFER-TAKEN"
    LEVEL: ClassVar[Level] = Level.WARNING

    ip: str
    subnet: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DhcpClientShared(Fact):
    """Two devices with different MACs call themselves by the same client identifier (option 61), and so both are given
    the same address (RFC 2131 section 4.2): neither works for long. Told at most every ten minutes for each identifier;
    ``count`` is how often the address went from one to the other since it was last told.

    Do: look for a client identifier in the settings of ``mac`` and ``other``, which were copied from one to the other
    perhaps, and remove it or make each its own.
    """

    ID: ClassVar[str] = "DHCP-CLIENT-SHARED"
    LEVEL: ClassVar[Level] = Level.WARNING

    other: str
    ip: str
    subnet: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DhcpWouldAnswer(Fact):
    """In the mode ``observe``: what would have been answered. Nothing was sent and no address was taken.

    Do: compare with what the server in charge answers; then set ``dhcp.mode``.
    """

    ID: ClassVar[str] = "DHCP-WOULD-ANSWER"

    answer: str
    ip: str
    subnet: str
    phone: bool
    options: str = ""
    """Numbers of the options that the answer would have carried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DhcpMalformed(Fact):
    """A datagram was no DHCP message and was dropped. Told at most once a minute for each source; ``count`` is how
    many came since it was last told.

    Do: nothing for a few; find the host when it goes on.
    """

    ID: ClassVar[str] = "DHCP-MALFORMED"
    LEVEL: ClassVar[Level] = Level.WARNING

    source: str
    interface: str
    reason: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DhcpForeignServer(Fact):
    """Another DHCP server works on a network of ours: a client chose its offer, or it sent us a reply. Told at most
    once in ten minutes for each server.

    Do: nothing where it is meant to be there (``mode = "phones-only"``); otherwise find it by its address.
    """

    ID: ClassVar[str] = "DHCP-FOREIGN-SERVER"
    LEVEL: ClassVar[Level] = Level.WARNING

    server: str
    interface: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DhcpConflict(Fact):
    """Before an address was offered somebody answered to it on the wire; it is left alone for a while.

    Do: find the device with the MAC in ``holder``: it uses an address of the pool without a lease. One that answers for
    address after address answers ARP for others (proxy ARP): take that from it, or set ``probe = false``. Its answers
    count no more once half of the pool is in quarantine, or 32 addresses are.
    """

    ID: ClassVar[str] = "DHCP-CONFLICT"
    LEVEL: ClassVar[Level] = Level.WARNING

    ip: str
    subnet: str
    holder: str
    seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DhcpIgnored(Fact):
    """A DHCP message was understood and deliberately not answered.

    Do: read the reason when a device gets no address; ``provd explain-pcap`` shows what it sent.
    """

    ID: ClassVar[str] = "DHCP-IGNORED"
    LEVEL: ClassVar[Level] = Level.DEBUG

    reason: str
    type: str = ""
    interface: str = ""
    relay: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DhcpNotStored(Fact):
    """Leases could not be written. New clients got no answer and will ask again; who has a stored lease was told how
    long it still lasts (``DHCP-ACK-REST``).

    Do: mend the store (disk full? read-only? database gone?); no client loses the address it has until its lease ends.
    """

    ID: ClassVar[str] = "DHCP-NOT-STORED"
    LEVEL: ClassVar[Level] = Level.ERROR

    leases: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DhcpReservationIdle(Fact):
    """An address is reserved that cannot be given to anybody; its client gets another one. Told once.

    Do: reserve an address of a subnet (``provd reservation``), or add its subnet to the configuration.
    """

    ID: ClassVar[str] = "DHCP-RESERVATION-IDLE"
    LEVEL: ClassVar[Level] = Level.WARNING

    ip: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DhcpOverrun(Fact):
    """More DHCP datagrams arrived than could be kept; the oldest were dropped. Told at most once a minute.

    Do: nothing after a power cut, clients repeat themselves; otherwise look for a flood.
    """

    ID: ClassVar[str] = "DHCP-OVERRUN"
    LEVEL: ClassVar[Level] = Level.WARNING

    dropped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DhcpLeaseSkipped(Fact):
    """A stored lease contradicts another one or makes no sense, and was left out.

    Do: nothing; its client gets an address when it asks. Many of them point at a damaged store.
    """

    ID: ClassVar[str] = "DHCP-LEASE-SKIPPED"
    LEVEL: ClassVar[Level] = Level.WARNING

    ip: str
    reason: str
