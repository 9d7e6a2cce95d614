"""Settings as they are set, kept, merged and shown. The vocabulary itself is in :mod:`provd.domain.vocabulary`.

Settings live flat by dotted name (``sip.server``, ``keys.5.type``) in profiles, tenants, lines and devices. The value
None is a setting too: it removes what a weaker level had set. None for the beginning of numbered names (``keys``,
``keys.5``) removes all of them.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from provd.base.errors import FaultsError
from provd.base.secrets import Secret
from provd.domain.forms import Value, short
from provd.domain.records import Settings
from provd.domain.vocabulary import TABLE, Setting

KNOWN: Final[Mapping[str, Setting]] = {setting.name: setting for setting in TABLE if ".N." not in setting.name}
"""Every setting with one name, in the order of the documentation."""

NUMBERED: Final[Mapping[str, Setting]] = {setting.name: setting for setting in TABLE if ".N." in setting.name}
"""Every setting that there are many of, by its name with ``N`` in place of its numbers."""

DEFAULTS: Settings = {setting.name: setting.default for setting in TABLE if setting.default is not None}

FREE = "vendor."
"""What parameters begin with that are written as they are: ``vendor.PLUGIN.PARAMETER``."""

COMMAND = re.compile(r"%[A-Za-z]+%")
COMMAND_FAULT = "must not be one word between percent signs: phones take that as an order to forget"

_NUMBER = re.compile(r"\.([1-9][0-9]{0,2})(?=\.|$)")
_FREE = re.compile(r"vendor\.[a-z][a-z0-9_]{1,39}\.[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_HIDDEN = re.compile(r"pass|secret|pin_code|_pin|psk|wep_?key|aes", re.IGNORECASE)
_FREE_FORM = short(255)
_DIGITS = re.compile(r"-?[0-9]{1,9}")
_BEGINNINGS = frozenset(
    ".".join(parts[:length])
    for parts in (name.split(".") for name in NUMBERED)
    for length in range(1, len(parts))
    if length == 1 or "N" in parts[:length]
)
_FLAGS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
_WANTED = {"number": "must be a number", "flag": "must be true or false", "list": "must be a list of texts"}


@lru_cache(maxsize=8192)
def find(name: str) -> Setting | None:
    """The setting of that name, also one with numbers or a free parameter; or None."""
    known = KNOWN.get(name)
    if known is not None:
        return known
    if name.startswith(FREE):
        if not _FREE.fullmatch(name):
            return None
        return Setting(name, "secret" if _HIDDEN.search(name) else "text", "As it is.", _FREE_FORM)
    return NUMBERED.get(unnumbered(name)) if ".N" not in name else None


def unnumbered(name: str) -> str:
    """``keys.5.type`` as ``keys.N.type``."""
    return _NUMBER.sub(".N", name)


def numbers(name: str) -> tuple[int, ...]:
    """``modules.1.keys.5.type`` as 1 and 5."""
    return tuple(map(int, _NUMBER.findall(name)))


def begins(name: str) -> bool:
    """Whether it is the beginning of many names, all of which None removes."""
    if name.startswith(FREE):
        return name.count(".") == 1
    return ".N" not in name and unnumbered(name) in _BEGINNINGS


def _number(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and _DIGITS.fullmatch(value.strip()):
        return int(value)
    return None


def _text(value: object) -> str | None:
    if isinstance(value, Secret):
        return value.reveal()
    return value if isinstance(value, str) else None


def _list(value: object) -> str | None:
    """Members with commas between; a list of texts, or one such text."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    members = value.split(",") if isinstance(value, str) else value
    if not isinstance(members, list | tuple) or not all(isinstance(member, str | int) for member in members):
        return None
    return ",".join(str(member).strip() for member in members)


def _typed(setting: Setting, value: object) -> Value | None:
    match setting.kind:
        case "number":
            return _number(value)
        case "flag":
            return value if isinstance(value, bool) else _FLAGS.get(str(value).strip().lower())
        case "list":
            return _list(value)
        case _:
            return _text(value)


def _checked(setting: Setting, value: object) -> tuple[Value, str]:
    """The value in its kind, and why it is refused (empty when it is not)."""
    typed = _typed(setting, value)
    if typed is None:
        return "", _WANTED.get(setting.kind, "must be a text")
    if isinstance(typed, str):
        if not typed:
            return "", "must not be empty (null removes a value)"
        if not typed.isprintable():
            # A line break in a value would become a second parameter in a phone's file.
            return "", "must be printable"
        if typed != typed.strip():
            # Phones drop blanks at the ends of a value: a password would be another one there.
            return "", "must not begin or end with a blank"
        if COMMAND.fullmatch(typed):
            return "", COMMAND_FAULT
    return typed, setting.form.fault(typed)


def unknown(name: str) -> str:
    """What is said of a name that no setting has."""
    names = [*KNOWN, *NUMBERED]
    near = difflib.get_close_matches(unnumbered(name), names, n=1)
    return "no such setting" + (f"; did you mean {near[0]}?" if near else "")


def validate(values: Mapping[str, object], *, of_line: bool = False) -> Settings:
    """The flat settings with every value in its kind; numbers, flags and lists may come as text.

    Raises FaultsError that names every refused setting and why. Secrets are not repeated in it. ``of_line``: only
    those that a single line may have.
    """
    accepted: dict[str, object] = {}
    refused: list[tuple[str, str]] = []
    for name, value in values.items():
        setting = find(name)
        if setting is None and not (value is None and begins(name)):
            refused.append((name[:60], unknown(name)))
        elif of_line and (setting is None or not setting.of_line):
            refused.append((name[:60], "is not for a single line"))
        elif setting is None or value is None:
            accepted[name] = None
        else:
            typed, reason = _checked(setting, value)
            if reason:
                refused.append((name, reason + ("" if setting.secret else f", not {str(value)[:60]!r}")))
            accepted[name] = Secret(str(typed)) if setting.secret else typed
    if refused:
        raise FaultsError(refused)
    return accepted


def protect(values: Mapping[str, object]) -> Settings:
    """The same settings as read back from a store, secrets in their type again."""
    return {
        name: Secret(value)
        if isinstance(value, str) and (setting := find(name)) is not None and setting.secret
        else value
        for name, value in values.items()
    }


def masked(values: Mapping[str, object]) -> dict[str, object]:
    """The same settings fit to be shown: every secret is ``***``."""
    return {name: str(value) if isinstance(value, Secret) else value for name, value in values.items()}


def flatten(nested: Mapping[str, object]) -> dict[str, object]:
    """``{"sip": {"server": x}}`` as ``{"sip.server": x}``; names that are dotted already stay as they are."""
    flat: dict[str, object] = {}
    for name, value in nested.items():
        if isinstance(value, Mapping):
            flat.update({f"{name}.{key}": inner for key, inner in flatten(value).items()})
        else:
            flat[name] = value
    return flat
