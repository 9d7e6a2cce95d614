"""Many simulated phones at once against any server."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence

from provd.base.clock import Clock, SystemClock
from provd.base.dataclass import dataclass
from provd.base.errors import UsageError
from provd.base.types import Mac, mac_text
from provd.plugin import Manifest, Model
from provd.plugin.phone import Handset, Phone, PhoneClass
from provd.simulate.link import Link, RawLink, RelayLink
from provd.simulate.report import CrowdReport, Tally
from provd.simulate.session import PhoneEvent, Transport, is_temporary, live
from provd.simulate.wire import WireTransport

_FALLBACK_OUI = "02005e"
"""Locally administered, for a vendor whose manifest names no prefix."""

Progress = Callable[[PhoneEvent], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class CrowdOptions:
    """Who boots, where, and when it is over.

    The phones speak DHCP either as themselves on ``interface`` or through a relay whose own address is ``relay``; then
    ``server`` is the DHCP server. ``model`` may name several, separated by commas, and empty means every model: each
    in turn. Every phone starts within ``spread`` seconds. The run ends when each phone has an account (with
    ``claimed``: one of its user's own), or after ``timeout`` seconds. A second of a phone's waiting takes ``tick``
    seconds.

    With ``runs`` it ends when each phone has come to rest with that firmware; the last ``stubborn`` phones take none.
    With ``sip`` the phones register their accounts. ``codes`` are what their users dial, those of the first phone
    first: each dials the next one until a code is accepted. ``show_screen`` puts what stands beside their keys into the
    report.
    """

    vendor: str
    model: str = ""
    firmware: str = ""
    count: int = 1
    interface: str = ""
    relay: str = ""
    server: str = ""
    server_port: int = 67
    show_screen: bool = False
    client_port: int = 68
    spread: float = 0.0
    seed: int = 1
    claimed: bool = False
    runs: str = ""
    stubborn: int = 0
    timeout: float = 120.0
    tick: float = 1.0
    blksize: int = 0
    sip: bool = False
    codes: tuple[tuple[str, ...], ...] = ()


async def run(
    options: CrowdOptions,
    manifests: Sequence[Manifest],
    phone_classes: Mapping[str, PhoneClass],
    progress: Progress = lambda _event: None,
    *,
    clock: Clock | None = None,
) -> CrowdReport:
    """Let the phones live on the network. ``phone_classes`` is by plugin id; ``progress`` hears every event.

    Raises UsageError for a vendor or model nobody can play, ConfigError when the network cannot be used.
    """
    rng = random.Random(options.seed)
    phones = make_phones(options, manifests, phone_classes)
    transport = WireTransport(
        make_link(options), rng, tick=options.tick, blksize=options.blksize, sip=options.sip or bool(options.codes)
    )
    transport.open()
    try:
        tally, ok, seconds = await _run(options, phones, transport, progress, clock or SystemClock())
    finally:
        transport.close()
    notes = []
    if transport.foreign_source:
        notes.append(NOT_LOCAL)
    if options.show_screen:
        notes += [f"{mac_text(phone.mac)}  {line}" for phone in phones for line in phone.keys or ["no keys"]]
    return tally.report(ok=ok, seconds=seconds, retransmissions=transport.retransmissions, notes=tuple(notes))


NOT_LOCAL = (
    "leased addresses are not local to this machine: files were asked for from another address, which proves nothing of"
    " a phone. `ip route add local NETWORK dev lo` makes the pool's addresses local, and"
    " `sysctl -w net.ipv4.conf.all.arp_ignore=1` keeps the kernel from answering the server's probes for them"
)
"""What a machine needs on which phones are played; without the second each address looks taken."""


def make_link(options: CrowdOptions) -> Link:
    """The way to the DHCP server that the options name. Raises UsageError."""
    if bool(options.interface) == bool(options.relay):
        raise UsageError("name either an interface or a relay address")
    if options.interface:
        return RawLink(options.interface, server_port=options.server_port, client_port=options.client_port)
    if not options.server:
        raise UsageError("a relay needs the address of the server")
    return RelayLink(options.relay, options.server, server_port=options.server_port)


def make_phones(
    options: CrowdOptions, manifests: Sequence[Manifest], phone_classes: Mapping[str, PhoneClass]
) -> list[Phone]:
    """Factory-fresh phones, the same ones for the same seed. Raises UsageError."""
    playable = [
        manifest
        for manifest in manifests
        if manifest.id in phone_classes and options.vendor.lower() in {manifest.vendor.lower(), manifest.id.lower()}
    ]
    cast = [(manifest, model) for manifest in playable for model in _models(manifest, options.model)]
    if not playable:
        known = sorted({manifest.vendor for manifest in manifests if manifest.id in phone_classes})
        raise UsageError(f"nobody can play a phone of {options.vendor!r}; known: {', '.join(known) or 'none'}")
    if not cast:
        raise UsageError(f"{options.vendor} has no model {options.model!r} that can be played")
    rng = random.Random(f"{options.seed}/{options.vendor}/{options.model}")
    start = rng.getrandbits(24)
    phones: list[Phone] = []
    for number in range(options.count):
        manifest, model = cast[number % len(cast)]
        oui = next((prefix for rule in manifest.ouis for prefix in rule.prefixes), _FALLBACK_OUI)
        mac = Mac(f"{oui}{start + number & 0xFFFFFF:06x}")
        stubborn = number >= options.count - options.stubborn
        handset = Handset(mac, version=options.firmware, stubborn=stubborn)
        phones.append(phone_classes[manifest.id](model, handset, random.Random(f"{options.seed}/{mac}")))
    return phones


def _models(manifest: Manifest, wanted: str) -> list[Model]:
    if not wanted:
        return [model for model in manifest.models if model.common and model.lines]
    return [model for name in wanted.split(",") if (model := manifest.model(name.strip())) is not None]


async def _run(
    options: CrowdOptions, phones: Sequence[Phone], transport: Transport, progress: Progress, clock: Clock
) -> tuple[Tally, bool, float]:
    tally = Tally(is_temporary)
    arrived = _Arrived() if options.runs else tally.reached("claimed" if options.claimed else "account")
    rng = random.Random(options.seed)
    began = clock.now()
    tasks: dict[Mac, asyncio.Task[None]] = {}

    def hear(event: PhoneEvent) -> None:
        tally.hear(event)
        progress(event)
        if isinstance(arrived, _Arrived):
            arrived.hear(event, options.runs)
        if event.mac in arrived:
            tasks[event.mac].cancel()

    async def start(phone: Phone, delay: float, codes: Sequence[str]) -> None:
        await asyncio.sleep(delay)
        await live(phone, transport, clock, hear, codes=codes)

    try:
        async with asyncio.timeout(options.timeout), asyncio.TaskGroup() as group:
            for number, phone in enumerate(phones):
                codes = options.codes[number] if number < len(options.codes) else ()
                tasks[phone.mac] = group.create_task(start(phone, rng.uniform(0, options.spread), codes))
    except TimeoutError:
        pass
    return tally, len(arrived) == len(phones), clock.now() - began


class _Arrived(set[Mac]):
    """Phones that have come to rest with the firmware that is waited for."""

    def __init__(self) -> None:
        super().__init__()
        self._runs: dict[Mac, str] = {}

    def hear(self, event: PhoneEvent, wanted: str) -> None:
        """Take note of an event."""
        if event.kind == "firmware":
            self._runs[event.mac] = event.text
        elif event.kind == "settled" and self._runs.get(event.mac) == wanted:
            self.add(event.mac)


def read_codes(text: str) -> tuple[tuple[str, ...], ...]:
    """One line for each phone, with the codes that its user dials one after another; ``#`` in front is a comment."""
    lines = (line.split() for line in text.splitlines() if not line.startswith("# "))
    return tuple(tuple(words) for words in lines)
