"""URIs and name-addresses (RFC 3261 sections 19.1 and 20.10), and the number in a URI that somebody dialed (RFC 3966).

Own code and not the library's, because phones write URIs that the grammar forbids (``sip:*12#@host``), and because a
Contact has to be given back exactly as it came. Nothing here raises for any text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from typing import Final
from urllib.parse import unquote

from provd.base.dataclass import dataclass

_ANGLE = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^<"])*<(?P<uri>[^<>]*)>(?P<rest>.*)')
_HOST_PORT = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^:\s\[\]]*)(?::(?P<port>\d{1,5}))?")
_SEPARATORS = str.maketrans("", "", "-.() ")
_NUMBER = re.compile(r"\+?[0-9*#]{1,64}")

DIAL_END: Final = "#"
"""On many phones this key ends dialing, and some send it along."""


@dataclass(frozen=True, slots=True)
class Uri:
    """A URI in parts: ``scheme`` and ``host`` in lower case, ``user`` without its escapes, ``port`` 0 where not
    given."""

    scheme: str
    user: str
    host: str
    port: int = 0
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NameAddress:
    """``"Name" <uri>;parameters``: ``uri`` is as it came, "" where there is none; parameter names are lower case."""

    uri: str
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def tag(self) -> str:
        """The tag, "" without one."""
        return self.parameters.get("tag", "")


def split_list(value: str, separator: str = ",") -> list[str]:
    """The elements of a list, separated outside of quotes and angle brackets; empty ones are left out."""
    if separator not in value:
        return [value] if value else []
    elements, start, quoted, angle, escaped = [], 0, False, False, False
    for at, character in enumerate(value):
        if escaped:
            escaped = False
        elif quoted:
            escaped = character == "\\"
            quoted = character != '"'
        elif character == '"':
            quoted = True
        elif character in "<>":
            angle = character == "<"
        elif character == separator and not angle:
            elements.append(value[start:at].strip())
            start = at + 1
    elements.append(value[start:].strip())
    return [element for element in elements if element]


def name_address(value: str) -> NameAddress:
    """Read From, To or one Contact."""
    match = _ANGLE.fullmatch(value)
    if match is not None:
        return NameAddress(match["uri"].strip(), _parameters(match["rest"]))
    # Without brackets what follows ";" belongs to the header, not to the URI (RFC 3261 section 20).
    uri, _, rest = value.partition(";")
    uri = uri.strip()
    return NameAddress("" if set(uri) & {" ", '"', "<", ">"} else uri, _parameters(rest))


def uri_parts(text: str) -> Uri | None:
    """Read a sip, sips or tel URI; None for any other, or none at all."""
    scheme, colon, rest = text.partition(":")
    scheme = scheme.lower()
    if not colon:
        return None
    if scheme == "tel":
        number, _, parameters = rest.partition(";")
        return Uri(scheme, unquote(number), "", 0, _parameters(parameters))
    if scheme not in {"sip", "sips"}:
        return None
    rest = rest.partition("?")[0] if "@" not in rest.partition("?")[2] else rest
    userinfo, at, place = rest.rpartition("@")
    place, _, parameters = place.partition(";")
    match = _HOST_PORT.fullmatch(place)
    if match is None or not match["host"] or (match["port"] and not 0 < int(match["port"]) < 65536):
        return None
    # A password, and parameters of a telephone number, are no part of the user's name.
    user = re.split("[:;]", userinfo, maxsplit=1)[0] if at else ""
    return Uri(scheme, unquote(user), match["host"].lower(), int(match["port"] or 0), _parameters(parameters))


def dialed(text: str) -> str:
    """The digits, ``*`` and ``#`` that were dialed to make this URI; "" when it names nobody or no number.

    >>> dialed("sip:%2A1234%23@10.0.0.1;user=phone"), dialed("tel:1-234"), dialed("sip:alice@10.0.0.1")
    ('*1234', '1234', '')
    """
    parts = uri_parts(text)
    number = parts.user.translate(_SEPARATORS) if parts is not None else ""
    if len(number) > 1:
        number = number.removesuffix(DIAL_END)
    return number if _NUMBER.fullmatch(number) else ""


def _parameters(text: str) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for part in split_list(text, ";"):
        name, _, value = part.partition("=")
        value = value.strip()
        if len(value) > 1 and value[0] == value[-1] == '"':
            value = re.sub(r"\\(.)", r"\1", value[1:-1])
        found.setdefault(name.strip().lower(), value)
    return found
