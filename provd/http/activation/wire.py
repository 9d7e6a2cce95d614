"""Requests and replies of the activation side.

Small firmware reads a reply into 200 octets, and of one TCP segment: status line, headers and the key stay within 198
octets, and leave in one write. Clients of this protocol find errors by their status line *in the body*.
"""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import parse_qsl

from multidict import CIMultiDictProxy

from provd.base.dataclass import dataclass
from provd.domain.activation.form import MOST_FIELDS, Fields, FormError, fields, only

_TEXT = b"Content-Type: text/plain; charset=utf-8\r\n"
_CSV = b"Content-Type: text/csv; charset=utf-8\r\n"
_JSON = b"Content-Type: application/json\r\n"
READING = frozenset({"GET", "HEAD"})
FEWEST, MOST = 5, 1000
"""Into these bounds the length of a list is forced."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ThingRequest:
    """One request. ``path`` is decoded, ``target`` as it was sent; ``body`` is whole. ``local`` is the address of ours
    that was talked to."""

    method: str
    path: str
    target: str
    headers: CIMultiDictProxy[str]
    body: bytes
    peer: str
    local: str = ""
    secure: bool = False

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

    def count(self, name: str, default: int) -> int:
        """A parameter that is a number. Raises FormError."""
        text = self.query(name)
        if not text:
            return default
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise FormError(400, f"{name} is not a number")
        return int(text)

    @property
    def slice(self) -> tuple[int, int]:
        """``offset`` and ``limit`` of a list. Raises FormError."""
        return self.count("offset", 0), min(max(self.count("limit", MOST), FEWEST), MOST)

    def part(self, rows: Sequence[T]) -> Sequence[T]:
        """The rows that were asked for. Raises FormError."""
        offset, limit = self.slice
        return rows[offset : offset + limit]

    @property
    def media(self) -> str:
        """The media type of the body, without parameters and in lower case."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    @property
    def text(self) -> str:
        """The body as text. Raises FormError."""
        try:
            return self.body.decode()
        except UnicodeDecodeError:
            raise FormError(400, "the body is not UTF-8") from None

    @property
    def key(self) -> str:
        """The key that is shown, in the protocol's own header or as a bearer token (RFC 6750 section 2.1)."""
        key = self.headers.get("X-Exosite-CIK", "").strip()
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        return key or (token.strip() if scheme.lower() == "bearer" else "")


@dataclass(frozen=True, slots=True)
class Stored:
    """A body that is fetched while it is sent. ``octets`` gives those from one place up to another."""

    type: str
    size: int
    etag: str
    octets: Callable[[int, int], AsyncGenerator[bytes]]


@dataclass(frozen=True, slots=True)
class Reply:
    """Status, header lines (each with its line end) and body; or, with the status 200, a ``stored`` one."""

    status: int
    lines: bytes = b""
    body: bytes = b""
    stored: Stored | None = None


DONE = Reply(205)


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


def rows_reply(rows: Iterable[Sequence[object]]) -> Reply:
    """CSV without a line end behind the last line (RFC 4180 section 2)."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return csv_reply(text.getvalue().removesuffix("\r\n"))


def rows_or_nothing(rows: Sequence[Sequence[object]]) -> Reply:
    """The same, or 204 where there are none."""
    return rows_reply(rows) if rows else Reply(204)


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
