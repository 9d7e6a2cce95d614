"""Requests and replies of the activation side.

Small firmware reads a reply into 200 octets, and of one TCP segment: status line, headers and the key stay within 198
octets, and leave in one write. Clients of this protocol find errors by their status line *in the body*.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qsl

from multidict import CIMultiDictProxy

from provd.domain.activation.form import MOST_FIELDS, Fields, FormError, fields, only

_TEXT = b"Content-Type: text/plain; charset=utf-8\r\n"
_CSV = b"Content-Type: text/csv; charset=utf-8\r\n"
_JSON = b"Content-Type: application/json\r\n"


@dataclass(frozen=True, slots=True)
class ThingRequest:
    """One request. ``path`` is decoded, ``target`` as it was sent; ``body`` is whole."""

    method: str
    path: str
    target: str
    headers: CIMultiDictProxy[str]
    body: bytes
    peer: str

    def form(self, most: int = MOST_FIELDS) -> Fields:
        """The form in the body. Raises FormError."""
        headers = self.headers
        content_type, coding = headers.get("Content-Type", ""), headers.get("Content-Encoding", "")
        return fields(self.body, content_type=content_type, content_encoding=coding, most=most)

    def query(self, name: str) -> str:
        """A parameter behind the question mark, empty without one. Raises FormError where there are two."""
        text = self.target.partition("?")[2]
        try:
            found = parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
        except ValueError:
            raise FormError(400, "the query cannot be read") from None
        return only(found, name) or ""


@dataclass(frozen=True, slots=True)
class Reply:
    """Status, header lines (each with its line end) and body."""

    status: int
    lines: bytes = b""
    body: bytes = b""


def key_in(request: ThingRequest) -> str:
    """The key that a device shows, in the protocol's own header or as a bearer token (RFC 6750 section 2.1)."""
    key = request.headers.get("X-Exosite-CIK", "").strip()
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return key or (token.strip() if scheme.lower() == "bearer" else "")


def key_reply(key: str) -> Reply:
    """The key and nothing else."""
    return Reply(200, _TEXT, key.encode("ascii"))


def text_reply(text: str) -> Reply:
    """A line of text."""
    return Reply(200, _TEXT, text.encode())


def csv_reply(text: str) -> Reply:
    """Lines of CSV."""
    return Reply(200, _CSV, text.encode())


def json_reply(text: str) -> Reply:
    """JSON."""
    return Reply(200, _JSON, text.encode())


def error(status: int, lines: bytes = b"") -> Reply:
    """A refusal, with its status line in the body."""
    return Reply(status, _TEXT + lines, f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode())


def not_allowed(*methods: str) -> Reply:
    """405 with what would do."""
    return error(405, f"Allow: {', '.join(methods)}\r\n".encode("ascii"))


def retry(status: int, seconds: int) -> Reply:
    """A refusal for now."""
    return error(status, b"Retry-After: %d\r\n" % seconds)
