"""Facts about the HTTP side: who uses it in a way that it was not made for."""

from __future__ import annotations

from typing import ClassVar

from provd.base.dataclass import dataclass
from provd.base.facts.base import Fact, Level


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionsLimited(Fact):
    """One address has as many connections open as it may have; further ones are closed at once. Told at most once
    a minute for an address.

    Do: look at that host. When many phones share the address of a proxy or a NAT, put the proxy into
    ``phones.trusted_proxies``, whose connections are not counted.
    """

    ID: ClassVar[str] = "HTTP-CONNECTIONS"
    LEVEL: ClassVar[Level] = Level.WARNING

    peer: str
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowPeersCut(Fact):
    """Connections were closed because a request or the reading of an answer took too long. Told at most once a
    minute, with the number since the last time and one of the addresses.

    Do: nothing for a few; many from one address are an attempt to use up all connections.
    """

    ID: ClassVar[str] = "HTTP-SLOW"

    count: int
    peer: str
    phase: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiRefused(Fact):
    """Somebody showed a bearer token to the REST interface that is not valid. Told at most once a minute for an
    address, with the number since the last time.

    Do: look for a program there that still uses a revoked or expired token (``provd token list``); if there is none,
    somebody guesses, which is hopeless but worth a firewall rule.
    """

    ID: ClassVar[str] = "API-REFUSED"
    LEVEL: ClassVar[Level] = Level.WARNING

    peer: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateEnds(Fact):
    """A certificate of the HTTPS listeners ends within 30 days, has ended (``days`` is then negative) or, with
    ``early``, is not valid yet. Phones that check certificates refuse it outside its time. Told once a day.

    Do: put the new certificate and key in place and reload; provd takes them without closing anything.
    """

    ID: ClassVar[str] = "CERTIFICATE-ENDS"
    LEVEL: ClassVar[Level] = Level.WARNING

    file: str
    days: int
    early: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LegacyTls(Fact):
    """A listener for old firmware is open (``phones.tls_legacy_listen``): it speaks TLS 1.0 and weak ciphers, so that
    who can listen on the way may read what it carries.

    Do: keep it to the phones' own network, and close it when the last such phone has newer firmware.
    """

    ID: ClassVar[str] = "TLS-LEGACY"
    LEVEL: ClassVar[Level] = Level.WARNING
