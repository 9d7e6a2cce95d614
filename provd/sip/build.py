"""SIP messages to octets: responses that echo their request exactly, and requests of our own (RFC 3261 section 8).

Nothing that goes into a line can end it: control characters become spaces, whoever the text came from.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from provd.sip.message import Request

Field = tuple[str, str]

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_RPORT = re.compile(r";\s*rport\s*(?:=[^;,]*)?(?=\s*;|\s*$)", re.IGNORECASE)
_RECEIVED = re.compile(r";\s*received\s*=[^;,]*", re.IGNORECASE)
MAX_FORWARDS: Final = "70"


def clean(text: str) -> str:
    """The text with every control character, CR and LF among them, made a space."""
    return _CONTROL.sub(" ", text)


def quoted(text: str) -> str:
    """A quoted-string (RFC 3261 section 25.1)."""
    return '"' + clean(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def response(
    request: Request,
    code: int,
    phrase: str,
    *,
    source: tuple[str, int],
    tag: str = "",
    fields: Iterable[Field] = (),
    body: bytes = b"",
) -> bytes:
    """The response to ``request``, which came from ``source``. ``tag`` is for a To that has none yet."""
    headers = request.headers
    vias = headers.elements("via")
    lines = [f"SIP/2.0 {code} {clean(phrase)}", f"Via: {_stamped(vias[0], request, source)}"]
    lines += [f"Via: {via}" for via in vias[1:]]
    to = headers.get("to")
    if tag and not request.to.tag:
        to += f";tag={tag}"
    lines += [f"From: {headers.get('from')}", f"To: {to}", f"Call-ID: {headers.get('call-id')}"]
    lines.append(f"CSeq: {headers.get('cseq')}")
    return _octets(lines, fields, body)


def request(method: str, uri: str, fields: Sequence[Field], body: bytes = b"") -> bytes:
    """A request with these headers, in this order; Max-Forwards and Content-Length are added."""
    return _octets([f"{method} {clean(uri)} SIP/2.0"], [*fields, ("Max-Forwards", MAX_FORWARDS)], body)


def _octets(lines: list[str], fields: Iterable[Field], body: bytes) -> bytes:
    lines += [f"{name}: {clean(value)}" for name, value in fields]
    lines += [f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode("utf-8", "surrogateescape") + body


def _stamped(via: str, request: Request, source: tuple[str, int]) -> str:
    """The topmost Via with what we saw of its sender (RFC 3261 section 18.2.1, RFC 3581 section 4)."""
    host, port = source
    if request.via.rport:
        return f"{_RPORT.sub(f';rport={port}', _RECEIVED.sub('', via), count=1)};received={host}"
    if request.via.host != host:
        return f"{_RECEIVED.sub('', via)};received={host}"
    return via
