"""Digest authentication (RFC 7616, RFC 8760, RFC 3261 section 22), both sides of it.

As a server: a challenge costs no memory, because the nonce is a MAC over its time, a salt and the address it is for.
That a nonce comes back from that address also proves that the address receives what we send to it. What is remembered
is which ``nc`` of a nonce were used; it is bounded, and a nonce that had to be forgotten is stale, never good again.

An unknown account is a wrong password in every respect: the same steps, the same answer.
"""

from __future__ import annotations

import base64
import enum
import hashlib
import hmac
import re
import struct
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field
from typing import Final

from provd.base.dataclass import dataclass
from provd.sip.address import dialed
from provd.sip.build import Field, quoted
from provd.sip.effects import Account, FindAccount
from provd.sip.message import Request

ALGORITHMS: Final[Mapping[str, str]] = {"SHA-256": "sha256", "MD5": "md5"}
"""What we know, strongest first."""
REALM: Final = "provd"
NONCE_LIFE: Final = 300.0
"""Seconds. Not shorter than phones take to come back with it; their next one they get with ``stale=true``."""
PIN_LIFE: Final = 3600.0
"""Seconds for which MD5 is not enough from an account that has used something stronger."""
_REMEMBERED: Final = 16384
_LARGEST_NC: Final = 1 << 20
_NONCE = struct.Struct("!II")
_MAC_OCTETS: Final = 10
_PARAMETER = re.compile(r'\s*([A-Za-z0-9_-]{1,32})\s*=\s*("(?:[^"\\]|\\.)*"|[^\s,"]*)\s*(?:,|$)')
_HEX = re.compile(r"[0-9a-fA-F]{8}")

_PLAIN: Final = "MD5"
_MD5_ONLY: Final = ("baresip v0", "baresip v1", "baresip v2")
"""Agents that give up when *any* challenge of a 401 has an algorithm they lack (seen with baresip 1.0 of Debian 12)."""

Random = Callable[[int], bytes]
"""So many random octets."""


class Proof(enum.Enum):
    """What the credentials of a request are worth."""

    GOOD = "good"
    ABSENT = "absent"
    STALE = "stale"
    """The nonce is too old, used up, for another address, or none of ours."""
    WEAK = "weak"
    """MD5 of an account that has shown that it can do SHA-256."""
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Checked:
    """``account`` only with GOOD; ``username`` is what was claimed; ``reachable`` says that the nonce was ours for this
    address.
    """

    proof: Proof
    account: Account | None = None
    username: str = ""
    reachable: bool = False


@dataclass(slots=True)
class _Used:
    """Which ``nc`` of a nonce were seen: all up to ``highest`` except those that ``window`` says are missing."""

    highest: int = 0
    window: int = 0

    def take(self, count: int) -> bool:
        """Whether this one is used for the first time; datagrams may overtake each other by up to 63."""
        if count > self.highest:
            self.window = (
                (self.window << (count - self.highest) | 1) & (1 << 64) - 1 if count - self.highest < 64 else 1
            )
            self.highest = count
            return True
        behind = self.highest - count
        if behind >= 64 or self.window >> behind & 1:
            return False
        self.window |= 1 << behind
        return True


@dataclass(slots=True)
class Authenticator:
    """Checks requests against accounts. ``key`` makes the nonces; the same key lets them outlive a restart."""

    find: FindAccount
    key: bytes
    random: Random
    algorithms: Sequence[str] = tuple(ALGORITHMS)
    realm: str = REALM
    _used: OrderedDict[str, _Used] = field(default_factory=OrderedDict)
    _forgotten: int = 0
    _pinned: OrderedDict[str, float] = field(default_factory=OrderedDict)
    _asked: OrderedDict[tuple[str, str], str] = field(default_factory=OrderedDict)
    """By sender: the branch of its last request without credentials, or that it knows MD5 only."""

    def challenges(self, request: Request, host: str, now: float, proof: Proof) -> list[Field]:
        """One WWW-Authenticate per algorithm, in the order of ``algorithms``, for a request from that address."""
        nonce = self._nonce(int(now), self.random(4), host)
        offered = self.algorithms
        by_strength = [name for name in ALGORITHMS if name in offered]
        if proof is Proof.WEAK:
            offered = by_strength[:1]
        elif proof is Proof.ABSENT and self._misunderstood(request, host):
            offered = by_strength[-1:]
        common = f'Digest realm="{self.realm}",nonce="{nonce}",opaque="{self._opaque(nonce)}",qop="auth"'
        stale = ",stale=true" if proof is Proof.STALE else ""
        return [("WWW-Authenticate", f"{common},algorithm={name}{stale}") for name in offered]

    def check(self, request: Request, host: str, now: float) -> Checked:
        """What the Authorization of a request from that address is worth. Uses up its ``nc`` when it is good."""
        given = self._given(request)
        if given is None:
            return Checked(Proof.ABSENT)
        username, issued = given.get("username", ""), self._issued(given.get("nonce", ""), host)
        if issued is None:
            return Checked(Proof.STALE, username=username)
        fresh = -1 <= now - issued <= NONCE_LIFE
        account = self.find(username)
        proof = self._proof(request, given, account, issued, now) if fresh else Proof.STALE
        if given.get("algorithm", "MD5").upper() == "MD5":
            self._remember(_sender(request, host), _PLAIN)
        else:
            self._asked.pop(_sender(request, host), None)
        return Checked(proof, account if proof is Proof.GOOD else None, username, reachable=True)

    def _proof(
        self, request: Request, given: Mapping[str, str], account: Account | None, issued: int, now: float
    ) -> Proof:
        """The worth of credentials with a fresh nonce of ours."""
        algorithm = given.get("algorithm", "MD5").upper()
        wanted = self._wanted(request, given, algorithm, account.password.reveal() if account is not None else "")
        answer = given.get("response", "").lower().encode("utf-8", "surrogateescape")
        right = hmac.compare_digest(wanted, answer)
        if not right or account is None or not self._fits(request, given, algorithm):
            return Proof.WRONG
        if algorithm == "MD5" and self._pinned.get(account.username, 0) > now and self.algorithms[0] != "MD5":
            return Proof.WEAK
        if not self._take(given["nonce"], issued, given):
            return Proof.STALE
        if algorithm != "MD5":
            self._pin(account.username, now)
        return Proof.GOOD

    def _misunderstood(self, request: Request, host: str) -> bool:
        """Whether the sender is one that only knows MD5: it has used it, or asks anew instead of answering.

        Many a user agent looks at the first challenge only and gives up where that is not MD5; it gets MD5 alone at its
        second attempt and from then on. That weakens nothing: MD5 is offered anyway, except to accounts that have
        shown better, and those answer their first challenge.
        """
        if request.headers.get("user-agent").lower().startswith(_MD5_ONLY):
            return True
        key, branch = _sender(request, host), request.via.branch
        before = self._asked.get(key, "")
        if before != _PLAIN:
            self._remember(key, branch)
        return before not in {"", branch}

    def _remember(self, key: tuple[str, str], what: str) -> None:
        self._asked[key] = what
        self._asked.move_to_end(key)
        if len(self._asked) > _REMEMBERED:
            self._asked.popitem(last=False)

    def _given(self, request: Request) -> Mapping[str, str] | None:
        for value in request.headers.all("authorization"):
            given = credentials(value)
            if given is not None and given.get("realm") == self.realm:
                return given
        return None

    def _wanted(self, request: Request, given: Mapping[str, str], algorithm: str, password: str) -> bytes:
        """The response that the right password gives."""
        name = algorithm if algorithm in ALGORITHMS else "MD5"
        return digest_response(name, given, password, request.method).encode()

    def _fits(self, request: Request, given: Mapping[str, str], algorithm: str) -> bool:
        """Whether the credentials are of a form that we offered, and for this very request."""
        if algorithm not in self.algorithms or given.get("qop", "").lower() not in {"", "auth"}:
            return False
        if given.get("qop") and not (_HEX.fullmatch(given.get("nc", "")) and given.get("cnonce")):
            return False
        # Another number under the same digest would be a forgery; hosts may differ (proxies, several names).
        return request.method != "INVITE" or dialed(given.get("uri", "")) == dialed(request.uri)

    def _take(self, nonce: str, issued: int, given: Mapping[str, str]) -> bool:
        """Use up this ``nc`` of the nonce. Credentials without qop have none: they are good for one request."""
        count = int(given["nc"], 16) if given.get("qop") else 1
        if not 0 < count <= _LARGEST_NC:
            return False
        used = self._used.get(nonce)
        if used is None:
            if issued <= self._forgotten:
                return False
            used = self._used[nonce] = _Used()
            if len(self._used) > _REMEMBERED:
                forgotten, _ = self._used.popitem(last=False)
                self._forgotten = max(self._forgotten, _NONCE.unpack_from(base64.urlsafe_b64decode(forgotten))[0])
        return used.take(count)

    def _pin(self, username: str, now: float) -> None:
        self._pinned[username] = now + PIN_LIFE
        self._pinned.move_to_end(username)
        if len(self._pinned) > _REMEMBERED:
            self._pinned.popitem(last=False)

    def _nonce(self, seconds: int, salt: bytes, host: str) -> str:
        head = _NONCE.pack(seconds & 0xFFFFFFFF, int.from_bytes(salt, "big"))
        return base64.urlsafe_b64encode(head + self._mac(head, host)).decode("ascii")

    def _mac(self, head: bytes, host: str) -> bytes:
        return hmac.digest(self.key, b"nonce|" + head + host.encode("utf-8", "replace"), "sha256")[:_MAC_OCTETS]

    def _opaque(self, nonce: str) -> str:
        return hmac.digest(self.key, b"opaque|" + nonce.encode(), "sha256")[:3].hex()

    def _issued(self, nonce: str, host: str) -> int | None:
        """When we made this nonce for that address; None when we did not."""
        try:
            octets = base64.b64decode(nonce.encode("ascii"), b"-_", validate=True)
        except ValueError:
            return None
        if len(octets) != _NONCE.size + _MAC_OCTETS:
            return None
        head, mac = octets[: _NONCE.size], octets[_NONCE.size :]
        return int(_NONCE.unpack(head)[0]) if hmac.compare_digest(mac, self._mac(head, host)) else None


def _sender(request: Request, host: str) -> tuple[str, str]:
    return host, request.from_.uri[:64]


def credentials(value: str) -> Mapping[str, str] | None:
    """The parameters of a Digest header (challenge or credentials), names in lower case; None for any other scheme."""
    scheme, _, rest = value.partition(" ")
    if scheme.lower() != "digest":
        return None
    found: dict[str, str] = {}
    at = 0
    while at < len(rest):
        match = _PARAMETER.match(rest, at)
        if match is None:
            return None
        text = match[2]
        if text[:1] == '"':
            text = re.sub(r"\\(.)", r"\1", text[1:-1])
        found.setdefault(match[1].lower(), text)
        at = match.end()
    return found


def digest_response(algorithm: str, given: Mapping[str, str], password: str, method: str) -> str:
    """The ``response`` (RFC 7616 section 3.4.1); with ``auth`` when ``given`` names a qop, else as RFC 2069 has it."""

    def hashed(*parts: str) -> str:
        return hashlib.new(ALGORITHMS[algorithm], ":".join(parts).encode("utf-8", "surrogateescape")).hexdigest()

    ha1 = hashed(given.get("username", ""), given.get("realm", ""), password)
    ha2 = hashed(method, given.get("uri", ""))
    if given.get("qop"):
        middle = (given.get("nonce", ""), given.get("nc", ""), given.get("cnonce", ""), given["qop"])
        return hashed(ha1, *middle, ha2)
    return hashed(ha1, given.get("nonce", ""), ha2)


def authorize(
    challenges: Iterable[str], account: Account, method: str, uri: str, cnonce: str
) -> tuple[str, bool] | None:
    """The credentials for the strongest challenge that we can meet, and whether it said ``stale``; None for none."""
    met: dict[str, tuple[Mapping[str, str], bool]] = {}
    for value in challenges:
        given = credentials(value)
        if given is None or not given.get("nonce"):
            continue
        name = given.get("algorithm", "MD5").upper()
        qops = [qop.strip().lower() for qop in given.get("qop", "").split(",") if qop.strip()]
        if name in ALGORITHMS and (not qops or "auth" in qops):
            met.setdefault(name, (given, bool(qops)))
    name = next((name for name in ALGORITHMS if name in met), "")
    if not name:
        return None
    given, qop = met[name]
    own = {"username": account.username, "realm": given.get("realm", ""), "nonce": given["nonce"], "uri": uri}
    if qop:
        own |= {"qop": "auth", "nc": "00000001", "cnonce": cnonce}
    own["response"] = digest_response(name, own, account.password.reveal(), method)
    if "opaque" in given:
        own["opaque"] = given["opaque"]
    bare = {"qop", "nc"}
    parts = [f"{key}={value if key in bare else quoted(value)}" for key, value in own.items()]
    if "algorithm" in given:
        parts.append(f"algorithm={name}")
    return "Digest " + ", ".join(parts), given.get("stale", "").lower() == "true"
