"""Facts about devices and who may have their files."""

from __future__ import annotations

from typing import ClassVar

from provd.base.dataclass import dataclass
from provd.base.facts.base import Fact, Level


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSighted(Fact):
    """A device was seen for the first time, or again after it had been silent.

    Do: nothing; when the vendor or model is empty no plugin knows this evidence (``provd identify`` explains why).
    """

    ID: ClassVar[str] = "DEVICE-SIGHTED"

    via: str
    vendor: str = ""
    model: str = ""
    ip: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceIdentified(Fact):
    """The vendor, model or firmware version of a device became known or more precise.

    Do: nothing; a model that keeps changing points at two devices that use one MAC.
    """

    ID: ClassVar[str] = "DEVICE-IDENTIFIED"

    vendor: str
    model: str
    version: str = ""
    plugin: str = ""
    was: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceStateChanged(Fact):
    """A device moved on in its life: seen, identified, unclaimed, assigned, provisioned, stale.

    Do: nothing.
    """

    ID: ClassVar[str] = "DEVICE-STATE"

    was: str
    now: str
    tenant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceProvisioned(Fact):
    """A device has fetched the file that carries its tenant's account: it is ready for its user.

    Do: nothing.
    """

    ID: ClassVar[str] = "DEVICE-PROVISIONED"

    tenant: str
    name: str
    lines: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceLimit(Fact):
    """A device that nobody announced was not added, because this network already brought as many as allowed.

    Do: look for something that invents MAC addresses; if the phones are real, raise ``policy.max_new_devices``.
    """

    ID: ClassVar[str] = "DEVICE-LIMIT"
    LEVEL: ClassVar[Level] = Level.WARNING

    network: str
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminChanged(Fact):
    """Somebody changed an object through the command line, the control socket or the API.

    Do: nothing; this is the audit trail.
    """

    ID: ClassVar[str] = "ADMIN-CHANGED"

    action: str
    kind: str
    object: str
    by: str = ""
    tenant: str = ""
