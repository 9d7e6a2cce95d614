"""What the engine asks the application about a client: is it a phone, and which options does it understand?"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import field
from typing import NamedTuple, Protocol

from provd.base.dataclass import dataclass
from provd.base.types import Mac
from provd.dhcp.lease import Lease


class ClientInfo(NamedTuple):
    """What one client message says about its sender, for the application's eyes.

    ``mac`` comes from ``chaddr`` (never from option 61), ``vendor_class`` is option 60 as latin-1 text without
    trailing NULs, ``server`` our address that the client will talk to, ``first`` is true for a DISCOVER or an
    INIT-REBOOT request: a boot begins; ``user_class`` is option 77, several classes with commas between them.
    """

    mac: Mac
    vendor_class: str
    hostname: str
    server: str
    subnet: str
    first: bool
    user_class: str = ""


@dataclass(frozen=True, slots=True)
class Advice:
    """The vendor's options for this client.

    Two advices with the same ``key`` have the same ``options`` and ``force``, so that encoded replies can be
    kept; what is different for every device goes into ``own``. Values are the octets of the option, of any
    length.
    """

    key: Hashable
    options: Mapping[int, bytes] = field(default_factory=dict)
    force: frozenset[int] = frozenset()
    """Codes that are sent although option 55 does not ask for them."""
    own: Mapping[int, bytes] = field(default_factory=dict)
    phone: bool = False
    boot: str = ""


class Advisor(Protocol):
    """The application's side of a DHCP exchange. Every method is quick and never raises."""

    def advise(self, client: ClientInfo, now: float) -> Advice:
        """Called for every message that may be answered."""
        ...

    def bound(self, lease: Lease, boot: str, now: float) -> None:
        """The lease of a phone, as :meth:`advise` has called it, is on disk and its ACK has left."""
        ...

    def unbound(self, lease: Lease, now: float) -> None:
        """The lease was released, declined or has expired."""
        ...


PLAIN = Advice("plain")
"""For whatever is not a phone: a plain lease."""
