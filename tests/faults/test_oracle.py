"""Does an answer tell whether a phone exists? Refused and unknown look alike, also to a clock."""

from __future__ import annotations

import re
import statistics
import time
from pathlib import Path

import pytest

from tests.kit.daemon import Daemon, lan_config
from tests.kit.lan import PHONE, Lan

pytestmark = pytest.mark.root

TRIES = 1000
MISSES = 5
"""How often one address guesses: below what slows it down."""


def test_refused_and_unknown_are_the_same_octets_in_the_same_time(lan: Lan, tmp_path: Path) -> None:
    with Daemon(lan_config(lan.bed, tmp_path / "state", log_level="warning"), tmp_path, bed=lan.bed):
        lan.boots()
        took: dict[str, list[float]] = {PHONE: [], "805ec0ffffff": []}
        answers: dict[str, set[bytes]] = {mac: set() for mac in took}
        for number in range(TRIES * 2):
            mac = (*took,)[number % 2]
            asker = number // (2 * MISSES)
            with lan.connect(f"10.77.{20 + asker // 250}.{asker % 250 + 1}") as connection:
                asked = time.perf_counter()
                connection.sendall(f"GET /{mac}.cfg HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
                answer = b"".join(iter(lambda: connection.recv(65536), b""))
                took[mac].append(time.perf_counter() - asked)
            answers[mac].add(re.sub(rb"Date: [^\r]+", b"Date: -", answer))
    known, unknown = answers.values()
    assert known == unknown
    assert len(known) == 1
    assert b" 404 " in next(iter(known))
    # The quick quarter of them: what a busy machine adds is in the others. To look at a file, or to make it, takes more
    # than all the rest.
    quick = sorted(statistics.quantiles(times)[0] for times in took.values())
    assert quick[1] < 1.5 * quick[0], quick
