"""Who counts as one, where somebody is counted."""

from __future__ import annotations

import ipaddress


def source_of(peer: str) -> str:
    """What is counted as one source: an IPv4 address, or the /64 of an IPv6 one."""
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return peer
    if address.version == 4:
        return str(address)
    return str(address.ipv4_mapped or ipaddress.ip_network((address, 64), strict=False))
