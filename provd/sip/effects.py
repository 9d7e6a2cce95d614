"""What the SIP endpoint wants done, and the plain values that it shares with its edge."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Literal

from provd.base.dataclass import dataclass
from provd.base.facts import Fact
from provd.base.secrets import Secret
from provd.base.types import Mac

Transport = Literal["udp", "tcp"]


@dataclass(frozen=True, slots=True)
class Flow:
    """The way to a peer that works because it came to us by it (RFC 5626 section 3.3), through any NAT.

    ``host`` and ``port`` are the peer's as we see them, ``local`` and ``local_port`` ours that it talked to;
    ``connection`` names the TCP connection, 0 for UDP. Only a UDP flow outlives the process.
    """

    transport: Transport
    host: str
    port: int
    local: str
    local_port: int
    connection: int = 0
    contact: str = ""
    """The Contact URI that was registered by it, "" for a flow that nobody registered."""

    @property
    def reliable(self) -> bool:
        """Whether the transport itself delivers what is sent."""
        return self.transport == "tcp"

    @property
    def source(self) -> tuple[str, int]:
        """The peer's address and port."""
        return self.host, self.port


@dataclass(frozen=True, slots=True)
class Account:
    """An account that may register here."""

    username: str
    password: Secret
    mac: Mac


FindAccount = Callable[[str], Account | None]


class Told(enum.StrEnum):
    """What became of a NOTIFY."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    SILENT = "silent"
    NO_WAY = "no-way"


@dataclass(frozen=True, slots=True)
class Send:
    """Send these octets by that flow."""

    flow: Flow
    octets: bytes


@dataclass(frozen=True, slots=True)
class Dialed:
    """What somebody dialed on the phone with that account, who proved to be it."""

    digits: str
    account: Account
    flow: Flow
    contact: str
    user_agent: str


@dataclass(frozen=True, slots=True)
class Redeem:
    """Carry out what was dialed, then call ``Endpoint.redeemed``. Comes once for each call."""

    call: int
    dialed: Dialed


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of the dialed digits, in the words of SIP.

    With ``code`` 200 the call is answered and ``prompt`` played, and ``cause`` and ``text`` go into the Reason of our
    BYE (RFC 3326); any other code refuses the call with ``text`` as its reason phrase. ``wait`` becomes Retry-After.
    """

    code: int
    text: str
    prompt: str = ""
    cause: int = 200
    wait: float = 0.0


@dataclass(frozen=True, slots=True)
class OpenMedia:
    """Open a port for audio on that address, then call ``Endpoint.opened`` with it, at once."""

    call: int
    local: str


@dataclass(frozen=True, slots=True)
class Play:
    """Play a prompt to ``remote``, then call ``Endpoint.played``. ``peer`` is where the call's signalling is."""

    call: int
    prompt: str
    payload_type: int
    remote: tuple[str, int]
    peer: str


@dataclass(frozen=True, slots=True)
class StopMedia:
    """The call's audio is over; give its port back."""

    call: int


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a NOTIFY. ``detail`` is for people."""

    notice: int
    told: Told
    detail: str


@dataclass(frozen=True, slots=True)
class Registered:
    """This account has registered, or refreshed its registration, until ``expires``."""

    account: Account
    flow: Flow
    expires: float


@dataclass(frozen=True, slots=True)
class Close:
    """Close that TCP connection."""

    connection: int


@dataclass(frozen=True, slots=True)
class Emit:
    """Tell a fact."""

    fact: Fact


Effect = Send | Redeem | OpenMedia | Play | StopMedia | Report | Registered | Close | Emit
