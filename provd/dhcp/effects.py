"""What the engine wants done: the edge performs these in order and reports back."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from provd.base.dataclass import dataclass
from provd.base.facts import Fact
from provd.dhcp.advice import PLAIN, Advice
from provd.dhcp.lease import Lease

if TYPE_CHECKING:
    from provd.dhcp.exchange import Exchange


class To(enum.Enum):
    """How a reply reaches its client (RFC 2131 section 4.1)."""

    RELAY = enum.auto()
    """UDP to ``address`` (giaddr), server port."""
    UNICAST = enum.auto()
    """UDP to ``address`` (ciaddr), client port."""
    BROADCAST = enum.auto()
    """255.255.255.255 and the link's broadcast address."""
    FRAME = enum.auto()
    """``address`` (yiaddr) at ``chaddr`` in a frame of our own: the client does not answer ARP yet."""


@dataclass(slots=True)
class Send:
    """Send ``payload`` out of ``interface`` from ``source``, an address of ours."""

    payload: bytes
    to: To
    address: int
    chaddr: bytes
    interface: str
    source: int
    text: str = ""
    """``address`` in its dotted form, where that is at hand."""


@dataclass(slots=True, eq=False)
class Persist:
    """Make ``lease`` durable, then hand this object to ``DhcpEngine.persisted``; ``then`` waits for that."""

    lease: Lease
    then: Send | None = None
    advice: Advice = PLAIN
    """What its client is."""
    state: str = ""
    """SELECTING, INIT-REBOOT, RENEWING or REBINDING."""
    relay: str = ""
    asked: Exchange | None = None
    """The REQUEST behind it, for when it cannot be made durable; None once that has been answered."""
    extends: bool = False
    """Nothing but its times is another than in the client's durable lease."""


@dataclass(slots=True)
class Probe:
    """Ask on the link whether somebody uses ``ip``, then call ``DhcpEngine.probed``."""

    ip: int
    interface: str
    client: bytes
    """Hardware address of the client, whose own answer is no conflict."""


@dataclass(slots=True)
class Emit:
    """Tell a fact."""

    fact: Fact


Effect = Send | Persist | Probe | Emit
