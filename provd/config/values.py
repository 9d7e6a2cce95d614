"""The forms in which people write values: durations, endpoints, networks, address ranges."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, NamedTuple
from urllib.parse import urlsplit

from netaddr import AddrFormatError, IPAddress, IPNetwork, IPRange
from pydantic import AfterValidator, BeforeValidator, PlainSerializer

from provd.base.secrets import Secret

_DURATION = re.compile(r"(\d+)\s*(s|m|h|d|w)?")
_SECONDS: Mapping[str | None, int] = {None: 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
INFINITE_SECONDS = 0xFFFFFFFF
"""What ``"infinite"`` means where a lease time is asked for (RFC 2131 section 3.3)."""


def _duration(value: object) -> object:
    if isinstance(value, str):
        if value == "infinite":
            return INFINITE_SECONDS
        if matched := _DURATION.fullmatch(value.strip()):
            return int(matched[1]) * _SECONDS[matched[2]]
        raise ValueError(f'write a duration as "90s", "15m", "24h", "7d" or "infinite", not {value!r}')
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise ValueError(f"write a duration as text with its unit, not {value!r}")


def duration_text(seconds: int) -> str:
    """The shortest form that means the same (``"1h"``)."""
    if seconds == INFINITE_SECONDS:
        return "infinite"
    for unit in ("w", "d", "h", "m"):
        if seconds and seconds % _SECONDS[unit] == 0:
            return f"{seconds // _SECONDS[unit]}{unit}"
    return f"{seconds}s"


DURATION_MARK = BeforeValidator(_duration)
"""Tells a duration from other integers when a model is looked through."""

Duration = Annotated[int, DURATION_MARK, PlainSerializer(duration_text)]
"""Seconds, written with a unit."""


def _secret(value: object) -> object:
    if isinstance(value, str):
        return Secret(value)
    if isinstance(value, Secret):
        return value
    raise ValueError("write a secret as text")  # its value is not repeated


SecretText = Annotated[Secret, BeforeValidator(_secret), PlainSerializer(lambda secret: "***" if secret else "")]
"""A text that is never shown."""


class Endpoint(NamedTuple):
    """Where to listen."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    def collides(self, other: Endpoint) -> bool:
        """Whether only one of the two can be opened; port 0 is any free one."""
        if self.port != other.port or not self.port or (":" in self.host) != (":" in other.host):
            return False
        return self.host == other.host or not {self.host, other.host}.isdisjoint({"0.0.0.0", "::"})


def _endpoint(value: object) -> object:
    if isinstance(value, Endpoint):
        return value
    host, colon, port = str(value).rpartition(":")
    if not isinstance(value, str) or not colon or not port.isdigit() or not 0 <= int(port) <= 65535:
        raise ValueError(f'write a listener as "address:port", not {value!r}')
    try:
        address = str(IPAddress(host or "0.0.0.0"))
    except (AddrFormatError, ValueError):
        raise ValueError(f"{host!r} is not an IP address") from None
    return Endpoint(address, int(port))


ListenOn = Annotated[Endpoint, BeforeValidator(_endpoint), PlainSerializer(str)]


def with_host(url: str) -> str:
    """A URL that names a host and no impossible port. Raises ValueError."""
    parts = urlsplit(url)
    # Reading the port checks it: "Port out of range 0-65535".
    if not parts.hostname or parts.port == 0:
        raise ValueError("must name a host")
    return url


def _ipv4(value: str) -> str:
    try:
        address = IPAddress(value)
    except (AddrFormatError, ValueError):
        raise ValueError(f"{value!r} is not an IPv4 address") from None
    if address.version != 4 or str(address) != value:
        raise ValueError(f"{value!r} is not an IPv4 address in dotted form")
    return value


IPv4 = Annotated[str, AfterValidator(_ipv4)]


IPv4OrNone = Annotated[str, AfterValidator(lambda value: _ipv4(value) if value else "")]
"""An address, or empty."""


def _network(value: str) -> str:
    try:
        network = IPNetwork(value)
    except (AddrFormatError, ValueError):
        raise ValueError(f"{value!r} is not a network such as 10.20.0.0/16") from None
    if str(network.cidr) != value and "/" in value:
        raise ValueError(f"{value!r} has host bits set; did you mean {network.cidr}?")
    return str(network.cidr)


Network = Annotated[str, AfterValidator(_network)]


def _network4(value: str) -> str:
    network = _network(value)
    if ":" in network:
        raise ValueError(f"{value!r} is not an IPv4 network")
    return network


Network4 = Annotated[str, AfterValidator(_network4)]
"""For what speaks IPv4 only: DHCP and TFTP."""


def range_bounds(text: str) -> tuple[int, int]:
    """First and last address of ``a-b``, ``a`` or ``network/len``. Raises ValueError."""
    try:
        if "/" in text:
            network = IPNetwork(text)
            return int(network.first), int(network.last)
        first, _, last = text.partition("-")
        span = IPRange(first.strip(), (last or first).strip())
    except (AddrFormatError, ValueError):
        raise ValueError(f"{text!r} is not a range such as 10.20.16.0-10.20.255.254") from None
    if IPAddress(span.first).version != 4:
        raise ValueError(f"{text!r} is not an IPv4 range")
    return int(span.first), int(span.last)


def route_parts(text: str) -> tuple[int, int, int]:
    """Network, length of its prefix and router of ``10.0.0.0/8 via 10.20.0.254``. Raises ValueError."""
    network, via, router = (part.strip() for part in text.partition(" via "))
    if not via or "/" not in network:
        raise ValueError(f'write a route as "10.0.0.0/8 via 10.20.0.254", not {text!r}')
    found = IPNetwork(_network4(network))
    return int(found.first), int(found.prefixlen), int(IPAddress(_ipv4(router)))


def _route(value: str) -> str:
    route_parts(value)
    return value


StaticRoute = Annotated[str, AfterValidator(_route)]


def _pool(value: str) -> str:
    range_bounds(value)
    return value


Pool = Annotated[str, AfterValidator(_pool)]


def port_bounds(text: str) -> tuple[int, int]:
    """First and last port of ``16384-16583``. Raises ValueError."""
    first, dash, last = (part.strip() for part in text.partition("-"))
    if not (dash and first.isascii() and first.isdigit() and last.isascii() and last.isdigit()):
        raise ValueError(f'write a range of ports as "16384-16583", not {text!r}')
    if not 1024 <= int(first) < int(last) <= 65535:
        raise ValueError(f"{text!r} is not a range of ports between 1024 and 65535")
    return int(first), int(last)


def _ports(value: str) -> str:
    port_bounds(value)
    return value


PortRange = Annotated[str, AfterValidator(_ports)]
