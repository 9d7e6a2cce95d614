"""What a device is told, in its vendor's words."""

from __future__ import annotations

from provd.app.dialing import Flow
from provd.app.knowledge import Knowledge
from provd.app.resync.notes import Notes
from provd.app.resyncing import Order
from provd.app.tokens import ACCOUNT_PREFIX
from provd.domain.records import Device, PendingResync

PBX = "ami"
"""The way that reaches the device by its lines; the others reach one that nobody had claimed."""


def order_for(way: str, device: Device, note: PendingResync, notes: Notes, knowledge: Knowledge) -> Order | None:
    """The order for that way, or None where the vendor's devices cannot be told."""
    manifest = knowledge.manifest(device.plugin)
    advice = None if manifest is None else manifest.resync
    if advice is None:
        return None
    claimed = way == PBX and not any(
        user.startswith(ACCOUNT_PREFIX) and user.endswith(device.mac) for user in note.lines
    )
    event = advice.event_claimed if claimed and advice.event_claimed else advice.event
    action = advice.action
    flow = None
    if note.host:
        flow = Flow(transport=note.transport, host=note.host, port=note.port, local=note.local, contact=note.contact)
    return Order(
        event=event,
        body=advice.body,
        action=action,
        passwords=() if action is None else notes.passwords(device, action.password),
        lines=note.lines,
        tenant=note.tenant,
        flow=flow,
    )
