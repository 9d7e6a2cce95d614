"""What is written down with a change: that its device is to fetch its files, and what it has until then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from provd.app import effective
from provd.app.dialing import Flow
from provd.app.fleet import Fleet
from provd.app.knowledge import Knowledge
from provd.app.ports import Change, Delete, Put
from provd.app.resync.due import Habit, comes_by, habit_of, outlook, zone_of
from provd.app.resyncing import FlowOf
from provd.app.tokens import ACCOUNT_PREFIX
from provd.base.clock import Clock
from provd.base.secrets import Secret
from provd.base.types import Mac, is_thing
from provd.domain.records import Device, PendingResync, Settings

PASSWORDS = 2
"""How many passwords of its administrator are tried on a device: many lock their web pages at the third."""


class Notes:
    """Keeps a :class:`~provd.domain.records.PendingResync` for each device that has not fetched what it should.

    It accompanies the fleet's changes, with a daemon or without one.
    """

    def __init__(self, fleet: Fleet, knowledge: Knowledge, clock: Clock) -> None:
        self._fleet = fleet
        self._knowledge = knowledge
        self._clock = clock
        self._former: dict[Mac, Secret] = {}
        self.flow_of: FlowOf = _no_flow
        fleet.accompany(self.along)

    def along(self, before: Device | None, after: Device | None, planned: Sequence[Change]) -> Sequence[Change]:
        """What belongs into the same transaction as this change of a device. What the plan itself says of the reason
        and of the flow is kept."""
        if before is None or is_thing(before.mac):
            return ()
        note = self._fleet.tables.resync(before.mac)
        if after is None:
            return () if note is None else (Delete(note),)
        if before.lines == after.lines and before.tenant == after.tenant:
            return ()
        # Who was never seen has no file that could be wrong.
        if not before.last_seen:
            return ()
        said = next((change.record for change in planned if _is_note(change, after.mac)), None)
        note = self.note(after, reason_of(before, after), before=before)
        if any(
            type(change) is Delete and change.record == self._fleet.tables.tenant(note.tenant) for change in planned
        ):
            note = replace(note, tenant="")  # nothing is kept of a tenant that goes
        return (Put(_merged(note, said) if isinstance(said, PendingResync) else note),)

    def note(self, device: Device, reason: str, *, before: Device | None = None) -> PendingResync:
        """The note of a device that is to fetch its files. What it has by now is what it had at the first of several
        changes that it has not fetched."""
        tables, now = self._fleet.tables, self._clock.now()
        older = tables.resync(device.mac)
        if older is not None:
            again = replace(older, since=now, reason=reason, revision=device.revision, attempts=0)
            return self._with_flow(again)
        has = before or device
        found = effective.for_device(tables, has)
        secret = found.values.get("admin.password")
        self._former.pop(device.mac, None)
        if isinstance(secret, Secret):
            self._former[device.mac] = secret
        users = [line.username for key in has.lines if (line := tables.line(key)) is not None]
        if not has.lines and found.values.get("dialing.server"):
            users = [ACCOUNT_PREFIX + device.mac]
        note = PendingResync(
            mac=device.mac,
            since=now,
            reason=reason,
            revision=device.revision,
            lines=tuple(users),
            tenant=has.tenant,
            due=comes_by(found.values, self._habit(has, found.values), now, claimed=bool(has.lines)),
        )
        return self._with_flow(note)

    def comes(self, device: Device) -> str:
        """When the device comes by itself, for people; empty when nothing is owed."""
        note = self._fleet.tables.resync(device.mac)
        if note is None:
            return ""
        values = effective.for_device(self._fleet.tables, device).values
        claimed = any(not user.startswith(ACCOUNT_PREFIX) for user in note.lines)
        period = self._habit(device, values).period(values, claimed=claimed)
        return outlook(note.due, self._clock.now(), zone_of(values), seen=device.last_seen, period=period)

    def _habit(self, device: Device, values: Settings) -> Habit:
        manifest = self._knowledge.manifest(device.plugin)
        model = None if manifest is None else self._knowledge.model(device.plugin, device.model)
        return habit_of(manifest, model, values, device.version)

    def passwords(self, device: Device, factory: str) -> tuple[Secret, ...]:
        """Those that its administrator pages may have: of the file that it has, of the one that it is to fetch; where
        no setting names one, the factory's."""
        present = effective.for_device(self._fleet.tables, device).values.get("admin.password")
        found = [self._former.get(device.mac), present if isinstance(present, Secret) else None]
        candidates = [secret or Secret(factory) for secret in found]
        return tuple(dict.fromkeys(secret for secret in candidates if secret))[:PASSWORDS]

    def forget(self, mac: Mac) -> None:
        """The device has what it should."""
        self._former.pop(mac, None)

    def _with_flow(self, note: PendingResync) -> PendingResync:
        account = ACCOUNT_PREFIX + note.mac
        flow = self.flow_of(account)
        if flow is None:
            return note
        return replace(
            note,
            account=account,
            transport=flow.transport,
            host=flow.host,
            port=flow.port,
            local=flow.local,
            contact=flow.contact,
        )


def _is_note(change: Change, mac: Mac) -> bool:
    return isinstance(change, Put) and isinstance(change.record, PendingResync) and change.record.mac == mac


def _merged(note: PendingResync, said: PendingResync) -> PendingResync:
    note = replace(note, reason=said.reason)
    if not said.host:
        return note
    return replace(
        note,
        account=said.account,
        transport=said.transport,
        host=said.host,
        port=said.port,
        local=said.local,
        contact=said.contact,
    )


def _no_flow(_account: str) -> Flow | None:
    return None


def reason_of(before: Device, after: Device) -> str:
    """What has happened to it, in the words of the operations."""
    if after.lines and after.lines != before.lines:
        return "assign" if set(after.lines) >= set(before.lines) else "unassign"
    if before.tenant != after.tenant:
        return "transfer"
    return "reset" if not after.lines else "unassign"
