"""Calls from temporary accounts: a number is dialed, redeemed exactly once, answered with a prompt, and ended by us.

Answer or refuse? Whoever dials a code stands in front of a phone and wants to know what happened: where the number
could be a code, the call is answered and a prompt played, which every phone does alike, and the BYE carries the words
in its Reason (RFC 3326). A refusal is shown by some phones as text, by others as a tone or by an automatic redial, so
it is for what no person has to listen to: what is no number, a phone that nobody knows, a fault of ours that would
repeat. :class:`~provd.sip.effects.Verdict` says which; it is made where outcomes are known.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Final

from provd.base.dataclass import dataclass
from provd.base.errors import WireError
from provd.base.facts.sip import CallEnded, CallHeard
from provd.sip.address import dialed, uri_parts
from provd.sip.build import Field, quoted, response
from provd.sip.dialog import Dialog, dialog_of
from provd.sip.effects import Account, Dialed, Emit, Flow, OpenMedia, Play, Redeem, StopMedia, Verdict
from provd.sip.message import Request, shown
from provd.sip.sdp import PCMU, Offer, answer, choose, parse_offer
from provd.sip.timers import PATIENCE, T1, T2, Timer
from provd.sip.transaction import ServerTransaction
from provd.sip.wire import Wire, our_uri

ALLOW: Final = "INVITE, ACK, BYE, CANCEL, OPTIONS, REGISTER"
SILENCE: Final = 9
"""The discard port: in our description when there is no audio to be had."""
LATE: Final = 20.0
"""Seconds that redeeming may take; a phone would wait for three minutes, a person does not."""
LONGEST: Final = 30.0
"""Seconds from answer to BYE, whatever becomes of the audio."""
_PER_ACCOUNT: Final = 2
_SDP: Final = "application/sdp"

Refusal = tuple[int, str, tuple[Field, ...]]

_DONE: Final[Refusal] = (200, "OK", ())
_NOT_ALLOWED: Final[Refusal] = (405, "Method Not Allowed", (("Allow", ALLOW),))
_IN_CALL: Final[Mapping[str, Refusal]] = MappingProxyType(
    {
        # The prompt lasts seconds; hold and other codecs are not worth a second negotiation.
        "INVITE": (488, "Not Acceptable Here", ()),
        "OPTIONS": (200, "OK", (("Allow", ALLOW),)),
    }
)
_UNKNOWN_YET: Final = Verdict(200, "")


class State(enum.Enum):
    """How far a call is."""

    REDEEMING = "redeeming"
    OPENING = "opening"
    ANSWERED = "answered"
    """Our 200 is repeated until its ACK comes."""
    PLAYING = "playing"
    ENDING = "ending"
    ENDED = "ended"


@dataclass(slots=True)
class _Call:
    number: int
    transaction: ServerTransaction
    account: Account
    flow: Flow
    offer: Offer | None
    dialog: Dialog
    began: float
    payload_type: int
    state: State = State.REDEEMING
    verdict: Verdict = _UNKNOWN_YET
    port: int = 0
    answer: bytes = b""
    interval: float = T1
    repeat: Timer | None = None
    limit: Timer | None = None


class Calls:
    """All calls. ``most`` may be under way at a time."""

    def __init__(self, wire: Wire, most: int) -> None:
        self._wire = wire
        self.most = most
        self._calls: dict[int, _Call] = {}
        self._dialogs: dict[tuple[str, str], _Call] = {}
        self._seen: dict[tuple[str, str], _Call] = {}
        self._count = 0

    def __len__(self) -> int:
        return len(self._calls)

    # --- from the phone

    def invite(
        self, request: Request, transaction: ServerTransaction, account: Account, flow: Flow, now: float
    ) -> Refusal | None:
        """A proved INVITE outside of a dialog. What to refuse it with, or None: then its answer comes later."""
        key = request.call_id, request.from_.tag
        digits = dialed(request.uri)
        refusal = self._unacceptable(key, request.uri, digits, account)
        if refusal is not None:
            return refusal
        try:
            offer = _offer(request)
        except WireError as error:
            return 488, "Not Acceptable Here", (("Warning", f"399 provd {quoted(shown(str(error)))}"),)
        payload_type = choose(offer) if offer is not None else PCMU
        if payload_type is None:
            return 488, "Not Acceptable Here", (("Warning", '305 provd "PCMU and PCMA are spoken here"'),)
        self._count += 1
        dialog = dialog_of(request, self._wire.token(), flow)
        call = _Call(self._count, transaction, account, flow, offer, dialog, now, payload_type)
        self._calls[call.number] = self._seen[key] = call
        self._dialogs[dialog.key] = call
        self._put(CallHeard(at=now, mac=account.mac, account=account.username, peer=flow.host, digits=len(digits)))
        self._respond(call, 100, "Trying", now, tag=False)
        call.limit = self._wire.timers.at(now + LATE, partial(self._late, call))
        contact = uri_parts(dialog.target)
        host = contact.host if contact is not None else ""
        self._wire.put(
            Redeem(
                call.number,
                Dialed(digits, account, replace(dialog.flow, contact=dialog.target), host, request.user_agent),
            )
        )
        return None

    def cancelled(self, transaction: ServerTransaction, now: float) -> None:
        """CANCEL: too late once the call is answered (RFC 3261 section 9.2)."""
        call = next((one for one in self._calls.values() if one.transaction is transaction), None)
        if call is not None and call.state in {State.REDEEMING, State.OPENING}:
            self._respond(call, 487, "Request Terminated", now)
            self._end(call, "cancelled", now)

    def acknowledged(self, request: Request, now: float) -> bool:
        """The ACK of our 200; False when it belongs to no call."""
        call = self._within(request)
        if call is None:
            return False
        if call.state is State.ANSWERED and request.cseq == call.transaction.request.cseq:
            self._stop(call)
            call.state = State.PLAYING
            call.limit = self._wire.timers.at(now + LONGEST, partial(self._bye, call, "played"))
            self._play(call, request, now)
        return True

    def within(self, request: Request, now: float) -> Refusal | None:
        """A request within a dialog: how it is to be answered, or None when there is no such dialog."""
        call = self._within(request)
        if call is None:
            return None
        if request.cseq <= call.dialog.remote_cseq:
            return 500, "CSeq is not higher", ()
        call.dialog.remote_cseq = request.cseq
        if request.method == "BYE":
            if call.state is not State.ENDED:
                self._end(call, "hung-up", now)
            return _DONE
        return None if call.state is State.ENDED else _IN_CALL.get(request.method, _NOT_ALLOWED)

    # --- from the edge

    def redeemed(self, number: int, verdict: Verdict, now: float) -> None:
        """What became of the digits."""
        call = self._calls.get(number)
        if call is None or call.state is not State.REDEEMING:
            return
        call.verdict = verdict
        if verdict.code == 200:
            call.state = State.OPENING
            self._wire.put(OpenMedia(number, call.flow.local))
            return
        wait: tuple[Field, ...] = (("Retry-After", str(math.ceil(verdict.wait))),) if verdict.wait > 0 else ()
        self._respond(call, verdict.code, verdict.text, now, fields=(*_reason(verdict), *wait))
        self._end(call, "refused", now)

    def opened(self, number: int, port: int, now: float) -> None:
        """The port for audio, 0 when there is none: the call is answered all the same, and says nothing."""
        call = self._calls.get(number)
        if call is None or call.state is not State.OPENING:
            self._wire.put(StopMedia(number))
            return
        call.port = port
        call.state = State.ANSWERED
        local = call.flow.local
        # The id only has to differ from call to call (RFC 4566 section 5.2).
        session = int(call.began) << 16 | number & 0xFFFF
        body = answer(call.offer, address=local, port=port or SILENCE, payload_type=call.payload_type, session=session)
        routes = [("Record-Route", route) for route in call.transaction.request.headers.all("record-route")]
        fields = [*routes, ("Contact", f"<{our_uri(call.flow)}>"), ("Allow", ALLOW), ("Content-Type", _SDP)]
        call.answer = self._respond(call, 200, "OK", now, fields=tuple(fields), body=body)
        self._stop(call)
        call.limit = self._wire.timers.at(now + PATIENCE, partial(self._bye, call, "no-ack"))
        call.repeat = self._wire.timers.at(now + call.interval, partial(self._again, call))

    def played(self, number: int, now: float) -> None:
        """The prompt has been played."""
        call = self._calls.get(number)
        if call is not None and call.state is State.PLAYING:
            self._bye(call, "played", now)

    def disconnected(self, connection: int, now: float) -> None:
        """A TCP connection is closed; its calls cannot be ended properly any more."""
        for call in [one for one in self._calls.values() if one.flow.connection == connection]:
            if call.state in {State.REDEEMING, State.OPENING}:
                # Nobody gets it; but a transaction has to have an end.
                self._respond(call, 487, "Request Terminated", now)
            self._end(call, "hung-up", now)

    def stop(self, now: float) -> None:
        """End every call: provd ends."""
        for call in list(self._calls.values()):
            if call.state in {State.REDEEMING, State.OPENING}:
                self._respond(call, 503, "Service Unavailable", now)
                self._end(call, "stopped", now)
            elif call.state in {State.ANSWERED, State.PLAYING}:
                self._bye(call, "stopped", now)

    # --- inside

    def _unacceptable(self, key: tuple[str, str], uri: str, digits: str, account: Account) -> Refusal | None:
        """What forbids a call, whatever its session description says."""
        if key in self._seen:
            return 482, "Merged Request", ()  # the same call by another way, or again after its end
        if not digits:
            return _no_number(uri)
        if sum(one.account.username == account.username for one in self._calls.values()) >= _PER_ACCOUNT:
            return 486, "Busy Here", ()
        if len(self._calls) >= self.most:
            return 503, "Too many calls", (("Retry-After", "10"),)
        return None

    def _within(self, request: Request) -> _Call | None:
        call = self._dialogs.get((request.call_id, request.to.tag))
        return call if call is not None and call.dialog.remote_tag == request.from_.tag else None

    def _play(self, call: _Call, ack: Request, now: float) -> None:
        offer = call.offer
        if offer is None:
            # We made the offer, so the ACK has the answer (RFC 3261 section 13.2.2.4).
            try:
                offer = _offer(ack)
            except WireError:
                offer = None
        payload_type = choose(offer) if offer is not None else None
        if offer is None or payload_type is None or not offer.hears or not call.port:
            self._bye(call, "played", now)
            return
        play = Play(call.number, call.verdict.prompt, payload_type, offer.remote, call.flow.host)
        self._wire.put(play)

    def _again(self, call: _Call, now: float) -> None:
        """Repeat our 200 until it is acknowledged, over any transport (section 13.3.1.4)."""
        self._wire.send(call.transaction.flow, call.answer)
        call.interval = min(2 * call.interval, T2)
        call.repeat = self._wire.timers.at(now + call.interval, partial(self._again, call))

    def _late(self, call: _Call, now: float) -> None:
        self._respond(call, 504, "No answer in time, try again", now)
        self._end(call, "late", now)

    def _bye(self, call: _Call, why: str, now: float) -> None:
        if call.state not in {State.ANSWERED, State.PLAYING}:
            return
        self._stop(call)
        call.state = State.ENDING
        self._wire.put(StopMedia(call.number))
        dialog = call.dialog
        fields = [*dialog.next("BYE"), *_reason(call.verdict)]

        def done(response: object, then: float) -> None:
            self._end(call, why if response is not None or why != "played" else "silent", then)

        if not self._wire.ask("BYE", dialog.target, dialog.flow, fields, now, done):
            self._end(call, why, now)

    def _end(self, call: _Call, why: str, now: float) -> None:
        if call.state is State.ENDED:
            return
        if call.state is not State.ENDING:
            self._wire.put(StopMedia(call.number))
        self._stop(call)
        call.state = State.ENDED
        del self._calls[call.number]
        seconds = round(now - call.began, 3)
        account = call.account
        said = shown(call.verdict.text)
        self._put(CallEnded(at=now, mac=account.mac, account=account.username, reason=why, said=said, seconds=seconds))
        # Whatever comes late or again must find out that it was here already.
        self._wire.timers.at(now + PATIENCE, partial(self._forget, call))

    def _forget(self, call: _Call, _now: float) -> None:
        self._dialogs.pop(call.dialog.key, None)
        self._seen.pop((call.dialog.call_id, call.dialog.remote_tag), None)

    def _stop(self, call: _Call) -> None:
        for timer in (call.repeat, call.limit):
            if timer is not None:
                timer.cancel()

    def _respond(
        self,
        call: _Call,
        code: int,
        phrase: str,
        now: float,
        *,
        fields: tuple[Field, ...] = (),
        body: bytes = b"",
        tag: bool = True,
    ) -> bytes:
        own = call.dialog.tag if tag else ""
        octets = response(
            call.transaction.request, code, phrase, source=call.flow.source, tag=own, fields=fields, body=body
        )
        call.transaction.respond(code, octets, now)
        return octets

    def _put(self, fact: CallHeard | CallEnded) -> None:
        self._wire.put(Emit(fact))


def _reason(verdict: Verdict) -> tuple[Field, ...]:
    """What happened, for phones that show it and for people who read captures (RFC 3326)."""
    return (("Reason", f"SIP ;cause={verdict.cause} ;text={quoted(verdict.text)}"),) if verdict.text else ()


def _no_number(uri: str) -> Refusal:
    parts = uri_parts(uri)
    if parts is None:
        return 416, "Unsupported URI Scheme", ()
    if not parts.user:
        return 484, "Address Incomplete", ()
    return 404, "Dial your code", ()


def _offer(request: Request) -> Offer | None:
    """The session description in a message, None where there is none. Raises WireError."""
    if not request.body.strip():
        return None
    kind = request.headers.get("content-type").partition(";")[0].strip().lower()
    if kind not in {_SDP, ""}:
        raise WireError(f"a session description was expected, not {kind[:40]}")
    return parse_offer(request.body)
