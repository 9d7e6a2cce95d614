"""How sightings become device records: adding, identifying, moving on in life. Written behind, never awaited."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from provd.app.fleet import Fleet
from provd.app.site import Site
from provd.base.drafts import altering
from provd.base.facts import FactSink
from provd.base.facts.devices import DeviceIdentified, DeviceLimit, DeviceProvisioned, DeviceStateChanged
from provd.base.types import Mac, is_thing
from provd.domain.evidence import Identity
from provd.domain.identify import merge
from provd.domain.lifecycle import Event, after
from provd.domain.records import Device, DeviceState

MOMENT = 1.0
"""Seconds within which being seen twice is being seen once."""

_HOUR = 3600.0
_NETWORKS = 1000


_altered = altering(Device)


class Bucket(Protocol):
    """A token bucket for each key, in a table of bounded size."""

    def allow(self, key: str, now: float) -> bool:
        """Take one token of that key, if there is one."""
        ...


def network_of(peer: str) -> str:
    """The network that a sender counts for when no subnet of ours is known: its /24, or /64."""
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return peer
    return str(ipaddress.ip_network((address, 24 if address.version == 4 else 64), strict=False))


class Roster:
    """Keeps device records in step with what is seen. ``newcomers`` bounds new devices for each network; devices that
    are ``elsewhere`` another instance looks after."""

    def __init__(
        self,
        fleet: Fleet,
        emit: FactSink,
        newcomers: Bucket,
        site: Site,
        elsewhere: Callable[[Mac], bool] = lambda _mac: False,
    ) -> None:
        self._fleet = fleet
        self._elsewhere = elsewhere
        self._emit = emit
        self._told: OrderedDict[str, float] = OrderedDict()
        self.newcomers = newcomers
        self.site = site

    def admit(self, identity: Identity, mac: Mac, *, network: str, now: float, boot: str) -> Device | None:
        """Add a device that nobody announced, or None when that is not wanted here and now."""
        if not (self.site.auto_add and identity.plugin) or self._elsewhere(mac):
            return None
        if not self.newcomers.allow(network, now):
            self._tell_limit(network, mac, now, boot)
            return None
        device = Device(mac=mac, first_seen=now, last_seen=now, last_boot=now)
        return self.learn(device, identity, now, boot=boot)

    def _tell_limit(self, network: str, mac: Mac, now: float, boot: str) -> None:
        if now - self._told.get(network, -_HOUR) < _HOUR:
            return
        self._told[network] = now
        self._told.move_to_end(network)
        if len(self._told) > _NETWORKS:
            self._told.popitem(last=False)
        self._emit(DeviceLimit(at=now, mac=mac, boot=boot, network=network, limit=self.site.max_new_devices))

    def learn(
        self, device: Device, identity: Identity, now: float, *, boot: str, ip: str = "", booted: bool = False
    ) -> Device:
        """Take over what evidence says that may be believed of this device."""
        known = merge(device, identity)
        event = _returning(device) if device.state is DeviceState.STALE else Event.IDENTIFY if known.plugin else None
        seen = _altered(
            device,
            vendor=known.vendor,
            model=known.model,
            version=known.version,
            serial=known.serial,
            plugin=known.plugin,
            confidence=known.confidence,
            ip=ip or device.ip,
            state=device.state if event is None else after(device.state, event),
            first_seen=device.first_seen or now,
            last_seen=now,
            last_boot=now if booted else device.last_boot,
        )
        news = _told_identity(seen) != _told_identity(device)
        kept = self._fleet.note(seen, now, urgent=news or seen.state is not device.state)
        if news:
            self._tell_identity(device, kept, identity, now, boot)
        self._tell_state(device, kept, now, boot)
        return kept

    def served(self, device: Device, now: float, *, boot: str, name: str, revision: int) -> None:
        """The device has a whole file. ``revision`` is the one its account was taken from, 0 without one."""
        state = device.state
        # A file that was made before the last change of the device proves nothing about its present lines.
        if revision and revision == device.revision:
            state = after(state, Event.SERVE_CLAIMED if device.lines else Event.SERVE_UNCLAIMED)
        if state is device.state and now - device.last_seen < MOMENT:
            return
        seen = _altered(device, state=state, first_seen=device.first_seen or now, last_seen=now)
        kept = self._fleet.note(seen, now, urgent=state is not device.state)
        self._tell_state(device, kept, now, boot)
        if kept.state is DeviceState.PROVISIONED and device.state is not kept.state:
            self._emit(
                DeviceProvisioned(
                    at=now, mac=device.mac, boot=boot, tenant=device.tenant, name=name, lines=len(device.lines)
                )
            )

    def left(self, device: Device, now: float) -> None:
        """The device's address is not its own any more."""
        self._fleet.note(replace(device, ip=""), now)

    def age(self, now: float) -> int:
        """Mark every device that was not seen for too long; gives how many. Called about every hour."""
        aged = 0
        for device in list(self._fleet.tables.devices.values()):
            if device.state is DeviceState.STALE or not device.last_seen or is_thing(device.mac):
                continue
            if now - device.last_seen > self.site.stale_after:
                kept = self._fleet.note(replace(device, state=after(device.state, Event.AGE)), now, urgent=True)
                self._tell_state(device, kept, now, "")
                aged += 1
        return aged

    def _tell_identity(self, was: Device, device: Device, identity: Identity, now: float, boot: str) -> None:
        before = " ".join(word for word in (was.vendor, was.model, was.version) if word)
        self._emit(
            DeviceIdentified(
                at=now,
                mac=device.mac,
                boot=boot,
                vendor=device.vendor,
                model=device.model,
                version=device.version,
                plugin=device.plugin,
                was=before,
                reason=identity.reasons[0] if identity.reasons else "",
            )
        )

    def _tell_state(self, was: Device, device: Device, now: float, boot: str) -> None:
        if was.state is not device.state:
            self._emit(
                DeviceStateChanged(
                    at=now, mac=device.mac, boot=boot, was=was.state, now=device.state, tenant=device.tenant
                )
            )


def _told_identity(device: Device) -> tuple[str, str, str, str]:
    return device.plugin, device.vendor, device.model, device.version


def _returning(device: Device) -> Event:
    return Event.RETURN_CLAIMED if device.lines else Event.RETURN
