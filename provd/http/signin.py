"""Signing in on the page with an API token: for the few things that can be done there.

A session is a random name in a cookie that no other site's page can make the browser send; the token stays here, and is
looked at again at every use. Each form carries a second random word of the session, which a page of somebody else
cannot know.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from dataclasses import field

from aiohttp import web

from provd.app.caller import Caller
from provd.base.clock import Clock
from provd.base.dataclass import dataclass
from provd.base.secrets import Secret
from provd.http.api.guard import Guard, Known

LASTS = 8 * 3600.0
"""Seconds until a session ends, however busy it is."""
_MOST = 1000
_COOKIE = "provd_session"


@dataclass(frozen=True, slots=True)
class Session:
    """Who has signed in; ``word`` belongs into every form."""

    caller: Caller
    word: str


@dataclass(frozen=True, slots=True)
class _Kept:
    token: Secret
    word: str
    until: float
    said: dict[str, str] = field(default_factory=dict)
    """What is to be said on which page when it is shown next."""


class Sessions:
    """The sessions there are. They do not outlive the daemon."""

    def __init__(
        self, known: Known, guard: Guard, clock: Clock, words: Callable[[int], str] = secrets.token_urlsafe
    ) -> None:
        self._known = known
        self._guard = guard
        self._clock = clock
        self._words = words
        self._kept: dict[str, _Kept] = {}

    def of(self, request: web.Request) -> Session | None:
        """The session of a request, None when there is none, it has ended, or its token is no longer good."""
        kept = self._kept.get(request.cookies.get(_COOKIE, ""))
        if kept is None or kept.until <= self._clock.now():
            return None
        caller = self._known(kept.token.reveal(), request.remote or "")
        return None if caller is None else Session(caller, kept.word)

    @staticmethod
    def is_meant(session: Session, word: object) -> bool:
        """Whether a form is from a page of this session."""
        return isinstance(word, str) and hmac.compare_digest(word.encode(), session.word.encode())

    def say(self, request: web.Request, where: str, text: str) -> None:
        """Have this said on that page when this session sees it next, once. It does not go by way of the address, where
        anybody could have it say whatever he likes."""
        kept = self._kept.get(request.cookies.get(_COOKIE, ""))
        if kept is not None:
            kept.said[where] = text

    def said(self, request: web.Request, where: str) -> str:
        """What is to be said there now, or nothing."""
        kept = self._kept.get(request.cookies.get(_COOKIE, ""))
        return "" if kept is None else kept.said.pop(where, "")

    def sign_in(self, request: web.Request, token: str, answer: web.Response) -> None:
        """Begin a session with that token. Raises Refusal when it is none, or too many were none."""
        self._guard.caller(f"Bearer {token}", request.remote or "")
        now = self._clock.now()
        self._kept = {name: kept for name, kept in self._kept.items() if kept.until > now}
        while len(self._kept) >= _MOST:
            del self._kept[next(iter(self._kept))]
        name = self._words(32)
        self._kept[name] = _Kept(Secret(token), self._words(16), now + LASTS)
        answer.set_cookie(
            _COOKIE, name, max_age=int(LASTS), path="/", httponly=True, samesite="Strict", secure=request.secure
        )

    def sign_out(self, request: web.Request, answer: web.Response) -> None:
        """End the session of a request."""
        self._kept.pop(request.cookies.get(_COOKIE, ""), None)
        answer.del_cookie(_COOKIE, path="/")
