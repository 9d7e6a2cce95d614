"""Parameters of operations: plain values by name, checked before anything happens."""

from __future__ import annotations

import base64
import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Literal

from provd.base.dataclass import dataclass
from provd.base.errors import FaultsError, UsageError
from provd.base.types import Mac, ip_int, parse_device, parse_mac
from provd.domain.settings import COMMAND, COMMAND_FAULT

ParamKind = Literal[
    "text",
    "secret",
    "id",
    "key",
    "mac",
    "device",
    "ip",
    "number",
    "duration",
    "flag",
    "texts",
    "settings",
    "objects",
    "octets",
    "document",
]

_ID = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")
_KEY = re.compile(rf"(?:{_ID.pattern}:)?{_ID.pattern}")
_DURATION = re.compile(r"([0-9]{1,9})\s*([smhdw]?)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_FOR_EVER = 100 * 365 * 86400
"""Longer durations are a mistake."""
_GREATEST = 999_999_999
_LONGEST = 255
LONGEST_KEY = 2400
"""Characters of the longest key of a device: three parts of 255 octets, each of them escaped."""


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter. Kind ``id`` is a slug, ``key`` one that may follow a tenant's (``acme:101``), ``device`` a MAC or
    vendor/model/serial, ``duration`` seconds that may be written with a unit (``7d``), ``texts`` a list of texts (one
    text counts as a list of it), ``settings`` a mapping of names to values (``objects`` a list of them),
    ``octets`` base64 (RFC 4648 section 4), ``document`` a text of many lines."""

    name: str
    kind: ParamKind = "text"
    required: bool = False
    doc: str = ""
    longest: int = _LONGEST


ID = Param("id", "id", required=True)
KEY = Param("id", "key", required=True)
LISTING = (Param("limit", "number"), Param("after"))
SETTINGS = (Param("settings", "settings"), Param("unset", "texts"))
CHANGES = (*SETTINGS, Param("replace", "flag", doc="what is not given goes back to its default"))


class Args:
    """Checked parameters of one call; what was not given has the empty value of its kind."""

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = values

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def text(self, name: str) -> str:
        """A text, or an empty one."""
        value = self._values.get(name, "")
        return value if isinstance(value, str) else ""

    def mac(self, name: str = "mac") -> Mac:
        """A MAC or another key of a device (the parameter is a required one)."""
        return Mac(self.text(name))

    def number(self, name: str, default: int = 0) -> int:
        """A number, or the default."""
        value = self._values.get(name, default)
        return value if isinstance(value, int) else default

    def flag(self, name: str) -> bool:
        """Whether the flag was given and true."""
        return self._values.get(name) is True

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts."""
        value = self._values.get(name, ())
        return value if isinstance(value, tuple) else ()

    def document(self, name: str) -> str:
        """A text of many lines, or an empty one."""
        return self.text(name)

    def octets(self, name: str) -> bytes:
        """Octets, or none."""
        value = self._values.get(name, b"")
        return value if isinstance(value, bytes) else b""

    def objects(self, name: str) -> tuple[Mapping[str, object], ...]:
        """A list of mappings."""
        value = self._values.get(name, ())
        return value if isinstance(value, tuple) else ()

    def settings(self, name: str = "settings") -> Mapping[str, object]:
        """A mapping of settings."""
        value = self._values.get(name, {})
        return value if isinstance(value, Mapping) else {}

    def given(self, names: Iterable[str]) -> dict[str, object]:
        """Those of these parameters that were given."""
        return {name: self._values[name] for name in names if name in self._values}


def check(params: Iterable[Param], given: Mapping[str, object]) -> Args:
    """The parameters in their kinds. Raises FaultsError that names every one that is wrong."""
    known = {param.name: param for param in params}
    faults: list[tuple[str, str]] = []
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known) or 'none'}"
            faults.append((name[:60], f"no such parameter; {hint}"))
    values: dict[str, object] = {}
    for param in known.values():
        value = given.get(param.name)
        if value is None:
            if param.required:
                faults.append((param.name, "is needed"))
            continue
        try:
            values[param.name] = _checked(param, value)
        except UsageError as error:
            faults.append((param.name, str(error).removeprefix(f"{param.name}: ")))
    if faults:
        raise FaultsError(faults)
    return Args(values)


def _checked(param: Param, value: object) -> object:
    read = _READERS.get(param.kind)
    return _form(param, _text(param, value)) if read is None else read(param, value)


def _number(param: Param, value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        number = value
    elif isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        number = int(value)
    else:
        raise UsageError(f"{param.name}: must be a number")
    if number < 0:
        raise UsageError(f"{param.name}: must not be negative")
    if number > _GREATEST:
        raise UsageError(f"{param.name}: must be at most {_GREATEST}")
    return number


def _duration(param: Param, value: object) -> int:
    found = _DURATION.fullmatch(str(value).strip()) if isinstance(value, str | int) else None
    if found is None or isinstance(value, bool):
        raise UsageError(f'{param.name}: must be a duration like "90s", "15m", "24h" or "7d"')
    seconds = int(found[1]) * _SECONDS[found[2]]
    if seconds > _FOR_EVER:
        raise UsageError(f"{param.name}: must be at most a hundred years")
    return seconds


def _flag(param: Param, value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise UsageError(f"{param.name}: must be true or false")


def _objects(param: Param, value: object) -> tuple[Mapping[str, object], ...]:
    if isinstance(value, list | tuple) and all(isinstance(each, Mapping) for each in value):
        return tuple(value)
    raise UsageError(f"{param.name}: must be a list of objects")


def _mapping(param: Param, value: object) -> Mapping[str, object]:
    if isinstance(value, Mapping) and all(isinstance(name, str) for name in value):
        return value
    raise UsageError(f"{param.name}: must be a mapping of names to values")


def _texts(param: Param, value: object) -> tuple[str, ...]:
    return tuple(_text(param, each) for each in (value if isinstance(value, list | tuple) else [value]))


def _document(param: Param, value: object) -> str:
    if not isinstance(value, str):
        raise UsageError(f"{param.name}: must be a text")
    if "\0" in value or (not value.isascii() and value != value.encode("utf-8", "replace").decode()):
        raise UsageError(f"{param.name}: holds characters that no text has")
    return value


def _octets(param: Param, value: object) -> bytes:
    try:
        if isinstance(value, str):
            return base64.b64decode(value, validate=True)
    except ValueError:
        pass
    raise UsageError(f"{param.name}: must be base64")


def _text(param: Param, value: object) -> str:
    if not isinstance(value, str):
        raise UsageError(f"{param.name}: must be a text")
    if param.name == "csv":
        return value
    longest = LONGEST_KEY if param.kind == "device" else param.longest
    if len(value) > longest:
        raise UsageError(f"{param.name}: is longer than {longest} characters")
    if value and not value.isprintable():
        raise UsageError(f"{param.name}: must be printable")
    if value != value.strip():
        # Phones drop blanks at the ends of a value: a password would be another one there.
        raise UsageError(f"{param.name}: must not begin or end with a blank")
    if COMMAND.fullmatch(value):
        raise UsageError(f"{param.name}: {COMMAND_FAULT}")
    return value


def _form(param: Param, text: str) -> str:
    if param.required and not text:
        raise UsageError(f"{param.name}: must not be empty")
    try:
        if param.kind == "mac" and text:
            return parse_mac(text)
        if param.kind == "device" and text:
            return parse_device(text)
        if param.kind == "ip" and text:
            ip_int(text)
    except ValueError as error:
        raise UsageError(f"{param.name}: {error}") from None
    pattern = {"id": _ID, "key": _KEY}.get(param.kind)
    if pattern is not None and text and not pattern.fullmatch(text):
        raise UsageError(f"{param.name}: must be made of a-z, 0-9, '.', '_' and '-', not {text[:60]!r}")
    return text


_READERS: Mapping[str, Callable[[Param, object], object]] = MappingProxyType(
    {
        "number": _number,
        "duration": _duration,
        "flag": _flag,
        "octets": _octets,
        "document": _document,
        "texts": _texts,
        "settings": _mapping,
        "objects": _objects,
    }
)
"""How values of each kind are read; those of the others are texts of some form."""
