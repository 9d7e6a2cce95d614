"""Which subnet a message belongs to, and as whom we answer it.

RFC 2131 section 4.3.1 (giaddr, else the receiving interface), RFC 3527 (link selection), RFC 5107 (server
identifier override). Where the operator has listed relays no other is answered. Where not, a relay may select any link
if its giaddr is of a subnet, for it could as well have named that link in giaddr; an identity for us it may not give.
"""

from __future__ import annotations

from provd.base.errors import WireError
from provd.dhcp.exchange import Exchange, Pattern
from provd.dhcp.ingress import Ingress, Link
from provd.dhcp.options import Agent, Type, sub_options
from provd.dhcp.packet import Message
from provd.dhcp.pool import Pool
from provd.dhcp.subnet import DhcpSettings, prefix_mask
from provd.dhcp.table import LeaseTable

_BROADCAST = 0xFFFFFFFF
_REMEMBERED = 4096


class Locator:
    """Finds subnet and server identifier. Made anew with every configuration."""

    def __init__(self, settings: DhcpSettings, table: LeaseTable, own: frozenset[int]) -> None:
        self._table = table
        self._own = own
        self._relays = tuple((network, prefix_mask(prefixlen)) for network, prefixlen in settings.relays)
        self._relayed_from: dict[tuple[int, int, int, str], tuple[Pool | None, int]] = {}
        self._links: dict[Link, tuple[tuple[Pool, int], ...]] = {}

    def pattern(self, message: Message, ingress: Ingress) -> Pattern | str:
        """The message with its subnet and our identity, or why it has none."""
        if message.giaddr:
            return self._relayed(message, ingress)
        link = ingress.link
        own = ingress.destination if self.is_own(ingress.destination, link) else 0
        if not link.addresses:
            return "the interface has no address"
        if message.ciaddr and (ingress.destination != _BROADCAST or message.type == Type.INFORM):
            pool = self._table.pool_of(message.ciaddr)
        elif ingress.source and message.type == Type.INFORM:
            pool = self._table.pool_of(ingress.source)
        else:
            found = self._on_link(link)
            if not found:
                return "no subnet on this interface"
            pool, address = found[0] if len(found) == 1 else _among(found, message)
            pattern = Pattern(message, ingress, pool, own or address, own or address)
            pattern.kin = len(found) == 1
            return pattern
        if pool is None:
            return "no subnet has this ciaddr"
        server = own or next((address for address in link.addresses if address in pool.subnet), link.addresses[0])
        return Pattern(message, ingress, pool, server, server)

    def is_own(self, address: int, link: Link) -> bool:
        """Whether the address is one of ours."""
        return address in self._own or address in link.addresses

    def ours(self, server: int, x: Exchange) -> bool:
        """Whether option 54 of this exchange names us, under any of our addresses (RFC 2131 section 4.1)."""
        return server == x.pattern.server or self.is_own(server, x.pattern.ingress.link)

    def _relayed(self, message: Message, ingress: Ingress) -> Pattern | str:
        key = (message.giaddr, ingress.source, ingress.destination, ingress.link.interface)
        known = self._relayed_from.get(key)
        if known is None:
            found = self._relay(message.giaddr, ingress)
            if isinstance(found, str):
                return found
            if len(self._relayed_from) >= _REMEMBERED:
                self._relayed_from.clear()
            self._relayed_from[key] = known = found
        pool, source = known
        server = source
        if 82 in message.options and (self._relays or pool is not None):
            link, override = _hints(message.options[82])
            pool = self._table.pool_of(link) if link else pool
            server = override if override and self._relays else server
        if pool is None:
            return "no subnet has this giaddr or link selection"
        return Pattern(message, ingress, pool, server, source)

    def _relay(self, giaddr: int, ingress: Ingress) -> tuple[Pool | None, int] | str:
        """Subnet of a relay and our address towards it, or why it is not served."""
        link = ingress.link
        if self.is_own(giaddr, link):
            return "giaddr is an address of ours"
        if self._relays and not any(ingress.source & mask == network for network, mask in self._relays):
            return "the relay is not on the list"
        own = ingress.destination if self.is_own(ingress.destination, link) else 0
        source = own or (link.addresses[0] if link.addresses else 0)
        if not source:
            return "the interface has no address"
        return self._table.pool_of(giaddr), source

    def _on_link(self, link: Link) -> tuple[tuple[Pool, int], ...]:
        """The subnets of an interface are those of its addresses, each with the first of these in it."""
        if link not in self._links:
            found: dict[str, tuple[Pool, int]] = {}
            for address in link.addresses:
                pool = self._table.pool_of(address)
                if pool is not None:
                    found.setdefault(pool.name, (pool, address))
            self._links[link] = tuple(found.values())
        return self._links[link]


def _among(found: tuple[tuple[Pool, int], ...], message: Message) -> tuple[Pool, int]:
    """One of several subnets that share a link: where the client has an address, or wants one, or where one is free."""
    client, mac, named = message.client, message.mac, message.ciaddr or message.address(50)
    if message.type != Type.DISCOVER:
        # An address is acknowledged or refused by the subnet that it is of.
        return next((each for each in found if named & each[0].mask == each[0].network), found[0])
    for pool, address in found:
        if pool.reservation(client, mac) is not None:
            return pool, address
    for pool, address in found:
        if client in pool.by_client and pool.open(pool.by_client[client].ip):
            return pool, address
    free = [each for each in found if each[0].free]
    room = [each for each in free if not each[0].scarce] or free
    return next((each for each in room if named & each[0].mask == each[0].network), (room or found)[0])


def _hints(agent: bytes) -> tuple[int, int]:
    """Link selection and server identifier override in option 82, 0 where there is none."""
    try:
        found = sub_options(agent)
    except WireError:
        return 0, 0
    link, override = found.get(Agent.LINK_SELECTION, b""), found.get(Agent.SERVER_ID_OVERRIDE, b"")
    return int.from_bytes(link[:4], "big"), int.from_bytes(override[:4], "big")
