"""A simulated link between a :class:`Transfer` and a :class:`Reader`: no real time passes."""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterable

from provd.tftp.transfer import Transfer
from tests.tftp.client import Reader


class Link:
    """Loses, doubles and delays datagrams. ``fate`` says of each in turn whether it is lost, before chance does."""

    def __init__(
        self,
        *,
        seed: int = 0,
        loss: float = 0.0,
        duplication: float = 0.0,
        delay: float = 0.001,
        jitter: float = 0.0,
        fate: Iterable[bool] = (),
    ) -> None:
        self._random = random.Random(seed)
        self._loss = loss
        self._duplication = duplication
        self._delay = delay
        self._jitter = jitter
        self._fate = iter(fate)
        self._events: list[tuple[float, int, str, bytes]] = []
        self._count = 0
        self.now = 0.0
        self.to_client: list[tuple[float, bytes]] = []
        """When which datagram left the server, whether or not it arrived."""

    def run(self, transfer: Transfer, reader: Reader, *, until: float = 2000.0) -> None:
        """Let the two talk until both have nothing more to do."""
        reader.start(self.now)
        self._serve(transfer.datagrams(transfer.start(self.now)))
        while self.now < until:
            arrival = self._events[0][0] if self._events else until
            due = min(arrival, transfer.deadline, reader.deadline)
            if due >= until:
                return
            self.now = due
            if self.now == arrival:
                _, _, side, datagram = heapq.heappop(self._events)
                if side == "client":
                    self._post("server", reader.receive(datagram, self.now))
                elif transfer.outcome is None:
                    self._serve(self._respond(transfer, datagram))
            elif self.now == transfer.deadline:
                self._serve(transfer.datagrams(transfer.expire(self.now)))
            else:
                self._post("server", [d for d in reader.expire(self.now) if d[1] != 1])

    def _respond(self, transfer: Transfer, datagram: bytes) -> list[bytes]:
        # Exactly what the server does: the short way first.
        block = transfer.next_block(datagram, self.now)
        return [block] if block is not None else transfer.datagrams(transfer.receive(datagram, self.now))

    def _serve(self, datagrams: list[bytes]) -> None:
        self.to_client += [(self.now, datagram) for datagram in datagrams]
        self._post("client", datagrams)

    def _post(self, side: str, datagrams: list[bytes]) -> None:
        for datagram in datagrams:
            if next(self._fate, False) or self._random.random() < self._loss:
                continue
            for _ in range(1 + (self._random.random() < self._duplication)):
                self._count += 1
                arrives = self.now + self._delay + self._random.random() * self._jitter
                heapq.heappush(self._events, (arrives, self._count, side, datagram))
