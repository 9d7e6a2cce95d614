"""What the page shows, as plain data. The daemon fills it in from the fleet, the timeline and the DHCP engine.

Times are seconds since the epoch, 0 for never. Texts may come from the network: the page escapes all of them.
Nothing in here carries a secret.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import Generic, Literal, Protocol, TypeVar

from provd.app.caller import Caller
from provd.base.dataclass import dataclass
from provd.base.types import Mac

Grade = Literal["debug", "info", "warning", "error"]
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Rows(Generic[R]):
    """One page of a list, and how many rows the whole list has."""

    rows: tuple[R, ...]
    total: int


@dataclass(frozen=True, slots=True)
class BootStep:
    """One fact of a boot. ``gap`` is seconds since the step before, ``label`` two or three words (``ack``,
    ``y28.cfg``), ``detail`` the whole of it."""

    at: float
    gap: float
    fact: str
    label: str
    detail: str = ""
    level: Grade = "info"


@dataclass(frozen=True, slots=True)
class BootView:
    """The steps of one boot, oldest first, at least one; ``id`` is empty for what happened outside any boot."""

    id: str
    steps: tuple[BootStep, ...]

    @property
    def started(self) -> float:
        """When its first step happened."""
        return self.steps[0].at

    @property
    def seconds(self) -> float:
        """From the first step to the last."""
        return self.steps[-1].at - self.steps[0].at


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRow:
    """A device in the overview. ``state`` is one of :class:`provd.domain.records.DeviceState`."""

    mac: Mac
    vendor: str = ""
    model: str = ""
    version: str = ""
    state: str = "seen"
    tenant: str = ""
    label: str = ""
    """Description, or the display name of its first line."""
    ip: str = ""
    lines: int = 0
    last_seen: float = 0.0
    last_boot: float = 0.0
    boot: BootView | None = None
    """The newest one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineRow:
    """A line of a device."""

    position: int
    id: str
    number: str = ""
    display_name: str = ""
    username: str = ""
    server: str = ""
    transport: str = ""


@dataclass(frozen=True, slots=True)
class SettingRow:
    """A setting in force and where it comes from (``tenant acme``); secret values are ``***`` already. ``note`` says
    why it does nothing on this device."""

    name: str
    value: str
    origin: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRow:
    """A file that the device may fetch, and when it last did."""

    name: str
    kind: str
    last_served: float = 0.0
    size: int = 0
    via: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """A run of a task for the device; ``at`` is when it ended, or else is due, 0 for neither."""

    id: str
    state: str
    step: str = ""
    reason: str = ""
    at: float = 0.0


class FindingRow(Protocol):
    """What is so with a device, and what to do about it. ``level`` is problem, waiting, note or good."""

    @property
    def level(self) -> str: ...  # noqa: D102 - said above
    @property
    def what(self) -> str: ...  # noqa: D102
    @property
    def do(self) -> str: ...  # noqa: D102


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceView:
    """Everything about one device. ``findings`` say what is wrong, ``reasons`` why we think it is what it is."""

    row: DeviceRow
    findings: tuple[FindingRow, ...] = ()
    serial: str = ""
    plugin: str = ""
    confidence: int = 0
    reasons: tuple[str, ...] = ()
    first_seen: float = 0.0
    lines: tuple[LineRow, ...] = ()
    settings: tuple[SettingRow, ...] = ()
    files: tuple[FileRow, ...] = ()
    known: tuple[tuple[str, str], ...] = ()
    """Its metadata."""
    runs: tuple[RunRow, ...] = ()
    boots: tuple[BootView, ...] = ()
    """Newest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseRow:
    """An address and its last holder. ``state`` is active, expired, released or declined."""

    ip: str
    mac: Mac
    state: str
    starts: float
    expires: float
    """``inf`` for a lease that never ends."""
    hostname: str = ""
    subnet: str = ""
    vendor_class: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalRow:
    """Something that was refused or went wrong, and why."""

    at: float
    fact: str
    level: Grade
    reason: str
    mac: Mac | None = None
    peer: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class ListenerRow:
    """An open socket: ``tftp``, ``0.0.0.0:69``."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class DegradedRow:
    """A part that cannot work, and why."""

    part: str
    reason: str
    since: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginRow:
    """A vendor plugin in force."""

    id: str
    version: str
    models: int
    devices: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusView:
    """The daemon itself. ``counts`` are shown in their order, by the words given."""

    version: str
    started: float
    listeners: tuple[ListenerRow, ...] = ()
    degraded: tuple[DegradedRow, ...] = ()
    counts: tuple[tuple[str, int], ...] = ()
    plugins: tuple[PluginRow, ...] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class ThingModelRow:
    """A model of devices that are not phones; ``counts`` are its serials by state, ``window`` seconds."""

    vendor: str
    model: str
    tenant: str
    window: int
    in_ranges: int
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SilentRow:
    """A device that was activated and never showed its key."""

    vendor: str
    model: str
    sn: str
    tenant: str
    activated: float


@dataclass(frozen=True, slots=True)
class ThingsView:
    """Devices that are not phones. ``states`` are the heads of the counts, ``counted`` is when they were true.

    ``silent`` are the first ones of ``silent_total``.
    """

    models: tuple[ThingModelRow, ...] = ()
    states: tuple[str, ...] = ()
    silent: tuple[SilentRow, ...] = ()
    silent_total: int = 0
    counted: float = 0.0
    fault: str = ""


class ThingViews(Protocol):
    """Where the page gets them, and what can be done there."""

    async def things(self) -> ThingsView:
        """Models, and devices that never showed their key. Does not raise."""
        ...

    async def reenable(self, vendor: str, model: str, sn: str, caller: Caller) -> None:
        """End a device's key and let it ask again. Raises ProvdError."""
        ...


class Views(Protocol):
    """Where the page gets its data. Every method is quick and does not raise; those that may have to look through a
    whole fleet do so little by little."""

    async def devices(self, query: str, state: str, offset: int, limit: int, tenant: str = "") -> Rows[DeviceRow]:
        """Devices with every word of the query somewhere in their row, newest boot first; all for an empty text."""
        ...

    def states(self) -> dict[str, int]:
        """How many devices are in each state, in the order of a device's life."""
        ...

    def device(self, mac: Mac) -> DeviceView | None:
        """One device, or None when nobody knows it."""
        ...

    def findings(self, mac: Mac) -> Sequence[FindingRow]:
        """What is wrong with it, also with a MAC that nobody knows."""
        ...

    async def leases(self, query: str, offset: int, limit: int) -> Rows[LeaseRow]:
        """Leases in the order of their addresses."""
        ...

    def refusals(self, offset: int, limit: int) -> Rows[RefusalRow]:
        """Warnings, refusals and errors, newest first."""
        ...

    def status(self) -> StatusView:
        """The daemon itself."""
        ...

    def notes(self) -> tuple[str, ...]:
        """What phones are not given here, by the configuration, and would have to get from somebody else."""
        ...

    def unready(self) -> tuple[str, ...]:
        """What is still missing before phones can be served; empty when READY."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionRow:
    """A region, or (without a name) this instance; ``counts`` are its devices by state, ``lacks`` tenants whose devices
    are the master's there."""

    name: str
    url: str
    enabled: bool
    answers: bool
    draining: bool = False
    counts: tuple[int, ...]
    lacks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StuckRow:
    """A device whose hand-over does not get on."""

    device: str
    state: str
    region: str
    since: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionsView:
    """What this instance is among others. ``missing`` are tenants that are not here, and how many devices wait for
    each; ``patience`` is the time in seconds after which something is stuck."""

    role: str
    name: str
    states: tuple[str, ...] = ()
    rows: tuple[RegionRow, ...] = ()
    stuck: tuple[StuckRow, ...] = ()
    missing: tuple[tuple[str, int], ...] = ()
    patience: float = 0.0
    fault: str = ""


class RegionViews(Protocol):
    """Where the page gets them."""

    async def regions(self) -> RegionsView:
        """Regions with their counts, and what is stuck. Does not raise."""
        ...
