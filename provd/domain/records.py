"""The durable records: frozen data with one table each. A change is a new record with a higher ``revision``.

Times are seconds since the epoch (0 = never). Ids are short texts: a MAC for a device, a slug for tenants and
profiles, a number or slug for lines and codes.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from provd.base.secrets import Secret
from provd.base.types import Mac

MASTER_TENANT = "master"
"""Owner of every device that nobody has claimed yet. It always exists."""

Settings = Mapping[str, object]
"""Flat settings by dotted name (``sip.server``); the value None removes what a parent had set."""


class DeviceState(enum.StrEnum):
    """The life of a phone, in order."""

    SEEN = "seen"
    IDENTIFIED = "identified"
    UNCLAIMED = "unclaimed"
    ASSIGNED = "assigned"
    PROVISIONED = "provisioned"
    STALE = "stale"


class Level(enum.StrEnum):
    """Where a profile stands in the inheritance, weakest first."""

    VENDOR = "vendor"
    MODEL = "model"
    SITE = "site"
    TENANT = "tenant"
    GROUP = "group"
    DEVICE = "device"


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A phone. ``lines`` are line ids in the order of the phone's accounts; empty until somebody claims it."""

    mac: Mac
    vendor: str = ""
    model: str = ""
    version: str = ""
    serial: str = ""
    plugin: str = ""
    confidence: int = 0
    state: DeviceState = DeviceState.SEEN
    tenant: str = MASTER_TENANT
    lines: tuple[str, ...] = ()
    profile: str = ""
    """Id of its group profile, if any."""
    settings: Settings = field(default_factory=dict)
    description: str = ""
    ip: str = ""
    first_seen: float = 0.0
    last_seen: float = 0.0
    last_boot: float = 0.0
    revision: int = 1
    """Rises when something changes that its files depend on; not when it is merely seen."""
    token_epoch: int = 0
    """Rises when its URL token is to become another one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """An owner of devices, lines and codes."""

    id: str
    name: str
    enabled: bool = True
    settings: Settings = field(default_factory=dict)
    revision: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A SIP account of a tenant. An empty server means "as the settings say" (``sip.server`` …)."""

    id: str
    tenant: str
    username: str
    password: Secret
    auth_username: str = ""
    display_name: str = ""
    number: str = ""
    server: str = ""
    port: int = 0
    transport: str = ""
    """udp, tcp or tls."""
    backup_server: str = ""
    backup_port: int = 0
    outbound_proxy: str = ""
    outbound_port: int = 0
    voicemail: str = ""
    settings: Settings = field(default_factory=dict)
    revision: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A provisioning code of a line. ``uses`` counts down; ``expires`` 0 means never."""

    code: str
    line: str
    tenant: str
    uses: int = 1
    expires: float = 0.0
    created: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Settings for many devices. ``applies_to`` is the vendor, ``Vendor/Model`` or tenant id of its level; a group
    profile applies to the devices that name it. Parents are merged in order, before the profile's own settings."""

    id: str
    name: str = ""
    level: Level = Level.GROUP
    applies_to: str = ""
    parents: tuple[str, ...] = ()
    settings: Settings = field(default_factory=dict)
    revision: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """An IPv4 address kept for one client, by MAC or by DHCP client identifier (option 61, hex digits)."""

    id: str
    ip: str
    mac: Mac | None = None
    client_id: str = ""
    hostname: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFact:
    """A fact as kept for timelines and the audit: its id, when, whose, and the rest as a mapping of plain
    values."""

    seq: int = 0
    fact: str
    at: float
    mac: str = ""
    boot: str = ""
    data: Mapping[str, object] = field(default_factory=dict)


Record = Device | Tenant | Line | Code | Profile | Reservation | StoredFact
