"""Gathers what is known of a device for its diagnosis."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence

from provd.app import effective
from provd.app.diagnosis.case import Case, Finding, heard
from provd.app.diagnosis.rules import diagnose
from provd.app.fleet import Fleet
from provd.app.knowledge import Knowledge
from provd.app.resync.due import habit_of, overdue
from provd.base.clock import Clock
from provd.base.facts import Fact
from provd.base.types import Mac, is_thing
from provd.domain.firmware import same
from provd.domain.inheritance import Effective
from provd.domain.records import Device

_ALIKE = 0.9
"""So much of a MAC is the same when one digit was mistyped, or two were exchanged."""
_NEAR = 3
_OUI = 6


class Diagnoses:
    """``history`` gives a device's last facts, the oldest first; ``down`` the parts of the daemon that cannot work;
    ``comes`` when a device fetches what it is owed. Without a daemon nobody has any of them."""

    def __init__(self, fleet: Fleet, knowledge: Knowledge, clock: Clock) -> None:
        self._tables = fleet.tables
        self._knowledge = knowledge
        self._clock = clock
        self.history: Callable[[Mac], Sequence[Fact]] = lambda _mac: ()
        self.down: Callable[[], Sequence[str]] = tuple
        self.comes: Callable[[Device], str] = lambda _device: ""

    def of(
        self,
        mac: Mac,
        only: Callable[[Sequence[Fact]], Sequence[Fact]] = tuple,
        owns: Callable[[str], bool] = lambda _tenant: True,
    ) -> list[Finding]:
        """What is wrong with that device, known here or not.

        ``only`` takes the facts that whoever asks may see, ``owns`` says whether what a tenant has exists for them.
        """
        device = self._tables.device(mac)
        facts = [fact for fact in only(self.history(mac)) if fact.mac == mac]
        if device is None:
            return diagnose(Case(mac=mac, now=self._clock.now(), facts=facts, near=self._near(mac, owns)))
        if is_thing(mac):
            return []
        return diagnose(self._case(device, facts, owns))

    def _case(self, device: Device, facts: Sequence[Fact], owns: Callable[[str], bool]) -> Case:
        found = effective.for_device(self._tables, device)
        manifest = self._knowledge.manifest(device.plugin)
        down = tuple(part for part in self.down() if part.startswith("pbx "))
        return Case(
            mac=device.mac,
            now=self._clock.now(),
            device=device,
            facts=facts,
            servers=self._servers(device, found, owns),
            settings=found.values,
            wanted_firmware=_wanted_firmware(device, found),
            notes=self._knowledge.notes(device, found),
            knows_model=manifest is None or manifest.model(device.model) is not None,
            comes=self.comes(device),
            silent=self._silent(device, found),
            near=() if device.last_seen or heard(facts) else self._near(device.mac, owns),
            down=down,
        )

    def _servers(self, device: Device, found: Effective, owns: Callable[[str], bool]) -> tuple[str, ...]:
        usual = str(found.values.get("sip.registrar") or found.values.get("sip.server") or "")
        lines = (self._tables.line(key) for key in device.lines)
        return tuple(line.server or usual for line in lines if line is not None and owns(line.tenant))

    def _silent(self, device: Device, found: Effective) -> bool:
        manifest = self._knowledge.manifest(device.plugin)
        if manifest is None or not device.last_seen:
            return False
        model = self._knowledge.model(device.plugin, device.model)
        habit = habit_of(manifest, model, found.values, device.version)
        period = habit.period(found.values, claimed=bool(device.lines))
        return overdue(self._clock.now() - device.last_seen, period)

    def _near(self, mac: Mac, owns: Callable[[str], bool]) -> tuple[Mac, ...]:
        """Devices that were heard and whose MAC is almost this one."""
        others = (device for device in tuple(self._tables.devices.values()) if device.mac != mac)
        heard = (device.mac for device in others if device.last_seen and owns(device.tenant))
        alike = [each for each in heard if each[:_OUI] == mac[:_OUI] or each[_OUI:] == mac[_OUI:]]
        return tuple(Mac(each) for each in difflib.get_close_matches(mac, alike, _NEAR, _ALIKE))


def _wanted_firmware(device: Device, found: Effective) -> str:
    version = found.values.get("firmware.version")
    return version if isinstance(version, str) and not same(device.version, version) else ""
