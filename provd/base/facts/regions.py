"""Facts about devices that are sent home to a region."""

from __future__ import annotations

from typing import ClassVar

from provd.base.dataclass import dataclass
from provd.base.facts.base import Fact, Level


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRehoming(Fact):
    """A device's home region was chosen, and the region is being told. The device is served here until the region has
    agreed.

    Do: nothing. ``provd region status`` says how far it is.
    """

    ID: ClassVar[str] = "DEVICE-REHOMING"

    device: str
    region: str
    epoch: int
    tenant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRegional(Fact):
    """The region has taken a device; the device is told where to go as soon as it asks.

    Do: nothing.
    """

    ID: ClassVar[str] = "DEVICE-REGIONAL"

    device: str
    region: str
    epoch: int
    tenant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRehomed(Fact):
    """A device has arrived at its region. Here only where it went is kept (or, with ``delete = false``, everything).

    Do: nothing.
    """

    ID: ClassVar[str] = "DEVICE-REHOMED"

    device: str
    region: str
    epoch: int
    tenant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceNotRehomed(Fact):
    """A hand-over has come to nothing: the region refused the device, or somebody took the hand-over back. The device
    stays here.

    Do: put right what ``reason`` says. The device asks again by itself; ``provd region retry`` does it at once, ``provd
    region move`` sends it elsewhere.
    """

    ID: ClassVar[str] = "DEVICE-NOT-REHOMED"
    LEVEL: ClassVar[Level] = Level.WARNING

    device: str
    region: str
    reason: str
    epoch: int
    tenant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceExpected(Fact):
    """Another instance (``source``) has handed a device over to this one. It is waited for.

    Do: nothing.
    """

    ID: ClassVar[str] = "DEVICE-EXPECTED"

    device: str
    source: str
    epoch: int
    tenant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionTenantMissing(Fact):
    """A device of ``tenant`` was handed over to ``region``, where there is no tenant of that name: there it is the
    master's, as everything that nobody has. Both instances tell it, each once for a tenant and not for every device.
    ``provd region status`` at the region counts them, ``provd region list`` at the former owner names the tenants.

    Do: make the tenant at the region, with that very name (``provd tenant add``): within seconds it has the device, and
    all others that wait for it. Or give the device to another tenant there (``provd device transfer``).
    """

    ID: ClassVar[str] = "REGION-TENANT-MISSING"
    LEVEL: ClassVar[Level] = Level.WARNING

    region: str
    tenant: str
    device: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionTenantFound(Fact):
    """A tenant that devices from another instance had waited for is there now, and has been given so many of them.

    Do: nothing.
    """

    ID: ClassVar[str] = "REGION-TENANT-FOUND"

    tenant: str
    devices: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceArrived(Fact):
    """A device that was handed over has come, with so many units of its own. From now on it is served here.

    Do: nothing.
    """

    ID: ClassVar[str] = "DEVICE-ARRIVED"

    device: str
    epoch: int
    units: int = 0
    tenant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceReady(Fact):
    """A device and all of its units are active.

    Do: nothing.
    """

    ID: ClassVar[str] = "DEVICE-READY"

    device: str
    epoch: int
    tenant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceMessageRefused(Fact):
    """A device that asked for its home or wanted to be provisioned was told that something is wrong with its message:
    ``code`` is the number that it was given.

    Do: for 13111 and 13123 compare the id with what was registered (``provd region status``); for 13124 the device says
    something else of itself than when it was provisioned. The other numbers are for the device's firmware.
    """

    ID: ClassVar[str] = "DEVICE-MESSAGE-REFUSED"

    device: str
    code: int
    reason: str
    peer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionUnreached(Fact):
    """Another instance does not answer. Whatever is owed to it is kept, and said again until it is heard; devices on
    their way there wait. Told once until it answers again.

    Do: look at that instance and at the way to it.
    """

    ID: ClassVar[str] = "REGION-UNREACHED"
    LEVEL: ClassVar[Level] = Level.WARNING

    region: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionReached(Fact):
    """Another instance answers again, after so many ``seconds``; what was owed to it is being said.

    Do: nothing.
    """

    ID: ClassVar[str] = "REGION-REACHED"

    region: str
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionDistrusted(Fact):
    """Another instance, or somebody who pretends to be it, has said or answered something without a right signature.
    It was not believed. Told once a minute; ``count`` says how often since.

    Do: give both instances the same secret (``provd region set NAME --secret-file``) and look whether ``name`` in their
    configurations and in ``provd region list`` are the same. If they are, somebody is between you.
    """

    ID: ClassVar[str] = "REGION-DISTRUSTED"
    LEVEL: ClassVar[Level] = Level.WARNING

    region: str
    peer: str = ""
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionContradicted(Fact):
    """Another instance has refused what this one told it about a device: the two remember different things, which
    happens when one of them has come back from an old backup.

    Do: compare ``provd region status`` on both. What this instance says of the device stays as it is.
    """

    ID: ClassVar[str] = "REGION-CONTRADICTED"
    LEVEL: ClassVar[Level] = Level.ERROR

    device: str
    region: str
    kind: str
    reason: str
    epoch: int
