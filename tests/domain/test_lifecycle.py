"""The life of a phone."""

from __future__ import annotations

import pytest

from provd.domain.lifecycle import MOVES, Event, after
from provd.domain.records import DeviceState


def test_a_phone_grows_up():
    state = DeviceState.SEEN
    story = []
    for event in (Event.IDENTIFY, Event.SERVE_UNCLAIMED, Event.ASSIGN, Event.SERVE_CLAIMED, Event.AGE):
        state = after(state, event)
        story.append(state.value)
    assert story == ["identified", "unclaimed", "assigned", "provisioned", "stale"]


@pytest.mark.parametrize(
    ("state", "event", "then"),
    [
        (DeviceState.PROVISIONED, Event.UNASSIGN, DeviceState.UNCLAIMED),
        (DeviceState.PROVISIONED, Event.ASSIGN, DeviceState.ASSIGNED),
        (DeviceState.STALE, Event.RETURN, DeviceState.IDENTIFIED),
        (DeviceState.STALE, Event.RETURN_CLAIMED, DeviceState.ASSIGNED),
        (DeviceState.STALE, Event.SERVE_CLAIMED, DeviceState.PROVISIONED),
        (DeviceState.SEEN, Event.UNASSIGN, DeviceState.SEEN),
        (DeviceState.SEEN, Event.SERVE_CLAIMED, DeviceState.SEEN),
        (DeviceState.PROVISIONED, Event.IDENTIFY, DeviceState.PROVISIONED),
    ],
)
def test_ways_back_and_moves_that_are_none(state, event, then):
    assert after(state, event) is then


def test_every_event_has_its_moves():
    assert set(MOVES) == set(Event)
