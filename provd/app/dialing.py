"""A number was dialed on a device: what an edge (SIP, REST, FastAGI) says of it, and what it is told."""

from __future__ import annotations

import enum
from collections.abc import Awaitable
from typing import Literal, Protocol

from provd.app.tokens import TemporaryAccount
from provd.base.dataclass import dataclass
from provd.base.types import Mac

DialVia = Literal["sip", "rest", "agi"]


class Outcome(enum.StrEnum):
    """What became of the dialed digits. Each is told apart by facts, reason phrases and prompts."""

    ACCEPTED = "accepted"
    """The device has the code's line now."""
    RESET = "reset"
    """The reset number with the right PIN: the device is unclaimed again."""
    UNKNOWN = "unknown"
    """No such code (and no such number)."""
    EXPIRED = "expired"
    USED_UP = "used-up"
    REVOKED = "revoked"
    TENANT_DISABLED = "tenant-disabled"
    LINE_TAKEN = "line-taken"
    """The code is right, but its line is on another device."""
    DEVICE_TAKEN = "device-taken"
    """The device belongs to another tenant; it must be transferred or reset first."""
    DEVICE_FULL = "device-full"
    """The device holds as many lines as it can."""
    NO_DEVICE = "no-device"
    """It is not known on which device the digits were dialed."""
    LOCKED = "locked"
    """Too many wrong codes: nothing is looked at for ``Answer.wait`` seconds."""
    NOT_STORED = "not-stored"
    """The store did not take the change; the code is still good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """The flow over which the device registered: ``udp`` or ``tcp``, its address and port as they are seen here, our
    own address, and the Contact. What is to be told to the device later goes back over it."""

    transport: str
    host: str
    port: int
    local: str = ""
    contact: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dial:
    """The digits, and every piece of evidence of who dialed them. What is not known is empty.

    ``account`` is the SIP user that was *authenticated* (or that the PBX vouches for), ``peer`` the address that the
    request came from (wrong codes are counted for it), ``ip`` the device's own address where a PBX says it,
    ``contact`` the host part of the Contact.
    """

    digits: str
    via: DialVia
    account: str = ""
    mac: Mac | None = None
    ip: str = ""
    peer: str = ""
    contact: str = ""
    user_agent: str = ""
    flow: Flow | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of it. ``text`` is short and fit for a display (a SIP reason phrase); ``wait`` is in seconds."""

    outcome: Outcome
    text: str
    mac: Mac | None = None
    tenant: str = ""
    line: str = ""
    wait: float = 0.0

    @property
    def good(self) -> bool:
        """Whether the device was changed as the person wished."""
        return self.outcome in {Outcome.ACCEPTED, Outcome.RESET}


class DialDesk(Protocol):
    """Redeems what was dialed."""

    def dial(self, dial: Dial) -> Awaitable[Answer]:
        """Carry it out; the change is durable when this returns. Never raises for what a caller may dial."""
        ...


@dataclass(frozen=True, slots=True)
class KnownAccount:
    """A temporary account and the device, and its port, that it belongs to."""

    mac: Mac
    account: TemporaryAccount
    port: int = 1


class AccountBook(Protocol):
    """The accounts that may register here. Nothing is stored for them before they are first used."""

    def find(self, username: str) -> KnownAccount | None:
        """The temporary account with that user name, if it is one of a device that we know, else None."""
        ...
