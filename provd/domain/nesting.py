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
    """Where a setting lies in the nested form: its group, the numbers of records around its own, the one of its own (0:
    none), its last word, and the members of its record."""

    group: str
    outer: tuple[int, ...]
    number: int
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
        group,
        given[:-1],
        given[-1] if given else 0,
        name.rpartition(".")[2] if given else rest,
        _RECORDS.get(start, ()),
        setting.kind == "list",
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
        # Taken apart at once: a phone with expansion modules has more than a thousand of them.
        group, outer, own, member, members, listed = place
        record: dict[Any, Any] = nested[group]
        if own:
            for number in outer:
                record = record.setdefault(number, {})
            inner = record.get(own)
            if inner is None:
                inner = record[own] = dict.fromkeys(members)
            record = inner
        record[member] = value.split(",") if listed and isinstance(value, str) else value
    return nested
