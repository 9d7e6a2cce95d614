"""One phone after another fetches its file, so many times a second; how long each had to wait, as JSON.

``python -m tests.bench.probe_http HOST PORT RATE SECONDS < TARGETS``, where a line of TARGETS is a path, a tab and a
User-Agent.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time


async def fetch(host: str, port: int, target: str) -> float:
    """Milliseconds from the connection's first packet to the last octet; raises OSError for anything but a 200."""
    path, _, agent = target.partition("\t")
    began = time.perf_counter()
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {agent}\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read(-1)
    writer.close()
    if not answer.startswith(b"HTTP/1.1 200 "):
        raise OSError(answer[:40])
    return (time.perf_counter() - began) * 1000


async def main() -> None:
    host, port, rate, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])
    targets = itertools.cycle(sys.stdin.read().splitlines())
    loop = asyncio.get_running_loop()
    began = loop.time()
    tasks = []
    for number in range(int(rate * seconds)):
        await asyncio.sleep(max(0.0, began + number / rate - loop.time()))
        tasks.append(loop.create_task(fetch(host, port, next(targets))))
    found = await asyncio.gather(*tasks, return_exceptions=True)
    times = sorted(value for value in found if isinstance(value, float))
    at = {str(share): round(times[min(len(times) - 1, int(share * len(times) / 100))], 2) for share in (50, 99, 100)}
    print(json.dumps({"done": len(times), "failed": len(found) - len(times), "ms": at}))


if __name__ == "__main__":
    asyncio.run(main())
