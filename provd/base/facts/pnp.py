"""Facts about phones that ask everybody for their provisioning server (SIP SUBSCRIBE for ua-profile, by multicast)."""

from __future__ import annotations

from typing import ClassVar

from provd.base.dataclass import dataclass
from provd.base.facts.base import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class PnpAnswered(Fact):
    """A phone asked by multicast where its files are, and was told.

    Do: nothing.
    """

    ID: ClassVar[str] = "PNP-ANSWERED"

    peer: str
    interface: str
    vendor: str
    model: str = ""
    version: str = ""
    plugin: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PnpWouldAnswer(Fact):
    """What a phone that asked by multicast would be told; nothing was sent, for the DHCP mode is ``observe``.

    Do: go on to ``phones-only`` when this is right; another server on the network may answer these phones until then.
    """

    ID: ClassVar[str] = "PNP-WOULD-ANSWER"

    peer: str
    interface: str
    vendor: str
    model: str = ""
    version: str = ""
    plugin: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PnpIgnored(Fact):
    """A device asked by multicast where its files are and got no answer, for the reason that is named. Told once for
    each device and reason in a minute; ``count`` includes those since it was told last.

    Do: nothing for devices that are not ours to provision; for a phone of yours ask ``provd identify --over pnp`` and
    look whether its plugin has a ``[pnp]`` section, or announce it (``provd device add``).
    """

    ID: ClassVar[str] = "PNP-IGNORED"

    reason: str
    peer: str
    interface: str
    vendor: str = ""
    model: str = ""
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PnpUnheard(Fact):
    """A phone was told where its files are and did not confirm it. Mostly it has taken the answer all the same, or an
    earlier one of another server.

    Do: nothing when it fetches its files; otherwise look whether a firewall on the way drops SIP from port 5060.
    """

    ID: ClassVar[str] = "PNP-UNHEARD"

    peer: str
    status: int = 0
