"""DHCP options (RFC 2132 and successors): their numbers, and the inner forms of those that have one."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

from provd.base.errors import WireError

PAD = 0
END = 255
MAGIC = b"\x63\x82\x53\x63"
"""RFC 2131 section 3: what tells DHCP options from a BOOTP vendor area."""


class Type(enum.IntEnum):
    """DHCP message types, option 53 (RFC 2132 section 9.6)."""

    DISCOVER = 1
    OFFER = 2
    REQUEST = 3
    DECLINE = 4
    ACK = 5
    NAK = 6
    RELEASE = 7
    INFORM = 8


class Code(enum.IntEnum):
    """The option numbers that provd knows by name."""

    SUBNET_MASK = 1
    TIME_OFFSET = 2
    ROUTERS = 3
    DNS = 6
    HOST_NAME = 12
    DOMAIN_NAME = 15
    BROADCAST = 28
    NTP = 42
    VENDOR_SPECIFIC = 43
    REQUESTED_ADDRESS = 50
    LEASE_TIME = 51
    OVERLOAD = 52
    MESSAGE_TYPE = 53
    SERVER_ID = 54
    PARAMETER_REQUEST = 55
    MESSAGE = 56
    MAX_SIZE = 57
    RENEWAL_TIME = 58
    REBINDING_TIME = 59
    VENDOR_CLASS = 60
    CLIENT_ID = 61
    TFTP_SERVER = 66
    BOOT_FILE = 67
    USER_CLASS = 77
    CLIENT_FQDN = 81
    RELAY_AGENT = 82
    IPV6_ONLY = 108
    DOMAIN_SEARCH = 119
    CLASSLESS_ROUTES = 121
    VENDOR_CLASSES = 124
    VENDOR_INFORMATION = 125
    TFTP_ADDRESSES = 150
    CLASSLESS_ROUTES_249 = 249


class Agent(enum.IntEnum):
    """Sub-options of the relay agent information, option 82."""

    CIRCUIT_ID = 1
    REMOTE_ID = 2
    LINK_SELECTION = 5
    """RFC 3527."""
    SERVER_ID_OVERRIDE = 11
    """RFC 5107."""


SERVER_ONLY = frozenset({PAD, END, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 61, 82})
"""What a reply carries only as the engine decides (RFC 2131 table 3); nobody may configure or advise these."""


def octets_of(address: int) -> bytes:
    """The four octets of an IPv4 address."""
    return address.to_bytes(4, "big")


def addresses(values: Iterable[int]) -> bytes:
    """A list of IPv4 addresses in order of preference (options 3, 6, 42, 150)."""
    return b"".join(value.to_bytes(4, "big") for value in values)


def address_list(value: bytes) -> tuple[int, ...]:
    """The addresses of such a list. Raises WireError unless the length is a multiple of 4."""
    if not value or len(value) % 4:
        raise WireError(f"address list: length is no positive multiple of 4 but {len(value)}")
    return tuple(int.from_bytes(value[i : i + 4], "big") for i in range(0, len(value), 4))


def classless_routes(routes: Iterable[tuple[int, int, int]]) -> bytes:
    """Option 121 (RFC 3442) of ``(network, prefixlen, router)`` routes."""
    parts = []
    for network, prefixlen, router in routes:
        significant = (prefixlen + 7) // 8
        parts.append(bytes([prefixlen]) + octets_of(network)[:significant] + octets_of(router))
    return b"".join(parts)


def text_of(octets: bytes) -> str:
    """Text that a client sent, as text that can be stored and shown: latin-1, without trailing NULs, control
    characters replaced. Hostile all the same: whoever writes it somewhere escapes it for that place."""
    text = octets.decode("latin-1")
    return text if text.isprintable() else text.rstrip("\0").translate(_CONTROLS)


_CONTROLS: Mapping[int, str] = MappingProxyType(dict.fromkeys((*range(0x20), *range(0x7F, 0xA0)), "?"))


def sub_options(value: bytes) -> dict[int, bytes]:
    """Sub-options of options 43 and 82 (RFC 3046 section 2.0), the first of each number.

    Raises WireError when a length runs past the option.
    """
    found: dict[int, bytes] = {}
    offset = 0
    while offset + 1 < len(value):
        end = offset + 2 + value[offset + 1]
        if end > len(value):
            raise WireError(f"sub-option at offset {offset}: {end} octets expected, the option has {len(value)}")
        found.setdefault(value[offset], value[offset + 2 : end])
        offset = end
    if offset != len(value):
        raise WireError(f"sub-option at offset {offset}: no length octet")
    return found


def user_classes(value: bytes) -> tuple[bytes, ...]:
    """User classes of option 77 (RFC 3004 section 4). Raises WireError for an empty class or a wrong length."""
    return tuple(_counted(value, 0, "user class"))


def user_class_text(value: bytes) -> str:
    """Option 77 as text, several classes with commas between them. Clients that do not count their classes, as many do,
    are taken at their word."""
    try:
        return ",".join(map(text_of, user_classes(value)))
    except WireError:
        return text_of(value)


def vendor_classes(value: bytes) -> dict[int, tuple[bytes, ...]]:
    """Vendor classes by enterprise number, option 124 (RFC 3925 section 3). Raises WireError."""
    return {number: tuple(_counted(data, 0, "vendor class")) for number, data in _enterprises(value).items()}


def vendor_information(value: bytes) -> dict[int, dict[int, bytes]]:
    """Sub-options by enterprise number, option 125 (RFC 3925 section 4). Raises WireError."""
    return {number: sub_options(data) for number, data in _enterprises(value).items()}


def _counted(value: bytes, offset: int, what: str) -> Iterator[bytes]:
    while offset < len(value):
        length = value[offset]
        end = offset + 1 + length
        if not length or end > len(value):
            raise WireError(f"{what} at offset {offset}: length {length} with {len(value) - offset - 1} octets left")
        yield value[offset + 1 : end]
        offset = end


def _enterprises(value: bytes) -> dict[int, bytes]:
    """Data of each enterprise; blocks of one enterprise are joined, others kept apart."""
    found: dict[int, bytes] = {}
    offset = 0
    while offset < len(value):
        if offset + 5 > len(value):
            raise WireError(f"enterprise at offset {offset}: 5 octets expected, {len(value) - offset} left")
        number = int.from_bytes(value[offset : offset + 4], "big")
        end = offset + 5 + value[offset + 4]
        if end > len(value):
            raise WireError(f"enterprise {number} at offset {offset}: data to {end} expected, found {len(value)}")
        found[number] = found.get(number, b"") + value[offset + 5 : end]
        offset = end
    return found


def pieces(code: int, value: bytes) -> list[bytes]:
    """The option as it goes on the wire: one piece, or several of up to 255 octets (RFC 3396 section 5)."""
    if len(value) < 256:
        return [bytes((code, len(value))) + value]
    chunks = [value[i : i + 255] for i in range(0, len(value), 255)]
    return [bytes((code, len(chunk))) + chunk for chunk in chunks]


def encoded(options: Mapping[int, bytes] | Sequence[tuple[int, bytes]]) -> bytes:
    """Options on the wire, in the given order, without END."""
    items = options.items() if isinstance(options, Mapping) else options
    return b"".join(piece for code, value in items for piece in pieces(code, value))
