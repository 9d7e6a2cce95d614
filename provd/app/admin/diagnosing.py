"""The operation for whoever stands in front of a device that does not work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from provd.app.admin.desk import Desk, Operation
from provd.app.admin.history import own_facts
from provd.app.admin.params import Args, Param
from provd.app.caller import Caller
from provd.app.diagnosis.gather import Diagnoses
from provd.base.types import is_thing, mac_text


class Diagnosing:
    """``device.diagnose``"""

    def __init__(self, desk: Desk, diagnoses: Diagnoses) -> None:
        self._desk = desk
        self._diagnoses = diagnoses

    def operations(self) -> Sequence[Operation]:
        """What this group offers."""
        mac = Param("mac", "device", required=True)
        return (
            Operation("device.diagnose", "Say what is wrong with a device, and what to do.", self._diagnose, (mac,)),
        )

    async def _diagnose(self, args: Args, caller: Caller) -> object:
        mac = args.mac()
        device = self._desk.tables.device(mac)
        if device is None and (caller.tenant is not None or is_thing(mac)):
            self._desk.device(mac, caller)  # which says that it is not there
        if device is not None:
            device = self._desk.device(mac, caller)
        findings = self._diagnoses.of(mac, lambda facts: own_facts(facts, caller), caller.owns)
        return {
            "mac": mac_text(mac),
            "known": device is not None,
            "state": "" if device is None else device.state.value,
            "findings": [asdict(finding) for finding in findings],
        }
