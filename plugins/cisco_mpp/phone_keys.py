"""The keys of a multiplatform phone and of its expansion modules as somebody in front of it sees them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from provd.plugin.ordinary import number

KEYS_PER_UNIT = 36
FUNCTIONS = frozenset({"sd", "blf", "cp", "mwi", "prk", "xml"})
_FIELD = re.compile(r"(fnc|sub|ext|nme|vid|usr|orbit|url)=(.*)")


def drawn(settings: Mapping[str, str], keys: int) -> list[str]:
    """A line of text for each key that does something: ``2: Anna [blf+sd+cp 200@$PROXY]``, ``1.4: …`` on a module."""
    return [*_own(settings, keys), *_of_units(settings)]


def _own(settings: Mapping[str, str], keys: int) -> Iterator[str]:
    for key in range(1, keys + 1):
        extension = settings.get(f"Extension_{key}_", str(key))
        label = settings.get(f"Short_Name_{key}_", "$USER")
        if extension.isdigit():
            if settings.get(f"Line_Enable_{extension}_", "Yes") == "Yes":
                user = settings.get(f"User_ID_{extension}_", "")
                yield f"{key}: {label.replace('$USER', user)} [line {extension}]"
        elif function := settings.get(f"Extended_Function_{key}_", ""):
            yield f"{key}: {_function(function)}"


def _of_units(settings: Mapping[str, str]) -> Iterator[str]:
    # Modules that it has not been told of stay dark.
    for unit in range(1, number(settings.get("Number_of_Units", "")) + 1):
        for key in range(1, KEYS_PER_UNIT + 1):
            if function := settings.get(f"Unit_{unit}_Key_{key}_", ""):
                yield f"{unit}.{key}: {_function(function)}"


def faults(name: str, value: str) -> str:
    """What is wrong with the value of a key, or an empty text."""
    if not re.fullmatch(r"Extended_Function_\d+_|Unit_\d_Key_\d+_", name) or not value:
        return ""
    fields = _fields(value)
    if fields is None:
        return f"{value!r} is not a row of name=value"
    functions = set(fields.get("fnc", "").split("+"))
    if not functions <= FUNCTIONS:
        return f"{fields.get('fnc', '')!r} is no function"
    missing = ""
    if "blf" in functions and not fields.get("sub"):
        missing = "a lamp (blf) without anybody to watch (sub)"
    if "sd" in functions and not fields.get("ext"):
        missing = "a speed dial (sd) without a number (ext)"
    if functions == {"xml"} and not re.match(r"https?://", fields.get("url", "")):
        missing = "a service (xml) without a URL"
    return missing


def _function(value: str) -> str:
    fields = _fields(value) or {}
    who = fields.get("sub") or fields.get("ext") or fields.get("url") or ""
    line = f" on line {fields['vid']}" if "vid" in fields else ""
    return f"{fields.get('nme') or who} [{fields.get('fnc', '?')} {who}{line}]"


def _fields(value: str) -> dict[str, str] | None:
    found = {}
    for part in value.split(";"):
        match = _FIELD.fullmatch(part.strip())
        if match is None or ("=" in match[2] and match[1] != "url"):
            return None
        found[match[1]] = match[2]
    return found
