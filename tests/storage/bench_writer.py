"""Rows per second and latency of the writer: ``python -m tests.storage.bench_writer [--help]``.

A closed loop: so many leases in flight, each acknowledged one is followed by the next.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from provd.app.ports import Put
from provd.base.clock import SystemClock
from provd.base.errors import StorageError
from provd.base.types import Mac
from provd.dhcp.lease import Lease, LeaseState
from provd.storage import migrations
from provd.storage.batch import Extension, Planner, Statement
from provd.storage.session import Session, make_engine, parse_url
from provd.storage.step import Step
from provd.storage.vault import Vault
from provd.storage.writer import Limits, Writer


def a_lease(number: int) -> Lease:
    mac = f"{0x805EC0000000 + number % 20_000:012x}"
    return Lease(
        ip=0x0A000000 + number % 20_000,
        client=b"\x01" + bytes.fromhex(mac),
        mac=Mac(mac),
        state=LeaseState.ACTIVE,
        starts=1_700_000_000 + number,
        expires=1_700_003_600 + number,
        subnet="10.0.0.0/16",
        hostname="phone",
        vendor_class="phone 1.2.3",
    )


class SlowSession(Session):
    """A disk whose every fsync takes ``delay`` seconds more."""

    delay = 0.0

    def write(self, statements: Sequence[Statement | Extension], steps: Sequence[Step] = ()) -> None:
        if self.delay:
            threading.Event().wait(self.delay)
        super().write(statements, steps)


class Storm:
    def __init__(self, writer: Writer, in_flight: int, seconds: float) -> None:
        self.writer, self.in_flight, self.seconds = writer, in_flight, seconds
        self.sent = 0
        self.flying = 0
        self.end = 0.0
        self.latencies: list[float] = []
        self.over = asyncio.Event()

    def send(self) -> None:
        self.sent += 1
        self.flying += 1
        at = time.perf_counter()

        def done(error: StorageError | None) -> None:
            assert error is None, error
            self.flying -= 1
            now = time.perf_counter()
            self.latencies.append(now - at)
            if now < self.end:
                self.send()
            elif not self.flying:
                self.over.set()

        self.writer.submit([Put(a_lease(self.sent))], done)

    def keep_busy(self, seconds: float) -> None:
        """Other work of the loop: it never comes to rest."""
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            pass
        if not self.over.is_set():
            asyncio.get_running_loop().call_soon(self.keep_busy, seconds)

    async def run(self) -> str:
        began = time.perf_counter()
        self.end = began + self.seconds
        for _ in range(self.in_flight):
            self.send()
        await self.over.wait()
        took = time.perf_counter() - began
        ordered = sorted(self.latencies)
        p50, p99, top = (ordered[int((len(ordered) - 1) * part)] * 1e3 for part in (0.5, 0.99, 1))
        return f"{len(ordered) / took:9,.0f} rows/s   p50 {p50:6.2f} ms   p99 {p99:6.2f} ms   max {top:6.1f} ms"


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument(
        "--busy-us", type=float, default=0.0, help="keep the loop busy in steps of so many microseconds"
    )
    parser.add_argument("--slow-ms", type=float, default=0.0, help="delay of every commit")
    parser.add_argument("--url", default="sqlite")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        engine = make_engine(parse_url(chosen.url, Path(folder)))
        migrations.upgrade(engine)
        session = SlowSession(engine)
        session.delay = chosen.slow_ms / 1000
        planner = Planner(Vault({"bench": bytes(32)}), engine.dialect)
        writer = Writer(session, planner, SystemClock(), lambda _fact: None, Limits())
        storm = Storm(writer, chosen.in_flight, chosen.seconds)
        if chosen.busy_us:
            storm.keep_busy(chosen.busy_us / 1e6)
        print(await storm.run())
        writer.close(drain=True)
        engine.dispose()


if __name__ == "__main__":
    asyncio.run(main())
