"""Values of the endpoint in the words of the use cases."""

from __future__ import annotations

from typing import Final

from provd.app.dialing import Dial
from provd.app.dialing import Flow as StoredFlow
from provd.app.tokens import ACCOUNT_PREFIX
from provd.domain.records import Device
from provd.sip.effects import Dialed, Flow

_PORTS: Final = 99
"""The last one that the user name of a temporary account can name."""


def dial_of(dialed: Dialed) -> Dial:
    """What was dialed. ``mac`` is not left open: the account was proved, and it is that device's."""
    flow = dialed.flow
    return Dial(
        digits=dialed.digits,
        via="sip",
        account=dialed.account.username,
        mac=dialed.account.mac,
        peer=flow.host,
        contact=dialed.contact,
        user_agent=dialed.user_agent,
        flow=stored(flow),
    )


def stored(flow: Flow) -> StoredFlow:
    """A flow as it may be kept."""
    return StoredFlow(
        transport=flow.transport, host=flow.host, port=flow.port, local=flow.local, contact=flow.contact
    )  # fmt: skip


def accounts_of(device: Device) -> list[str]:
    """The user names that the device may register with: one, or one for each port of a gateway."""
    first = ACCOUNT_PREFIX + device.mac
    return [first, *(f"{first}-{port}" for port in range(2, _PORTS + 1))]
