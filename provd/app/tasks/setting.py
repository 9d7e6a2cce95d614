"""What a task makes of a device: metadata, customer, profile, line. All of it, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from provd.app import ownership
from provd.app.ports import Change, Put
from provd.app.tables import Tables
from provd.base.errors import ProvdError
from provd.domain.filling import Values, filled, text_of
from provd.domain.lifecycle import Event, after
from provd.domain.records import MASTER_TENANT, Device, Level, Metadata
from provd.domain.rulebook import Rulebook
from provd.domain.tasks import Conflict, Failed, NotYet, SetStep

RoomOf = Callable[[Device], ownership.Room]


class Refused(ProvdError):  # noqa: N818 - it is an outcome on its way out of a plan
    """Nothing is changed; ``outcome`` says how the run goes on."""

    def __init__(self, outcome: NotYet | Failed | Conflict) -> None:
        super().__init__(str(outcome))
        self.outcome = outcome


def changes(
    tables: Tables, device: Device, step: SetStep, values: Values, rules: Rulebook, room_of: RoomOf, by: str | None
) -> tuple[list[Change], dict[str, object]]:
    """What is to be written, and what the step gives. Raises Refused, and UsageError where a value is not there.

    ``by`` is the tenant that has written the step, None for the site: what belongs to others does not exist for it.
    """
    given = _owned(tables, device, text_of(step.tenant, values).strip(), by)
    given = _profiled(tables, given, text_of(step.profile, values).strip(), by)
    given = _lined(tables, given, text_of(step.line, values).strip(), room_of, by)
    written: list[Change] = [] if given == device else [Put(given)]
    result: dict[str, object] = {"tenant": given.tenant}
    if step.metadata:
        present = tables.metadata(device.mac)
        found = {name: filled(text, values) for name, text in step.metadata.items()}
        data = {**({} if present is None else present.data), **found}
        faults = rules.faults(given, data, tables.known_to(given.tenant))
        if faults:
            raise Refused(Failed("; ".join(faults)))
        written.append(Put(Metadata(mac=device.mac, data=data)))
        result |= found
    return written, result


def _owned(tables: Tables, device: Device, tenant: str, by: str | None) -> Device:
    """Only from none to one: a second customer is for a person to decide."""
    if not tenant or tenant == device.tenant:
        return device
    if device.tenant != MASTER_TENANT:
        raise Refused(Conflict(f"the device belongs to tenant {device.tenant!r}, not to {tenant!r}"))
    if tables.tenant(tenant) is None or by not in (None, tenant):
        raise Refused(NotYet(f"tenant {tenant!r}"))
    return replace(device, tenant=tenant)


def _profiled(tables: Tables, device: Device, name: str, by: str | None) -> Device:
    if not name:
        return device
    owners = (None, device.tenant) if by is None else (by,)
    for key in (f"{device.tenant}{ownership.MARK}{name}", name):
        profile = tables.profile(key)
        fits = profile is not None and ownership.owner_of_profile(profile) in owners
        if profile is not None and fits and profile.level is Level.GROUP:
            return replace(device, profile=profile.id)
    raise Refused(NotYet(f"group profile {name!r} for tenant {device.tenant!r}"))


def _lined(tables: Tables, device: Device, name: str, room_of: RoomOf, by: str | None) -> Device:
    if not name:
        return device
    keys = (f"{device.tenant}{ownership.MARK}{name}", name)
    found = (line for key in keys if (line := tables.line(key)) is not None)
    line = next((line for line in found if by in (None, line.tenant)), None)
    if line is None:
        raise Refused(NotYet(f"line {name!r} for tenant {device.tenant!r}"))
    if line.id in device.lines:
        return device
    if device.tenant not in (MASTER_TENANT, line.tenant):
        raise Refused(Conflict(f"the device belongs to tenant {device.tenant!r}, its line to {line.tenant!r}"))
    moved = replace(device, tenant=line.tenant, state=after(device.state, Event.ASSIGN))
    more = ownership.with_line(moved, line.id, room_of(device))
    if more is None:
        raise Refused(Conflict(f"there is no room for line {line.id!r} on the device"))
    return more
