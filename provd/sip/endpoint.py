"""The SIP endpoint as a pure machine: messages and time in, effects out (RFC 3261).

It is the registrar of temporary accounts, takes the calls in which provisioning codes are dialed, and sends NOTIFYs;
it is no proxy and relays nothing. Requests of sources that have proved nothing are answered without keeping anything
(section 8.2.7); only the owner of an account makes transactions, bindings and calls.

REGISTER and INVITE are authenticated by digest, each of them, also from a flow that has registered: a UDP source
address is easily forged, and an INVITE gives a device away. Phones answer the challenge of an INVITE as they do that
of a REGISTER, and come with credentials at once as long as their nonce is good.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import field, replace
from typing import Final

from provd.base.dataclass import dataclass
from provd.base.errors import WireError
from provd.sip.address import uri_parts
from provd.sip.build import Field, response
from provd.sip.call import ALLOW, Calls
from provd.sip.complaints import Complaints, SipStats
from provd.sip.digest import ALGORITHMS, Authenticator, Proof, Random
from provd.sip.effects import Account, Close, Effect, Emit, FindAccount, Flow, Report, Told, Verdict
from provd.sip.message import Request, Response, parse
from provd.sip.notifier import Notifier
from provd.sip.outlet import Outlet
from provd.sip.presence import Presence
from provd.sip.registrar import Registrar, Terms
from provd.sip.stream import PING, PONG
from provd.sip.transaction import Key, ServerTransaction, server_key
from provd.sip.wire import Wire

_IN_DIALOG_ONLY: Final = frozenset({"BYE", "INFO", "UPDATE", "PRACK"})
_EVENTS: Final = frozenset({"SUBSCRIBE", "NOTIFY", "PUBLISH"})
_NOT_HERE: Final = frozenset({"MESSAGE", "REFER"})
_OPTIONAL: Final = (("Allow", ALLOW),)


@dataclass(frozen=True, slots=True)
class SipSettings:
    """What an operator decides."""

    algorithms: tuple[str, ...] = tuple(ALGORITHMS)
    terms: Terms = field(default_factory=Terms)
    keepalive: float = 25.0
    """Seconds between two octets-for-nothing to phones behind a NAT over UDP; 0 for none."""
    calls: int = 500
    transactions: int = 20_000


class Endpoint:
    """The whole of it. Every method that takes time returns what is to be done now."""

    def __init__(self, settings: SipSettings, find: FindAccount, key: bytes, random: Random) -> None:
        self.stats = SipStats()
        self._settings = settings
        self._find = find
        self._key = key
        self._wire = Wire(random)
        self._auth = Authenticator(find, key, random, settings.algorithms)
        self._registrar = Registrar(settings.terms)
        self._presence = Presence(self._wire, self._registrar, settings.keepalive)
        self._calls = Calls(self._wire, settings.calls)
        self._notifier = Notifier(self._wire, self.stats, self._presence.lost)
        self._outlet = Outlet()
        self._complaints = Complaints(lambda fact: self._wire.put(Emit(fact)), self.stats)
        self._transactions: dict[Key, ServerTransaction] = {}
        self._stopping = False

    @property
    def deadline(self) -> float:
        """When :meth:`expire` wants to be called; infinity when nothing waits."""
        return self._wire.timers.deadline

    @property
    def calls(self) -> int:
        """Calls under way."""
        return len(self._calls)

    @property
    def registrations(self) -> int:
        """Bindings."""
        return len(self._registrar)

    @property
    def idle(self) -> bool:
        """Whether nobody would miss us now: no call, and no request of ours without its answer."""
        return not len(self._calls) and not self._wire.requests

    def reconfigure(self, settings: SipSettings) -> None:
        """Take other settings; what is under way goes on as it began."""
        self._settings = settings
        self._auth.algorithms = settings.algorithms
        self._registrar.terms = settings.terms
        self._presence.keepalive = settings.keepalive
        self._calls.most = settings.calls

    def flow_of(self, username: str, now: float) -> Flow | None:
        """The way to the device with this account, while it is registered."""
        binding = self._registrar.find(username, now)
        return binding.flow if binding is not None else None

    # --- from the edge

    def handle(self, octets: bytes, flow: Flow, now: float) -> list[Effect]:
        """One datagram, or one message of a stream."""
        self.stats.messages += 1
        if octets == PING and flow.reliable:
            self._wire.send(flow, PONG)
            self.stats.keepalives += 1
        elif not octets.strip(b"\r\n\0 "):
            self.stats.keepalives += 1  # many phones keep their NAT open so; over UDP nobody waits for an answer
        elif not self._outlet.admits(flow.host, now):
            self._complaints.throttled(flow.host, "requests", now)
        else:
            self._message(octets, flow, now)
        return self._wire.take()

    def malformed(self, host: str, reason: str, now: float) -> list[Effect]:
        """A stream from there cannot be followed any more."""
        self._complaints.malformed(host, reason, now)
        return self._wire.take()

    def expire(self, now: float) -> list[Effect]:
        """The deadline has come."""
        self._wire.timers.expire(now)
        return self._wire.take()

    def leapt(self, seconds: float, now: float) -> list[Effect]:
        """The clock was set forward by so much in which no time has passed: nothing ends because of it."""
        self._wire.timers.leapt(seconds)
        self._presence.leapt(seconds, now)
        return self._wire.take()

    def disconnected(self, connection: int, now: float) -> list[Effect]:
        """A TCP connection is closed, and with it every way through it."""
        self._presence.disconnected(connection, now)
        self._calls.disconnected(connection, now)
        self._wire.abandon(connection, now)
        return self._wire.take()

    def notify(
        self, number: int, username: str, event: str, now: float, flow: Flow | None = None, body: tuple[str, ...] = ()
    ) -> list[Effect]:
        """Tell the device with this account. ``flow`` is a remembered one for when it has not registered (again)
        yet, ``body`` lines of text."""
        binding = self._registrar.find(username, now)
        # With the password that it registered with: it may have another one by now, and not know of it yet.
        account = binding.account if binding is not None else self._find(username)
        found = binding.flow if binding is not None else flow
        if account is None or found is None or not found.contact:
            self._wire.put(Report(number, Told.NO_WAY, "not registered"))
        else:
            self._notifier.notify(number, account, found, event, now, body)
        return self._wire.take()

    def redeemed(self, call: int, verdict: Verdict, now: float) -> list[Effect]:
        """The answer to ``Redeem``."""
        self._calls.redeemed(call, verdict, now)
        return self._wire.take()

    def opened(self, call: int, port: int, now: float) -> list[Effect]:
        """The answer to ``OpenMedia``: the port, or 0."""
        self._calls.opened(call, port, now)
        return self._wire.take()

    def played(self, call: int, now: float) -> list[Effect]:
        """The end of ``Play``."""
        self._calls.played(call, now)
        return self._wire.take()

    def stop(self, now: float) -> list[Effect]:
        """Take nothing new and end calls; registrations stay, the phones will find the next process."""
        self._stopping = True
        self._calls.stop(now)
        return self._wire.take()

    # --- messages

    def _message(self, octets: bytes, flow: Flow, now: float) -> None:
        try:
            message = parse(octets, stream=flow.reliable)
        except WireError as error:
            self._complaints.malformed(flow.host, str(error), now)
            if flow.reliable:
                self._wire.put(Close(flow.connection))  # nobody knows where the next message begins
            return
        if isinstance(message, Response):
            if not self._wire.answered(message, flow, now):
                self.stats.strays += 1
        elif message.method == "ACK":
            self._ack(message, now)
        elif message.defect is not None:
            self._complaints.malformed(flow.host, message.defect[1], now)
            self._refuse(message, flow, *message.defect, now=now)
        else:
            self._request(message, flow, now)

    def _request(self, request: Request, flow: Flow, now: float) -> None:
        transaction = self._transactions.get(server_key(request))
        if request.method == "CANCEL":
            self._cancel(request, transaction, flow, now)
        elif transaction is not None:
            self.stats.repeated += 1
            transaction.repeated()
        elif request.to.tag:
            self._within(request, flow, now)
        elif self._stopping:
            self._refuse(request, flow, 503, "Service Unavailable", now=now)
        elif request.method == "REGISTER":
            self._register(request, flow, now)
        elif request.method == "INVITE":
            self._invite(request, flow, now)
        else:
            self._other(request, flow, now)

    def _ack(self, request: Request, now: float) -> None:
        """Never answered (RFC 3261 section 17.1.1.2)."""
        transaction = self._transactions.get(server_key(request))
        if transaction is not None and transaction.final >= 300:
            transaction.acknowledged(now)
        elif not self._calls.acknowledged(request, now):
            self.stats.strays += 1

    def _cancel(self, request: Request, transaction: ServerTransaction | None, flow: Flow, now: float) -> None:
        if transaction is None or not transaction.invite or transaction.flow.host != flow.host:
            self.stats.strays += 1
            self._refuse(request, flow, 481, "Call/Transaction Does Not Exist", now=now)
            return
        self._refuse(request, flow, 200, "OK", now=now)
        self._calls.cancelled(transaction, now)

    def _within(self, request: Request, flow: Flow, now: float) -> None:
        answer = self._calls.within(request, now)
        if answer is None:
            self._refuse(request, flow, 481, "Call/Transaction Does Not Exist", now=now)
            return
        # Its tags are ours: whoever sends them has received our answer.
        self._outlet.prove(flow.host, now)
        transaction = self._transaction(request, flow, now)
        if transaction is not None:
            self._respond(transaction, flow, *answer, now=now)

    def _register(self, request: Request, flow: Flow, now: float) -> None:
        account = self._proved(request, flow, now)
        if account is None:
            return
        transaction = self._transaction(request, flow, now)
        if transaction is None:
            return
        user = uri_parts(request.to.uri)
        if user is None or user.user != account.username:
            self._complaints.refused(flow.host, "account", account.username, "REGISTER", now, account.mac)
            self._respond(transaction, flow, 403, "Not your account", (), now=now)
        elif unsupported := _unsupported(request):
            self._respond(transaction, flow, 420, "Bad Extension", (("Unsupported", unsupported),), now=now)
        else:
            done = self._registrar.register(request, account, flow, now)
            self._respond(transaction, flow, done.code, done.phrase, done.fields, now=now)
            self.stats.registered += done.code == 200
            self._presence.changed(done, now)

    def _invite(self, request: Request, flow: Flow, now: float) -> None:
        account = self._proved(request, flow, now)
        if account is None:
            return
        transaction = self._transaction(request, flow, now)
        if transaction is None:
            return
        unsupported = _unsupported(request)
        if unsupported:
            answer: tuple[int, str, tuple[Field, ...]] | None = (420, "Bad Extension", (("Unsupported", unsupported),))
        else:
            answer = self._calls.invite(request, transaction, account, flow, now)
        if answer is None:
            self.stats.calls += 1
            self.stats.redeemed += 1
        else:
            self._respond(transaction, flow, *answer, now=now)

    def _other(self, request: Request, flow: Flow, now: float) -> None:
        """What needs no account gets its answer without a transaction."""
        method = request.method
        if method == "OPTIONS":
            unsupported = _unsupported(request)
            if unsupported:
                self._refuse(request, flow, 420, "Bad Extension", (("Unsupported", unsupported),), now=now)
            else:
                self._refuse(request, flow, 200, "OK", optional=(*_OPTIONAL, ("Accept", "application/sdp")), now=now)
        elif method in _IN_DIALOG_ONLY:
            self._refuse(request, flow, 481, "Call/Transaction Does Not Exist", now=now)
        elif method == "NOTIFY" and request.headers.get("event").lower() == "keep-alive":
            self._refuse(request, flow, 200, "OK", now=now)  # how some phones keep their NAT open
        elif method in _EVENTS:
            self._refuse(request, flow, 489, "Bad Event", now=now)
        elif method in _NOT_HERE:
            self._refuse(request, flow, 405, "Method Not Allowed", _OPTIONAL, now=now)
        else:
            self._refuse(request, flow, 501, "Not Implemented", optional=_OPTIONAL, now=now)

    # --- who is it

    def _proved(self, request: Request, flow: Flow, now: float) -> Account | None:
        """The account that the request is proved to come from; without a proof it has been answered."""
        checked = self._auth.check(request, flow.host, now)
        if checked.reachable:
            self._outlet.prove(flow.host, now)
        if checked.proof is Proof.GOOD:
            return checked.account
        if checked.proof is Proof.WRONG:
            self.stats.wrong_passwords += 1
            if not self._outlet.may_try(flow.host, checked.username, now):
                self._complaints.throttled(flow.host, "failures", now)
                return None
            self._outlet.failed(flow.host, checked.username, now)
            self._complaints.refused(flow.host, "password", checked.username, request.method, now)
            # Not another challenge: many phones would try the same password again at once, and for ever.
            self._refuse(request, flow, 403, "Forbidden", now=now)
            return None
        self.stats.challenged += 1
        self.stats.stale_nonces += checked.proof is Proof.STALE
        fields = self._auth.challenges(request, flow.host, now, checked.proof)
        self._refuse(request, flow, 401, "Unauthorized", fields, now=now)
        return None

    # --- answers

    def _transaction(self, request: Request, flow: Flow, now: float) -> ServerTransaction | None:
        if len(self._transactions) >= self._settings.transactions:
            self._complaints.throttled(flow.host, "transactions", now)
            return None
        key = server_key(request)
        transaction = ServerTransaction(key, request, answer_flow(request, flow), self._wire.timers, self._wire.send)
        transaction.gone = self._gone
        self._transactions[key] = transaction
        return transaction

    def _gone(self, transaction: ServerTransaction) -> None:
        self._transactions.pop(transaction.key, None)

    def _respond(
        self, transaction: ServerTransaction, flow: Flow, code: int, phrase: str, fields: Sequence[Field], *, now: float
    ) -> None:
        """Answer within a transaction; its source is proved."""
        self._count_refusal(code)
        request = transaction.request
        octets = response(request, code, phrase, source=flow.source, tag=self._tag(request), fields=fields)
        transaction.respond(code, octets, now)

    def _refuse(
        self, request: Request, flow: Flow, code: int, phrase: str, fields: Sequence[Field] = (), *,
        optional: Sequence[Field] = (), now: float,
    ) -> None:  # fmt: skip
        """Answer once and keep nothing; see :mod:`provd.sip.outlet` for how much an unproved source gets."""
        self._count_refusal(code)
        proved = flow.reliable or self._outlet.proved(flow.host, now)
        fields = [*fields, *optional] if proved else fields
        octets = response(request, code, phrase, source=flow.source, tag=self._tag(request), fields=fields)
        challenge = code == 401
        if not proved and not self._outlet.affords(flow.host, request.octets, len(octets), now, challenge=challenge):
            self._complaints.throttled(flow.host, "octets", now)
            return
        self._wire.send(answer_flow(request, flow), octets)

    def _count_refusal(self, code: int) -> None:
        if code >= 300 and code != 401:
            refused = self.stats.refused
            refused[str(code)] = refused.get(str(code), 0) + 1

    def _tag(self, request: Request) -> str:
        """A To tag that is the same for a request and its repetitions, without remembering either (section 8.2.7)."""
        what = f"{request.call_id}|{request.from_.tag}|{request.via.branch}"
        return hmac.digest(self._key, b"tag|" + what.encode("utf-8", "surrogateescape"), "sha256")[:4].hex()


def answer_flow(request: Request, flow: Flow) -> Flow:
    """Where the answer to a request goes (RFC 3261 section 18.2.2, RFC 3581 section 4).

    To the port that it came from, if the sender asks for that (``rport``) or is behind a NAT (its Via names another
    address than we see). Otherwise to the port that its Via names, for phones that hear on another port than they send
    from. Always to the address that we see: a ``maddr`` would have us send to somebody who did not ask.
    """
    if flow.reliable or request.via.rport or request.via.host != flow.host:
        return flow
    return replace(flow, port=request.via.port or 5060)


def _unsupported(request: Request) -> str:
    """Extensions that the sender insists on and we do not have: all of them."""
    return ", ".join(request.headers.elements("require"))[:200]
