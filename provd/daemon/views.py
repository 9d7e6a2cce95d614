"""What the page shows, taken from the fleet, the timeline and the DHCP server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import fields
from operator import attrgetter, itemgetter
from typing import Literal, TypeVar, cast

from provd import __version__
from provd.app.admin.views import lease_state
from provd.app.diagnosis.case import Finding
from provd.app.diagnosis.gather import Diagnoses
from provd.app.effective import for_device
from provd.app.turns import in_turns
from provd.base.clock import Clock
from provd.base.facts import Fact, text_of
from provd.base.facts.dhcp import DhcpAck, DhcpAckRest, DhcpOffer
from provd.base.facts.files import FileServed
from provd.base.secrets import Secret
from provd.base.types import Mac, ip_text, mac_text
from provd.daemon.core import Core
from provd.daemon.degraded import Part
from provd.daemon.edges import Edges
from provd.dhcp.lease import INFINITE, Lease
from provd.dhcp.subnet import Mode
from provd.domain.activation.thing import Outcome
from provd.domain.names import name_for
from provd.domain.records import Device, DeviceState
from provd.domain.tasks import GOING, age
from provd.http.views import (
    BootStep,
    BootView,
    DegradedRow,
    DeviceRow,
    DeviceView,
    FileRow,
    LeaseRow,
    LineRow,
    ListenerRow,
    PluginRow,
    RefusalRow,
    Rows,
    RunRow,
    SettingRow,
    StatusView,
)
from provd.observe.timeline import Boot, Timeline
from provd.plugin import Manifest

T = TypeVar("T")
Grade = Literal["debug", "info", "warning", "error"]
_OWN = {"at", "mac", "boot", "reason", "peer", "name"}


_UNANSWERED = {
    Mode.OFF: "phones get their address, and where their files are, from another server or from nobody.",
    Mode.OBSERVE: "provd tail tells what each client would get (DHCP-WOULD-ANSWER).",
}


class DaemonViews:
    """Implements the page's ``Views``. ``started`` is when the daemon began, 0 before."""

    def __init__(
        self,
        core: Core,
        edges: Edges,
        timeline: Timeline,
        clock: Clock,
        degraded: Callable[[], Iterable[Part]] = tuple,
        started: float = 0.0,
    ) -> None:
        self._core = core
        self._edges = edges
        self._timeline = timeline
        self._clock = clock
        self._began = clock.now()
        self._degraded = degraded
        self.started = started
        self._diagnoses: Diagnoses | None = None

    def join(self, diagnoses: Diagnoses, comes: Callable[[Device], str]) -> None:
        """Diagnoses know from now on what happened lately, and are shown."""
        self._diagnoses = diagnoses
        diagnoses.history, diagnoses.comes = self._timeline.facts, comes
        diagnoses.down = lambda: [f"{row.part}: {row.reason}" for row in self.degraded]

    @property
    def degraded(self) -> tuple[DegradedRow, ...]:
        """The parts that cannot work, as they were told."""
        return tuple(DegradedRow(*part) for part in self._degraded())

    async def devices(self, query: str, state: str, offset: int, limit: int, tenant: str = "") -> Rows[DeviceRow]:
        """Devices with every word of the query somewhere in their row, newest boot first."""
        found = list[tuple[tuple[float, float, Mac], Device]]()
        async for lot in in_turns(tuple(self._core.fleet.tables.devices.values())):
            chosen = [d for d in lot if state in ("", d.state) and tenant in ("", d.tenant)]
            found += [((d.last_boot, d.last_seen, d.mac), d) for d in _matching(chosen, query, self._device_words)]
        found.sort(key=itemgetter(0), reverse=True)
        return Rows(tuple(self._row(device) for _, device in found[offset : offset + limit]), len(found))

    def states(self) -> dict[str, int]:
        """How many devices are in each state."""
        count = Counter(device.state for device in self._core.fleet.tables.devices.values())
        return {state.value: count[state] for state in DeviceState}

    def device(self, mac: Mac) -> DeviceView | None:
        """One device, or None."""
        device = self._core.fleet.tables.device(mac)
        if device is None:
            return None
        return DeviceView(
            row=self._row(device),
            findings=self.findings(mac),
            serial=device.serial,
            plugin=device.plugin,
            confidence=device.confidence,
            reasons=self._reasons(mac),
            first_seen=device.first_seen,
            lines=self._lines(device),
            settings=self._settings(device),
            files=self._files(device),
            known=self._known(mac),
            runs=self._runs(mac),
            boots=tuple(_boot_view(boot) for boot in self._timeline.boots(mac)),
        )

    def findings(self, mac: Mac) -> tuple[Finding, ...]:
        """What is wrong with that device, and what to do."""
        return () if self._diagnoses is None else tuple(self._diagnoses.of(mac))

    async def leases(self, query: str, offset: int, limit: int) -> Rows[LeaseRow]:
        """Leases in the order of their addresses."""
        now = self._clock.now()

        def words(lease: Lease) -> tuple[str, ...]:
            state = lease_state(lease, now)
            return ip_text(lease.ip), lease.mac, state, lease.hostname, lease.vendor_class, lease.subnet

        found = list[Lease]()
        async for lot in in_turns(sorted(self._edges.dhcp.leases(), key=attrgetter("ip"))):
            found += _matching(lot, query, words)
        return Rows(tuple(_lease_row(lease, now) for lease in found[offset : offset + limit]), len(found))

    def refusals(self, offset: int, limit: int) -> Rows[RefusalRow]:
        """Warnings, refusals and errors, newest first."""
        warnings = self._timeline.warnings()
        return Rows(tuple(_refusal(fact) for fact in warnings[offset : offset + limit]), len(warnings))

    def status(self) -> StatusView:
        """The daemon itself."""
        tables = self._core.fleet.tables
        by_plugin = Counter(device.plugin for device in tables.devices.values())
        now = self._clock.now()
        active = sum(1 for lease in self._edges.dhcp.leases() if lease_state(lease, now) == "active")
        counts = {
            "devices": len(tables.devices),
            "active leases": active,
            "tenants": len(tables.tenants),
            "lines": len(tables.lines),
            "profiles": len(tables.profiles),
            "reservations": len(tables.reservations),
            "activations since the start": self._core.things.outcomes[Outcome.ACTIVATED.value],
        }
        return StatusView(
            version=__version__,
            started=self.started or self._began,
            listeners=tuple(ListenerRow(name, address) for name, address in self._edges.listeners),
            degraded=self.degraded,
            counts=tuple(counts.items()),
            plugins=tuple(_plugin_row(manifest, by_plugin) for manifest in self._core.catalogue.manifests),
        )

    def notes(self) -> tuple[str, ...]:
        """What phones are not given here and would have to get from somebody else."""
        mode = self.dhcp_mode
        return (
            ()
            if mode not in _UNANSWERED
            else (f'Nobody is answered over DHCP (dhcp.mode = "{mode}"): {_UNANSWERED[mode]}',)
        )

    @property
    def dhcp_mode(self) -> Mode:
        """As it is at present."""
        return self._edges.engine.settings.mode

    def unready(self) -> tuple[str, ...]:
        """What is still missing before phones can be served."""
        return () if self.started else ("starting",)

    def _device_words(self, device: Device) -> tuple[str, ...]:
        return (
            device.mac,
            mac_text(device.mac),
            device.vendor,
            device.model,
            device.version,
            device.tenant,
            device.ip,
            self._label(device),
            device.serial,
        )

    def _label(self, device: Device) -> str:
        if device.description or not device.lines:
            return device.description
        line = self._core.fleet.tables.line(device.lines[0])
        return line.display_name or line.number if line else ""

    def _row(self, device: Device) -> DeviceRow:
        boots = self._timeline.boots(device.mac)
        newest = next((boot for boot in boots if boot.id), boots[0] if boots else None)
        return DeviceRow(
            mac=device.mac,
            vendor=device.vendor,
            model=device.model,
            version=device.version,
            state=device.state.value,
            tenant=device.tenant,
            label=self._label(device),
            ip=device.ip,
            lines=len(device.lines),
            last_seen=device.last_seen,
            last_boot=device.last_boot,
            boot=_boot_view(newest) if newest else None,
        )

    def _known(self, mac: Mac) -> tuple[tuple[str, str], ...]:
        found = self._core.fleet.tables.metadata(mac)
        return () if found is None else tuple((name, str(found.data[name])) for name in sorted(found.data))

    def _runs(self, mac: Mac) -> tuple[RunRow, ...]:
        runs = sorted(self._core.fleet.tables.runs_of(mac), key=lambda run: (run.template, *age(run)))
        return tuple(
            RunRow(
                id=run.id,
                state=run.state.value,
                step=run.step,
                reason=run.reason,
                at=run.finished or (run.due if run.state in GOING else 0.0),
            )
            for run in runs
        )

    def _reasons(self, mac: Mac) -> tuple[str, ...]:
        told = (getattr(fact, "reason", "") for fact in self._timeline.facts(mac) if fact.ID == "DEVICE-IDENTIFIED")
        sighting = self._core.boot.station.sightings.find(mac)
        return tuple(dict.fromkeys([*(sighting.identity.reasons if sighting else ()), *filter(None, told)]))

    def _lines(self, device: Device) -> tuple[LineRow, ...]:
        found = ((i, self._core.fleet.tables.line(name)) for i, name in enumerate(device.lines, 1))
        return tuple(
            LineRow(
                position=position,
                id=line.id,
                number=line.number,
                display_name=line.display_name,
                username=line.username,
                server=line.server,
                transport=line.transport,
            )
            for position, line in found
            if line is not None
        )

    def _settings(self, device: Device) -> tuple[SettingRow, ...]:
        effective = for_device(self._core.fleet.tables, device)
        notes = self._core.boot.station.knowledge.notes(device, effective)
        return tuple(
            SettingRow(
                name,
                "***" if isinstance(value, Secret) else str(value),
                effective.origin(name),
                notes.get(name, ""),
            )
            for name, value in sorted(effective.values.items())
            if value is not None
        )

    def _files(self, device: Device) -> tuple[FileRow, ...]:
        served = {
            fact.name: FileRow(name=fact.name, kind=fact.kind, last_served=fact.at, size=fact.size, via=fact.via)
            for fact in self._timeline.facts(device.mac)
            if isinstance(fact, FileServed)
        }
        manifest = self._core.boot.station.knowledge.manifest(device.plugin)
        offered = {
            name: FileRow(name=name, kind=rule.kind)
            for rule in (manifest.files if manifest else ())
            if rule.kind != "absent"
            for name in _names(rule.name, manifest, device)
        }
        return tuple((offered | served).values())


def _names(pattern: str, manifest: Manifest | None, device: Device) -> tuple[str, ...]:
    if pattern == "{common}":
        model = manifest.model(device.model) if manifest else None
        return model.common if model else ()
    return (name_for(pattern, device.mac, device.model),)


def _matching(rows: Iterable[T], query: str, words: Callable[[T], tuple[str, ...]]) -> list[T]:
    wanted = query.lower().split()
    if not wanted:
        return list(rows)
    found = []
    for row in rows:
        text = "\n".join(words(row)).lower()
        if all(word in text for word in wanted):
            found.append(row)
    return found


def _grade(fact: Fact) -> Grade:
    return cast("Grade", fact.LEVEL.name.lower())


def _boot_view(boot: Boot) -> BootView:
    return BootView(
        boot.id,
        tuple(
            BootStep(step.fact.at, step.gap, step.fact.ID, _label_of(step.fact), _told(step.fact), _grade(step.fact))
            for step in boot.steps
        ),
    )


def _told(fact: Fact) -> str:
    """A fact on the page of its device, below the id of its boot: without what stands there already."""
    words = text_of(fact).split(" ")
    return " ".join(word for word in words if word != fact.ID and not word.startswith(("mac=", "boot=")))


def _label_of(fact: Fact) -> str:
    if isinstance(fact, FileServed):
        return fact.name
    if isinstance(fact, DhcpOffer | DhcpAck | DhcpAckRest):
        return fact.ID.rpartition("-")[2].lower()
    return fact.ID.partition("-")[2].lower().replace("-", " ")


def _lease_row(lease: Lease, now: float) -> LeaseRow:
    return LeaseRow(
        ip=ip_text(lease.ip),
        mac=lease.mac,
        state=lease_state(lease, now),
        starts=float(lease.starts),
        expires=float("inf") if lease.expires >= INFINITE else float(lease.expires),
        hostname=lease.hostname,
        subnet=lease.subnet,
        vendor_class=lease.vendor_class,
    )


def _refusal(fact: Fact) -> RefusalRow:
    reason = str(getattr(fact, "reason", ""))
    if not reason:
        named = ((field.name, getattr(fact, field.name)) for field in fields(fact) if field.name not in _OWN)
        reason = ", ".join(f"{name} {value}" for name, value in named if value not in ("", None))
    return RefusalRow(
        at=fact.at,
        fact=fact.ID,
        level=_grade(fact),
        reason=reason,
        mac=fact.mac,
        peer=str(getattr(fact, "peer", "")),
        name=str(getattr(fact, "name", "")),
    )


def _plugin_row(manifest: Manifest, devices: Counter[str]) -> PluginRow:
    return PluginRow(
        id=manifest.id, version=manifest.version, models=len(manifest.models), devices=devices[manifest.id]
    )
