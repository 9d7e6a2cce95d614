"""Commits leases in children that are killed with signal 9, and prints what was acknowledged to them.

``python -m tests.storage.commit_until_killed STATE_DIR KILLS``: one process imports everything, so that a kill costs a
fork and not an interpreter. Every child first looks for what its predecessors were told is durable.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from provd.app.ports import Put
from provd.base.clock import SystemClock
from provd.base.errors import StorageError
from provd.base.types import Mac
from provd.dhcp.lease import Lease, LeaseState
from provd.storage.store import Store

IN_FLIGHT = 16


def lease(ip: int) -> Lease:
    return Lease(ip=ip, client=b"c", mac=Mac("805ec0112233"), state=LeaseState.ACTIVE, starts=ip, expires=ip)


async def commit_for_ever(state_dir: Path, acknowledged: set[int], pipe: int) -> None:
    store = Store.open("sqlite", state_dir, SystemClock(), lambda _fact: None)
    kept = {found.ip for found in store.load(Lease)}
    for lost in acknowledged - kept:
        os.write(pipe, f"LOST {lost}\n".encode())
    numbers = iter(range(max(kept | acknowledged, default=0) + 1, 2**31))

    def submit() -> None:
        ip = next(numbers)

        def done(error: StorageError | None) -> None:
            assert error is None
            os.write(pipe, f"ACK {ip}\n".encode())
            submit()

        store.submit([Put(lease(ip))], done)

    for _ in range(IN_FLIGHT):
        submit()
    await asyncio.Event().wait()


def one_life(state_dir: Path, acknowledged: set[int], enough: int) -> list[str]:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        asyncio.run(commit_for_ever(state_dir, acknowledged, writing))
        os._exit(1)
    os.close(writing)
    with os.fdopen(reading) as lines:
        heard = [lines.readline() for _ in range(enough)]
        os.kill(child, signal.SIGKILL)
        # What it still said before it died counts as well.
        heard += lines.readlines()
    os.waitpid(child, 0)
    return heard


def main() -> None:
    state_dir, kills = Path(sys.argv[1]), int(sys.argv[2])
    acknowledged: set[int] = set()
    for life in range(kills):
        for line in one_life(state_dir, acknowledged, enough=7 * life % 97 + 1):
            sys.stdout.write(line)
            word, _, number = line.strip().partition(" ")
            if word == "ACK":
                acknowledged.add(int(number))


if __name__ == "__main__":
    main()
