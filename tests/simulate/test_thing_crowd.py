"""Crowds of simulated things, in memory and against the real edge."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import replace
from pathlib import Path

import pytest

from provd.base.errors import UsageError
from provd.simulate.thing import Ask, Segments
from provd.simulate.thing_crowd import TcpWire, ThingEvent, ThingOptions, place_of, run, serials
from tests.http.activation.kit import world
from tests.http.kit import FixedClock
from tests.kit.patience import PATIENCE
from tests.simulate.test_thing import CONFLICT, GOOD, LISTED


class Memory:
    """Answers in this order; waiting takes no time."""

    def __init__(self, *answers: bytes | str) -> None:
        self.answers = deque(answers)
        self.waited: list[float] = []

    async def ask(self, ask: Ask) -> Segments | str:
        if not self.answers:
            await asyncio.Event().wait()
        answer = self.answers.popleft()
        return (answer,) if isinstance(answer, bytes) else answer

    async def wait(self, seconds: float) -> None:
        self.waited.append(seconds)


def options(**more: object) -> ThingOptions:
    return ThingOptions(**{"url": "http://h:1", "vendor": "acme", "model": "m1", "serial": "S1"} | more)  # type: ignore[arg-type]


async def test_the_summary_counts_what_happened() -> None:
    wire, heard = Memory(CONFLICT, GOOD, "closed", LISTED, CONFLICT, LISTED), list[ThingEvent]()
    report = await run(options(restarts=1), heard.append, wire=wire, clock=FixedClock())
    assert report.ok
    assert wire.waited == [10.0, 10.0]
    assert (report.things, report.activated.count, report.recognised.count) == (1, 1, 1)
    assert (report.refused, report.failed, report.complaints) == ((("409", 1),), (("closed", 1),), ())
    assert report.lines()[0] == "1 device in 0.0 s: all done"
    assert [event.kind for event in heard].count("done") == 2
    assert report.as_dict()["ok"] is True


async def test_who_is_not_answered_does_not_arrive() -> None:
    report = await run(options(timeout=0.05), wire=Memory(CONFLICT), clock=FixedClock())
    assert not report.ok
    assert report.lines()[:2] == ["1 device in 0.0 s: NOT all done", "  a key          none"]


async def test_things_of_every_dialect_are_served_by_the_real_edge_and_complain_of_nothing(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        for number in range(6):
            await it.give(f"S{number}")
        report = await run(options(url=f"http://127.0.0.1:{it.port}", serial="S0", count=6, restarts=1))
        states = {await it.state(f"S{number}") for number in range(6)}
    assert (report.ok, report.activated.count, report.recognised.count) == (True, 6, 6)
    assert (report.refused, report.failed, report.complaints) == ((), (), ())
    assert states == {"activated"}


async def test_a_server_that_cuts_a_reply_in_two_or_says_nothing_is_found_out() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if b"mute" in await reader.read(64):
            await reader.read()
        elif b"activate" in head:
            writer.write(GOOD[:40])
            await writer.drain()
            for _ in range(20):
                await asyncio.sleep(0)
            writer.write(GOOD[40:])
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        wire = TcpWire("127.0.0.1", port, patience=PATIENCE)
        head = b"POST /provision/activate HTTP/1.1\r\n\r\n"
        assert await wire.ask(Ask((head, b"sn"))) == (GOOD[:40], GOOD[40:])
        assert await replace(wire, patience=0.2).ask(Ask((head, b"mute"))) == "no reply within 0 s"
        assert await wire.ask(Ask((b"GET / HTTP/1.1\r\n\r\n", b"x"))) == "the server closed without a reply"
    assert "Connect" in str(await wire.ask(Ask((head,))))


def test_serials_count_on_in_their_last_number() -> None:
    assert serials("S009-b", 3) == ["S009-b", "S010-b", "S011-b"]
    assert serials("free", 1) == ["free"]
    for first, count in (("free", 2), ("S8", 3)):
        with pytest.raises(UsageError):
            serials(first, count)


@pytest.mark.parametrize("url", ["https://h", "h:80", "http://h:99999", "http://h/path"])
def test_a_url_that_firmware_does_not_speak_is_refused(url: str) -> None:
    with pytest.raises(UsageError):
        place_of(url)
    assert place_of("http://h:81/") == ("h", 81)
