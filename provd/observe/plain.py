"""Facts as plain values and words: for JSON log lines, the live tail, the store and the page."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import fields

from provd.base.facts import Fact
from provd.base.types import is_thing

_COMMON = frozenset({"at", "mac", "boot"})
_OWN_FIELDS: dict[type[Fact], tuple[str, ...]] = {}
_AS_IT_IS = frozenset({str, int, float, bool, type(None)})


def data_of(fact: Fact) -> dict[str, object]:
    """The fields of this kind of fact, without the ones every fact has. Secrets become ``***``."""
    data: dict[str, object] = {}
    for name in _OWN_FIELDS.get(fact.__class__) or _own_fields(fact.__class__):
        value = getattr(fact, name)
        data[name] = value if value.__class__ in _AS_IT_IS else _plain(value)
    return data


def _own_fields(kind: type[Fact]) -> tuple[str, ...]:
    names = _OWN_FIELDS[kind] = tuple(field.name for field in fields(kind) if field.name not in _COMMON)
    return names


def utc_text(at: float) -> str:
    """``2026-11-20T23:15:02.123Z``."""
    moment = dt.datetime.fromtimestamp(at, dt.UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def json_of(fact: Fact, **more: str | bool) -> str:
    """One line: ``time``, ``level``, ``fact``, ``mac`` and ``boot`` if any, what is added, the fact's own fields."""
    head: dict[str, str | bool] = {"time": utc_text(fact.at), "level": fact.LEVEL.name.lower(), "fact": fact.ID}
    if fact.mac:
        head["device" if is_thing(fact.mac) else "mac"] = fact.mac
    if fact.boot:
        head["boot"] = fact.boot
    return json.dumps({**head, **more, **data_of(fact)}, separators=(",", ":"))


def _plain(value: object) -> object:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, tuple | list | frozenset | set):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return str(value)
