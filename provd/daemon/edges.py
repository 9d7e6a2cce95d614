"""The listeners: opened together, closed together."""

from __future__ import annotations

import asyncio
import ipaddress
import resource
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial

from provd.coap.server import CoapServer
from provd.config.dhcp import DhcpSubnet
from provd.config.settings import Settings
from provd.daemon.calling import Calling
from provd.daemon.certificates import Certificates
from provd.daemon.core import Core
from provd.daemon.translate import dhcp_of, reserved_of
from provd.dhcp.engine import DhcpEngine
from provd.dhcp.lease import Lease
from provd.dhcp.restart import as_of
from provd.dhcp.server import DhcpServer
from provd.domain.reckoning import Leap
from provd.domain.records import Reservation
from provd.http.activation.contents import Downloads
from provd.http.activation.files import ConfigPaths
from provd.http.activation.paths import ActivationPaths
from provd.http.activation.vendors import Vendors
from provd.http.connection import Limits as HttpLimits
from provd.http.paths import AllPaths, Paths
from provd.http.phones import PhoneServer
from provd.http.proxies import TrustedProxies
from provd.net.netlink import interfaces
from provd.sip.connections import TcpLimits
from provd.sip.pnp_server import PnpServer
from provd.tftp.limits import Limits
from provd.tftp.server import TftpServer

Values = Callable[[], Mapping[str, float]]
Listener = tuple[str, str]
"""What it is and where: ``("tftp", "0.0.0.0:69")``."""


class Edges:
    """DHCP, TFTP, HTTP and SIP for phones.

    ``further`` answer paths of their own on the phones' listeners. A port that cannot be opened ends the start
    (ConfigError); a network interface that is not there yet does not.
    """

    def __init__(self, core: Core, leap: Leap | None = None, further: tuple[Paths, ...] = ()) -> None:
        self._core = core
        self._further = further
        self._settings = core.settings
        dhcp = dhcp_of(self._settings.dhcp)
        self._dhcp_settings = dhcp
        now = core.clock.now()
        engine = DhcpEngine(
            dhcp,
            core.boot,
            leases=as_of(core.store.load(Lease), now, (leap.start, leap.end) if leap else None),
            reservations=reserved_of(core.fleet.tables.reservations.values()),
            # The server would tell it of them when it opens, and every lease would find its place a second time.
            own=frozenset(address for info in interfaces() for address, _ in info.addresses),
            now=now,
        )
        self.dhcp = DhcpServer(dhcp, engine, core.store, core.emit, core.clock)
        self.engine = engine
        self.certificates = Certificates(self._settings.phones, core.emit)
        self.coap = CoapServer(core.things, core.emit, core.clock)
        self.tftp: TftpServer | None = None
        self.phones: PhoneServer | None = None
        self.calling: Calling | None = None
        """SIP; None where nothing is listened on. Other parts may take its way before it is opened."""
        if self._settings.sip.listen:
            self.calling = Calling(core, self._settings, share_of_descriptors(TcpLimits().total, 8))
        replies = self._settings.sip.listen[0].port if self._settings.sip.listen else 0
        self.pnp = PnpServer(core.boot.welcoming, core.emit, core.clock, replies=replies)
        self._opened: list[Listener] = []

    @property
    def listeners(self) -> list[Listener]:
        """What is served where, at this moment."""
        section = self._settings.dhcp
        dhcp = [("dhcp", f"{name} ({section.mode})") for name in section.interfaces] if section.mode != "off" else []
        pnp = [("pnp", f"{name} ({section.mode})") for name in self.pnp.joined]
        return dhcp + self._opened + pnp

    @property
    def subnets(self) -> Sequence[DhcpSubnet]:
        """The networks of the DHCP server, as they are configured."""
        return self._settings.dhcp.subnet

    async def open(self) -> None:
        """Open everything that the settings name."""
        phones, tftp = self._settings.phones, self._settings.tftp
        core = self._core
        core.holders.ask = self.dhcp.holder
        # Also where its mode is "off": a reload may change that.
        self.dhcp.open()
        if tftp.listen:
            await self._open_tftp()
        if phones.listen or phones.tls_listen or phones.tls_legacy_listen:
            self.phones = PhoneServer(
                core.boot,
                emit=core.emit,
                clock=core.clock,
                proxies=TrustedProxies(phones.trusted_proxies),
                limits=HttpLimits(total=share_of_descriptors(HttpLimits().total, 2)),
                things=AllPaths(
                    ActivationPaths(core.things, Vendors(core.vendors), Downloads(core.vendors.contents, core.things)),
                    ConfigPaths(core.things, core.fleet.tables, core.boot, core.clock, core.emit),
                    *self._further,
                ),
            )
            for endpoint in phones.listen:
                opened = await self.phones.listen(endpoint.host, endpoint.port)
                self._opened.append(("http", f"{opened[0]}:{opened[1]}"))
            for name, listen in (("https", phones.tls_listen), ("https-legacy", phones.tls_legacy_listen)):
                for endpoint in listen:
                    opened = await self.phones.listen(endpoint.host, endpoint.port, self.certificates.context(name))
                    self._opened.append((name, f"{opened[0]}:{opened[1]}"))

        await self._open_coap()
        if self.calling is not None:
            self._opened += [("sip", address) for address in await self.calling.open()]
            self.calling.way.overheard = self.pnp.confirmed
        self._welcome()

    async def _open_coap(self) -> None:
        for endpoint in self._settings.activation.coap_listen:
            await self.coap.listen(endpoint.host, endpoint.port)
            self._opened.append(("coap", str(endpoint)))

    def _welcome(self) -> None:
        """Hear phones that ask by multicast, as the DHCP mode lets us. After SIP, which wants its port for itself."""
        dhcp = self._settings.dhcp
        wanted = self._settings.sip.pnp and dhcp.mode != "off"
        self.pnp.serve(dhcp.interfaces if wanted else (), speak=dhcp.mode != "observe")

    def note(self, name: str, address: str) -> None:
        """A listener that is opened elsewhere."""
        self._opened.append((name, address))

    async def close(self, grace: float) -> None:
        """Take nothing new, let what is in hand finish within ``grace`` seconds, close."""
        closing: list[Awaitable[None]] = []
        if self.tftp is not None:
            closing.append(self.tftp.close(grace))
        if self.phones is not None:
            closing.append(self.phones.close(grace))
        if self.calling is not None:
            closing.append(self.calling.close(grace))
        self.dhcp.close()
        self.pnp.close()
        closing.append(self.coap.close())
        await asyncio.gather(*closing)

    def leapt(self, seconds: float) -> None:
        """The clock was corrected forward while we ran: no lease, registration or transfer ends because of it."""
        self.dhcp.leapt(seconds)
        if self.tftp is not None:
            self.tftp.leapt(seconds)
        if self.calling is not None:
            self.calling.way.leapt(seconds)

    def reserved(self, added: Reservation | None, removed: Reservation | None) -> None:
        """Take the reservations as they are, with one more or one less, into the DHCP engine."""
        kept = {r.id: r for r in self._core.fleet.tables.reservations.values()}
        if removed is not None:
            kept.pop(removed.id, None)
        if added is not None:
            kept[added.id] = added
        self.dhcp.reload(self._dhcp_settings, reserved_of(kept.values()))

    def reload(self, settings: Settings) -> None:
        """Take the DHCP part of new settings. Raises ConfigError and changes nothing."""
        dhcp = dhcp_of(settings.dhcp)
        self._settings, self._dhcp_settings = settings, dhcp
        self.dhcp.reload(dhcp, reserved_of(self._core.fleet.tables.reservations.values()))

    def reload_sip(self, settings: Settings) -> None:
        """Take the SIP part of new settings, except for what waits for a restart."""
        if self.calling is not None:
            self.calling.reload(settings.sip)
        self._settings = settings
        self._welcome()

    async def _open_tftp(self) -> None:
        section = self._settings.tftp
        server = TftpServer(
            self._core.boot,
            self._core.emit,
            self._core.clock,
            listen=[(endpoint.host, endpoint.port) for endpoint in section.listen],
            limits=Limits(per_client=section.transfers_per_client, total=share_of_descriptors(Limits().total, 4)),
            networks=[ipaddress.IPv4Network(network) for network in section.networks],
        )
        server.open()
        await server.start()
        self.tftp = server
        self._opened += [("tftp", f"{host}:{port}") for host, port in server.addresses]

    def counters(self) -> Iterator[tuple[str, str, Values]]:
        """Sources of metrics: name, meaning and values of each edge's counters."""
        yield "provd_dhcp", "DHCP datagrams and commits", partial(_fields, self.dhcp.stats)
        if self._settings.tftp.listen:
            yield "provd_tftp", "TFTP requests and datagrams", lambda: _fields(self.tftp.stats) if self.tftp else {}
        yield "provd_http", "HTTP connections and answers", lambda: _fields(self.phones.stats) if self.phones else {}

        if self.calling is not None:
            yield "provd_sip", "SIP messages, registrations, calls, NOTIFYs and audio", self.calling.counters
        yield "provd_activation", "Attempts to activate a device, by outcome", lambda: dict(self._core.things.outcomes)
        yield "provd_pnp", "Phones that asked by multicast", lambda: _fields(self.pnp.stats)

    def sip_present(self) -> Mapping[str, float]:
        """Registrations, calls and connections at this moment."""
        return self.calling.present() if self.calling is not None else {}

    def lease_usage(self) -> Mapping[str, float]:
        """Addresses of the pools that are in use or on offer, by subnet."""
        return {name: float(size - free) for name, (free, size) in self.engine.usage().items()}


def share_of_descriptors(wanted: int, part: int) -> int:
    """So many connections or transfers, or what fits into this part of our file descriptors."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if limit == resource.RLIM_INFINITY else max(1, min(wanted, limit // part))


def _fields(stats: object) -> Mapping[str, float]:
    names = getattr(stats, "__slots__", None) or vars(stats)
    return {name: float(value) for name in names if isinstance(value := getattr(stats, name), int | float)}
