"""What calls, NOTIFYs and the endpoint have in common: timers, chance, effects, and requests of our own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from provd.sip.build import Field, request
from provd.sip.digest import Random
from provd.sip.effects import Effect, Flow, Send
from provd.sip.message import Response
from provd.sip.timers import Timers
from provd.sip.transaction import MAGIC, ClientTransaction

Done = Callable[[Response | None, float], None]
"""Gets the final response, or None when there was none."""

_MOST_REQUESTS: Final = 20_000


class Wire:
    """Collects effects until the edge takes them."""

    def __init__(self, random: Random) -> None:
        self.timers = Timers()
        self.random = random
        self._effects: list[Effect] = []
        self._clients: dict[tuple[str, str], ClientTransaction] = {}

    def put(self, effect: Effect) -> None:
        """One more effect."""
        self._effects.append(effect)

    def send(self, flow: Flow, octets: bytes) -> None:
        """Send octets."""
        self._effects.append(Send(flow, octets))

    def take(self) -> list[Effect]:
        """What has gathered."""
        effects, self._effects = self._effects, []
        return effects

    def token(self) -> str:
        """A word that nobody can guess: a tag, a Call-ID, a branch."""
        return self.random(8).hex()

    @property
    def requests(self) -> int:
        """Our requests that still wait for an answer."""
        return sum(not one.over for one in self._clients.values())

    def ask(
        self, method: str, uri: str, flow: Flow, fields: Sequence[Field], now: float, done: Done, body: bytes = b""
    ) -> bool:
        """Send a request of ours and call ``done`` with what comes of it; False when there are too many already."""
        if len(self._clients) >= _MOST_REQUESTS:
            return False
        branch = MAGIC + self.token()
        via = f"SIP/2.0/{flow.transport.upper()} {flow.local}:{flow.local_port};branch={branch};rport"
        octets = request(method, uri, [("Via", via), *fields], body)
        transaction = ClientTransaction(branch, method, octets, flow, self.timers, self.send)
        transaction.gone = self._forget
        self._clients[branch, method] = transaction
        transaction.start(now, done)
        return True

    def answered(self, response: Response, flow: Flow, now: float) -> bool:
        """A response came; False when it belongs to no request of ours."""
        transaction = self._clients.get((response.via.branch, response.cseq_method))
        # A branch cannot be guessed; but whoever saw one go by must not be able to answer from elsewhere.
        if transaction is None or transaction.flow.host != flow.host:
            return False
        transaction.receive(response, now)
        return True

    def abandon(self, connection: int, now: float) -> None:
        """A connection is closed: what was asked over it will not be answered."""
        for transaction in [one for one in self._clients.values() if one.flow.connection == connection]:
            transaction.abandon(now)

    def _forget(self, transaction: ClientTransaction) -> None:
        self._clients.pop((transaction.branch, transaction.method), None)


def our_uri(flow: Flow) -> str:
    """Our own URI for who talks to us by this flow."""
    transport = ";transport=tcp" if flow.transport == "tcp" else ""
    return f"sip:provd@{flow.local}:{flow.local_port}{transport}"
