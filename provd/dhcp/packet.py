"""The DHCP message (RFC 2131 section 2, RFC 3396): octets to :class:`Message` and back.

Decoding is the hot path of the daemon: one pass over the options into a dict of slices, nothing else. What is
looked at rarely is derived on demand from the datagram, which the message keeps.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

from provd.base.errors import WireError
from provd.base.types import Mac
from provd.dhcp.options import END, MAGIC, PAD, Code, Type, encoded, octets_of

BOOTREQUEST: Final = 1
BOOTREPLY: Final = 2
BROADCAST_FLAG: Final = 0x8000
FIXED: Final = 236
"""Octets before the magic cookie."""
SMALLEST: Final = 300
"""A BOOTP message is not shorter (RFC 1542 section 2.1)."""

_HEADER = struct.Struct("!BBBBIHHIIII16s")
_SNAME = slice(44, 108)
_FILE = slice(108, 236)
_TYPES = frozenset(Type)


class Message:
    """One DHCP message. Addresses are 32-bit numbers; ``options`` holds each option once, repeats joined.

    ``type`` is option 53, or 0 when it is missing (plain BOOTP) or not one octet long.
    """

    __slots__ = (
        "chaddr",
        "ciaddr",
        "data",
        "flags",
        "giaddr",
        "hlen",
        "hops",
        "htype",
        "op",
        "options",
        "secs",
        "siaddr",
        "type",
        "xid",
        "yiaddr",
    )

    def __init__(self, data: bytes, options: dict[int, bytes]) -> None:
        self.data = data
        self.options = options
        (
            self.op,
            self.htype,
            self.hlen,
            self.hops,
            self.xid,
            self.secs,
            self.flags,
            self.ciaddr,
            self.yiaddr,
            self.siaddr,
            self.giaddr,
            self.chaddr,
        ) = _HEADER.unpack_from(data)
        kind = options.get(53, b"")
        self.type: int = kind[0] if len(kind) == 1 else 0

    @property
    def client(self) -> bytes:
        """The key of the binding (RFC 2131 section 4.2): option 61, else htype and the hardware address."""
        return self.options.get(61) or self.data[1:2] + self.chaddr[: self.hlen]

    @property
    def mac(self) -> Mac:
        """The hardware address out of ``chaddr``: what a device is known by, whatever option 61 claims."""
        return Mac(self.chaddr[:6].hex())

    @property
    def sname(self) -> bytes:
        """Server host name field without its NULs; empty when it carries options."""
        return b"" if self._overload & 2 else self.data[_SNAME].partition(b"\0")[0]

    @property
    def file(self) -> bytes:
        """Boot file name field without its NULs; empty when it carries options."""
        return b"" if self._overload & 1 else self.data[_FILE].partition(b"\0")[0]

    @property
    def _overload(self) -> int:
        return (self.options.get(52) or b"\0")[0]

    @property
    def type_name(self) -> str:
        """``DISCOVER`` …, ``BOOTP`` without option 53, else the number."""
        if not self.type:
            return "BOOTP"
        return Type(self.type).name if self.type in _TYPES else str(self.type)

    def address(self, code: int) -> int:
        """An option that is one address (50, 54), 0 when it is missing or malformed."""
        value = self.options.get(code)
        return int.from_bytes(value, "big") if value is not None and len(value) == 4 else 0

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Message):
            return NotImplemented
        return self._fields() == other._fields()

    __hash__ = None  # type: ignore[assignment]  # the way Python spells "not hashable"

    def _fields(self) -> tuple[object, ...]:
        options = {code: value for code, value in self.options.items() if code != 52}
        return _HEADER.unpack_from(self.data), self.sname, self.file, options

    def __repr__(self) -> str:
        return f"<{self.type_name} xid={self.xid:08x} mac={self.mac} options={sorted(self.options)}>"


def decode(datagram: bytes) -> Message:
    """Read a message. Raises WireError and nothing else, whatever the octets are.

    Repeated options are joined and overloaded fields read in the order options, file, sname (RFC 3396 section
    7). A missing END is tolerated; a length that runs past its field is not, since nobody can tell what the
    sender meant by the rest.
    """
    if datagram[FIXED : FIXED + 4] != MAGIC:
        if len(datagram) < FIXED + 4:
            raise WireError(f"offset {len(datagram)}: {FIXED + 4} octets expected at least")
        raise WireError(f"offset {FIXED}: magic cookie expected, found {datagram[FIXED : FIXED + 4].hex()}")
    if datagram[2] > 16:
        raise WireError(f"offset 2: hlen up to 16 expected, found {datagram[2]}")
    # PAD and END stand in the dict while it is filled: one look then tells an ordinary option from these and repeats.
    options: dict[int, bytes] = {0: b"", 255: b""}
    _read(datagram, FIXED + 4, options)
    if 52 in options:
        where = (options[52] or b"\0")[0]
        if where & 1:
            _read(datagram[:236], 108, options)
        if where & 2:
            _read(datagram[:108], 44, options)
    del options[0], options[255]
    return Message(datagram, options)


def _read(data: bytes, offset: int, options: dict[int, bytes]) -> None:
    """Add the options of one field to ``options``; ``data`` ends where the field ends."""
    start = offset
    try:
        # No bounds are looked at on the way: a slice past the end is short, and the next index then fails.
        while True:
            code = data[offset]
            value = offset + 2
            if code not in options:
                start = offset
                offset = value + data[offset + 1]
                options[code] = data[value:offset]
            elif code == END:
                return
            elif code == PAD:
                offset += 1
            else:
                start = offset
                offset = value + data[offset + 1]
                options[code] += data[value:offset]
    except IndexError:
        size = len(data)
        if offset > size:
            raise WireError(f"option at offset {start}: {offset} octets expected, the field ends at {size}") from None
        if offset < size:
            raise WireError(f"option at offset {offset}: length octet expected, the field ends") from None


def build(
    op: int,
    type: int,  # noqa: A002 - the word of RFC 2131
    xid: int,
    chaddr: bytes,
    *,
    htype: int = 1,
    hlen: int = 6,
    hops: int = 0,
    secs: int = 0,
    flags: int = 0,
    ciaddr: int = 0,
    yiaddr: int = 0,
    siaddr: int = 0,
    giaddr: int = 0,
    sname: bytes = b"",
    file: bytes = b"",
    options: Mapping[int, bytes] | None = None,
) -> bytes:
    """A whole message; option 53 comes first unless ``type`` is 0, option 82 last, padded to 300 octets."""
    rest = dict(options or {})
    agent = rest.pop(Code.RELAY_AGENT, None)
    first = {Code.MESSAGE_TYPE.value: bytes([type])} if type else {}
    head = _HEADER.pack(op, htype, hlen, hops, xid, secs, flags, ciaddr, yiaddr, siaddr, giaddr, chaddr)
    last = {} if agent is None else {Code.RELAY_AGENT.value: agent}
    fields = sname.ljust(64, b"\0")[:64] + file.ljust(128, b"\0")[:128]
    body = head + fields + MAGIC + encoded(first | rest) + encoded(last) + b"\xff"
    return body.ljust(SMALLEST, b"\0")


def encode(message: Message) -> bytes:
    """The message as octets: ``decode(encode(m)) == m``. An overload is undone, so option 52 is gone."""
    given = {52, 53} if message.type else {52}
    options = {code: value for code, value in message.options.items() if code not in given}
    return build(
        message.op,
        message.type,
        message.xid,
        message.chaddr,
        htype=message.htype,
        hlen=message.hlen,
        hops=message.hops,
        secs=message.secs,
        flags=message.flags,
        ciaddr=message.ciaddr,
        yiaddr=message.yiaddr,
        siaddr=message.siaddr,
        giaddr=message.giaddr,
        sname=message.sname,
        file=message.file,
        options=options,
    )


def discover(
    xid: int, mac: bytes, options: Mapping[int, bytes] | None = None, *, giaddr: int = 0, flags: int = 0
) -> bytes:
    """A client's DISCOVER; with ``giaddr`` as a relay passes it on."""
    return build(
        BOOTREQUEST, Type.DISCOVER, xid, mac, hops=int(giaddr > 0), flags=flags, giaddr=giaddr, options=options
    )


def request(
    xid: int,
    mac: bytes,
    options: Mapping[int, bytes] | None = None,
    *,
    server: int = 0,
    address: int = 0,
    ciaddr: int = 0,
    giaddr: int = 0,
    flags: int = 0,
) -> bytes:
    """A client's REQUEST: SELECTING with ``server`` and ``address``, INIT-REBOOT with ``address`` alone, RENEWING
    and REBINDING with ``ciaddr`` alone (RFC 2131 table 4)."""
    own = dict(options or {})
    if address:
        own[Code.REQUESTED_ADDRESS] = octets_of(address)
    if server:
        own[Code.SERVER_ID] = octets_of(server)
    hops = int(giaddr > 0)
    return build(BOOTREQUEST, Type.REQUEST, xid, mac, hops=hops, flags=flags, ciaddr=ciaddr, giaddr=giaddr, options=own)
