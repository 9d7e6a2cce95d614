"""A SIP message in words, for people who read captures."""

from __future__ import annotations

from provd.sip.address import dialed, uri_parts
from provd.sip.digest import credentials
from provd.sip.message import Request, Response, parse, shown

_SHOWN = (
    "contact",
    "expires",
    "event",
    "subscription-state",
    "reason",
    "retry-after",
    "warning",
    "user-agent",
    "server",
)

_CHALLENGES = ("www-authenticate", "proxy-authenticate", "authorization", "proxy-authorization")


def explain(octets: bytes) -> list[str]:
    """The message in readable lines: what it is, who it is from, what it is about. Raises WireError."""
    if not octets.strip(b"\r\n\0 "):
        return ["keep-alive"]
    message = parse(octets)
    lines = [_summary(message), f"call {shown(message.call_id)} cseq {message.cseq}"]
    lines += [f"{name}: {shown(value)}" for name in _SHOWN for value in message.headers.all(name)]
    lines += [f"{name}: {_scheme(value)}" for name in _CHALLENGES for value in message.headers.all(name)]
    if message.body:
        lines.append(
            f"body: {len(message.body)} octets of {shown(message.headers.get('content-type')) or 'nothing named'}"
        )
    return lines


def sender(octets: bytes) -> tuple[str, str]:
    """The user name that a request is from, and the User-Agent; "" for what is not said. Raises WireError."""
    if not octets.strip(b"\r\n\0 "):
        return "", ""
    message = parse(octets)
    if not isinstance(message, Request):
        return "", ""
    who = uri_parts(message.from_.uri)
    return (shown(who.user) if who is not None else ""), message.user_agent


def _summary(message: Request | Response) -> str:
    if isinstance(message, Response):
        return f"{message.code} {shown(message.phrase)} to {shown(message.cseq_method)} of {_user(message.from_.uri)}"
    text = f"{shown(message.method)} {shown(message.uri)} from {_user(message.from_.uri)}"
    number = dialed(message.uri) if message.method == "INVITE" else ""
    if number:
        text += f", dialing {number}"
    return text + (f" (to be refused: {message.defect[0]} {message.defect[1]})" if message.defect else "")


def _user(uri: str) -> str:
    parts = uri_parts(uri)
    return shown(parts.user or parts.host) if parts is not None else shown(uri)


def _scheme(value: str) -> str:
    """Scheme, realm, user and algorithm; what could be guessed from is left out."""
    given = credentials(value) or {}
    named = [f"{name}={shown(given[name])}" for name in ("username", "realm", "algorithm", "stale") if name in given]
    return " ".join([shown(value.partition(" ")[0]), *named])
