"""Request bodies: read in time and within limits, and understood in one way only."""

from __future__ import annotations

import asyncio
import json
import re
from http import HTTPStatus
from typing import Any

from aiohttp import web

from provd.http.api.refusal import Refusal

LARGEST = 1 << 20
"""Octets of a body."""
DEEPEST = 32
"""Levels of objects and arrays within each other."""
PATIENCE = 30.0
"""Seconds in which a body has to arrive."""
JSON = "application/json"

# A string that does not end goes on to the end: otherwise every quote in it would be tried as a beginning.
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_ALIKE = bytes.maketrans(b"{}", b"[]")
_OTHERS = bytes(octet for octet in range(256) if octet not in b"[]{}")


def media_type(request: web.Request) -> tuple[str, str]:
    """The media type of the body in lower case and its charset (RFC 9110 section 8.3)."""
    return request.content_type.lower(), (request.charset or "utf-8").lower()


async def octets(request: web.Request, media: str) -> bytes:
    """The body. Raises Refusal: 413, 415, 408."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Refusal("media-type", HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send the body without a content coding")
    if (request.content_length or 0) > LARGEST:
        raise _too_large()
    gathered = bytearray()
    try:
        async with asyncio.timeout(PATIENCE):
            async for chunk in request.content.iter_any():
                gathered += chunk
                if len(gathered) > LARGEST:
                    raise _too_large()
    except TimeoutError:
        raise Refusal(
            "slow", HTTPStatus.REQUEST_TIMEOUT, "The body took too long", headers={"Connection": "close"}
        ) from None
    named, charset = media_type(request)
    if gathered and (named != media or charset not in ("utf-8", "utf8", "us-ascii")):
        raise Refusal("media-type", HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Another media type is needed", f"send {media}")
    return bytes(gathered)


def _too_large() -> Refusal:
    title = "The body is too large"
    return Refusal("too-large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE, title, f"at most {LARGEST} octets")


def text_of(body: bytes) -> str:
    """The body as text. Raises Refusal."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise malformed("it is not UTF-8") from None


def object_of(body: bytes) -> dict[str, Any]:
    """The JSON object (RFC 8259) in a body; no body is an empty one. Raises Refusal."""
    if not body.strip():
        return {}
    if too_deep(body):
        raise malformed(f"it is nested more than {DEEPEST} deep")
    try:
        value = json.loads(text_of(body), object_pairs_hook=_unique, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise malformed(str(error)) from None
    if not isinstance(value, dict):
        raise malformed("it is not an object")
    return value


def malformed(reason: str) -> Refusal:
    """A body that cannot be understood."""
    return Refusal("body", HTTPStatus.BAD_REQUEST, "The body cannot be read", reason)


def too_deep(body: bytes) -> bool:
    """Whether objects and arrays are nested too deep, found out level by level and without recursion.

    What is not balanced is no JSON, and counts as deep as it could be meant.
    """
    marks = _STRINGS.sub(b"", body).translate(_ALIKE, _OTHERS)
    for _ in range(DEEPEST):
        # The innermost level goes.
        rest = marks.replace(b"[]", b"")
        if len(rest) == len(marks):
            return marks.count(b"[") > DEEPEST
        marks = rest
    return bool(marks)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # RFC 8259 section 4: what a name that occurs twice means is anybody's guess.
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice in one object")
    return found


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is not a JSON number")
