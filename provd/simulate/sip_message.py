"""SIP messages as a phone writes and reads them (RFC 3261 section 7), and its digest (RFC 7616, RFC 8760).

A second, small implementation beside the daemon's own: what both understand alike is probably right.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Final

from provd.base.dataclass import dataclass
from provd.base.secrets import Secret

_COMPACT: Final = {
    "v": "via", "f": "from", "t": "to", "m": "contact", "i": "call-id", "l": "content-length", "c": "content-type",
    "e": "content-encoding", "o": "event", "s": "subject", "k": "supported",
}  # fmt: skip
_PARAMETER = re.compile(r"([\w!%*+`'.~-]+)\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"|([^\s,\";]+))")
_HASHES: Final = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}


@dataclass(slots=True)
class Message:
    """A request or a response. ``start`` is the first line; header names are as they were written."""

    start: str
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    @property
    def method(self) -> str:
        """The method of a request; empty for a response."""
        return "" if self.start.startswith("SIP/") else self.start.partition(" ")[0]

    @property
    def uri(self) -> str:
        """The Request-URI."""
        return self.start.split(" ")[1] if self.method else ""

    @property
    def status(self) -> int:
        """The status of a response; 0 for a request."""
        words = self.start.split(" ", 2)
        return int(words[1]) if not self.method and len(words) > 1 and words[1].isdigit() else 0

    @property
    def reason(self) -> str:
        """The reason phrase of a response."""
        return self.start.split(" ", 2)[2] if self.start.count(" ") > 1 else ""

    def every(self, name: str) -> list[str]:
        """The values of a header in their order; several in one line come apart where ``,`` parts addresses."""
        wanted = name.lower()
        found = [value for key, value in self.headers if _COMPACT.get(key.lower(), key.lower()) == wanted]
        return [part for value in found for part in _parted(value)] if wanted in {"via", "record-route"} else found

    def get(self, name: str) -> str:
        """The first value of a header, empty when it is not there."""
        return next(iter(self.every(name)), "")

    def encode(self) -> bytes:
        """The octets, with a Content-Length."""
        lines = [self.start, *(f"{name}: {value}" for name, value in self.headers), f"Content-Length: {len(self.body)}"]
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + self.body


def decode(octets: bytes) -> Message | None:
    """Read one datagram; None when it is no SIP message."""
    head, gap, body = octets.partition(b"\r\n\r\n")
    lines = re.sub(r"\r\n[ \t]+", " ", head.decode("utf-8", "replace")).split("\r\n")
    words = lines[0].split(" ")
    if not gap or len(words) < 3 or "SIP/2.0" not in {words[0], words[-1]}:
        return None
    headers = []
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon:
            return None
        headers.append((name.strip(), value.strip()))
    return Message(lines[0], headers, body)


def parameters(text: str) -> dict[str, str]:
    """``name="value", name=value`` and ``;name=value`` as a mapping with names in lower case."""
    return {name.lower(): quoted or bare for name, quoted, bare in _PARAMETER.findall(text)}


def tag_of(address: str) -> str:
    """The tag of a From or To."""
    return parameters(address.rpartition(">")[2]).get("tag", "")


def uri_of(address: str) -> str:
    """The URI of ``"Name" <uri>;tag=…``."""
    match = re.search(r"<([^>]*)>", address)
    return match[1] if match else address.partition(";")[0].strip()


def user_of(uri: str) -> str:
    """The user part of a SIP URI, as it is written."""
    user, at, _ = uri.partition(":")[2].partition("@")
    return user if at else ""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What an account proves itself with."""

    user: str
    password: Secret


def authorization(challenge: str, who: Credentials, method: str, uri: str, *, cnonce: str, count: int) -> str | None:
    """The value of (Proxy-)Authorization that answers a challenge; None for an algorithm that a phone has not."""
    said = parameters(challenge)
    algorithm = said.get("algorithm", "MD5").upper()
    if not challenge.lower().startswith("digest") or algorithm not in _HASHES:
        return None
    qop = "auth" if "auth" in re.split(r"[,\s]+", said.get("qop", "")) else ""
    numbered = f"{count:08x}"
    response = _response(algorithm, who, said, (method, uri), (numbered, cnonce, qop))
    parts = [
        f'username="{who.user}"',
        f'realm="{said.get("realm", "")}"',
        f'nonce="{said.get("nonce", "")}"',
        f'uri="{uri}"',
        f'response="{response}"',
        f"algorithm={algorithm}",
    ]
    if qop:
        parts += [f"qop={qop}", f"nc={numbered}", f'cnonce="{cnonce}"']
    if "opaque" in said:
        parts.append(f'opaque="{said["opaque"]}"')
    return "Digest " + ", ".join(parts)


def proves(header: str, who: Credentials, method: str, *, realm: str, nonce: str) -> bool:
    """Whether an Authorization answers the challenge with that realm and nonce (MD5) for these credentials."""
    said = parameters(header)
    if (said.get("realm"), said.get("nonce"), said.get("username")) != (realm, nonce, who.user):
        return False
    asked = (method, said.get("uri", ""))
    return said.get("response") == _response(
        "MD5", who, said, asked, (said.get("nc", ""), said.get("cnonce", ""), said.get("qop", ""))
    )


def _response(
    algorithm: str, who: Credentials, said: Mapping[str, str], asked: Iterable[str], counted: tuple[str, str, str]
) -> str:
    def hashed(*parts: str) -> str:
        return _HASHES[algorithm](":".join(parts).encode()).hexdigest()

    first = hashed(who.user, said.get("realm", ""), who.password.reveal())
    middle = (said.get("nonce", ""), *counted) if counted[2] else (said.get("nonce", ""),)
    return hashed(first, *middle, hashed(*asked))


def _parted(value: str) -> list[str]:
    """Several values of one line, parted at the commas outside of quotes and angle brackets."""
    return [part.strip() for part in re.split(r",(?=(?:[^\"<]*(?:\"[^\"]*\"|<[^>]*>))*[^\">]*$)", value)]
