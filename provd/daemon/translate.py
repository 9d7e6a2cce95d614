"""From the configuration file's sections to the values that the parts below take."""

from __future__ import annotations

import secrets
from collections.abc import Iterable

from netaddr import IPNetwork

from provd.app.activation.contents import Bounds
from provd.app.codes.terms import Terms
from provd.app.regions.turns import Terms as RegionTerms
from provd.app.site import Site
from provd.base.types import ip_int
from provd.config.dhcp import DhcpSection, DhcpSubnet, option_octets
from provd.config.regions import RegionSection
from provd.config.settings import (
    ActivationSection,
    CodesSection,
    Settings,
    SipSection,
)
from provd.config.values import INFINITE_SECONDS, range_bounds, route_parts
from provd.dhcp.subnet import DhcpSettings, Mode, ReservedAddress, Subnet
from provd.domain.codes import Form
from provd.domain.lockout import Rules
from provd.domain.records import Reservation
from provd.domain.regions.home import Role
from provd.domain.regions.rules import By, Rule
from provd.guard.bucket import KeyedBuckets
from provd.sip.endpoint import SipSettings
from provd.sip.registrar import Terms as Registrations


def site_of(settings: Settings, *, listening: Settings | None = None) -> Site:
    """Policy and addresses. ``listening`` are the settings whose listeners are open, where they are others."""
    opened, policy = listening or settings, settings.policy
    phones, sip = opened.phones, opened.sip
    listen, tls = phones.listen, phones.tls_listen
    return Site(
        # The settings model refuses the rung that this version does not have.
        secrets="token" if policy.secrets == "certificate" else policy.secrets,
        claim=policy.claim,
        auto_add=policy.auto_add,
        max_new_devices=policy.max_new_devices,
        stale_after=float(policy.stale_after),
        advertise=settings.server.advertise,
        http_port=listen[0].port if listen else 0,
        https_port=tls[0].port if tls else 0,
        sip_port=sip.listen[0].port if sip.listen else 5060,
    )


def fresh_id() -> str:
    """An id that nobody has had before."""
    return secrets.token_hex(16)


def region_terms(section: RegionSection) -> RegionTerms:
    """What this instance is among others."""
    rules = (
        Rule(by=By(each.by), value=each.url or each.value, name=each.name, region=each.region) for each in section.rule
    )
    return RegionTerms(
        name=section.name,
        role=Role(section.role),
        endpoint=section.endpoint,
        rules=tuple(rules),
        delete=section.delete,
    )


def sip_of(section: SipSection) -> SipSettings:
    """What the SIP endpoint offers and grants."""
    terms = Registrations(
        shortest=section.expires_min,
        longest=section.expires_max,
        behind_nat=section.expires_nat,
        usual=section.expires_max,
    )
    return SipSettings(algorithms=section.digest, terms=terms, keepalive=float(section.keepalive))


def terms_of(section: CodesSection) -> Terms:
    """What codes look like and who may dial them."""
    return Terms(
        form=Form(section.length, section.alphabet),
        life=0.0 if section.expires == INFINITE_SECONDS else float(section.expires),
        uses=section.uses,
        rules=Rules(
            tries=section.tries,
            delay=float(section.delay),
            lock=float(section.lock),
            source_tries=section.source_tries,
            crowd=section.crowd,
            site_tries=section.site_tries,
        ),
        reset_number=section.reset_number,
        reset_pin=section.reset_pin,
    )


def newcomers_of(site: Site) -> KeyedBuckets[str]:
    """How many devices each network may add by itself in an hour."""
    return KeyedBuckets(site.max_new_devices / 3600, site.max_new_devices, 1_000)


def dhcp_of(section: DhcpSection) -> DhcpSettings:
    """The DHCP engine's settings. Raises ConfigError where a subnet contradicts itself."""
    return DhcpSettings(
        mode=Mode(section.mode),
        interfaces=section.interfaces,
        server_port=section.server_port,
        client_port=section.client_port,
        authoritative=section.authoritative,
        relays=tuple((ip_int(relay), 32) for relay in section.trusted_relays),
        subnets=tuple(_subnet(subnet) for subnet in section.subnet),
    )


def _subnet(section: DhcpSubnet) -> Subnet:
    network = IPNetwork(section.network)
    return Subnet(
        name=section.network,
        network=int(network.first),
        prefixlen=int(network.prefixlen),
        pools=tuple(range_bounds(pool) for pool in section.pools),
        routers=tuple(map(ip_int, section.routers)),
        dns=tuple(map(ip_int, section.dns)),
        ntp=tuple(map(ip_int, section.ntp)),
        domain=section.domain,
        routes=tuple(map(route_parts, section.routes)),
        next_server=ip_int(section.next_server) if section.next_server else 0,
        lease=section.lease,
        t1=section.t1,
        t2=section.t2,
        probe=section.probe,
        circuit_limit=section.circuit_limit,
        options={int(code): option_octets(value) for code, value in section.options.items()},
    )


def reserved_of(reservations: Iterable[Reservation]) -> tuple[ReservedAddress, ...]:
    """The engine's form of the reservations."""
    return tuple(
        ReservedAddress(
            ip=ip_int(reservation.ip),
            mac=reservation.mac,
            client=bytes.fromhex(reservation.client_id),
            hostname=reservation.hostname,
        )
        for reservation in reservations
    )


def bounds_of(section: ActivationSection) -> Bounds:
    """How large contents of devices may be."""
    return Bounds(one=section.content_mib << 20, all=section.contents_mib << 20)
