"""The path a request line asks for (RFC 9112 section 3.2, RFC 3986 section 6.2.2), normalised once."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote_to_bytes

_PLAIN = re.compile(r"/[A-Za-z0-9/_.~:,@+=$!-]*")
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")
_QUERY = re.compile(r"[?#]")
_AMBIGUOUS = re.compile(r"\\|%2f|%5c", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SHOWN = 200


def requested_path(target: str) -> str | None:
    """The percent-decoded path without query and doubled slashes, or None when it could be read in two ways.

    ``target`` is the request target as sent: origin-form or absolute-form, octets beyond ASCII as surrogates.
    None stands for encoded slashes, dot segments, backslashes, control characters and octets that are not UTF-8:
    no phone sends them, and a proxy on the way may understand them otherwise than we would.
    """
    if _PLAIN.fullmatch(target) and "//" not in target and "/." not in target:
        return target
    absolute = _ABSOLUTE.match(target)
    if absolute:
        target = target[absolute.end() :] or "/"
        target = target if target.startswith("/") else f"/{target}"
    path = _QUERY.split(target, maxsplit=1)[0]
    if not path.startswith("/") or _AMBIGUOUS.search(path):
        return None
    try:
        path = unquote_to_bytes(path.encode("utf-8", "surrogateescape")).decode()
    except UnicodeDecodeError:
        return None
    if _CONTROL.search(path):
        return None
    segments = [segment for segment in path.split("/") if segment]
    if "." in segments or ".." in segments:
        return None
    return "/" + "/".join(segments) + ("/" if segments and path.endswith("/") else "")


def as_one_name(target: str) -> str:
    """A refused target as a single, fully quoted path segment: readable for people, the name of no file."""
    return "/" + quote(target[:_SHOWN], safe="", errors="replace")
