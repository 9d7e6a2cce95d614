"""Conversations with the DHCP engine: datagrams go in as lines of a script, effects come out as lines of text.

    play = Playbook()
    phone = play.client(1)
    assert play(phone.discover()) == ["<< OFFER 10.20.0.10 frame", "!! DHCP-OFFER"]

Leases are durable at once unless ``play.disk`` says otherwise; no clock runs but ``play.now``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from provd.base.facts import Fact
from provd.base.types import Mac, ip_int, ip_text
from provd.dhcp.advice import PLAIN, Advice, ClientInfo
from provd.dhcp.effects import Effect, Emit, Persist, Probe, Send
from provd.dhcp.engine import DhcpEngine
from provd.dhcp.ingress import Link
from provd.dhcp.lease import Lease
from provd.dhcp.options import Type
from provd.dhcp.packet import Message, build, decode, discover, request
from provd.dhcp.subnet import DhcpSettings, Mode, ReservedAddress, Subnet

SERVER = ip_int("10.20.0.1")
BROADCAST = 0xFFFFFFFF
NOW = 1_000_000.0


def ip(text: str) -> int:
    return ip_int(text)


def lan(**changes: object) -> Subnet:
    base = Subnet(
        name="lan",
        network=ip("10.20.0.0"),
        prefixlen=16,
        pools=((ip("10.20.0.10"), ip("10.20.0.19")),),
        routers=(SERVER,),
        dns=(ip("10.20.0.53"),),
        domain="phones.example",
        probe=False,
    )
    return replace(base, **changes)


@dataclass
class Switchboard:
    """An advisor: what it says about a client is a matter of its vendor class."""

    advices: dict[str, Advice] = field(default_factory=dict)
    asked: list[ClientInfo] = field(default_factory=list)
    bound_leases: list[Lease] = field(default_factory=list)
    unbound_leases: list[Lease] = field(default_factory=list)

    def advise(self, client: ClientInfo, now: float) -> Advice:
        del now
        self.asked.append(client)
        return self.advices.get(client.vendor_class, PLAIN)

    def bound(self, lease: Lease, boot: str, now: float) -> None:
        del boot, now
        self.bound_leases.append(lease)

    def unbound(self, lease: Lease, now: float) -> None:
        del now
        self.unbound_leases.append(lease)


@dataclass
class Client:
    """A client that makes datagrams. ``options`` go into each of them."""

    mac: bytes
    options: dict[int, bytes] = field(default_factory=dict)
    giaddr: int = 0
    flags: int = 0
    xid: int = 0x1000

    def _next(self) -> int:
        self.xid += 1
        return self.xid

    def discover(self, wanted: str = "") -> bytes:
        own = dict(self.options)
        if wanted:
            own[50] = ip(wanted).to_bytes(4, "big")
        return discover(self._next(), self.mac, own, giaddr=self.giaddr, flags=self.flags)

    def select(self, address: str, server: int = SERVER) -> bytes:
        return self.request(address=ip(address), server=server)

    def reboot(self, address: str) -> bytes:
        return self.request(address=ip(address))

    def renew(self, address: str) -> bytes:
        return self.request(ciaddr=ip(address))

    def request(self, *, server: int = 0, address: int = 0, ciaddr: int = 0) -> bytes:
        return request(
            self._next(),
            self.mac,
            self.options,
            server=server,
            address=address,
            ciaddr=ciaddr,
            giaddr=self.giaddr,
            flags=self.flags,
        )

    def decline(self, address: str, server: int = SERVER) -> bytes:
        options = self.options | {50: ip(address).to_bytes(4, "big"), 54: server.to_bytes(4, "big")}
        return self.says(Type.DECLINE, options=options)

    def release(self, address: str, server: int = SERVER) -> bytes:
        return self.says(Type.RELEASE, ciaddr=ip(address), options=self.options | {54: server.to_bytes(4, "big")})

    def inform(self, address: str) -> bytes:
        return self.says(Type.INFORM, ciaddr=ip(address), options=self.options)

    def says(self, kind: int, *, ciaddr: int = 0, options: Mapping[int, bytes] | None = None) -> bytes:
        return build(
            1, kind, self._next(), self.mac, ciaddr=ciaddr, giaddr=self.giaddr, flags=self.flags, options=options
        )


class Playbook:
    """An engine with everything around it simulated."""

    def __init__(
        self,
        *subnets: Subnet,
        mode: Mode = Mode.FULL,
        leases: Iterable[Lease] = (),
        reservations: Iterable[ReservedAddress] = (),
        addresses: tuple[int, ...] = (SERVER,),
        **settings: object,
    ) -> None:
        self.settings = DhcpSettings(mode=mode, subnets=subnets or (lan(),), reserve_share=0.0)
        self.settings = replace(self.settings, **settings)
        self.board = Switchboard()
        self.now = NOW
        self.link = Link("eth1", addresses)
        self.disk: dict[int, Lease] = {lease.ip: lease for lease in leases}
        self.disk_works = True
        self.disk_waits = False
        self.waiting: list[Persist] = []
        self.sent: list[Send] = []
        self.facts: list[Fact] = []
        self.probes: list[Probe] = []
        self.engine = self.boot(reservations)

    def boot(self, reservations: Iterable[ReservedAddress] = ()) -> DhcpEngine:
        """A new engine from what is on disk."""
        self.engine = DhcpEngine(
            self.settings,
            self.board,
            leases=list(self.disk.values()),
            reservations=tuple(reservations),
            own=frozenset(self.link.addresses),
            now=self.now,
        )
        return self.engine

    def client(self, number: int, vendor: str = "", **options: object) -> Client:
        own: dict[int, bytes] = {60: vendor.encode()} if vendor else {}
        return Client(bytes.fromhex("805ec0") + number.to_bytes(3, "big"), own, **options)

    def __call__(self, datagram: bytes, *, to: int = BROADCAST, source: int = 0, link: Link | None = None) -> list[str]:
        """What happens, line by line."""
        destination = to.to_bytes(4, "big")
        return self.perform(self.engine.receive(datagram, link or self.link, ip_text(source), destination, self.now))

    def perform(self, effects: list[Effect]) -> list[str]:
        lines: list[str] = []
        for effect in effects:
            match effect:
                case Send():
                    self.sent.append(effect)
                    lines.append(self.shown(effect))
                case Persist():
                    lines += self.commit(effect)
                case Probe():
                    self.probes.append(effect)
                    lines.append(f"?? {ip_text(effect.ip)}")
                case Emit():
                    self.facts.append(effect.fact)
                    lines.append(f"!! {effect.fact.ID}")
        return lines

    def commit(self, persist: Persist) -> list[str]:
        line = f"== {ip_text(persist.lease.ip)} {persist.lease.state.name}"
        if self.disk_waits:
            self.waiting.append(persist)
            return [f"{line} waits"]
        if not self.disk_works:
            return [f"{line} fails", *self.perform(self.engine.persist_failed([persist], "disk full", self.now))]
        self._write(persist)
        return [line, *self.perform(self.engine.persisted([persist], self.now))]

    def _write(self, persist: Persist) -> None:
        lease = persist.lease
        if persist.extends:
            # All that the disk is told of are the times: with what it has that must be the whole lease.
            assert replace(self.disk[lease.ip], starts=lease.starts, expires=lease.expires) == lease
        self.disk[lease.ip] = lease

    def flush(self) -> list[str]:
        """The disk has caught up."""
        batch, self.waiting = self.waiting, []
        for persist in batch:
            self._write(persist)
        return self.perform(self.engine.persisted(batch, self.now))

    def probed(self, address: str, holder: str | None = None) -> list[str]:
        return self.perform(self.engine.probed(ip(address), Mac(holder) if holder else None, self.now))

    def passes(self, seconds: float) -> None:
        self.now += seconds
        self.perform(self.engine.expire(self.now))

    def bind(self, client: Client, wanted: str = "") -> str:
        """A whole DORA; the address."""
        self(client.discover(wanted))
        address = ip_text(self.reply.yiaddr)
        lines = self(client.select(address))
        assert any(line.startswith(f"<< ACK {address}") for line in lines), lines
        return address

    @property
    def reply(self) -> Message:
        return decode(self.sent[-1].payload)

    @property
    def fact(self) -> Fact:
        return self.facts[-1]

    @staticmethod
    def shown(send: Send) -> str:
        message = decode(send.payload)
        address = ip_text(message.yiaddr) if message.yiaddr else "-"
        way = send.to.name.lower()
        if way in {"relay", "unicast"}:
            way += f" {ip_text(send.address)}"
        return f"<< {message.type_name} {address} {way}"
