"""One client message on its way through the engine, and what it has in common with others."""

from __future__ import annotations

import struct
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Final, cast

from provd.base.types import Mac, ip_text
from provd.dhcp.advice import PLAIN, Advice, ClientInfo
from provd.dhcp.ingress import Ingress
from provd.dhcp.options import text_of, user_class_text
from provd.dhcp.packet import Message, decode
from provd.dhcp.states import State, state_of

if TYPE_CHECKING:
    from provd.dhcp.pool import Pool
    from provd.dhcp.reply import Mould

_SENDER: Final = struct.Struct("!12x I 12x 6s")
"""ciaddr and the hardware address."""
_mac: Final = cast("Callable[[bytes], Mac]", bytes.hex)
"""The MAC of six octets; a step less than by way of its type."""


class Pattern:
    """What a message says apart from who sends it, and where it belongs: the same for all devices of one kind.

    ``server`` is the identifier that goes into option 54, ``source`` the address of ours that the reply leaves from
    (not the same with RFC 5107). ``client`` is the key of the binding, or empty where that is ``lead`` and the hardware
    address. ``asked`` is option 55.
    """

    __slots__ = (
        "agent",
        "asked",
        "bare",
        "client",
        "client_at",
        "familiar",
        "giaddr",
        "has_server",
        "head",
        "hostname",
        "ingress",
        "kin",
        "lead",
        "moulds",
        "named",
        "pool",
        "relay",
        "requested_at",
        "sender",
        "server",
        "server_text",
        "source",
        "state",
        "type",
        "user_class",
        "vendor_class",
    )

    def __init__(self, message: Message, ingress: Ingress, pool: Pool, server: int, source: int) -> None:
        options = message.options
        self.type = message.type
        self.ingress = ingress
        self.pool = pool
        self.server = server
        self.source = source
        self.server_text = ip_text(source)
        self.giaddr = message.giaddr
        self.relay = ip_text(message.giaddr) if message.giaddr else ""
        self.state: State | None = state_of(message, ingress)
        self.vendor_class = text_of(options[60]) if 60 in options else ""
        self.user_class = user_class_text(options[77]) if 77 in options else ""
        self.hostname = text_of(options[12]) if 12 in options else ""
        self.asked = options.get(55)
        self.agent = options.get(82, b"") if message.giaddr else b""
        self.has_server = 54 in options
        self.named = message.address(54)
        self.lead = message.data[1:2]
        own = options.get(61, b"")
        self.client = b"" if own in {b"", self.lead + message.chaddr[:6]} else own
        self.kin = True
        """Whether the next message like this one belongs to the same subnet."""
        # What follows is set when the pattern is learned; see provd.dhcp.familiar.
        self.familiar = False
        self.head = b""
        """op, htype, hlen."""
        self.bare = True
        """Without a ciaddr."""
        self.requested_at = 0
        self.client_at = 0
        self.sender = ""
        self.moulds: dict[tuple[int, Hashable], Mould | None] = {}


class Exchange:
    """One client message with what we know about its sender. ``requested`` is option 50, 0 without it."""

    __slots__ = (
        "_message",
        "advice",
        "ciaddr",
        "client",
        "data",
        "mac",
        "now",
        "pattern",
        "pool",
        "requested",
    )

    def __init__(self, pattern: Pattern, data: bytes, message: Message | None, now: float) -> None:
        self.pattern = pattern
        self.pool = pattern.pool
        self.data = data
        self.now = now
        self._message = message
        self.ciaddr: int
        self.ciaddr, octets = _SENDER.unpack_from(data)
        self.mac = _mac(octets)
        self.client: bytes = pattern.client or pattern.lead + octets
        if message is not None:
            self.requested = message.address(50)
        else:
            at = pattern.requested_at
            self.requested = int.from_bytes(data[at : at + 4], "big") if at else 0
        self.advice: Advice = PLAIN

    def client_info(self, first: bool) -> ClientInfo:
        """What the message says about its sender, for the application's eyes."""
        said = self.pattern
        # Not by the class, which calls __new__ by way of a function of its own: this is for every message.
        return tuple.__new__(
            ClientInfo,
            (self.mac, said.vendor_class, said.hostname, said.server_text, self.pool.name, first, said.user_class),
        )

    @property
    def message(self) -> Message:
        """The whole message; decoded only now, when it was a familiar one."""
        if self._message is None:
            self._message = decode(self.data)
        return self._message
