"""The form that a device sends: ``application/x-www-form-urlencoded`` (WHATWG URL, section 5.1), read by ourselves.

What a general parser forgives is refused here: a name given twice has two meanings, and a serial with a line break
would be two lines in a log. Parsers at hand also answer with an error of theirs where the charset is unknown.
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import unquote_to_bytes

from provd.base.dataclass import dataclass
from provd.base.errors import WireError

MOST_OCTETS = 4096
MOST_FIELDS = 16
LONGEST = 255
"""Octets of a vendor, a model or a serial in UTF-8."""

_FORM = "application/x-www-form-urlencoded"
_CHARSETS = frozenset({"utf-8", "utf8", "us-ascii"})
_CODINGS = frozenset({"", "identity"})
_CHARSET = re.compile(r';\s*charset\s*=\s*"?([^";\s]*)"?', re.IGNORECASE)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LINES = frozenset({"Cc", "Zl", "Zp"})
"""Unicode categories that end a line or drive a terminal."""


class FormError(WireError):
    """A form that is not read; ``status`` is the HTTP status that says so."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Ask:
    """Who wants to be activated. ``key_hash`` is the SHA-256 of a key that the device has made itself, else empty."""

    vendor: str
    model: str
    sn: str
    key_hash: str = ""


Fields = list[tuple[str, str]]


def fields(body: bytes, *, content_type: str = "", content_encoding: str = "", most: int = MOST_FIELDS) -> Fields:
    """Names and values in their order. A missing content type means a form. Raises FormError: 415 or 400."""
    kind, _, parameters = content_type.partition(";")
    if kind.strip().lower() not in {"", _FORM}:
        raise FormError(415, f"the content type is not {_FORM}")
    charset = _CHARSET.search(f";{parameters}")
    if charset is not None and charset[1].lower() not in _CHARSETS:
        raise FormError(415, "the charset is not utf-8")
    if content_encoding.strip().lower() not in _CODINGS:
        raise FormError(415, "content codings are not understood")
    parts = [part for part in body.split(b"&") if part]
    if len(parts) > most:
        raise FormError(400, f"more than {most} fields")
    return [(_text(name), _text(value)) for name, _, value in (part.partition(b"=") for part in parts)]


def _text(octets: bytes) -> str:
    """One name or value: a plus is a blank, a broken escape is what it looks like."""
    try:
        return unquote_to_bytes(octets.replace(b"+", b" ")).decode()
    except UnicodeDecodeError:
        raise FormError(400, "a field is not UTF-8") from None


def only(found: Fields, name: str) -> str | None:
    """The value of that name, None without one. Raises FormError (400) when there are two, or it is no single line."""
    values = [value for key, value in found if key == name]
    if len(values) > 1:
        raise FormError(400, f"{name} is given twice")
    return checked(name, values[0]) if values else None


def checked(name: str, value: str) -> str:
    """A value fit for a name of something. Raises FormError (400)."""
    if len(value.encode()) > LONGEST:
        raise FormError(400, f"{name} has more than {LONGEST} octets")
    # A plain one, which is nearly every one, costs a single look.
    if not (value.isascii() and value.isprintable()) and any(unicodedata.category(each) in _LINES for each in value):
        raise FormError(400, f"{name} has control characters")
    return value


def product_of(host: str) -> str:
    """The product in a Host header: its first label, empty where there is none."""
    return host.partition(".")[0] if "." in host else ""


def ask_of(found: Fields, host: str = "") -> Ask:
    """Who asks: ``vendor``, ``model`` and ``sn``, or ``id`` alone with the product as the first label of ``host``.

    Values are compared as they are: letter case, blanks and Unicode form matter. Raises FormError (400).
    """
    vendor, model, sn = (only(found, name) for name in ("vendor", "model", "sn"))
    key_hash, alone = only(found, "key_sha256"), only(found, "id")
    if key_hash is not None and not _SHA256.fullmatch(key_hash):
        raise FormError(400, "key_sha256 is not 64 digits 0-9a-f")
    if alone and vendor is None and model is None and sn is None:
        product = product_of(host)
        return Ask(product, product, alone, key_hash or "")
    if not (vendor and model and sn):
        raise FormError(400, "vendor, model and sn are needed")
    return Ask(vendor, model, sn, key_hash or "")
