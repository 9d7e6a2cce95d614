"""Server replies on the wire: what is copied from the request, what is cached, and what happens when space is short.

RFC 2131 section 4.3.1 table 3 (fields), RFC 1542 (300 octets), RFC 2132 section 9.10 (size limit) and 9.3
(overload), RFC 3396 (long options), RFC 6842 (option 61 comes back), RFC 3046 (option 82 comes back, last).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from provd.dhcp.options import MAGIC, encoded, octets_of, pieces
from provd.dhcp.packet import SMALLEST, Message

IP_UDP: Final = 28
"""Octets of the IP and UDP headers, which the limits of option 57 include."""
DEFAULT_SIZE: Final = 576 - IP_UDP
LARGEST_SIZE: Final = 1500 - IP_UDP
"""Beyond this a reply would leave in fragments, which boot loaders do not put together."""

_PRIORITY: Final = {code: rank for rank, code in enumerate((53, 54, 51, 1, 3, 66, 67, 150, 61))}
_NO_NAMES = bytes(64 + 128)
_NOTHING: Mapping[int, bytes] = {}
_ESSENTIAL: Final = 27
"""Octets of options 53, 54, 51, 1 and 3 with one router."""
_FILE_ROOM: Final = 127
_SNAME_ROOM: Final = 63


class Tail:
    """The options of a reply that are the same for many clients, with their octets ready.

    ``data`` starts at the ``sname`` field and ends before what belongs to one client: its own options, 61, 82, END.
    """

    __slots__ = ("data", "items")

    def __init__(self, items: Sequence[tuple[int, bytes]]) -> None:
        self.items = tuple(items)
        self.data = _NO_NAMES + MAGIC + encoded(items)


class Mould:
    """A whole reply but for what belongs to one client, for all clients whose messages have one pattern.

    ``personal``: option 61 is htype and the hardware address, and comes back as such.
    """

    __slots__ = ("_after", "_before", "_head", "_personal", "_siaddr")

    def __init__(self, request: Message, tail: Tail, siaddr: bytes, *, personal: bool) -> None:
        sent, options = request.data, request.options
        client = b"" if 61 not in options else b"\x3d\7" + sent[1:2] if personal else _echo(61, options[61])
        agent = _echo(82, options[82]) if 82 in options else b""
        self._head = b"\2" + sent[1:3] + b"\0"
        self._siaddr = siaddr
        self._before = tail.data + client
        self._personal = personal
        padding = SMALLEST - (44 + len(self._before) + 6 * personal + len(agent) + 1)
        self._after = agent + b"\xff" + bytes(max(0, padding))

    def cast(self, sent: bytes, ciaddr: bytes, yiaddr: bytes) -> bytes:
        """The reply to the request ``sent``: the octets that :func:`encode_reply` would give."""
        return b"".join(
            (
                self._head,
                sent[4:8],  # xid
                b"\0\0",
                sent[10:12],  # flags
                ciaddr,
                yiaddr,
                self._siaddr,
                sent[24:44],  # giaddr, chaddr
                self._before,
                sent[28:34] if self._personal else b"",
                self._after,
            )
        )


def mould_for(request: Message, tail: Tail, siaddr: bytes, *, personal: bool) -> Mould | None:
    """The mould of replies to messages like this one; None where they would not fit into the client's limit."""
    options = request.options
    size = 45 + len(tail.data) + sum(len(_echo(code, options[code])) for code in (61, 82) if code in options)
    return Mould(request, tail, siaddr, personal=personal) if size <= size_limit(request) else None


def size_limit(message: Message) -> int:
    """Octets of UDP payload that the client takes (option 57; less than 576 counts as 576)."""
    value = message.options.get(57, b"")
    stated = int.from_bytes(value, "big") if len(value) == 2 else 0
    return min(max(stated - IP_UDP, DEFAULT_SIZE), LARGEST_SIZE)


def encode_reply(
    request: Message,
    tail: Tail,
    *,
    ciaddr: bytes = bytes(4),
    yiaddr: bytes = bytes(4),
    siaddr: bytes = bytes(4),
    flags: bytes = b"",
    own: Mapping[int, bytes] = _NOTHING,
) -> bytes:
    """A reply to ``request``: xid, flags, giaddr, chaddr, options 61 and 82 come back unchanged.

    ``own`` are options of this client alone. When all of it exceeds the client's limit, ``file`` and ``sname``
    are filled with options, and what still does not fit is left out, the least important first.
    """
    sent, options = request.data, request.options
    last = encoded(own) if own else b""
    if 61 in options:
        last += _echo(61, options[61])
    if 82 in options:
        last += _echo(82, options[82])
    body = tail.data
    size = 45 + len(body) + len(last)
    if size > DEFAULT_SIZE and size > (limit := size_limit(request)):
        body = _squeezed(request, [*tail.items, *own.items()], limit)
        last = b""
    reply = b"".join(
        (
            b"\2",
            sent[1:3],  # htype, hlen
            b"\0",
            sent[4:8],  # xid
            b"\0\0",
            flags or sent[10:12],
            ciaddr,
            yiaddr,
            siaddr,
            sent[24:44],  # giaddr, chaddr
            body,
            last,
            b"\xff",
        )
    )
    return reply if size >= SMALLEST else reply.ljust(SMALLEST, b"\0")


def lease_options(kind: int, server: int, lease: int, t1: int, t2: int) -> list[tuple[int, bytes]]:
    """What every OFFER and ACK begins with: 53, 54, then 51, 58 and 59 where there is a lease time."""
    items = [(53, bytes([kind])), (54, octets_of(server))]
    if lease:
        items.append((51, octets_of(lease)))
    if t1 and t2:
        items += [(58, octets_of(t1)), (59, octets_of(t2))]
    return items


def nak_tail(server: int, text: str) -> Tail:
    """The options of a NAK: type, server and a word of explanation, nothing else (RFC 2131 table 3)."""
    return Tail([(53, b"\6"), (54, octets_of(server)), (56, text.encode("ascii"))])


def _echo(code: int, value: bytes) -> bytes:
    return bytes((code, len(value))) + value if len(value) < 256 else b"".join(pieces(code, value))


def _squeezed(request: Message, items: list[tuple[int, bytes]], limit: int) -> bytes:
    """From ``sname`` to before END within ``limit``: overloaded, and without what is least important."""
    client = request.options.get(61)
    if client is not None:
        items.append((61, client))
    agent = b"".join(pieces(82, request.options[82])) if 82 in request.options else b""
    room = limit - 240 - 1 - 3  # END, and option 52 should it be needed
    if len(agent) > room - _ESSENTIAL:
        agent = b""  # RFC 3046 section 2.2: whole or not at all
    places = _placed(items, [room - len(agent), _FILE_ROOM, _SNAME_ROOM])
    main, file, sname = (b"".join(piece for _, piece in sorted(place)) for place in places)
    used = (1 if file else 0) | (2 if sname else 0)
    if used:
        # Option 53 stays first: some clients look for it there.
        main = main[:3] + bytes((52, 1, used)) + main[3:]
    return b"".join(
        (
            (sname + b"\xff" if sname else b"").ljust(64, b"\0"),
            (file + b"\xff" if file else b"").ljust(128, b"\0"),
            MAGIC,
            main,
            agent,
        )
    )


_Place = list[tuple[tuple[int, int], bytes]]


def _placed(items: list[tuple[int, bytes]], rooms: list[int]) -> tuple[_Place, _Place, _Place]:
    """Pieces by field (options, file, sname), each with its position; the important ones choose first.

    A piece never crosses fields, and the pieces of one long option keep their order over the fields.
    """
    places: tuple[_Place, _Place, _Place] = ([], [], [])
    ranked = sorted(range(len(items)), key=lambda index: (_PRIORITY.get(items[index][0], len(_PRIORITY)), index))
    for index in ranked:
        code, value = items[index]
        left = list(rooms)
        chosen: list[tuple[int, bytes]] = []
        field = 0
        for piece in pieces(code, value):
            while field < 3 and len(piece) > left[field]:
                field += 1
            if field == 3:
                break
            left[field] -= len(piece)
            chosen.append((field, piece))
        else:
            rooms = left
            for number, (where, piece) in enumerate(chosen):
                places[where].append(((index, number), piece))
    return places
