"""Ports for servers under test."""

from __future__ import annotations

import contextlib
import os
import random
import socket

_BELOW_CLIENTS = range(10_000, 32_000)
"""No system gives these to clients by itself, so that what is free now is so a moment later, too."""
_given: set[int] = set()


def _ours() -> range:
    """Processes that test side by side have ports of their own, so that none takes what another has found free."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    share = len(_BELOW_CLIENTS) // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    return _BELOW_CLIENTS[number * share : (number + 1) * share]


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nobody uses there, neither for TCP nor for UDP; each time another one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    while True:
        port = random.SystemRandom().choice(_ours())
        if port in _given:
            continue
        with contextlib.ExitStack() as held, contextlib.suppress(OSError):
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                held.enter_context(socket.socket(family, kind)).bind((host, port))
            _given.add(port)
            return port


def free_ports(count: int) -> range:
    """So many ports of the loopback interface in a row that nobody uses for UDP; the first one is even."""
    while True:
        first = random.SystemRandom().choice(_ours()) // 2 * 2
        ports = range(first, first + count)
        if ports[-1] not in _ours() or not _given.isdisjoint(ports):
            continue
        with contextlib.ExitStack() as held, contextlib.suppress(OSError):
            for port in ports:
                held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)).bind(("127.0.0.1", port))
            _given.update(ports)
            return ports
