"""A device as one instance knows it, and what it is to the others: regions, homes, tombstones, what waits to be sent.

Every hand-over has an *epoch*, which rises by one each time and never falls, and a *transfer* id. Whoever serves a
device serves it for the epoch that it has accepted and for no other.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import field

from provd.base.dataclass import dataclass
from provd.base.secrets import Secret


class Role(enum.StrEnum):
    """What an instance is among the others."""

    STANDALONE = "standalone"
    """There are no others."""
    GLOBAL = "global"
    """Devices come here first, and are sent home."""
    REGIONAL = "regional"
    """Devices are at home here."""


class HomeState(enum.StrEnum):
    """Where a device is on its way home, as this instance sees it. Each state has this one spelling."""

    REG = "REG"
    """Registered here, and not asked for its home yet."""
    GLOBAL = "GLOBAL"
    """It has asked, and no region is its home: it stays."""
    REHOMING = "REHOMING"
    """Its region is chosen and is being told."""
    QRY_FAIL = "QRY_FAIL"
    """The region has refused it; it may ask again."""
    REGIONAL = "REGIONAL"
    """The region has it, and waits for the device itself."""
    GONE = "GONE"
    """It is at home elsewhere."""
    PROV_PEN = "PROV_PEN"
    """Its home is here, and it has not come yet."""
    PROV_FAIL = "PROV_FAIL"
    """It came with something that does not fit, and may come again."""
    PROVISIONED = "PROVISIONED"
    """It is here; its units are being seen to."""
    ACTIVE = "ACTIVE"
    """It is here, and so are all of its units."""


SERVED = frozenset(
    {HomeState.REG, HomeState.GLOBAL, HomeState.QRY_FAIL, HomeState.PROVISIONED, HomeState.ACTIVE, HomeState.REHOMING}
)
"""States in which this instance may serve the device; in REHOMING only until the region has agreed."""
MOVABLE = frozenset({HomeState.REG, HomeState.GLOBAL, HomeState.QRY_FAIL, HomeState.PROVISIONED, HomeState.ACTIVE})
"""States in which a hand-over can begin."""
HERE = frozenset({HomeState.PROV_PEN, HomeState.PROV_FAIL, HomeState.PROVISIONED, HomeState.ACTIVE})
"""States of a device that has been handed over to this instance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """Another instance. ``url`` is where it hears us, ``endpoint`` what its devices are told.

    ``secret`` is shared by the two instances alone. ``name`` is the one that it has in its own configuration.
    ``draining``: it is being deleted, its devices are asked for, and no others are sent there.
    """

    name: str
    url: str
    endpoint: str
    secret: Secret
    enabled: bool = True
    draining: bool = False
    created: float = 0.0

    @property
    def takes(self) -> bool:
        """Whether rules may send devices there."""
        return self.enabled and not self.draining


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """A device, by its id. Times are seconds since the epoch.

    ``system_id`` is the vehicle or the site whose part it is; ``primary`` says whether it is the unit that speaks for
    it, ``waits_for`` is the primary unit that is handed over together with it. Of its key only the SHA-256 is kept.
    ``region`` is where it is or goes, empty for here. ``agreed`` says in REHOMING that the region has accepted the
    device, and in PROV_PEN that the former owner serves it no more. ``rest`` is the state that a hand-over began in.
    ``source`` is the instance it came from, ``way`` what proves a phone at the region that it goes to. ``facts`` is a
    digest of what the device said of itself when it was provisioned.
    """

    device_id: str
    system_id: str = ""
    sub_system_id: str = ""
    vin: str = ""
    kind: str = ""
    primary: bool = True
    waits_for: str = ""
    tenant: str = ""
    vendor: str = ""
    model: str = ""
    sn: str = ""
    country: str = ""
    attributes: Mapping[str, object] = field(default_factory=dict)
    key_hash: str = ""
    state: HomeState = HomeState.REG
    epoch: int = 0
    region: str = ""
    transfer: str = ""
    agreed: bool = False
    rest: str = ""
    source: str = ""
    way: Secret = Secret("")
    facts: str = ""
    reason: str = ""
    since: float = 0.0
    created: float = 0.0

    @property
    def served(self) -> bool:
        """Whether this instance may serve it."""
        return self.state in SERVED and not (self.state is HomeState.REHOMING and self.agreed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstone:
    """What is left of a device that has gone home: where that is, and by which epoch; ``way`` proves a phone there."""

    device_id: str
    region: str
    epoch: int
    source: str = ""
    way: Secret = Secret("")
    at: float = 0.0


class Kind(enum.StrEnum):
    """What instances say to each other."""

    REGISTER = "register"
    """Here is a device of yours. Answered: accepted or refused."""
    RELEASE = "release"
    """I serve it no more. Answered: released, provisioned, or unknown."""
    WITHDRAW = "withdraw"
    """Do not take it after all. Answered: withdrawn, or provisioned when it is too late."""
    PROVISIONED = "provisioned"
    """It has come to me. Answered: noted or refused."""
    MOVED = "moved"
    """A device that you once sent to me is elsewhere now. Answered: noted."""
    MOVE = "move"
    """Please hand this device of yours over to that region. Answered: accepted or refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One thing to be said to another instance until it is answered. There is one at a time for each ``id``."""

    id: str
    device_id: str
    peer: str
    kind: str
    transfer: str
    epoch: int
    body: Mapping[str, object] = field(default_factory=dict)
    created: float = 0.0
    due: float = 0.0
    attempts: int = 0
    reason: str = ""
    owner: str = ""
    lease: float = 0.0


FIRST_PAUSE, LONGEST_PAUSE = 1.0, 300.0
"""Seconds between two attempts to say something, which double."""
STUCK = 900.0
"""Seconds after which a hand-over that has not ended is shown as stuck."""


def pause(attempts: int) -> float:
    """Seconds until the next attempt after so many failed ones."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(attempts - 1, 16))
