"""Whose X-Forwarded-For counts: the address that a request came from, as far as it can be believed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from provd.base.errors import ConfigError

Address = IPv4Address | IPv6Address


def plain_address(text: str) -> str:
    """An address as the kernel gives it, without zone and without the IPv6 form of an IPv4 address."""
    if ":" not in text:
        return text
    text = text.partition("%")[0]
    return text[7:] if text.startswith("::ffff:") and "." in text else text


class TrustedProxies:
    """The networks of the proxies that stand before us."""

    def __init__(self, networks: Iterable[str] = ()) -> None:
        try:
            self._networks: tuple[IPv4Network | IPv6Network, ...] = tuple(ip_network(text) for text in networks)
        except ValueError as error:
            raise ConfigError(f"trusted_proxies: {error}") from error

    def trusts(self, peer: str) -> bool:
        """Whether the address is a proxy's."""
        address = _address(peer) if self._networks else None
        return address is not None and self._among(address)

    def client(self, peer: str, forwarded_for: Sequence[str]) -> str:
        """The first address, read from the right, that is not a trusted proxy's.

        ``forwarded_for`` holds the X-Forwarded-For lines in order. What stands left of an address that is not
        ours to trust was written by somebody we do not know, and is not read.
        """
        client = peer
        for text in reversed(",".join(forwarded_for).split(",")):
            address = _address(text.strip())
            if address is None:
                break
            client = str(address)
            if not self._among(address):
                break
        return client

    def _among(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


def _address(text: str) -> Address | None:
    try:
        return ip_address(plain_address(text.strip("[]")))
    except ValueError:
        return None
