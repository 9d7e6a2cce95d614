"""The durable records: frozen data with one table each. A change is a new record with a higher ``revision``.

Times are seconds since the epoch (0 = never). Ids are short texts: MACs of devices, slugs, numbers of lines and codes.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import field

from provd.base.dataclass import dataclass
from provd.base.secrets import Secret
from provd.base.types import Mac
from provd.domain.device_types import Constraint, DeviceType
from provd.domain.hooks import DeadLetter, Letter
from provd.domain.overrides import Override
from provd.domain.rollouts import RolloutRecord
from provd.domain.site_models import SiteModel

MASTER_TENANT = "master"
"""Owner of every device that nobody has claimed yet. It always exists."""

Settings = Mapping[str, object]
"""Flat settings by dotted name (``sip.server``); the value None removes what a parent had set."""


class DeviceState(enum.StrEnum):
    """The life of a phone, in order; then the states that only a device has that fetches a key (it begins as
    ``unclaimed``, too)."""

    SEEN = "seen"
    IDENTIFIED = "identified"
    UNCLAIMED = "unclaimed"
    ASSIGNED = "assigned"
    PROVISIONED = "provisioned"
    STALE = "stale"
    PENDING = "pending"
    ACTIVATED = "activated"
    EXPIRED = "expired"
    DISABLED = "disabled"


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
    """A phone, or a device that fetches a key. ``mac`` is its key: the MAC, or of a device that is known by vendor,
    model and serial what :func:`~provd.base.types.thing_key` makes of them.

    ``lines`` are line ids in the order of the phone's accounts; empty until somebody claims it.
    """

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
    ports: tuple[int, ...] = ()
    """Of a device whose ports belong to whoever has their line (a gateway, a DECT base): the port of each of its lines,
    in the same order. Empty on a phone: its lines are its accounts 1, 2, 3 …"""
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
    sealed: str = ""
    """Digest of the key (setting ``files.key``) that it was given; its files are encrypted as long as this is the key
    in force."""


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
    max_devices: int = 1
    """On how many devices it may be at a time."""
    revision: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A provisioning code of a line.

    It is found by ``digest``, an HMAC under a key that lies outside the database, which no other code of any tenant
    may have. ``code`` itself is kept so that a sheet can be printed again. ``id`` is the name that people may see.
    """

    id: str
    digest: str
    code: Secret
    line: str
    tenant: str
    uses: int = 1
    """How often it can still be used."""
    used: int = 0
    expires: float = 0.0
    """0 means never."""
    created: float = 0.0
    by: str = ""
    """Who made it."""
    revoked: float = 0.0
    last_used: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Redemption:
    """One use of a code: the ``number``-th one, by that device. No number of a code can be taken twice."""

    code: str
    """Id of the code."""
    number: int
    mac: Mac
    line: str
    tenant: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingResync:
    """A device that is to fetch its files, since ``since``; gone when it has fetched those of ``revision``.

    ``account`` to ``contact`` are the way over which it was last heard: the user name of its temporary account, and the
    flow of that registration (``udp`` or ``tcp``, its address and port as we see them, our own address, its Contact).
    ``lines`` (SIP users) and ``tenant`` are those of the file that it still has, ``due`` the time at which that file
    makes it ask by itself, at the latest; 0: it does not.
    """

    mac: Mac
    since: float
    reason: str
    revision: int = 0
    account: str = ""
    transport: str = ""
    host: str = ""
    port: int = 0
    local: str = ""
    contact: str = ""
    lines: tuple[str, ...] = ()
    tenant: str = ""
    due: float = 0.0
    attempts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """Wrong codes of one device, of one source address or of the whole site, and until when nothing is looked at.

    At a start the times move on by the time in which the daemon did not run (see ``Heartbeat``): neither a restart nor
    a clock that was set lifts a lock.
    """

    id: str
    """``device:805ec0112233``, ``source:192.0.2.7`` or ``site``."""
    kind: str
    subject: str = ""
    tenant: str = ""
    """Owner of the device, empty for the others."""
    wrong: int = 0
    """Wrong codes that count at present."""
    first: float = 0.0
    last: float = 0.0
    until: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """That the daemon lived at that time. What lies between it and the next start does not count for a lock."""

    id: str = "daemon"
    at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiToken:
    """A bearer token of the REST interface. Only its hash is kept. An empty tenant means all of them."""

    id: str
    name: str
    tenant: str
    scopes: tuple[str, ...]
    hash: str
    created: float = 0.0
    expires: float = 0.0
    """0 means never."""
    last_used: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What is known of a device beside itself (customer, site, asset number): plain values by name."""

    mac: Mac
    data: Mapping[str, object] = field(default_factory=dict)


class RunState(enum.StrEnum):
    """Where a run of a task stands."""

    ARMED = "armed"
    """It begins with the next fact that it waits for."""
    PENDING = "pending"
    """It begins, or goes on, when it is due."""
    RUNNING = "running"
    WAITING = "waiting"
    """What it looks for is not there yet; ``reason`` says what."""
    RETRYING = "retrying"
    """Somebody did not answer, or not as they should; ``reason`` says what was heard."""
    DONE = "done"
    FAILED = "failed"
    CONFLICT = "conflict"
    """It contradicts what stands already: a person decides."""
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRun:
    """One run of a task for one device. ``id`` is ``template:version:device:generation``.

    ``attempts`` counts the tries of the present step in a row, ``waits`` how often it was not there yet, and ``since``
    from when on. ``owner`` is the daemon that carries it out with the number of its attempt, until ``lease`` at most.
    """

    id: str
    template: str
    version: int
    mac: Mac
    generation: int = 1
    state: RunState = RunState.PENDING
    due: float = 0.0
    created: float = 0.0
    began: float = 0.0
    finished: float = 0.0
    step: str = ""
    """The step that is at work, or that the run stands before."""
    attempts: int = 0
    waits: int = 0
    since: float = 0.0
    reason: str = ""
    owner: str = ""
    lease: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStep:
    """A step of a run that has been done, and what it gave."""

    run: str
    name: str
    result: Mapping[str, object] = field(default_factory=dict)
    at: float = 0.0


class WorkState(enum.StrEnum):
    """Where long work stands."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Something that takes its time, and goes on after a restart: an *operation* to those who look at it from outside.

    ``kind`` and ``args`` say what is done, plainly enough to begin it again; ``result`` what came of it, ``reason`` why
    nothing did.
    """

    id: str
    kind: str
    args: Mapping[str, object] = field(default_factory=dict)
    by: str = ""
    state: WorkState = WorkState.RUNNING
    started: float = 0.0
    finished: float = 0.0
    reason: str = ""
    result: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ThingOwner:
    """Whose a device is that fetches a key: beside its record as a device the one column of its serial's row."""

    vendor: str
    model: str
    sn: str
    tenant: str


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
class FreeParameter:
    """A vendor's own parameter that was once set here (``acme.volume``): its plugin's files reset it elsewhere."""

    id: str


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
    """A fact as kept for timelines and the audit: its id, when, whose, and the rest as plain values."""

    seq: int = 0
    fact: str
    at: float
    mac: str = ""
    boot: str = ""
    data: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """Who changed what: kept in the same transaction as the change itself. The store gives the number.

    ``by`` is a person, a token or an edge (``control``, ``api token 3``, ``sip``), ``action`` an operation
    (``device.assign``), ``tenant`` whose object it was afterwards; ``data`` holds plain values and no secret.
    """

    seq: int = 0
    at: float
    by: str
    action: str
    kind: str
    object: str
    tenant: str = ""
    data: Settings = field(default_factory=dict)


_Config = (
    Tenant | Line | Profile | Reservation | FreeParameter | ApiToken | Override | SiteModel | DeviceType | Constraint
)
_Working = Code | Redemption | PendingResync | Lock | Heartbeat | Metadata | TaskRun | TaskStep | Work | RolloutRecord

Kept = Device | _Config | _Working
"""Records with a key and a present state: they are kept in memory."""

Record = Kept | AuditEntry | StoredFact | ThingOwner | Letter | DeadLetter
