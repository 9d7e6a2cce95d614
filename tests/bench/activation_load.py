"""Devices that activate: ``python -m tests.bench.activation_load PREFIX FIRST COUNT CONNECTIONS PORT…``

Each connection stays open and has one request under way; they are spread over the ports. Prints JSON: seconds, statuses
and the times to the answers, in seconds: the median, and what 99 % stay below.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator


class Device(asyncio.Protocol):
    """One connection; takes the next serial when it has its answer."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._octets = b""
        self._since = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        assert self._transport is not None
        sn = next(self._load.serials, None)
        if sn is None:
            self._transport.close()
            return
        body = f"vendor=bench&model=m&sn={sn}"
        self._since = time.perf_counter()
        head = f"POST /provision/activate HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        self._transport.write((head + body).encode())

    def data_received(self, data: bytes) -> None:
        self._octets += data
        head, gap, body = self._octets.partition(b"\r\n\r\n")
        if not gap or len(body) < int(head.partition(b"Content-Length: ")[2].split(b"\r", 1)[0]):
            return
        self._octets = b""
        self._load.answered(int(head[9:12]), time.perf_counter() - self._since)
        self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        self._load.gone()


class Load:
    """All of them."""

    def __init__(self, prefix: str, first: int, count: int, connections: int) -> None:
        self.serials: Iterator[str] = (f"{prefix}{number:07d}" for number in range(first, first + count))
        self.statuses: Counter[int] = Counter()
        self.times: list[float] = []
        self._open = connections
        self._done = asyncio.Event()

    def answered(self, status: int, seconds: float) -> None:
        self.statuses[status] += 1
        self.times.append(seconds)

    def gone(self) -> None:
        self._open -= 1
        if not self._open:
            self._done.set()

    async def run(self, ports: list[int]) -> dict[str, object]:
        loop, began = asyncio.get_running_loop(), time.perf_counter()
        for number in range(self._open):
            await loop.create_connection(lambda: Device(self), "127.0.0.1", ports[number % len(ports)])
        await self._done.wait()
        seconds = time.perf_counter() - began
        times = sorted(self.times)
        return {
            "seconds": seconds,
            "statuses": {str(status): number for status, number in self.statuses.items()},
            "p50": times[len(times) // 2],
            "p99": times[len(times) * 99 // 100],
        }


async def main() -> None:
    prefix, first, count, connections, *ports = sys.argv[1:]
    load = Load(prefix, int(first), int(count), int(connections))
    print(json.dumps(await load.run([int(port) for port in ports])))


if __name__ == "__main__":
    asyncio.run(main())
