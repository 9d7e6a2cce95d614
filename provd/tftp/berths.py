"""The sockets of transfers: each is the TID of one transfer at a time, and of several one after the other.

Making, binding, watching and closing a socket costs as much as sending a phone's file, so a socket goes on to other
clients when its transfer is over. It never goes back to the client that had it last, whose late datagrams
would then look like part of the new transfer; those of anybody else are told apart by their source (RFC 1350
section 4). After so many transfers its port is given up, so that knowing today's ports does not help tomorrow.
"""

from __future__ import annotations

import select
import socket
from collections import OrderedDict
from typing import Final

from provd.tftp.admission import Peer

_USES: Final = 64
_IDLE: Final = 256
"""Sockets that wait for a transfer, over all addresses of ours."""
_LOOKED_AT: Final = 8
"""Waiting sockets that are looked at for one that this client did not have last."""


class Berth:
    """A bound socket that the epoll set watches. ``last`` is the client that has it, or had it last."""

    __slots__ = ("fileno", "last", "local", "recv", "recvfrom", "send", "sendto", "sock", "spoilt", "uses")

    def __init__(self, local: str) -> None:
        self.sock = sock = bound_socket(local)
        self.local = local
        self.fileno = sock.fileno()
        self.recvfrom = sock.recvfrom
        self.sendto = sock.sendto
        self.recv = sock.recv
        self.send = sock.send
        self.last: Peer | None = None
        self.uses = 0
        self.spoilt = False
        """Connected, or listening for ICMP errors: of no use to another client."""


def bound_socket(local: str) -> socket.socket:
    """A socket with a port of its own on that address. Raises OSError."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        # Strict clients take an answer only from the address they asked.
        sock.bind((local, 0))
    except OSError:
        sock.close()
        raise
    return sock


class Berths:
    """Hands out sockets; all of them are in the epoll set, whether they have a transfer or not."""

    def __init__(self, epoll: select.epoll) -> None:
        self._epoll = epoll
        self._idle: dict[str, OrderedDict[int, Berth]] = {}
        self._by_fileno: dict[int, Berth] = {}

    def __len__(self) -> int:
        return len(self._by_fileno)

    def take(self, peer: Peer, local: str) -> Berth:
        """A socket for a transfer to this client; the one that waited longest goes first. Raises OSError."""
        idle = self._idle.get(local)
        berth = None
        if idle:
            for looked, candidate in enumerate(idle.values()):
                if candidate.last != peer:
                    berth = candidate
                    break
                if looked == _LOOKED_AT:
                    break
        if berth is None:
            berth = Berth(local)
            self._epoll.register(berth.fileno, select.EPOLLIN)
        else:
            self._by_fileno.pop(berth.fileno)
            del self._idle[local][berth.fileno]
        berth.last = peer
        berth.uses += 1
        return berth

    def give_back(self, berth: Berth) -> None:
        """The transfer is over."""
        if berth.spoilt or berth.uses >= _USES or len(self._by_fileno) >= _IDLE:
            berth.sock.close()  # epoll forgets it by itself
            return
        self._by_fileno[berth.fileno] = berth
        self._idle.setdefault(berth.local, OrderedDict())[berth.fileno] = berth

    def waiting(self, fileno: int) -> Berth | None:
        """The socket of that number, if no transfer has it."""
        return self._by_fileno.get(fileno)

    def close(self) -> None:
        """Close what waits."""
        for berth in self._by_fileno.values():
            berth.sock.close()
        self._by_fileno.clear()
        self._idle.clear()
