"""What a good code, or the reset number, brings about: one plan of changes, which the fleet carries out as a whole.

The use that is counted, the device with its line, the audit and the note that the device is to be told are one
transaction: either all of it is on disk when somebody hears "accepted", or the code is as good as before.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from provd.app import ownership
from provd.app.dialing import Dial, Outcome
from provd.app.ownership import Room
from provd.app.ports import Change, Put
from provd.app.tables import Tables
from provd.base.dataclass import dataclass
from provd.base.errors import UsageError
from provd.base.types import Mac
from provd.domain.codes import Standing, standing, used
from provd.domain.lifecycle import Event, after
from provd.domain.reckoning import Leap
from provd.domain.records import MASTER_TENANT, AuditEntry, Code, Device, Line, PendingResync, Redemption

_NOT_GOOD = {
    Standing.REVOKED: Outcome.REVOKED,
    Standing.EXPIRED: Outcome.EXPIRED,
    Standing.USED_UP: Outcome.USED_UP,
}


class RefusedError(UsageError):
    """The code is not redeemed. ``code`` is the one it is about, where there is one."""

    def __init__(self, outcome: Outcome, code: Code | None = None) -> None:
        super().__init__(outcome.value)
        self.outcome = outcome
        self.code = code


@dataclass(frozen=True, slots=True)
class Occasion:
    """When and how something was dialed."""

    dial: Dial
    now: float
    by: str
    """By which evidence the device was recognised."""
    port: int = 0
    leap: Leap | None = None


class Redeemed(NamedTuple):
    """What came of it. ``again``: the device had the line already and nothing was used up."""

    code: Code
    line: Line
    device: Device
    changes: list[Change]
    again: bool = False


def redeem(tables: Tables, key: str, mac: Mac, room: Room, occasion: Occasion) -> Redeemed:
    """The plan for a code (by its id) that was dialed on a device. Raises RefusedError."""
    code, device = tables.code(key), tables.device(mac)
    if code is None:
        raise RefusedError(Outcome.UNKNOWN)
    if device is None:
        raise RefusedError(Outcome.NO_DEVICE, code)
    line, tenant = tables.line(code.line), tables.tenant(code.tenant)
    if line is None or tenant is None:
        raise RefusedError(Outcome.UNKNOWN, code)
    bad = _NOT_GOOD.get(standing(code, occasion.now, occasion.leap))
    if line.id in device.lines and (bad is None or _was_used_by(tables, code, mac)):
        pending = _pending(mac, "code dialed again", occasion)
        return Redeemed(code, line, device, [Put(pending)], again=True)
    if bad is not None:
        raise RefusedError(bad, code)
    if not tenant.enabled:
        raise RefusedError(Outcome.TENANT_DISABLED, code)
    if device.tenant not in (MASTER_TENANT, code.tenant) and not room.ports:
        raise RefusedError(Outcome.DEVICE_TAKEN, code)
    if len(tables.holders(line.id)) >= line.max_devices:
        raise RefusedError(Outcome.LINE_TAKEN, code)
    given = ownership.with_line(device, line.id, room, occasion.port)
    if given is None:
        raise RefusedError(Outcome.DEVICE_FULL, code)
    # An unclaimed device goes to the line's tenant. One that has an owner keeps it, also when a port is another's.
    owner = line.tenant if device.tenant == MASTER_TENANT else device.tenant
    # One that was only announced is heard of for the first time: what waits for that begins now.
    seen = device.first_seen or occasion.now
    given = replace(given, tenant=owner, state=after(device.state, Event.ASSIGN), first_seen=seen)
    counted = used(code, occasion.now)
    use = Redemption(code=code.id, number=counted.used, mac=mac, line=line.id, tenant=code.tenant, at=occasion.now)
    entry = _entry("code.redeem", code.tenant, mac, occasion, {"code": code.id, "line": line.id, "was": device.tenant})
    pending = _pending(mac, "code", occasion)
    return Redeemed(counted, line, given, [Put(given), Put(counted), Put(use), Put(entry), Put(pending)])


def give_back(tables: Tables, mac: Mac, occasion: Occasion) -> tuple[Device, list[Change]]:
    """The plan for the reset number: the device is unclaimed again and stays with its tenant; and the device as it was.

    On a device whose ports belong to several tenants only the port that dialed is given back; where that is not known
    nobody's is. Raises RefusedError.
    """
    device = tables.device(mac)
    if device is None:
        raise RefusedError(Outcome.NO_DEVICE)
    owners = {line.tenant for key in device.lines if (line := tables.line(key)) is not None}
    if device.ports and (len(owners) > 1 or owners - {device.tenant}):
        if occasion.port not in device.ports:
            raise RefusedError(Outcome.DEVICE_TAKEN)
        changes = ownership.unassign(tables, mac, [device.lines[device.ports.index(occasion.port)]])
    else:
        changes = ownership.reset(tables, mac)
    entry = _entry("device.reset", device.tenant, mac, occasion, {"lines": len(device.lines)})
    return device, [*changes, Put(entry), Put(_pending(mac, "reset", occasion))]


def _was_used_by(tables: Tables, code: Code, mac: Mac) -> bool:
    uses = (tables.redemptions.get((code.id, number)) for number in range(1, code.used + 1))
    return any(use is not None and use.mac == mac for use in uses)


def _entry(action: str, tenant: str, mac: Mac, occasion: Occasion, data: dict[str, object]) -> AuditEntry:
    dial = occasion.dial
    said = {"identified": occasion.by, "account": dial.account, "peer": dial.peer}
    return AuditEntry(
        at=occasion.now,
        by=f"dialed ({dial.via})",
        action=action,
        kind="device",
        object=mac,
        tenant=tenant,
        data={**said, **data},
    )


def _pending(mac: Mac, reason: str, occasion: Occasion) -> PendingResync:
    dial, flow = occasion.dial, occasion.dial.flow
    bare = PendingResync(mac=mac, since=occasion.now, reason=reason, account=dial.account)
    if flow is None:
        return bare
    return replace(
        bare, transport=flow.transport, host=flow.host, port=flow.port, local=flow.local, contact=flow.contact
    )
