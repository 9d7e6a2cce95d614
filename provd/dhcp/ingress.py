"""Where a datagram came in."""

from __future__ import annotations

from typing import NamedTuple

from provd.base.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Link:
    """A network interface that we serve: its name and our addresses on it, the first for when none fits better."""

    interface: str
    addresses: tuple[int, ...] = ()


class Ingress(NamedTuple):
    """Where a datagram came in: link, IPv4 source and destination as numbers."""

    link: Link
    source: int = 0
    destination: int = 0xFFFFFFFF
