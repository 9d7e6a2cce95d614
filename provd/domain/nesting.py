"""Flat settings as templates see them: by group, whole, lists as lists and numbered records by their numbers."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from provd.domain.settings import FREE, KNOWN, NUMBERED, find, numbers

Nested = dict[str, dict[object, object]]

_BLANK: Mapping[str, tuple[str, ...]] = {
    group: tuple(setting.name.partition(".")[2] for setting in KNOWN.values() if setting.group == group)
    for group in dict.fromkeys(setting.group for setting in KNOWN.values())
}
_RECORDS: Mapping[str, tuple[str, ...]] = {
    start: tuple(name.rpartition(".")[2] for name in NUMBERED if name.rpartition(".")[0] == start)
    for start in dict.fromkeys(name.rpartition(".")[0] for name in NUMBERED)
}
_NUMBERED_GROUPS = tuple(dict.fromkeys(name.partition(".")[0] for name in NUMBERED))


class _Home(NamedTuple):
    """Where settings lie in the nested form: their group, the numbers of records around their own, the number of their
    own record (0: none), and that record when nothing is set in it."""

    group: str
    outer: tuple[int, ...]
    number: int
    blank: Mapping[str, None]


@lru_cache(maxsize=2048)
def _home(group: str, given: tuple[int, ...], members: tuple[str, ...]) -> _Home:
    return _Home(group, given[:-1], given[-1] if given else 0, dict.fromkeys(members))


@lru_cache(maxsize=8192)
def _place(name: str) -> tuple[_Home, str, bool] | None:
    """Its home, its last word, and whether it is a list."""
    setting = find(name)
    if setting is None or name.startswith(FREE):
        return None
    group, _, rest = name.partition(".")
    given = numbers(name) if name not in KNOWN else ()
    members = _RECORDS.get(setting.name.rpartition(".")[0], ())
    return _home(group, given, members), name.rpartition(".")[2] if given else rest, setting.kind == "list"


def _record(nested: Nested, home: _Home) -> Any:
    group, outer, own, blank = home
    record: dict[Any, Any] = nested[group]
    for number in outer:
        record = record.setdefault(number, {})
    if not own:
        return record
    inner = record.get(own)
    if inner is None:
        inner = record[own] = dict(blank)
    return inner


def nest(values: Mapping[str, object]) -> Nested:
    """``{"sip.server": x, "keys.5.type": y}`` as ``{"sip": {"server": x}, "keys": {5: {"type": y}}}``.

    Every known setting is present, None when unset; of a numbered record every member, where one of them is set.
    ``modules.1.keys.5.type`` is ``["modules"][1][5]["type"]``. Free parameters are not among them.
    """
    nested: Nested = {group: dict.fromkeys(keys) for group, keys in _BLANK.items()}
    for group in _NUMBERED_GROUPS:
        nested.setdefault(group, {})
    last: _Home | None = None
    record: dict[Any, Any] = {}
    for name, value in values.items():
        place = _place(name)
        if place is None:
            continue
        home, member, listed = place
        # What is said of one key comes in a row mostly; a phone with expansion modules has more than a thousand.
        if home is not last:
            record, last = _record(nested, home), home
        record[member] = value.split(",") if listed and isinstance(value, str) else value
    return nested
