"""Rows per second and latency of the writer: ``python -m tests.storage.bench_writer``.

A closed loop: so many leases in flight, each answered by the next one, while the loop's thread also burns some Python per
lease as a DHCP engine would.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import threading
import time
from pathlib import Path

from provd.app.ports import Put
from provd.base.clock import SystemClock
from provd.base.errors import StorageError
from provd.base.types import Mac
from provd.dhcp.lease import Lease, LeaseState
from provd.storage.session import Session
from provd.storage.store import Store


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


class Storm:
    def __init__(self, store: Store, in_flight: int, seconds: float, burn: int) -> None:
        self.store, self.in_flight, self.seconds, self.burn = store, in_flight, seconds, burn
        self.sent = 0
        self.flying = 0
        self.latencies: list[float] = []
        self.over = asyncio.Event()

    def send(self) -> None:
        self.sent += 1
        self.flying += 1
        for _ in range(self.burn):
            pass
        at = time.perf_counter()

        def done(error: StorageError | None) -> None:
            assert error is None, error
            self.flying -= 1
            self.latencies.append(time.perf_counter() - at)
            if time.perf_counter() < self.end:
                self.send()
            elif not self.flying:
                self.over.set()

        self.store.submit([Put(a_lease(self.sent))], done)

    async def run(self) -> str:
        began = time.perf_counter()
        self.end = began + self.seconds
        for _ in range(self.in_flight):
            self.send()
        await self.over.wait()
        took = time.perf_counter() - began
        ordered = sorted(self.latencies)
        p50, p99 = (ordered[int(len(ordered) * part)] * 1e3 for part in (0.5, 0.99))
        return f"{len(ordered) / took:9,.0f} rows/s   p50 {p50:6.2f} ms   p99 {p99:6.2f} ms   max {ordered[-1] * 1e3:6.1f} ms"


def slow_commits(seconds: float) -> None:
    write = Session.write
    never = threading.Event()

    def slow(self: Session, statements: object) -> None:
        never.wait(seconds)
        write(self, statements)  # type: ignore[arg-type]

    Session.write = slow  # type: ignore[method-assign,assignment]


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--burn", type=int, default=0, help="empty loop turns per lease on the loop's thread")
    parser.add_argument("--slow-ms", type=float, default=0.0, help="delay of every commit")
    parser.add_argument("--url", default="sqlite")
    chosen = parser.parse_args()
    if chosen.slow_ms:
        slow_commits(chosen.slow_ms / 1000)
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(chosen.url, Path(folder), SystemClock(), lambda _fact: None)
        print(await Storm(store, chosen.in_flight, chosen.seconds, chosen.burn).run())
        store.close()


if __name__ == "__main__":
    asyncio.run(main())
