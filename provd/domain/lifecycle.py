"""The life of a phone as a table: which event moves it from which state to which."""

from __future__ import annotations

import enum
from collections.abc import Mapping

from provd.domain.records import DeviceState

_SEEN = DeviceState.SEEN
_IDENTIFIED = DeviceState.IDENTIFIED
_UNCLAIMED = DeviceState.UNCLAIMED
_ASSIGNED = DeviceState.ASSIGNED
_PROVISIONED = DeviceState.PROVISIONED
_STALE = DeviceState.STALE


class Event(enum.Enum):
    """What happens to a device."""

    IDENTIFY = "its vendor became known"
    SERVE_UNCLAIMED = "it fetched its file with the temporary account"
    ASSIGN = "it was given to a tenant, or its lines changed"
    SERVE_CLAIMED = "it fetched its file with the tenant's account"
    UNASSIGN = "its lines were taken away, or it was reset"
    AGE = "nothing was heard of it for a long time"
    RETURN = "it was heard again, nobody had claimed it"
    RETURN_CLAIMED = "it was heard again, its lines are still there"


MOVES: Mapping[Event, Mapping[DeviceState, DeviceState]] = {
    Event.IDENTIFY: {_SEEN: _IDENTIFIED},
    Event.SERVE_UNCLAIMED: {_SEEN: _UNCLAIMED, _IDENTIFIED: _UNCLAIMED, _STALE: _UNCLAIMED},
    Event.ASSIGN: dict.fromkeys((_SEEN, _IDENTIFIED, _UNCLAIMED, _ASSIGNED, _PROVISIONED, _STALE), _ASSIGNED),
    Event.SERVE_CLAIMED: {_ASSIGNED: _PROVISIONED, _STALE: _PROVISIONED},
    Event.UNASSIGN: {_ASSIGNED: _UNCLAIMED, _PROVISIONED: _UNCLAIMED, _STALE: _UNCLAIMED, _UNCLAIMED: _UNCLAIMED},
    Event.AGE: dict.fromkeys((_SEEN, _IDENTIFIED, _UNCLAIMED, _ASSIGNED, _PROVISIONED), _STALE),
    Event.RETURN: {_STALE: _IDENTIFIED},
    Event.RETURN_CLAIMED: {_STALE: _ASSIGNED},
}
"""Legal moves. A state that an event does not name stays as it is: so do those of a device that fetches a key."""


def after(state: DeviceState, event: Event) -> DeviceState:
    """The state after that event."""
    return MOVES[event].get(state, state)
