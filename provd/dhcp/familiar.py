"""Messages that were understood before: the way past the decoder for what a server hears all day.

Ten thousand phones of one model send the same octets apart from xid, secs, flags, hardware address, client identifier
and the address they ask for. Decoding them, finding their subnet and encoding their options again and again was half of
what the engine does: with these looked up a DORA takes it 17 us instead of 26, a renewal 8.6 instead of 13.6.

Nothing is guessed. A pattern is found by *all* other octets of the datagram and by where it came in, so the decoder
would read the same from it; whatever does not fit goes to the decoder. What is decided about the message (lease, mode,
advice) is decided anew each time by the same code; a change of configuration or of our addresses empties the memory.
"""

from __future__ import annotations

from typing import Final

from provd.dhcp.exchange import Exchange, Pattern
from provd.dhcp.ingress import Link
from provd.dhcp.options import MAGIC, Type
from provd.dhcp.packet import BOOTREQUEST, Message
from provd.dhcp.table import LeaseTable

_REMEMBERED: Final = 4096
"""Patterns that are kept. There are as many as models, times messages, times relay ports where these are told."""
_BLANK: Final = bytes(10 + 64 + 128) + MAGIC
"""From behind the hardware address to the options: chaddr's rest, sname, file, magic cookie."""
_MARK: Final = b"\xfeprovd"
"""Stands for the hardware address in a key."""
_REQUESTED: Final = b"\x32\4"
_KINDS: Final = frozenset({Type.DISCOVER.value, Type.REQUEST.value})


class Familiar:
    """Patterns by the octets that make them. One that is seen for the second time is learned."""

    def __init__(self, table: LeaseTable) -> None:
        self._table = table
        self._patterns: dict[bytes, Pattern] = {}
        self._seen: set[bytes] = set()
        self._key = b""

    def clear(self) -> None:
        """Forget everything: subnets, identities or options may be others now."""
        self._patterns.clear()
        self._seen.clear()

    def find(self, data: bytes, link: Link, source: str, destination: bytes, now: float) -> Exchange | None:
        """The exchange of a familiar message; None for the decoder's work."""
        mac = data[28:34]
        options = data[240:].replace(mac, _MARK)
        at = options.find(_REQUESTED)
        if at >= 0:
            options = options[: at + 2] + options[at + 6 :]
        self._key = key = b"".join((options, data[24:28], destination))
        pattern = self._patterns.get(key)
        if (
            pattern is None
            or pattern.ingress.link is not link
            or not data.startswith(_BLANK, 34)
            or not data.startswith(pattern.head)
            or (pattern.client_at and not data.startswith(mac, pattern.client_at))
        ):
            return None
        x = Exchange(pattern, data, None, now)
        if pattern.bare is (x.ciaddr > 0):
            return None
        if pattern.giaddr:
            if pattern.sender != source:
                return None
        elif x.ciaddr and self._table.pool_of(x.ciaddr) is not pattern.pool:
            return None
        return x

    def learn(self, message: Message, pattern: Pattern, source: str) -> None:
        """Remember the pattern of the message that :meth:`find` did not find just now, if it has one."""
        key = self._key
        if key not in self._seen:
            # Who puts a serial number into its host name is the only one of its kind: that is seen once.
            if len(self._seen) >= _REMEMBERED:
                self._seen.clear()
            self._seen.add(key)
            return
        places = _places(message)
        if places is None:
            return
        pattern.client_at, pattern.requested_at = places
        pattern.head = message.data[:3]
        pattern.bare = not message.ciaddr
        pattern.sender = source
        pattern.familiar = True
        if len(self._patterns) >= _REMEMBERED:
            self._patterns.clear()
        self._patterns[key] = pattern


def _places(message: Message) -> tuple[int, int] | None:
    """Where the hardware address stands in option 61, and where the value of option 50 does; 0 for nowhere.

    None when the message is not of a kind to be remembered: another type, options that are split, overloaded or of odd
    length, or the hardware address in another place, too.
    """
    data, options = message.data, message.options
    mac = message.chaddr[:6]
    if message.op != BOOTREQUEST or message.hlen != 6 or message.type not in _KINDS or data[34:240] != _BLANK:
        return None
    at, found = 240, dict[int, int]()
    while at < len(data) and (code := data[at]) != 255:
        if code == 0:
            at += 1
            continue
        if code in found or code == 52:
            return None
        found[code] = at + 2
        at += 2 + data[at + 1]
    personal = options.get(61) == data[1:2] + mac
    client_at = found[61] + 1 if personal else 0
    requested_at = found.get(50, 0)
    rest = data[240:]
    first = rest.replace(mac, _MARK).find(_REQUESTED)
    if rest.count(mac) != int(personal) or _MARK in rest:
        return None
    if requested_at and (len(options[50]) != 4 or first + 242 != requested_at):
        return None
    if not requested_at and first >= 0:
        return None
    return client_at, requested_at
