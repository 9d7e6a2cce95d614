"""Texts with places for values (``{device.mac}``, ``{crm.customer}``), and values out of JSON by pointer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from provd.base.errors import UsageError

_PLACE = re.compile(r"\{([A-Za-z][A-Za-z0-9_-]*)\.([A-Za-z0-9_.-]+)\}")
POINTER = r"(?:/(?:[^~/]|~[01])*)*"
"""The grammar of a JSON pointer (RFC 6901 section 3), as a regular expression for the whole of it."""
Values = Mapping[str, Mapping[str, object]]
"""Values by the name of their group (``device``, ``run``, ``meta`` or a step) and their own name."""


def places(text: str) -> Iterator[tuple[str, str]]:
    """The group and name of every place in a text."""
    for found in _PLACE.finditer(text):
        yield found[1], found[2]


def filled(text: str, values: Values) -> object:
    """The text with its values. A text that is nothing but one place gives the value as it is.

    Raises UsageError for a value that is not there.
    """
    whole = _PLACE.fullmatch(text)
    return _value(whole, values) if whole else text_of(text, values)


def text_of(text: str, values: Values, quoted: Callable[[str], str] = str) -> str:
    """The same, always as a text, each value as ``quoted`` writes it."""
    return _PLACE.sub(lambda found: quoted(_text(_value(found, values))), text)


def _value(found: re.Match[str], values: Values) -> object:
    group = values.get(found[1], {})
    if found[2] not in group:
        there = ", ".join(sorted(group)) or "nothing"
        raise UsageError(f"there is no {found[1]}.{found[2]}; in {found[1]} there is {there}")
    return group[found[2]]


def _text(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def pointed(document: object, pointer: str) -> object:
    """The value that a JSON pointer (RFC 6901) names. Raises LookupError when there is none."""
    if not pointer:
        return document
    if not pointer.startswith("/"):
        raise LookupError(f"{pointer!r} is no JSON pointer")
    for token in pointer[1:].split("/"):
        name = token.replace("~1", "/").replace("~0", "~")
        if isinstance(document, Mapping):
            document = document[name]
        # Section 4: an index is digits without leading zeros.
        elif isinstance(document, list) and re.fullmatch(r"0|[1-9][0-9]{0,8}", name):
            document = document[int(name)]
        else:
            raise LookupError(f"nothing at {pointer!r}")
    return document
