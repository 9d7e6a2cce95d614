"""The lease record (RFC 2131 section 2.2): what must be on disk before an ACK leaves."""

from __future__ import annotations

import enum
from dataclasses import fields
from operator import attrgetter

from provd.base.dataclass import dataclass
from provd.base.drafts import drafted
from provd.base.types import Mac

INFINITE = 0xFFFFFFFF
"""Lease time and ``expires`` of a lease that never ends (RFC 2131 section 3.3)."""


class LeaseState(enum.IntEnum):
    """What an address is to its last holder."""

    ACTIVE = 1
    RELEASED = 2
    DECLINED = 3
    """In quarantine: somebody else was found to use it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """One address and its last holder. The address is the key: there is never a second lease of it.

    ``client`` is the binding key (option 61, or htype + chaddr when the client sent none); ``starts`` and ``expires``
    are seconds since the epoch.
    """

    ip: int
    client: bytes
    mac: Mac
    state: LeaseState
    starts: int
    expires: int
    subnet: str = ""
    hostname: str = ""
    vendor_class: str = ""
    agent: bytes = b""
    """Option 82 as the relay sent it (RFC 3046), empty without a relay."""


but_for_times = attrgetter(*(field.name for field in fields(Lease) if field.name not in {"starts", "expires"}))
"""The values of all other fields."""
active_lease = drafted(Lease)
"""Every field by position, quickly."""
