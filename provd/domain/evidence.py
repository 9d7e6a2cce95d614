"""What a message tells about the device that sent it, and what we conclude from it."""

from __future__ import annotations

from typing import Literal

from provd.base.dataclass import dataclass
from provd.base.types import Mac

Via = Literal["dhcp", "http", "tftp", "pnp"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """The identifying parts of one message.

    ``mac`` is a MAC known for certain (``chaddr``); MACs inside a name or User-Agent are found by
    identification. ``option60`` is latin-1 text without trailing NULs, ``option77`` the user
    classes (RFC 3004) with commas between them; ``name`` is the file name as asked for, best
    with the folders in front of it (some phones put their model there). ``vendor``, ``model`` and ``version`` are the
    device's own words over multicast PnP (the parameters of its Event header).
    """

    via: Via
    mac: Mac | None = None
    option60: str = ""
    option77: str = ""
    user_agent: str = ""
    name: str = ""
    vendor: str = ""
    model: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True)
class Identity:
    """What the evidence says. Empty text means unknown; ``confidence`` is 0 (nothing) to 100 (model and
    version)."""

    vendor: str = ""
    model: str = ""
    version: str = ""
    mac: Mac | None = None
    serial: str = ""
    plugin: str = ""
    confidence: int = 0
    reasons: tuple[str, ...] = ()
