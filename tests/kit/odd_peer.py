"""An HTTP server that a test makes behave, and misbehave, octet by octet."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from tests.kit.patience import PATIENCE

Send = Callable[[bytes], None]
Act = Callable[[Send], None]
"""Writes whatever it wants to the connection, which is closed after it."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request."""

    line: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> object:
        """Its JSON."""
        return json.loads(self.body)


@dataclass
class OddPeer:
    """``acts`` by what the request line contains; the first that fits. ``ended`` is set when the test is over."""

    port: int
    acts: dict[str, Act] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def lines(self) -> list[str]:
        """What was asked, in order."""
        return [each.line for each in self.asked]


def reply(body: object, status: int = 200, **headers: str) -> Act:
    """A whole, sound reply; ``body`` is JSON unless it is octets."""
    octets = body if isinstance(body, bytes) else json.dumps(body).encode()
    more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(octets)}\r\nConnection: close\r\n{more}\r\n"
    return lambda send: send(head.encode() + octets)


@contextlib.contextmanager
def odd_peer() -> Iterator[OddPeer]:
    """A server on a free port of the loopback interface."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        peer = OddPeer(listening.getsockname()[1])
        threads: list[threading.Thread] = []

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                thread = threading.Thread(target=_answer, args=(peer, connection), daemon=True)
                threads.append(thread)
                thread.start()

        accepting = threading.Thread(target=serve, daemon=True)
        accepting.start()
        try:
            yield peer
        finally:
            peer.ended.set()
            listening.shutdown(socket.SHUT_RDWR)
            for thread in (accepting, *threads):
                thread.join(10)


def _answer(peer: OddPeer, connection: socket.socket) -> None:
    # Whoever asks may have had enough of it before we have.
    with connection, contextlib.suppress(OSError, ValueError):
        connection.settimeout(PATIENCE)
        reader = connection.makefile("rb")
        line = reader.readline().decode().strip()
        if not line:
            return
        headers = {}
        while raw := reader.readline().strip():
            name, _, value = raw.decode().partition(":")
            headers[name.lower()] = value.strip()
        asked = Asked(line, headers, reader.read(int(headers.get("content-length", "0"))))
        peer.asked.append(asked)
        act = next((act for part, act in peer.acts.items() if part in line), reply({}, 404))
        act(connection.sendall)
