"""The section about DHCP: where and to whom addresses are given out, and what else leases say."""

from __future__ import annotations

from typing import Literal, Self

from netaddr import IPNetwork
from pydantic import Field, ValidationInfo, field_validator, model_validator

from provd.config.section import Section
from provd.config.values import INFINITE_SECONDS, Duration, IPv4, IPv4OrNone, Network4, Pool, StaticRoute, range_bounds
from provd.dhcp.subnet import NOT_AMONG_OPTIONS


class DhcpSubnet(Section):
    """One network that addresses are given out on. Those that one interface has an address in share its link."""

    network: Network4 = Field(description="relayed requests match by giaddr / option 82 link selection")
    pools: tuple[Pool, ...] = Field(default=(), description="ranges of addresses to give out; none: reservations only")
    routers: tuple[IPv4, ...] = Field(default=(), description="option 3")
    dns: tuple[IPv4, ...] = Field(default=(), description="option 6")
    ntp: tuple[IPv4, ...] = Field(default=(), description="option 42")
    domain: str = Field(default="", description="option 15")
    lease: Duration = Field(default=3600, ge=1, le=INFINITE_SECONDS, description='option 51; "infinite" is possible')
    t1: Duration = Field(default=0, description="option 58, when a client renews; 0: after half of the lease")
    t2: Duration = Field(default=0, description="option 59, when it asks any server; 0: after seven eighths of it")
    probe: bool = Field(default=True, description="send an ARP probe before offering to a client without an address")
    next_server: IPv4OrNone = Field(default="", description="siaddr, for boot loaders")
    routes: tuple[StaticRoute, ...] = Field(
        default=(), description='options 121 and 249: ["10.0.0.0/8 via 10.20.0.254"]; clients then leave out routers'
    )
    circuit_limit: int = Field(
        default=0, ge=0, description="addresses for one relay port (option 82, circuit and remote id); 0: no limit"
    )
    options: dict[str, str] = Field(
        default={},
        description='further options by code, for whoever asks: { "119" = "hex:…", "44" = "ip:…" }',
    )

    @field_validator("pools")
    @classmethod
    def _inside(cls, pools: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if "network" not in info.data:
            return pools  # what is wrong with the network is said already
        network = IPNetwork(info.data["network"])
        before = ""
        for pool in sorted(pools, key=range_bounds):
            first, last = range_bounds(pool)
            if first < network.first or last > network.last:
                raise ValueError(f"pool {pool} is not inside {network}")
            if before and range_bounds(before)[1] >= first:
                raise ValueError(f"pools {before} and {pool} overlap")
            before = pool
        return pools

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if (self.t1 or self.t2) and not 0 < self.t1 < self.t2 < self.lease:
            raise ValueError("t1 < t2 < lease is not so; give both or none")
        return self

    @field_validator("options")
    @classmethod
    def _permitted(cls, options: dict[str, str]) -> dict[str, str]:
        for code, value in options.items():
            if not (code.isascii() and code.isdigit()) or not 1 <= int(code) <= 254:
                raise ValueError(f"option {code!r} is not a code from 1 to 254")
            if int(code) in NOT_AMONG_OPTIONS:
                raise ValueError(f"option {code} is decided by provd or has a setting of its own")
            option_octets(value)
        return options


def option_octets(text: str) -> bytes:
    """Octets of an option value written as ``text:…``, ``hex:…`` or ``ip:a,b``. Raises ValueError."""
    kind, colon, value = text.partition(":")
    try:
        if colon and kind == "text":
            return value.encode()
        if colon and kind == "hex":
            return bytes.fromhex(value)
        if colon and kind == "ip":
            return b"".join(range_bounds(part.strip())[0].to_bytes(4, "big") for part in value.split(","))
    except ValueError as error:
        raise ValueError(f"option value {text!r}: {error}") from None
    raise ValueError(f'write an option value as "text:…", "hex:…" or "ip:…", not {text!r}')


class DhcpSection(Section):
    """Addresses for phones, and where they find their files."""

    mode: Literal["off", "observe", "phones-only", "full"] = Field(
        default="off",
        description="off | observe | phones-only | full   (a fresh install never answers on a LAN by itself)",
    )
    interfaces: tuple[str, ...] = Field(default=(), description="where to answer; every other interface is left alone")
    server_port: int = Field(default=67, ge=1, le=65535)
    client_port: int = Field(default=68, ge=1, le=65535)
    authoritative: bool = Field(
        default=False,
        description="say NAK to unknown clients that ask for a wrong address; only where there is no other server",
    )
    trusted_relays: tuple[IPv4, ...] = Field(
        default=(),
        description="whose requests are answered, also with a giaddr of no subnet where option 82 names the link;"
        " []: every relay with a giaddr of a subnet",
    )
    subnet: tuple[DhcpSubnet, ...] = ()

    @model_validator(mode="after")
    def _complete(self) -> Self:
        networks = [IPNetwork(subnet.network) for subnet in self.subnet]
        for i, network in enumerate(networks):
            for other in networks[:i]:
                if network in other or other in network:
                    raise ValueError(f"subnets {other} and {network} overlap")
        if self.mode in {"phones-only", "full"} and not self.subnet:
            raise ValueError(f'mode = "{self.mode}" needs at least one [[dhcp.subnet]]')
        if self.mode != "off" and not self.interfaces:
            raise ValueError(f'mode = "{self.mode}" needs interfaces')
        return self
