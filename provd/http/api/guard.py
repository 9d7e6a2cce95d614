"""Who is asking: the bearer token of a request (RFC 6750), and what becomes of those who guess."""

from __future__ import annotations

import math
from collections.abc import Callable
from http import HTTPStatus

from provd.app.caller import Caller, Scope
from provd.base.clock import Clock
from provd.base.facts import FactSink
from provd.base.facts.http import ApiRefused
from provd.guard.bucket import KeyedBuckets
from provd.guard.source import source_of
from provd.guard.tally import Tally
from provd.http.api.refusal import Refusal

ATTEMPTS = 10
PAUSE = 30.0
"""Wrong tokens that one source may show at once, and the seconds to each further one."""

Known = Callable[[str, str], "Caller | None"]
"""The caller who shows this token from that address, if any."""


class Guard:
    """Turns an ``Authorization`` header into a caller.

    A right token always works: a source of wrong ones may be the proxy or the NAT of many honest callers. What is
    slowed down is being told that a token is wrong.
    """

    def __init__(self, known: Known, emit: FactSink, clock: Clock) -> None:
        self._known = known
        self._emit = emit
        self._clock = clock
        self._wrong: KeyedBuckets[str] = KeyedBuckets(1 / PAUSE, ATTEMPTS, 10_000)
        self._tally: Tally[str] = Tally()

    def caller(self, authorization: str, peer: str) -> Caller:
        """Who asks. Raises Refusal: 401 without a token or with a wrong one, 429 after too many wrong ones."""
        scheme, _, text = authorization.partition(" ")
        if not authorization:
            raise _unauthorized("There is no token", "")
        if scheme.lower() != "bearer":
            raise _unauthorized("Another scheme is needed", "send Authorization: Bearer pv1_…")
        caller = self._known(text.strip(), peer)
        if caller is not None:
            return caller
        now, source = self._clock.now(), source_of(peer)
        count = self._tally.add(source, now)
        if count:
            self._emit(ApiRefused(at=now, peer=peer, count=count))
        if not self._wrong.allow(source, now):
            wait = math.ceil((1 - self._wrong.left(source, now)) * PAUSE)
            raise Refusal(
                "too-many-attempts",
                HTTPStatus.TOO_MANY_REQUESTS,
                "Too many wrong tokens came from this address",
                headers={"Retry-After": str(max(1, wait)), "WWW-Authenticate": _challenge("invalid_token")},
            )
        raise _unauthorized("The token is not valid", "it is unknown, revoked or expired", error="invalid_token")


def need(caller: Caller, scope: Scope, *, site: bool) -> None:
    """Raises Refusal (403) when the caller lacks the scope, or is one tenant's where all are concerned."""
    if not caller.has(scope):
        raise Refusal(
            "forbidden",
            HTTPStatus.FORBIDDEN,
            "You may not do this",
            f"this needs the scope {scope.value!r}",
            headers={"WWW-Authenticate": f'{_challenge("insufficient_scope")}, scope="{scope.value}"'},
        )
    if site:
        caller.need_all_tenants()


def _unauthorized(title: str, detail: str, *, error: str = "") -> Refusal:
    headers = {"WWW-Authenticate": _challenge(error)}
    return Refusal("unauthorized", HTTPStatus.UNAUTHORIZED, title, detail, headers=headers)


def _challenge(error: str) -> str:
    return 'Bearer realm="provd"' + (f', error="{error}"' if error else "")
