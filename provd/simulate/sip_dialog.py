"""What a line of a simulated phone remembers: requests without their answer, and the call that it is in."""

from __future__ import annotations

from dataclasses import field
from typing import Final

from provd.base.dataclass import dataclass
from provd.simulate.sip_message import Message

T1: Final = 0.5
"""Seconds: the round-trip time that RFC 3261 assumes; everything about repetition follows from it."""


@dataclass(slots=True)
class Transaction:
    """A request of ours that is not answered yet (RFC 3261 section 17.1)."""

    request: Message
    octets: bytes
    send_at: float
    gives_up_at: float
    pause: float = T1
    tries: int = 1
    """Including the ones with credentials."""


@dataclass(slots=True)
class Dialog:
    """A call (RFC 3261 section 12)."""

    call_id: str
    local: str
    remote: str
    target: str
    cseq: int
    routes: list[str] = field(default_factory=list)
    answered: bool = False
    ack: bytes = b""
    """Sent again whenever the 2xx comes again."""
