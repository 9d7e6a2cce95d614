"""A first configuration: what can be seen of the network, made into a proposal, made into a file."""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from provd.base.dataclass import dataclass
from provd.base.errors import UsageError
from provd.base.types import ip_text
from provd.net.netlink import Interface

MODES = ("observe", "phones-only", "full", "off")
_KEPT_BACK = 16
"""One part in so many of a network stays outside the pool, for servers and printers that have fixed addresses."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What the file will say."""

    mode: str
    interface: str
    network: str
    pool: str
    router: str
    dns: tuple[str, ...]
    lease: str = "1h"


def usable(interfaces: Sequence[Interface]) -> list[Interface]:
    """Interfaces on which phones could be: up, with an address that is not the machine's own."""
    return [
        one for one in interfaces if one.up and one.addresses and not ip_text(one.addresses[0][0]).startswith("127.")
    ]


def proposal(interface: Interface, mode: str, *, router: str = "", dns: Sequence[str] = ()) -> Choices:
    """What fits this interface. Raises UsageError when its network has no room for a pool."""
    address, length = interface.addresses[0]
    network = ipaddress.IPv4Network((address, length), strict=False)
    if network.num_addresses < 2 * _KEPT_BACK:
        raise UsageError(f"{interface.name}: {network} is too small for a pool; name one with --pool")
    own = ipaddress.IPv4Address(address)
    first = network.network_address + max(network.num_addresses // _KEPT_BACK, 10)
    last = network.broadcast_address - 1
    if first <= own <= last:
        # On the larger side of our own address.
        first, last = (own + 1, last) if int(last) - int(own) > int(own) - int(first) else (first, own - 1)
    mine = str(own)
    return Choices(
        mode, interface.name, str(network), f"{first}-{last}", router or mine, tuple(dns) or (router or mine,)
    )


def default_router(interface: str, routes: Path = Path("/proc/net/route")) -> str:
    """The gateway of the default route through that interface; empty when there is none."""
    with suppress(OSError, ValueError):
        for row in routes.read_text(encoding="ascii").splitlines()[1:]:
            words = row.split()
            if words[0] == interface and words[1] == "00000000" and words[2] != "00000000":
                return socket.inet_ntoa(struct.pack("=I", int(words[2], 16)))
    return ""


def name_servers(file: Path = Path("/etc/resolv.conf")) -> list[str]:
    """The IPv4 name servers that this machine uses, but for one on itself."""
    found = []
    with suppress(OSError, UnicodeDecodeError):
        for row in file.read_text(encoding="utf-8").splitlines():
            words = row.split()
            if len(words) > 1 and words[0] == "nameserver":
                with suppress(ValueError):
                    address = ipaddress.IPv4Address(words[1])
                    if not address.is_loopback:
                        found.append(str(address))
    return found


def text_of(choices: Choices, state_dir: Path) -> str:
    """The file."""
    dns = ", ".join(f'"{one}"' for one in choices.dns)
    return f"""\
# Written by `provd setup`. Every key there is: share/etc/provd.toml in the package.

[server]
state_dir = "{state_dir}"

[dhcp]
mode = "{choices.mode}"
interfaces = ["{choices.interface}"]

[[dhcp.subnet]]
network = "{choices.network}"
pools = ["{choices.pool}"]
routers = ["{choices.router}"]
dns = [{dns}]
lease = "{choices.lease}"
"""
