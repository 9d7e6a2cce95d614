"""Flat settings as templates see them: by group, whole, lists as lists and numbered records by their numbers."""

from __future__ import annotations

from collections.abc import Mapping

from provd.domain.settings import KNOWN, NUMBERED, find

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


def nest(values: Mapping[str, object]) -> Nested:
    """``{"sip.server": x, "keys.5.type": y}`` as ``{"sip": {"server": x}, "keys": {5: {"type": y}}}``.

    Every known setting is present, None when unset; of a numbered record every member, where one of them is set.
    ``modules.1.keys.5.type`` is ``["modules"][1][5]["type"]``. Free parameters are not among them.
    """
    nested: Nested = {group: dict.fromkeys(keys) for group, keys in _BLANK.items()}
    for group in _NUMBERED_GROUPS:
        nested.setdefault(group, {})
    for name, value in values.items():
        group, _, rest = name.partition(".")
        if name in KNOWN:
            nested[group][rest] = _shown(name, value)
        elif group in _NUMBERED_GROUPS and find(name) is not None:
            _put(nested[group], group, rest, _shown(name, value))
    return nested


def _shown(name: str, value: object) -> object:
    setting = find(name)
    if setting is not None and setting.kind == "list" and isinstance(value, str):
        return value.split(",")
    return value


def _put(group: dict[object, object], name: str, rest: str, value: object) -> None:
    start, place = f"{name}.N", group
    number, *parts = rest.split(".")
    if len(parts) == 3:
        start = f"{start}.{parts[0]}.N"
        inner = place.setdefault(int(number), {})
        place, number = inner if isinstance(inner, dict) else {}, parts[1]
    record = place.setdefault(int(number), dict.fromkeys(_RECORDS[start]))
    if isinstance(record, dict):
        record[parts[-1]] = value
