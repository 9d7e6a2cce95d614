"""The four client states behind one REQUEST (RFC 2131 section 4.3.2, table 4)."""

from __future__ import annotations

import enum

from provd.dhcp.ingress import Ingress
from provd.dhcp.packet import Message


class State(enum.StrEnum):
    """What the client is doing, as facts name it."""

    SELECTING = "selecting"
    INIT_REBOOT = "init-reboot"
    RENEWING = "renewing"
    REBINDING = "rebinding"


def state_of(message: Message, ingress: Ingress) -> State | None:
    """The state, told by option 54, option 50 and ciaddr alone; None for the combinations that table 4 forbids."""
    options = message.options
    if message.ciaddr:
        if 54 in options or 50 in options:
            return None
        if message.giaddr or ingress.destination == 0xFFFFFFFF:
            return State.REBINDING
        return State.RENEWING
    if 50 not in options:
        return None
    return State.SELECTING if 54 in options else State.INIT_REBOOT
