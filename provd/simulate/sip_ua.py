"""The SIP side of one line of a phone, without a socket: datagrams and time come in, datagrams and news go out.

It registers and stays registered, makes one call at a time, and answers what a server asks of it (RFC 3261 sections 8,
10, 13 and 17, over UDP). What it makes of a NOTIFY is the vendor's decision.
"""

from __future__ import annotations

import random
import re
from collections import OrderedDict
from collections.abc import Callable
from typing import Literal

from provd.base.dataclass import dataclass
from provd.base.secrets import Secret
from provd.plugin.phone import Account, Notify, Reaction
from provd.simulate.sip_dialog import T1, Dialog, Transaction
from provd.simulate.sip_message import (
    Credentials,
    Message,
    authorization,
    decode,
    parameters,
    proves,
    tag_of,
    uri_of,
    user_of,
)

_T2 = 4.0
_GIVES_UP = 64 * T1
_RINGS = 180.0
_MOST_TRIES = 3
_RETRY = 30.0
"""Seconds until a registration that failed is tried again."""
_KEPT = 32
"""Answers that are kept for requests that come twice."""
_SECONDS = re.compile(r"\d{1,6}", re.ASCII)
_KEEP_ALIVE = b"\r\n\r\n"
_ALLOW = "INVITE, ACK, BYE, CANCEL, OPTIONS, NOTIFY"

Peer = tuple[str, int]
Tidings = Literal["registered", "unregistered", "progress", "answered", "refused", "ended", "notified"]


@dataclass(frozen=True, slots=True)
class Send:
    """A datagram that is to be sent."""

    octets: bytes
    to: Peer


@dataclass(frozen=True, slots=True)
class News:
    """Something that the phone has learned. ``body`` is the session description of a progress or an answer."""

    kind: Tidings
    text: str = ""
    status: int = 0
    body: bytes = b""


Effect = Send | News


class UserAgent:
    """One line of one phone. Everything that can happen is a method that gives effects; ``deadline`` is when
    :meth:`expire` wants to be called. ``react`` decides about a NOTIFY."""

    def __init__(
        self,
        account: Account,
        *,
        local: Peer,
        server: Peer,
        user_agent: str,
        rng: random.Random,
        react: Callable[[Notify], Reaction],
        expires: int = 3600,
    ) -> None:
        self.account = account
        self.registered = False
        self._local = local
        self._server = server
        self._user_agent = user_agent
        self._rng = rng
        self._react = react
        self._expires = expires
        self._who = Credentials(account.auth_username or account.username, Secret(account.password))
        self._aor = f"sip:{account.username}@{account.server}"
        self._registration = (self._token(), self._token())
        self._cseq = rng.randrange(1, 1000)
        self._waiting: dict[str, Transaction] = {}
        self._call: Dialog | None = None
        self._refresh_at = float("inf")
        self._alive_at = float("inf")
        self._challenge: tuple[str, str] | None = None
        self._count = 0
        self._nonce = ""
        self._answers: OrderedDict[str, bytes] = OrderedDict()

    @property
    def deadline(self) -> float:
        """When :meth:`expire` is to be called at the latest."""
        return min(
            [self._refresh_at, self._alive_at, *(min(one.send_at, one.gives_up_at) for one in self._waiting.values())]
        )

    @property
    def in_call(self) -> bool:
        """Whether a call is being made or goes on."""
        return self._call is not None

    # --- what the phone wants

    def register(self, now: float, *, expires: int | None = None) -> list[Effect]:
        """Register, or with 0 seconds no more."""
        self._refresh_at = float("inf")
        call_id, tag = self._registration
        seconds = self._expires if expires is None else expires
        host = self.account.server
        headers = [
            ("From", f"{self._named()};tag={tag}"),
            ("To", f"<{self._aor}>"),
            ("Call-ID", call_id),
            ("Contact", f"<{self._contact}>;expires={seconds}"),
            ("Expires", str(seconds)),
        ]
        return self._ask("REGISTER", f"sip:{host}", headers, now)

    def invite(self, user: str, description: bytes, now: float) -> list[Effect]:
        """Call that user part at the account's server with a session description."""
        target = f"sip:{user}@{self.account.server}"
        local, remote = f"{self._named()};tag={self._token()}", f"<{target}>"
        self._call = Dialog(self._token(), local, remote, target, 0)
        headers = [
            ("From", local),
            ("To", remote),
            ("Call-ID", self._call.call_id),
            ("Contact", f"<{self._contact}>"),
            ("Content-Type", "application/sdp"),
        ]
        return self._ask("INVITE", target, headers, now, description)

    def hang_up(self, now: float) -> list[Effect]:
        """End the call, if it was answered."""
        call = self._call
        if call is None or not call.answered:
            return []
        self._call = None
        headers = [("From", call.local), ("To", call.remote), ("Call-ID", call.call_id)]
        headers += [("Route", route) for route in call.routes]
        return self._ask("BYE", call.target, headers, now)

    def expire(self, now: float) -> list[Effect]:
        """Repeat, give up and refresh what is due."""
        effects: list[Effect] = []
        for branch, one in list(self._waiting.items()):
            if one.gives_up_at <= now:
                del self._waiting[branch]
                effects += self._given_up(one.request, now)
            elif one.send_at <= now:
                one.pause = one.pause * 2 if one.request.method == "INVITE" else min(one.pause * 2, _T2)
                one.send_at = now + one.pause
                effects.append(Send(one.octets, self._server))
        if self._alive_at <= now:
            self._alive_at = now + self.account.keep_alive
            effects.append(Send(_KEEP_ALIVE, self._server))
        if self._refresh_at <= now:
            effects += self.register(now)
        return effects

    # --- what arrives

    def receive(self, octets: bytes, source: Peer, now: float) -> list[Effect]:
        """A datagram. What is no SIP (keep-alives) is passed over."""
        message = decode(octets)
        if message is None:
            return []
        if message.method:
            return self._asked(message, source)
        branch = parameters(message.get("Via")).get("branch", "")
        one = self._waiting.get(branch)
        if one is None:
            return self._again(message)
        if message.status >= 200:
            del self._waiting[branch]
            return self._answered(one, message, now)
        if one.request.method == "INVITE":
            one.send_at, one.gives_up_at = float("inf"), now + _RINGS
        return [News("progress", message.reason, message.status, message.body)]

    def _answered(self, one: Transaction, message: Message, now: float) -> list[Effect]:
        """A final answer."""
        effects: list[Effect] = []
        method = one.request.method
        if method == "INVITE" and message.status >= 300:
            effects.append(Send(self._ack_of_refusal(one.request, message), self._server))
        if message.status in {401, 407} and one.tries < _MOST_TRIES:
            again = self._with_credentials(one, message, now)
            if again:
                return effects + again
        if method == "REGISTER":
            effects += self._registered(one.request, message, now)
        elif method == "INVITE":
            effects += self._invited(message)
        return effects

    def _again(self, message: Message) -> list[Effect]:
        """A final answer that came twice: our ACK was lost."""
        call = self._call
        if call is not None and call.ack and message.status // 100 == 2 and message.get("Call-ID") == call.call_id:
            return [Send(call.ack, self._server)]
        return []

    def _registered(self, request: Message, message: Message, now: float) -> list[Effect]:
        self._alive_at = float("inf")
        if message.status >= 300:
            self.registered = False
            after = _SECONDS.match(message.get("Retry-After"))
            self._refresh_at = now + (float(after[0]) if after else _RETRY)
            return [News("unregistered", message.reason, message.status)]
        if request.get("Expires") == "0":
            self.registered = False
            return []
        granted = parameters(message.get("Contact")).get("expires") or message.get("Expires")
        seconds = int(granted) if granted.isdigit() else self._expires
        self.registered = True
        if self.account.keep_alive:
            self._alive_at = now + self.account.keep_alive
        self._refresh_at = now + max(1.0, seconds / 2)
        return [News("registered", f"{seconds} s", message.status)]

    def _invited(self, message: Message) -> list[Effect]:
        call = self._call
        if call is None:
            return []  # hung up before it was answered
        if message.status >= 300:
            self._call = None
            return [News("refused", message.reason, message.status)]
        call.answered = True
        call.remote = message.get("To")
        call.target = uri_of(message.get("Contact")) or call.target
        call.routes = list(reversed(message.every("Record-Route")))
        headers = [("From", call.local), ("To", call.remote), ("Call-ID", call.call_id)]
        headers += [("Route", route) for route in call.routes]
        call.ack = self._request("ACK", call.target, headers, _branch(self._token()), call.cseq).encode()
        return [Send(call.ack, self._server), News("answered", message.reason, message.status, message.body)]

    def _given_up(self, request: Message, now: float) -> list[Effect]:
        if request.method == "REGISTER":
            self.registered = False
            self._alive_at, self._refresh_at = float("inf"), now + _RETRY
            return [News("unregistered", "no answer", 408)]
        if request.method == "INVITE":
            self._call = None
            return [News("refused", "no answer", 408)]
        return []

    # --- requests of ours

    def _ask(
        self, method: str, uri: str, headers: list[tuple[str, str]], now: float, body: bytes = b"", tries: int = 1
    ) -> list[Effect]:
        self._cseq += 1
        if self._call is not None and method == "INVITE":
            self._call.cseq = self._cseq
        branch = _branch(self._token())
        headers = [*headers, *self._credentials(method, uri)]
        request = self._request(method, uri, headers, branch, self._cseq, body)
        octets = request.encode()
        self._waiting[branch] = Transaction(request, octets, now + T1, now + _GIVES_UP, tries=tries)
        return [Send(octets, self._server)]

    def _request(
        self, method: str, uri: str, headers: list[tuple[str, str]], branch: str, cseq: int, body: bytes = b""
    ) -> Message:
        via = f"SIP/2.0/UDP {self._local[0]}:{self._local[1]};branch={branch};rport"
        fixed = [("Via", via), ("Max-Forwards", "70"), ("CSeq", f"{cseq} {method}"), ("User-Agent", self._user_agent)]
        return Message(f"{method} {uri} SIP/2.0", [*fixed, *headers], body)

    def _credentials(self, method: str, uri: str) -> list[tuple[str, str]]:
        """The answer to the challenge that is known, counted on as RFC 7616 section 3.4 wants it."""
        if self._challenge is None:
            return []
        name, challenge = self._challenge
        self._count += 1
        value = authorization(challenge, self._who, method, uri, cnonce=self._token(), count=self._count)
        return [(name, value)] if value is not None else []

    def _with_credentials(self, one: Transaction, message: Message, now: float) -> list[Effect]:
        """The same request once more, for the first challenge that the phone can answer."""
        asked, answered = "WWW-Authenticate", "Authorization"
        if message.status == 407:
            asked, answered = "Proxy-Authenticate", "Proxy-Authorization"
        known = self._challenge
        for challenge in message.every(asked):
            stale = parameters(challenge).get("stale", "").lower() == "true"
            if one.tries > 1 and known is not None and not stale:
                continue  # what was shown is not believed
            self._challenge, self._count = (answered, challenge), 0
            request = one.request
            if authorization(challenge, self._who, request.method, request.uri, cnonce="", count=1) is not None:
                skip = {"via", "max-forwards", "cseq", "user-agent", "authorization", "proxy-authorization"}
                headers = [(name, value) for name, value in request.headers if name.lower() not in skip]
                return self._ask(request.method, request.uri, headers, now, request.body, one.tries + 1)
        self._challenge = None
        return []

    def _ack_of_refusal(self, request: Message, message: Message) -> bytes:
        """RFC 3261 section 17.1.1.3: the ACK of the INVITE transaction itself."""
        headers = [
            (name, value) for name, value in request.headers if name in {"Via", "Max-Forwards", "From", "Call-ID"}
        ]
        number = request.get("CSeq").partition(" ")[0]
        headers += [("To", message.get("To")), ("CSeq", f"{number} ACK")]
        return Message(f"ACK {request.uri} SIP/2.0", headers).encode()

    # --- requests of others

    def _asked(self, request: Message, source: Peer) -> list[Effect]:
        branch = parameters(request.get("Via")).get("branch", "") + request.get("CSeq")
        if branch in self._answers:
            return [Send(self._answers[branch], source)] if self._answers[branch] else []
        news: list[Effect] = []
        match request.method:
            case "ACK":
                return []
            case "OPTIONS":
                answer = self._answer(request, 200, "OK", [("Allow", _ALLOW)])
            case "BYE" if self._call is not None and request.get("Call-ID") == self._call.call_id:
                self._call = None
                answer = self._answer(request, 200, "OK")
                news.append(News("ended", "the other side hung up"))
            case "NOTIFY":
                answer, news = self._told(request, source)
            case "INVITE":
                answer = self._answer(request, 486, "Busy Here")
            case "BYE" | "CANCEL":
                answer = self._answer(request, 481, "Call/Transaction Does Not Exist")
            case _:
                answer = self._answer(request, 501, "Not Implemented", [("Allow", _ALLOW)])
        self._answers[branch] = answer
        if len(self._answers) > _KEPT:
            self._answers.popitem(last=False)
        return [Send(answer, source), *news] if answer else news

    def _told(self, request: Message, source: Peer) -> tuple[bytes, list[Effect]]:
        """A NOTIFY: the vendor's phone decides. An empty answer is none."""
        if user_of(request.uri) not in {self.account.username, ""}:
            return self._answer(request, 404, "Not Found"), []
        shown = bool(self._nonce) and proves(
            request.get("Authorization"), self._who, "NOTIFY", realm=self.account.server, nonce=self._nonce
        )
        event = request.get("Event")
        body = request.body.decode("utf-8", "replace")
        reaction = self._react(Notify(self.account.line, event, source[0], self._server[0], shown, body))
        news: list[Effect] = [News("notified", event, reaction.status)] if reaction.obeys else []
        if reaction.status == 401:
            self._nonce = self._token()
            challenge = f'Digest realm="{self.account.server}", nonce="{self._nonce}", algorithm=MD5, qop="auth"'
            return self._answer(request, 401, "Unauthorized", [("WWW-Authenticate", challenge)]), news
        reason = "OK" if reaction.status == 200 else "Bad Event"
        return (self._answer(request, reaction.status, reason) if reaction.status else b""), news

    def _answer(self, request: Message, status: int, reason: str, more: list[tuple[str, str]] | None = None) -> bytes:
        headers = [("Via", via) for via in request.every("Via")] + [("From", request.get("From"))]
        to = request.get("To")
        headers.append(("To", to if tag_of(to) else f"{to};tag={self._token()}"))
        headers += [("Call-ID", request.get("Call-ID")), ("CSeq", request.get("CSeq"))]
        headers += [*(more or []), ("Server", self._user_agent)]
        return Message(f"SIP/2.0 {status} {reason}", headers).encode()

    # --- names

    @property
    def _contact(self) -> str:
        return f"sip:{self.account.username}@{self._local[0]}:{self._local[1]}"

    def _named(self) -> str:
        name = self.account.display_name.replace("\\", "").replace('"', "")
        return f'"{name}" <{self._aor}>' if name else f"<{self._aor}>"

    def _token(self) -> str:
        return f"{self._rng.getrandbits(64):016x}"


def _branch(token: str) -> str:
    return f"z9hG4bK{token}"
