"""Many simulated things at once against any server."""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, field
from typing import Protocol
from urllib.parse import urlsplit

from provd.base.clock import Clock, SystemClock
from provd.base.dataclass import dataclass
from provd.base.errors import UsageError
from provd.simulate.report import Times
from provd.simulate.thing import DIALECTS, PATIENCE, Ask, Kind, Label, Pause, Result, Segments, Tell, Thing

_LARGEST = 1 << 20
_MOST_COMPLAINTS = 50
_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
_LAST_NUMBER = re.compile(r"\d+(?=\D*$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class ThingOptions:
    """Who wants to be activated, and where. ``url`` is the server's, ``serial`` the first device's: the last number in
    it counts on, in as many digits. Each starts within ``spread`` seconds and restarts ``restarts`` times; a second of
    waiting takes ``tick`` seconds. It ends when every device was recognised by its key (with ``travels``: at its home),
    or after ``timeout`` seconds.
    """

    url: str
    vendor: str
    model: str
    serial: str
    count: int = 1
    restarts: int = 0
    travels: bool = False
    spread: float = 0.0
    timeout: float = 120.0
    tick: float = 1.0
    seed: int = 1


@dataclass(frozen=True, slots=True)
class ThingEvent:
    """Something that happened to a simulated thing. ``at`` is the clock's time."""

    at: float
    label: Label
    kind: Kind
    text: str = ""


class Wire(Protocol):
    """What things reach the world through."""

    async def ask(self, ask: Ask) -> Segments | str:
        """Carry out one exchange on a connection of its own; a text says why there was no reply."""
        ...

    async def wait(self, seconds: float) -> None:
        """Let time pass for the device."""
        ...


@dataclass(frozen=True, slots=True)
class TcpWire:
    """Real connections. ``patience`` is seconds until a reply is there, ``tick`` what a second of waiting takes."""

    host: str
    port: int
    tick: float = 1.0
    patience: float = PATIENCE

    async def ask(self, ask: Ask) -> Segments | str:
        """Write, read once and, to be able to complain of it, read the rest."""
        try:
            host, port = place_of(ask.to) if ask.to else (self.host, self.port)
            async with asyncio.timeout(self.patience):
                reader, writer = await asyncio.open_connection(host, port)
                try:
                    return await _exchange(ask, reader, writer)
                finally:
                    writer.close()
                    with suppress(OSError):
                        await writer.wait_closed()
        except TimeoutError:
            return f"no reply within {self.patience:.0f} s"
        except OSError as error:
            return error.strerror or str(error)
        except UsageError as error:
            return str(error)

    async def wait(self, seconds: float) -> None:
        """Sleep, as long as it takes here."""
        await asyncio.sleep(seconds * self.tick)


async def _exchange(ask: Ask, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Segments | str:
    for piece in ask.writes:
        writer.write(piece)
        await writer.drain()
        # Every piece is to leave on its own: the event loop sends at once, and the server reads when it comes to it.
        await asyncio.sleep(0)
    segments: list[bytes] = []
    while not _whole(b"".join(segments)):
        octets = await reader.read(_LARGEST)
        if not octets:
            break
        segments.append(octets)
    return tuple(segments) if segments else "the server closed without a reply"


def _whole(octets: bytes) -> bool:
    head, separator, body = octets.partition(b"\r\n\r\n")
    length = _CONTENT_LENGTH.search(head)
    return bool(separator) and length is not None and len(body) >= int(length[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class ThingReport:
    """The summary: how many devices got how far and how fast, and what they complained about."""

    things: int
    seconds: float
    ok: bool
    activated: Times
    recognised: Times
    arrived: Times
    refused: tuple[tuple[str, int], ...] = ()
    failed: tuple[tuple[str, int], ...] = ()
    complaints: tuple[tuple[str, int], ...] = ()

    def as_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return asdict(self)

    def lines(self) -> list[str]:
        """The summary for people."""
        return [
            f"{_many(self.things)} in {self.seconds:.1f} s: {'all done' if self.ok else 'NOT all done'}",
            f"  a key          {self.activated}",
            f"  recognised     {self.recognised}",
            *([f"  at home        {self.arrived}"] if self.arrived.count else []),
            *(f"  refused        {text} ({count} times)" for text, count in self.refused),
            *(f"  failed         {text} ({count} times)" for text, count in self.failed),
            *(f"  complaint      {text} ({count} times)" for text, count in self.complaints),
        ]


@dataclass(slots=True)
class _Tally:
    started: dict[Label, float] = field(default_factory=dict)
    reached: dict[str, dict[Label, float]] = field(
        default_factory=lambda: {"activated": {}, "recognised": {}, "arrived": {}}
    )
    counted: dict[str, Counter[str]] = field(
        default_factory=lambda: {kind: Counter() for kind in ("refused", "failed", "complaint")}
    )

    def hear(self, event: ThingEvent) -> None:
        if event.kind == "start":
            self.started.setdefault(event.label, event.at)
        elif event.kind in self.reached:
            self.reached[event.kind].setdefault(event.label, event.at - self.started[event.label])
        elif event.kind in self.counted:
            counter = self.counted[event.kind]
            if event.text in counter or len(counter) < _MOST_COMPLAINTS:
                counter[event.text] += 1

    def report(self, *, ok: bool, seconds: float) -> ThingReport:
        times = {goal: Times.of(list(reached.values())) for goal, reached in self.reached.items()}
        found = {kind: tuple(counter.most_common()) for kind, counter in self.counted.items()}
        return ThingReport(
            things=len(self.started),
            seconds=round(seconds, 3),
            ok=ok,
            activated=times["activated"],
            recognised=times["recognised"],
            arrived=times["arrived"],
            refused=found["refused"],
            failed=found["failed"],
            complaints=found["complaint"],
        )


async def run(
    options: ThingOptions,
    progress: Callable[[ThingEvent], None] = lambda _event: None,
    *,
    wire: Wire | None = None,
    clock: Clock | None = None,
) -> ThingReport:
    """Let the things live. ``progress`` hears every event. Raises UsageError for a label or a URL that cannot be."""
    host, port = place_of(options.url)
    wire, clock = wire or TcpWire(host, port, options.tick), clock or SystemClock()
    things = make_things(options, f"{host}:{port}")
    tally, rng, began = _Tally(), random.Random(options.seed), clock.now()

    def hear(event: ThingEvent) -> None:
        tally.hear(event)
        progress(event)

    async def start(thing: Thing, delay: float) -> None:
        await asyncio.sleep(delay)
        for _ in range(1 + options.restarts):
            await live(thing, wire, clock, hear)

    ok = False
    with suppress(TimeoutError):
        async with asyncio.timeout(options.timeout), asyncio.TaskGroup() as group:
            for thing in things:
                group.create_task(start(thing, rng.uniform(0, options.spread)))
        ok = True
    return tally.report(ok=ok, seconds=clock.now() - began)


async def live(thing: Thing, wire: Wire, clock: Clock, tell: Callable[[ThingEvent], None]) -> None:
    """Switch it on and perform its steps until it is content."""
    script, result = thing.boot(), None
    while True:
        try:
            step = script.send(result)
        except StopIteration:
            return
        result = await _performed(step, thing, wire, clock, tell)


async def _performed(
    step: Ask | Pause | Tell, thing: Thing, wire: Wire, clock: Clock, tell: Callable[[ThingEvent], None]
) -> Result:
    match step:
        case Ask():
            return await wire.ask(step)
        case Pause():
            await wire.wait(step.seconds)
        case Tell():
            tell(ThingEvent(clock.now(), thing.label, step.kind, step.text))
    return None


def make_things(options: ThingOptions, host: str) -> list[Thing]:
    """Devices as they leave the factory; they take turns in how they write a request. Raises UsageError."""
    return [
        Thing(
            Label(options.vendor, options.model, sn),
            host,
            DIALECTS[number % len(DIALECTS)],
            travels=options.travels,
        )
        for number, sn in enumerate(serials(options.serial, options.count))
    ]


def serials(first: str, count: int) -> list[str]:
    """So many serials that count on from the first one: ``S0009``, ``S0010``. Raises UsageError."""
    if count == 1:
        return [first]
    found = _LAST_NUMBER.search(first)
    if found is None:
        raise UsageError(f"serial: {first!r} has no number to count on from")
    start, width = int(found[0]), len(found[0])
    if len(str(start + count - 1)) > width:
        raise UsageError(f"serial: {count} serials from {first!r} on do not fit into its {width} digits")
    head, tail = first[: found.start()], first[found.end() :]
    return [f"{head}{number:0{width}d}{tail}" for number in range(start, start + count)]


def place_of(url: str) -> tuple[str, int]:
    """Host and port of a server's URL. Raises UsageError."""
    parts = urlsplit(url)
    try:
        port = parts.port or 80
    except ValueError as error:
        raise UsageError(f"{url}: {error}") from None
    if parts.scheme != "http" or not parts.hostname or parts.path not in {"", "/"}:
        raise UsageError(f"{url!r} is not http://HOST:PORT, which is what such firmware speaks")
    return parts.hostname, port


def _many(count: int) -> str:
    return "1 device" if count == 1 else f"{count} devices"
