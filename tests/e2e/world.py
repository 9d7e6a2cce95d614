"""A whole site in memory: the real engine, use cases, plugins and templates behind simulated phones.

    with House() as house:
        phone = house.phone("yealink", "T27P")
        plugged = house.plug_in(phone)
        plugged.live()                       # factory-fresh to its first rest
        house.admin("line.add", id="101", ...)

Nothing is faked but the disk, the network and the clock: datagrams go through the DHCP engine as octets, files through
``Boot`` and the shipped templates. Time passes only when a phone waits.
"""

from __future__ import annotations

import asyncio
import functools
import random
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from provd.app.admin import Admin, Caller
from provd.app.boot import Boot
from provd.app.codes.office import Office
from provd.app.codes.terms import Terms
from provd.app.dialing import Answer, Dial
from provd.app.files import UNKNOWN, FileReply, FileRequest
from provd.app.firmware.choosing import Images
from provd.app.fleet import Fleet
from provd.app.ports import Delete, Put, RenderJob
from provd.app.resync.notes import Notes
from provd.app.site import Site
from provd.app.tokens import Tokens
from provd.app.zones import zone
from provd.base.facts import Fact, text_of
from provd.base.secrets import Secret
from provd.base.types import Mac, ip_int, ip_text
from provd.dhcp.effects import Effect, Emit, Persist, Send
from provd.dhcp.engine import DhcpEngine
from provd.dhcp.ingress import Ingress, Link
from provd.dhcp.lease import Lease
from provd.dhcp.packet import decode as decode_message
from provd.dhcp.subnet import DhcpSettings, Mode, Subnet
from provd.domain.delivery import Policy
from provd.domain.records import Device
from provd.guard.bucket import KeyedBuckets
from provd.http.target import requested_path
from provd.plugin import Manifest, Model
from provd.plugin.phone import Dhcp, Failed, Fetch, Fetched, Handset, LeaseGot, NotFound, Phone
from provd.plugins.catalogue import PluginCatalogue
from provd.plugins.render_engine import Engine
from provd.plugins.render_once import render_once
from provd.plugins.render_patterns import Patterns
from provd.plugins.render_trace import Tracer
from provd.plugins.render_wire import HEADER, encode_pattern, request_of
from provd.simulate import dhcp_client
from provd.simulate.load import phone_class
from provd.simulate.memory import MemoryWorld, PluggedIn
from provd.tftp.gate import acceptable
from tests.kit.clock import FakeClock
from tests.kit.fakes import MemoryJournal

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
SERVER = "10.20.0.1"
PORT = 8667
BASE = f"http://{SERVER}:{PORT}"
KEY = b"canary-key-of-tokens-0123456789"
LINK = Link("eth1", (ip_int(SERVER),))


def _deaf(_fact: Fact) -> None:
    """Nobody listens."""


@functools.cache
def catalogue() -> PluginCatalogue:
    """The shipped plugins, read once."""
    return PluginCatalogue((PLUGINS,), PLUGINS / "nowhere", FakeClock(), _deaf)


@functools.cache
def engine() -> Engine:
    """Templates compiled once for all tests."""
    return Engine()


def manifest(plugin: str) -> Manifest:
    return next(each for each in catalogue().manifests if each.id == plugin)


def model(plugin: str, name: str) -> Model:
    found = manifest(plugin).model(name)
    assert found is not None, name
    return found


@functools.cache
def tracer() -> Tracer:
    return Tracer()


class InProcess:
    """A renderer without a process of its own. Whatever has a pattern is made from one, and compared."""

    def __init__(self) -> None:
        self._patterns = Patterns()

    async def render(self, job: RenderJob) -> bytes:
        return render_once(catalogue().template_root(job.plugin), job, engine=engine())

    def at_hand(self, job: RenderJob) -> bytes | None:
        shape = self._patterns.shape(job)
        if shape is None:
            return None
        folder = catalogue().template_root(job.plugin)
        body = self._patterns.filled(shape)
        if body is None:
            traced = tracer().trace(request_of(job, [str(folder)], 0, self._patterns.needs(shape)))
            if traced is None:
                return None
            described = encode_pattern(*traced)[HEADER.size + 1 :]
            body = self._patterns.found(shape, self._patterns.begin(shape), described)
        assert body == render_once(folder, job, engine=engine())
        return body


class House:
    """provd with a site around it. ``option66`` is what another DHCP server would say instead of our own."""

    def __init__(
        self, secrets: Policy = "bound", *, option66: str = "", plugins: PluginCatalogue | None = None, **site: Any
    ) -> None:
        self.plugins = plugins or catalogue()
        self.loop = asyncio.new_event_loop()
        self.facts: list[Fact] = []
        self.clock = FakeClock()
        self.start = self.clock.now()
        self.journal = MemoryJournal()
        self.fleet = Fleet(self.journal)
        self.fleet.load()
        self.option66 = option66
        self.boot = Boot(
            fleet=self.fleet,
            catalogue=self.plugins,
            images=Images(self.plugins.stock),
            leases=self,
            renderer=InProcess(),
            tokens=Tokens(KEY),
            zone=zone,
            clock=self.clock,
            emit=self.facts.append,
            site=Site(secrets=secrets, http_port=PORT, **site),
            misses=KeyedBuckets(20 / 3600, 10, 1000),
            newcomers=KeyedBuckets(1.0, 5000, 10),
            prefix="e",
            pause=self._pause,
        )
        self.notes = Notes(self.fleet, self.boot.station.knowledge, self.clock)
        self.boot.station.fetched = self._fetched
        self.codes = Office(
            station=self.boot.station,
            key=KEY,
            terms=Terms(reset_number="*44832225", reset_pin=Secret("4711")),
            clock=self.clock,
            emit=self.facts.append,
        )
        self._admin = Admin(
            fleet=self.fleet,
            boot=self.boot,
            clock=self.clock,
            emit=self.facts.append,
            zone=zone,
            codes=self.codes,
        )
        self.dhcp = DhcpEngine(
            DhcpSettings(mode=Mode.FULL, subnets=(_subnet(),), reserve_share=0.0),
            self.boot,
            own=frozenset(LINK.addresses),
            now=self.start,
        )
        self.lan = MemoryWorld(serve=self._serve, lease=self._lease)
        self.replies: list[tuple[Mac, str, FileReply]] = []
        """Every file that a phone got, with the URL it asked for."""
        self._macs = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.loop.close()

    # --- people

    def admin(self, operation: str, **params: object) -> Any:
        """What an administrator does, now."""
        self._tick()
        return self.loop.run_until_complete(self._admin.call(operation, params, Caller(name="test")))

    def device(self, mac: Mac) -> Device:
        found = self.fleet.tables.device(mac)
        assert found is not None, f"{mac} is not known"
        return found

    def told(self) -> str:
        """All facts as the log shows them."""
        return "\n".join(text_of(fact) for fact in self.facts)

    def dials(self, phone: Phone, digits: str, *, line: int = 0, peer: str = "192.0.2.1") -> Answer:
        """Somebody types these keys on the phone; what reaches us over that account of it (its first one) is redeemed.

        All phones of the house are behind one address, as behind a NAT.
        """
        self._tick()
        sent = phone.dial(digits)
        assert sent.user, sent.why
        account = next(each for each in phone.accounts if line in (0, each.line))
        dial = Dial(digits=unquote(sent.user), via="sip", account=account.username, peer=peer, contact="10.9.9.9")
        return self.loop.run_until_complete(self.codes.desk.dial(dial))

    # --- phones

    def phone(self, plugin: str, name: str, *, version: str = "", prefix: str = "", plain: bool = False) -> Phone:
        """A factory-fresh phone of that model with a MAC of its own; ``plain`` without the vendor's MAC prefix."""
        made = phone_class(catalogue().folder(plugin))
        assert made is not None
        self._macs += 1
        ouis = manifest(plugin).ouis
        prefix = prefix or ("02005e" if plain or not ouis else ouis[0].prefixes[0])
        mac = Mac(f"{prefix}{0xA0B0C0 + self._macs:06x}")
        return made(model(plugin, name), Handset(mac, version=version), random.Random(str(mac)))

    def plug_in(self, phone: Phone) -> PluggedIn:
        """Power for a phone."""
        return self.lan.plug_in(phone)

    def boots(self, phone: Phone) -> PluggedIn:
        """Power for a phone, and its first rest."""
        plugged = self.plug_in(phone)
        plugged.live()
        return plugged

    # --- the network

    def ask(self, path: str, *, peer: str = "10.20.99.99", via: str = "http", user_agent: str = "") -> FileReply:
        """What somebody at that address gets for the path of a request line, or for a TFTP name."""
        self._tick()
        if via == "http":
            read = requested_path(path)
            if read is None:
                return UNKNOWN
            request = FileRequest("http", read, peer, SERVER, user_agent)
        elif acceptable(path.encode()):
            request = FileRequest("tftp", path.removeprefix("/"), peer, SERVER)
        else:
            return UNKNOWN
        reply = self.boot.ready(request) or self.loop.run_until_complete(self._file(request))
        self.boot.served(request, reply)
        return reply

    def holder(self, ip: str) -> Mac | None:
        return self.dhcp.holder(ip_int(ip), self.clock.now())

    async def _file(self, request: FileRequest) -> FileReply:
        return await self.boot.file(request)

    async def _pause(self, _seconds: float) -> None:
        """A closed-out address waits; here nobody has to."""

    def _fetched(self, device: Device, revision: int, _now: float) -> None:
        note = self.fleet.tables.resync(device.mac)
        if note is not None and revision >= note.revision:
            self.fleet.keep(Delete(note))

    def _tick(self) -> None:
        self.clock.run_until(self.start + self.lan.now)
        self._perform(self.dhcp.expire(self.clock.now()))

    def _lease(self, mac: Mac, step: Dhcp) -> LeaseGot | Failed:
        """DISCOVER to ACK through the engine, as octets."""
        self._tick()
        options = [(12, step.hostname.encode()), (55, bytes(step.parameter_list)), (60, step.option60.encode())]
        options += [(77, step.user_class)] if step.user_class else []
        offer = self._says(mac, dhcp_client.DISCOVER, options)
        if offer is None:
            return Failed("no OFFER")
        chosen = [(50, offer.yiaddr.to_bytes(4, "big")), (54, offer.options[54])]
        ack = self._says(mac, dhcp_client.REQUEST, [*options, *chosen])
        if ack is None or ack.kind != dhcp_client.ACK:
            return Failed("no ACK")
        said = dict(ack.options)
        if self.option66:
            said = {code: value for code, value in said.items() if code not in {150, 159, 160}}
            said[66] = self.option66.encode()
        return LeaseGot(ip_text(ack.yiaddr), said, ip_text(ack.address(54)))

    def _says(self, mac: Mac, kind: int, options: list[tuple[int, bytes]]) -> dhcp_client.Reply | None:
        datagram = dhcp_client.encode(kind, 0x1234, bytes.fromhex(mac), options)
        effects = self.dhcp.handle(decode_message(datagram), Ingress(LINK), self.clock.now())
        sent = self._perform(effects)
        return dhcp_client.decode(sent[-1].payload) if sent else None

    def _perform(self, effects: list[Effect]) -> list[Send]:
        sent: list[Send] = []
        for effect in effects:
            match effect:
                case Send():
                    sent.append(effect)
                case Persist():
                    self.journal.submit([Put(effect.lease)])
                    sent += self._perform(self.dhcp.persisted([effect], self.clock.now()))
                case Emit():
                    self.facts.append(effect.fact)
        return sent

    def leases(self) -> list[Lease]:
        return self.journal.load(Lease)

    def _serve(self, mac: Mac, ip: str, step: Fetch) -> Fetched | NotFound | Failed:
        parts = urlsplit(step.url)
        if parts.hostname != SERVER or (parts.scheme == "http" and parts.port != PORT):
            return Failed(f"nobody answers at {parts.netloc}")
        if parts.scheme == "tftp":
            reply = self.ask(unquote(parts.path[1:]), peer=ip, via="tftp")
        else:
            target = step.url.partition(parts.netloc)[2]
            reply = self.ask(target, peer=ip, user_agent=step.headers.get("User-Agent", ""))
        if not reply.found or (reply.coding and parts.scheme == "tftp"):
            return NotFound()
        self.replies.append((mac, step.url, reply))
        return Fetched(bytes(reply.body), coding=reply.coding)


def _subnet() -> Subnet:
    return Subnet(
        name="lan",
        network=ip_int("10.20.0.0"),
        prefixlen=16,
        pools=((ip_int("10.20.16.0"), ip_int("10.20.255.254")),),
        routers=(ip_int(SERVER),),
        dns=(ip_int(SERVER),),
        lease=7 * 86400,
        probe=False,
    )
