"""Transactions as pure machines (RFC 3261 section 17, RFC 6026): who repeats what, how often, and when it is over.

Timers by their letters: E, F, K of our own non-INVITE requests; G, H, I, L of INVITEs and J of other requests that were
sent to us. A, B and D belong to INVITEs of our own, of which there are none; the 2xx of an INVITE is repeated by the
call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from provd.sip.effects import Flow
from provd.sip.message import Request, Response
from provd.sip.timers import PATIENCE, T1, T2, T4, Timer, Timers

MAGIC: Final = "z9hG4bK"
"""How a branch begins that identifies its transaction (RFC 3261 section 8.1.1.7)."""

Key = tuple[str, ...]
SendOctets = Callable[[Flow, bytes], None]


def server_key(request: Request) -> Key:
    """What repetitions of a request, its ACK and its CANCEL have in common (RFC 3261 section 17.2.3)."""
    method = "INVITE" if request.method in {"ACK", "CANCEL"} else request.method
    via = request.via
    if via.branch.startswith(MAGIC):
        return (via.branch, f"{via.host}:{via.port}", method)
    # RFC 2543: everything that makes it the same request.
    return (request.call_id, request.from_.tag, str(request.cseq), f"{via.host}:{via.port}", via.branch, method)


class ServerTransaction:
    """One request that was sent to us and the answer that it gets, however often it is repeated."""

    __slots__ = (
        "_interval",
        "_repeat",
        "_send",
        "_timers",
        "confirmed",
        "final",
        "flow",
        "gone",
        "key",
        "octets",
        "request",
    )

    def __init__(self, key: Key, request: Request, flow: Flow, timers: Timers, send: SendOctets) -> None:
        self.key = key
        self.request = request
        self.flow = flow
        self.octets = b""
        """The last response."""
        self.final = 0
        """Its status code, 0 while there is no final one."""
        self.confirmed = False
        self.gone: Callable[[ServerTransaction], None] = _nothing
        self._interval = T1
        self._repeat: Timer | None = None
        self._timers = timers
        self._send = send

    @property
    def invite(self) -> bool:
        """Whether it is that of an INVITE."""
        return self.request.method == "INVITE"

    def repeated(self) -> None:
        """The request came again."""
        if self.octets and not self.confirmed and not (self.invite and 200 <= self.final < 300):
            self._send(self.flow, self.octets)

    def respond(self, code: int, octets: bytes, now: float) -> None:
        """Answer. After a final response nothing more is sent."""
        if self.final:
            return
        self.octets = octets
        self._send(self.flow, octets)
        if code < 200:
            return
        self.final = code
        if not self.invite:
            self._end(now, 0.0 if self.flow.reliable else PATIENCE)  # J
        elif code < 300:
            self._end(now, PATIENCE)  # L
        else:
            self._end(now, PATIENCE)  # H: nobody has acknowledged it
            if not self.flow.reliable:
                self._repeat = self._timers.at(now + self._interval, self._again)  # G

    def acknowledged(self, now: float) -> None:
        """The ACK of a final response that refused."""
        if self.final < 300 or self.confirmed:
            return
        self.confirmed = True
        if self._repeat is not None:
            self._repeat.cancel()
        self._end(now, 0.0 if self.flow.reliable else T4)  # I

    def _again(self, now: float) -> None:
        self._send(self.flow, self.octets)
        self._interval = min(2 * self._interval, T2)
        self._repeat = self._timers.at(now + self._interval, self._again)

    def _end(self, now: float, after: float) -> None:
        if after:
            self._timers.at(now + after, self._gone)
        else:
            self._gone(now)

    def _gone(self, _now: float) -> None:
        if self._repeat is not None:
            self._repeat.cancel()
        self.gone(self)


def _nothing(_transaction: object) -> None:
    return None


class ClientTransaction:
    """One request of ours (not INVITE, not ACK) until its final response, or until nobody is thought to be there."""

    __slots__ = (
        "_done",
        "_end",
        "_interval",
        "_octets",
        "_repeat",
        "_send",
        "_timers",
        "branch",
        "flow",
        "gone",
        "method",
        "over",
        "sent",
    )

    def __init__(self, branch: str, method: str, octets: bytes, flow: Flow, timers: Timers, send: SendOctets) -> None:
        self.branch = branch
        self.method = method
        self.flow = flow
        self.over = False
        self.sent = 0
        self.gone: Callable[[ClientTransaction], None] = _nothing
        self._octets = octets
        self._interval = T1
        self._repeat: Timer | None = None
        self._end: Timer | None = None
        self._timers = timers
        self._send = send
        self._done: Callable[[Response | None, float], None] = _ignored

    def start(self, now: float, done: Callable[[Response | None, float], None]) -> None:
        """Send it. ``done`` is called once, with the final response or None."""
        self._done = done
        self._transmit()
        self._end = self._timers.at(now + PATIENCE, self._silent)  # F
        if not self.flow.reliable:
            self._repeat = self._timers.at(now + self._interval, self._again)  # E

    def receive(self, response: Response, now: float) -> None:
        """A response with our branch."""
        if self.over:
            return  # the final one again, which K is there for
        if response.code < 200:
            self._interval = T2
            return
        self.over = True
        self._stop()
        if self.flow.reliable:
            self.gone(self)
        else:
            self._timers.at(now + T4, self._gone)  # K
        self._done(response, now)

    def abandon(self, now: float) -> None:
        """The way is gone: there will be no answer."""
        if not self.over:
            self._silent(now)

    def _again(self, now: float) -> None:
        self._transmit()
        self._interval = min(2 * self._interval, T2)
        self._repeat = self._timers.at(now + self._interval, self._again)

    def _silent(self, now: float) -> None:
        self.over = True
        self._stop()
        self.gone(self)
        self._done(None, now)

    def _transmit(self) -> None:
        self.sent += 1
        self._send(self.flow, self._octets)

    def _stop(self) -> None:
        for timer in (self._repeat, self._end):
            if timer is not None:
                timer.cancel()

    def _gone(self, _now: float) -> None:
        self.gone(self)


def _ignored(_response: Response | None, _now: float) -> None:
    return None
