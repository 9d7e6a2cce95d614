"""Values of fields to values of columns and back, by the fields' types."""

from __future__ import annotations

import enum
import json
import re
import types
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NewType, TypeVar, Union, get_args, get_origin

from provd.base.types import Mac, ip_int, is_thing

E = TypeVar("E", bound=enum.Enum)
Convert = Callable[[Any], Any]


def storable(text: str) -> str:
    """The text without what a database refuses (PostgreSQL NUL, both lone surrogates): names that clients send may
    hold either, and a lease must not be lost for that."""
    if text.isprintable():
        return text
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "\ufffd")


def exactly(expected: type, value: object) -> object:
    """The value, which has that very type. Raises ValueError."""
    if type(value) is not expected:
        raise ValueError(f"{type(value).__name__} instead of {expected.__name__}")
    return value


def _number(value: object) -> float:
    if isinstance(value, int | float):
        return float(value)
    raise ValueError(f"{type(value).__name__} instead of a number")


def _flag(value: object) -> bool:
    if value in {0, 1}:
        return bool(value)
    raise ValueError("neither true nor false")


def _member(kind: type[E], value: object) -> E:
    return kind(value)


def value_of(member: enum.Enum) -> object:
    """What stands for a member of an enumeration."""
    return member.value


def json_of(value: object) -> str:
    """The value as JSON. Raises ValueError, TypeError for what has no form there."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


# A fact is a note for people: what is not plain is kept as its text, and a secret's text is ``***``. One encoder for
# all of them: json.dumps makes one for each.
_encoded_fact = json.JSONEncoder(separators=(",", ":"), default=str).encode


def _fact_json(data: Mapping[str, object]) -> str:
    return _encoded_fact(data if type(data) is dict else dict(data))


def _names(text: str) -> tuple[str, ...]:
    if text == "[]":
        return ()
    only = text[2:-2]
    if text == f'["{only}"]' and only.isprintable() and '"' not in only and "\\" not in only:
        return (only,)  # a phone has one line, mostly
    value = json.loads(text)
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ValueError("not a list of names")
    return tuple(value)


def _numbers(text: str) -> tuple[int, ...]:
    if text == "[]":
        return ()
    value = json.loads(text)
    if not isinstance(value, list) or not all(type(number) is int for number in value):
        raise ValueError("not a list of numbers")
    return tuple(value)


_NOTHING: dict[str, object] = {}


def object_of(text: str) -> dict[str, object]:
    """The members of a JSON object. Raises ValueError, TypeError for anything else."""
    if text == "{}":
        return _NOTHING  # the same one in every device that has no settings of its own: records do not change
    value = json.loads(text)
    if not isinstance(value, dict):
        raise TypeError("not an object")
    return value


def _optional(convert: Convert, value: object) -> object:
    return None if value is None else convert(value)


_PLAIN: Mapping[object, tuple[Convert | None, Convert]] = types.MappingProxyType(
    {
        str: (storable, partial(exactly, str)),
        int: (None, partial(exactly, int)),
        bytes: (None, partial(exactly, bytes)),
        float: (float, _number),
        bool: (bool, _flag),
    }
)


def converters(hint: Any, column: str) -> tuple[Convert | None, Convert]:
    """How a field of that type goes into its column (None: as it is) and comes back."""
    if isinstance(hint, NewType):
        hint = hint.__supertype__
    if hint in _PLAIN:
        return _PLAIN[hint]
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return value_of, partial(_member, hint)
    if get_origin(hint) is tuple:
        return json_of, _names if get_args(hint)[0] is str else _numbers
    if get_origin(hint) is Mapping:
        return _fact_json, object_of
    if get_origin(hint) in {Union, types.UnionType}:
        inner_in, inner_out = converters(get_args(hint)[0], column)
        return (partial(_optional, inner_in) if inner_in else None), partial(_optional, inner_out)
    raise TypeError(f"no column form for {column}: {hint}")


def of_many(hint: Any, out: Convert) -> Convert:
    """The same for values of the usual type that come by the ten thousand: a KeyError for one that it cannot be."""
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        members = {member.value: member for member in hint}
        return members.__getitem__
    return out


_HEX = re.compile(r"[0-9a-f]{12}")


def _address(text: str) -> str:
    ip_int(text)
    return text


def _octets(text: str) -> str:
    bytes.fromhex(text)
    return text


def _device(key: str) -> str:
    if not _HEX.fullmatch(key) and not is_thing(key):
        raise ValueError(f"not the key of a device: {key[:40]!r}")
    return key


SOUND: Mapping[tuple[str, str], Convert] = types.MappingProxyType(
    {
        ("device", "mac"): _device,
        ("reservation", "ip"): _address,
        ("reservation", "mac"): partial(_optional, _device),
        ("reservation", "client_id"): _octets,
    }
)
"""By table and column: texts whose meaning is taken for granted from then on. ValueError for one that has none."""

SAME = frozenset({str, int, bytes, float, Mac})
"""Types of fields whose values are the same in the row and in the record."""


def row_type(hint: Any) -> type:
    """The type that a column's values have in a row that is in order; what is not a number or octets is text."""
    if hint in {bytes, float}:
        return bytes if hint is bytes else float
    return int if isinstance(hint, type) and issubclass(hint, int) else str
