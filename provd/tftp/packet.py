"""TFTP datagrams (RFC 1350 section 5, options RFC 2347): octets to values and back.

:func:`decode` raises :class:`~provd.base.errors.WireError` and nothing else, whatever the octets.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Mapping
from dataclasses import field
from typing import Final

from provd.base.dataclass import dataclass
from provd.base.errors import UsageError, WireError

_TWO: Final = struct.Struct("!HH")


class Opcode(enum.IntEnum):
    """RFC 1350 section 5; OACK is RFC 2347."""

    RRQ = 1
    WRQ = 2
    DATA = 3
    ACK = 4
    ERROR = 5
    OACK = 6


class ErrorCode(enum.IntEnum):
    """RFC 1350 appendix; 8 is RFC 2347."""

    NOT_DEFINED = 0
    FILE_NOT_FOUND = 1
    ACCESS_VIOLATION = 2
    DISK_FULL = 3
    ILLEGAL_OPERATION = 4
    UNKNOWN_TID = 5
    FILE_EXISTS = 6
    NO_SUCH_USER = 7
    OPTION_REFUSED = 8


@dataclass(frozen=True, slots=True)
class Request:
    """RRQ or WRQ. ``mode`` and option names are lower case (both are case-insensitive on the wire)."""

    filename: bytes
    mode: str = "octet"
    options: Mapping[str, str] = field(default_factory=dict)
    opcode: Opcode = Opcode.RRQ

    @property
    def name(self) -> str:
        """The file name as text: UTF-8, or Latin-1 where it is not UTF-8 (every octet string has one)."""
        try:
            return self.filename.decode()
        except UnicodeDecodeError:
            return self.filename.decode("latin-1")

    def encode(self) -> bytes:
        """The datagram. Raises UsageError when a string holds a NUL or is not Latin-1."""
        head = _strings(self.mode, *_flat(self.options))
        if 0 in self.filename:
            raise UsageError("a file name on the wire ends at its first NUL, so it cannot hold one")
        return b"\0%c%b\0%b" % (self.opcode, self.filename, head)


@dataclass(frozen=True, slots=True)
class Data:
    """DATA: ``block`` is the 16-bit number on the wire."""

    block: int
    payload: bytes

    def encode(self) -> bytes:
        """The datagram."""
        return _TWO.pack(Opcode.DATA, self.block & 0xFFFF) + self.payload


@dataclass(frozen=True, slots=True)
class Ack:
    """ACK: ``block`` is the 16-bit number on the wire."""

    block: int

    def encode(self) -> bytes:
        """The datagram."""
        return _TWO.pack(Opcode.ACK, self.block & 0xFFFF)


@dataclass(frozen=True, slots=True)
class Error:
    """ERROR. ``code`` may be a number that no RFC names."""

    code: int
    message: str = ""

    def encode(self) -> bytes:
        """The datagram."""
        return _TWO.pack(Opcode.ERROR, self.code) + _strings(self.message)


@dataclass(frozen=True, slots=True)
class OptionAck:
    """OACK (RFC 2347): the options that the server accepted, names in lower case."""

    options: Mapping[str, str]

    def encode(self) -> bytes:
        """The datagram."""
        return b"\0\6" + _strings(*_flat(self.options))


Packet = Request | Data | Ack | Error | OptionAck


def decode(datagram: bytes) -> Packet:
    """The packet in a datagram. Raises WireError."""
    if len(datagram) < 4:
        raise WireError(f"a TFTP packet has at least 4 octets, this one {len(datagram)}")
    opcode, number = _TWO.unpack_from(datagram)
    match opcode:
        case Opcode.RRQ | Opcode.WRQ:
            return _request(Opcode(opcode), datagram)
        case Opcode.DATA:
            return Data(number, datagram[4:])
        case Opcode.ACK:
            return Ack(number)
        case Opcode.ERROR:
            # Some clients leave out the text or its NUL; the code is all that counts.
            return Error(number, datagram[4:].split(b"\0", 1)[0].decode("latin-1"))
        case Opcode.OACK:
            return OptionAck(_options(datagram[2:].split(b"\0")[:-1]))
        case _:
            raise WireError(f"offset 0: opcode 1 to 6 expected, {opcode} found")


def _request(opcode: Opcode, datagram: bytes) -> Request:
    # What follows the last NUL was cut off or is padding: no complete string, so no part of the request.
    strings = datagram[2:].split(b"\0")[:-1]
    if len(strings) < 2:
        raise WireError("offset 2: file name and mode, each ended by NUL, expected")
    return Request(strings[0], strings[1].decode("latin-1").lower(), _options(strings[2:]), opcode)


def _options(strings: list[bytes]) -> dict[str, str]:
    options: dict[str, str] = {}
    for name, value in zip(strings[::2], strings[1::2], strict=False):
        if not name:
            break  # boot loaders pad their requests with NULs
        # An option counts once (RFC 2347 section 2); the first is the one that stays.
        options.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))
    return options


def _flat(options: Mapping[str, str]) -> list[str]:
    return [text for pair in options.items() for text in pair]


def _strings(*texts: str) -> bytes:
    try:
        octets = [text.encode("latin-1") for text in texts]
    except UnicodeEncodeError as error:
        raise UsageError("strings in TFTP packets are Latin-1 here") from error
    if any(0 in text for text in octets):
        raise UsageError("a string in a TFTP packet cannot hold a NUL")
    return b"".join(text + b"\0" for text in octets)
