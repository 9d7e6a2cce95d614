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


class _Place(NamedTuple):
    """Where a setting lies in the nested form: its group, its numbers, its last word, and the members of its record."""

    group: str
    numbers: tuple[int, ...]
    member: str
    members: tuple[str, ...]
    listed: bool


@lru_cache(maxsize=8192)
def _place(name: str) -> _Place | None:
    setting = find(name)
    if setting is None or name.startswith(FREE):
        return None
    group, _, rest = name.partition(".")
    given = numbers(name) if name not in KNOWN else ()
    start = setting.name.rpartition(".")[0]
    return _Place(
        group, given, name.rpartition(".")[2] if given else rest, _RECORDS.get(start, ()), setting.kind == "list"
    )


def nest(values: Mapping[str, object]) -> Nested:
    """``{"sip.server": x, "keys.5.type": y}`` as ``{"sip": {"server": x}, "keys": {5: {"type": y}}}``.

    Every known setting is present, None when unset; of a numbered record every member, where one of them is set.
    ``modules.1.keys.5.type`` is ``["modules"][1][5]["type"]``. Free parameters are not among them.
    """
    nested: Nested = {group: dict.fromkeys(keys) for group, keys in _BLANK.items()}
    for group in _NUMBERED_GROUPS:
        nested.setdefault(group, {})
    for name, value in values.items():
        place = _place(name)
        if place is None:
            continue
        record: dict[Any, Any] = nested[place.group]
        for depth, number in enumerate(place.numbers, 1):
            inner = record.get(number)
            if inner is None:
                inner = record[number] = dict.fromkeys(place.members) if depth == len(place.numbers) else {}
            record = inner
        record[place.member] = value.split(",") if place.listed and isinstance(value, str) else value
    return nested
