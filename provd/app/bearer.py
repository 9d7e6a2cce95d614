"""Bearer tokens of the REST interface: how they look, how they are made, and who shows one.

``pv1_`` + 8 characters that name the token + 43 that are secret (256 bits) + 6 of checksum, in base 62. The prefix
lets scanners find a token that got into a repository; the checksum tells a mistyped one without a look-up. Only the
SHA-256 of the whole text is kept: a random secret of this size needs no slow hash.
"""

from __future__ import annotations

import hmac
import re
import zlib
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256

from provd.app.caller import Caller, Scope
from provd.app.fleet import Fleet
from provd.app.ports import Put
from provd.base.clock import Clock
from provd.base.dataclass import dataclass
from provd.base.secrets import Secret

PREFIX = "pv1_"
USED_EVERY = 60.0
"""Seconds between two writes of a token's last use."""

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_FORM = re.compile(r"pv1_([0-9a-z]{8})([0-9A-Za-z]{43})([0-9A-Za-z]{6})")
_ID_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_ID_RANGE = len(_ID_DIGITS) ** 8


@dataclass(frozen=True, slots=True)
class Issued:
    """A new token: its id, the text that is shown once, and what is kept of it."""

    id: str
    text: Secret
    hash: str


def issue(octets: Callable[[int], bytes], prefix: str = PREFIX) -> Issued:
    """Make a token; ``octets`` gives so many random octets (``secrets.token_bytes``)."""
    name = _base(int.from_bytes(octets(16)) % _ID_RANGE, 8, _ID_DIGITS)
    body = prefix + name + _base(int.from_bytes(octets(32)), 43)
    text = body + _checksum(body)
    return Issued(name, Secret(text), digest(text))


def digest(text: str) -> str:
    """What is kept of a token."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def id_of(text: str) -> str | None:
    """The id in a text that has the form of a token, None in any other."""
    form = _FORM.fullmatch(text)
    return form[1] if form and _checksum(text[:-6]) == form[3] else None


def _checksum(text: str) -> str:
    return _base(zlib.crc32(text.encode()), 6)


def _base(number: int, width: int, digits: str = _DIGITS) -> str:
    text = ""
    for _ in range(width):
        number, digit = divmod(number, len(digits))
        text = digits[digit] + text
    return text


class Authority:
    """Says who shows a token."""

    def __init__(self, fleet: Fleet, clock: Clock) -> None:
        self._fleet = fleet
        self._clock = clock

    def caller(self, text: str, peer: str = "") -> Caller | None:
        """Who shows this token, or None when it is none, is not ours, was revoked or has expired.

        A token of a tenant that is gone or closed does not work either.
        """
        name = id_of(text)
        token = None if name is None else self._fleet.tables.api_token(name)
        # The work is the same for an id that exists and one that does not.
        kept = "" if token is None else token.hash
        if not hmac.compare_digest(digest(text[:200]), kept) or token is None:
            return None
        now = self._clock.now()
        if token.expires and token.expires <= now:
            return None
        if token.tenant:
            tenant = self._fleet.tables.tenant(token.tenant)
            if tenant is None or not tenant.enabled:
                return None
        if now - token.last_used >= USED_EVERY:
            self._fleet.keep(Put(replace(token, last_used=now)))
        scopes = frozenset(Scope(scope) for scope in token.scopes if scope in set(Scope))
        return Caller(name=f"token {token.id} ({token.name})", tenant=token.tenant or None, scopes=scopes, peer=peer)
