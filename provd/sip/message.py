"""SIP messages from octets (RFC 3261 section 7), behind the library ``sipmessage``.

Lenient where phones are: bare LF, folded lines, compact names, names of any encoding, missing optional headers. Strict
where somebody could be harmed: sizes, numbers of headers, control characters. :func:`parse` raises WireError for what
cannot be answered (drop it); what can be answered, but only with a refusal, is a :class:`Request` with a ``defect``.

Text keeps its octets (``surrogateescape``): what is echoed is echoed exactly. :func:`shown` makes it fit for people.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from sipmessage import CSeq, Via
from sipmessage.message import COMPACT_FORMS

from provd.base.dataclass import dataclass
from provd.base.errors import WireError
from provd.sip.address import NameAddress, name_address, split_list

LARGEST: Final = 16384
"""Octets of a message. Phones send 2,000 at most, and nothing larger would be of use to us."""
LARGEST_HEAD: Final = 12288
MOST_HEADERS: Final = 96
LONGEST_LINE: Final = 2048
MOST_VIAS: Final = 24

_COMPACT: Final[Mapping[str, str]] = {short: name.lower() for short, name in COMPACT_FORMS.items()}
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_REQUEST_LINE = re.compile(r"([A-Za-z0-9.!%*_+`'~-]{1,32}) (.+) (SIP/[0-9.]+)", re.IGNORECASE)
_STATUS_LINE = re.compile(r"SIP/2\.0 ([1-6][0-9]{2})(?: (.*))?", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z0-9.!%*_+`'~-]{1,64}")
_VIA = re.compile(
    r"SIP ?/ ?2\.0 ?/ ?(?P<transport>[A-Za-z0-9-]{1,12}) "
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s;:,]+) ?(?:: ?(?P<port>\d{1,5}))?(?P<parameters>(?: ?;.*)?)",
    re.IGNORECASE,
)
_ONCE: Final = ("from", "to", "call-id", "cseq", "content-length", "max-forwards")
"""Headers that may occur once only; two of them are an attempt to mean two things (RFC 4475 section 3.3.8)."""
_LARGEST_CSEQ: Final = 2**31

Defect = tuple[int, str]
"""Status code and reason phrase of the only answer that a request can get."""


@dataclass(frozen=True, slots=True)
class TopVia:
    """The topmost Via: who is to get the answer. ``port`` is 0 where none is named."""

    transport: str
    host: str
    port: int
    branch: str
    rport: bool


class Headers:
    """Header fields by their long name in lower case, each with its values in order of arrival."""

    __slots__ = ("_fields",)

    def __init__(self, fields: Mapping[str, Sequence[str]]) -> None:
        self._fields = fields

    def get(self, name: str) -> str:
        """The first value, or ""."""
        values = self._fields.get(name)
        return values[0] if values else ""

    def all(self, name: str) -> Sequence[str]:
        """Every field of that name, as it came."""
        return self._fields.get(name, ())

    def elements(self, name: str) -> list[str]:
        """The elements of a header that is a list, over all its fields (RFC 3261 section 7.3.1)."""
        return [element for value in self.all(name) for element in split_list(value)]

    def __contains__(self, name: str) -> bool:
        return name in self._fields


@dataclass(frozen=True, slots=True)
class Message:
    """What requests and responses have in common."""

    headers: Headers
    body: bytes
    via: TopVia
    cseq: int
    cseq_method: str

    @property
    def call_id(self) -> str:
        """Call-ID."""
        return self.headers.get("call-id")

    @property
    def from_(self) -> NameAddress:
        """From."""
        return name_address(self.headers.get("from"))

    @property
    def to(self) -> NameAddress:
        """To."""
        return name_address(self.headers.get("to"))

    @property
    def user_agent(self) -> str:
        """User-Agent, fit for people."""
        return shown(self.headers.get("user-agent"))


@dataclass(frozen=True, slots=True)
class Request(Message):
    """A request. ``octets`` is its size on the wire; ``uri`` the Request-URI as it came."""

    method: str
    uri: str
    octets: int
    defect: Defect | None = None


@dataclass(frozen=True, slots=True)
class Response(Message):
    """A response."""

    code: int
    phrase: str


def parse(octets: bytes, *, stream: bool = False) -> Request | Response:
    """Read one message; ``stream`` says that Content-Length has delimited it already. Raises WireError."""
    if len(octets) > 65535:
        raise WireError(f"a message of {len(octets)} octets")
    head, body = _split(octets.lstrip(b"\r\n"))
    first, fields = _lines(head)
    headers = Headers(fields)
    for name in ("via", "from", "to", "call-id", "cseq"):
        if not headers.get(name):
            raise WireError(f"no {name} header")
    via = top_via(headers)
    number, method, defect = _cseq(headers.get("cseq"))
    body, short = _body(headers, body, stream=stream)
    common = (headers, body, via, number, method)
    if (match := _STATUS_LINE.fullmatch(first)) is not None:
        if defect or short:
            raise WireError((defect or short or _BAD)[1])
        return Response(*common, int(match[1]), match[2] or "")
    match = _REQUEST_LINE.fullmatch(first)
    if match is None:
        raise WireError("neither a request nor a response")
    defect = _large(octets) or _version(match[3]) or defect or short or _doubts(headers, match[1], match[2], method)
    return Request(*common, match[1], match[2], len(octets), defect)


def shown(text: str) -> str:
    """Text from the wire for people, facts and databases: no lone surrogates, no control characters, bounded."""
    return _CONTROL.sub(" ", text[:256].encode("utf-8", "surrogateescape").decode("utf-8", "replace"))


def top_via(headers: Headers) -> TopVia:
    """The topmost Via. Raises WireError: without it nobody knows where an answer belongs."""
    value = (headers.elements("via") or [""])[0]
    value = " ".join(value.split())
    try:
        via = Via.parse(value)
        transport, host, port, parameters = via.transport, via.host, via.port or 0, dict(via.parameters)
    except (ValueError, KeyError, TypeError):
        # Host names with "_" and the like: not by the grammar, but from real networks.
        match = _VIA.fullmatch(value)
        if match is None:
            raise WireError("the topmost Via cannot be read") from None
        transport, host, port = match["transport"], match["host"], int(match["port"] or 0)
        parameters = _parameters(match["parameters"])
    if port > 65535:
        raise WireError(f"port {port} in the topmost Via")
    known = {name.lower(): text or "" for name, text in parameters.items()}
    return TopVia(transport.upper(), host.lower(), port, known.get("branch", ""), "rport" in known)


def _parameters(text: str) -> dict[str, str | None]:
    pairs = (part.partition("=") for part in text.split(";") if part.strip())
    return {name.strip(): value.strip() if equal else None for name, equal, value in pairs}


def _split(octets: bytes) -> tuple[str, bytes]:
    """Head and body at the first empty line."""
    ends = [(at, len(mark)) for mark in (b"\r\n\r\n", b"\n\n") if (at := octets.find(mark, 0, LARGEST_HEAD + 4)) >= 0]
    if not ends:
        raise WireError(f"no empty line within {LARGEST_HEAD} octets")
    at, length = min(ends)
    head = octets[:at].decode("utf-8", "surrogateescape").replace("\r\n", "\n")
    if (bad := _CONTROL.search(head)) is not None:
        raise WireError(f"control character {ord(bad[0])} in the head")
    return head, octets[at + length :]


def _lines(head: str) -> tuple[str, dict[str, list[str]]]:
    """The first line, and the headers with folded lines put together (RFC 3261 section 7.3.1)."""
    lines = head.split("\n")
    if len(lines) > 4 * MOST_HEADERS:
        raise WireError(f"{len(lines)} lines")
    unfolded: list[str] = []
    for line in lines:
        if line[:1] in {" ", "\t"} and len(unfolded) > 1:
            unfolded[-1] += " " + line.strip()
        else:
            unfolded.append(line)
        if len(unfolded[-1]) > LONGEST_LINE:
            raise WireError(f"a line of more than {LONGEST_LINE} characters")
    if len(unfolded) - 1 > MOST_HEADERS:
        raise WireError(f"{len(unfolded) - 1} headers")
    fields: dict[str, list[str]] = {}
    for line in unfolded[1:]:
        name, colon, value = line.partition(":")
        name = name.strip().lower()
        if not colon or not _NAME.fullmatch(name):
            raise WireError(f"not a header: {shown(line[:40])!r}")
        fields.setdefault(_COMPACT.get(name, name), []).append(value.strip())
    if len(fields.get("via", ())) > MOST_VIAS:
        raise WireError(f"{len(fields['via'])} Via headers")
    return unfolded[0].rstrip(), fields


_BAD: Final[Defect] = (400, "Bad Request")


def _cseq(value: str) -> tuple[int, str, Defect | None]:
    try:
        cseq = CSeq.parse(value) if len(value) <= 64 and value.isascii() else None
    except ValueError:
        cseq = None
    if cseq is None or cseq.sequence >= _LARGEST_CSEQ:
        return 0, "", (400, "Bad CSeq")
    return cseq.sequence, cseq.method, None


def _body(headers: Headers, body: bytes, *, stream: bool) -> tuple[bytes, Defect | None]:
    """The body, and what is wrong with its length: over UDP too much is cut off, too little is refused (section
    18.3)."""
    value = headers.get("content-length")
    if not value:
        return (b"" if stream else body), None
    if not (value.isascii() and value.isdigit()) or len(value) > 9:
        return b"", (400, "Bad Content-Length")
    length = int(value)
    return body[:length], (400, "Body too short") if len(body) < length else None


def _large(octets: bytes) -> Defect | None:
    return (513, "Message Too Large") if len(octets) > LARGEST else None


def _version(version: str) -> Defect | None:
    return None if version.upper() == "SIP/2.0" else (505, "Version Not Supported")


def _doubts(headers: Headers, method: str, uri: str, cseq_method: str) -> Defect | None:
    """What else forbids to act on the request."""
    if cseq_method != method:
        return 400, "CSeq is of another method"
    if any(len(headers.all(name)) > 1 for name in _ONCE):
        return 400, "A header twice"
    if " " in uri or uri.startswith("<") or len(uri) > 512:
        return 400, "Bad Request-URI"
    if not name_address(headers.get("from")).uri or not name_address(headers.get("to")).uri:
        return 400, "Bad From or To"
    hops = headers.get("max-forwards")
    if hops and not (hops.isascii() and hops.isdigit() and len(hops) <= 9):
        return 400, "Bad Max-Forwards"
    return None
