"""What a model can be told: which settings its plugin writes for it, and why not the others."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from provd.domain.settings import FREE, KNOWN, NUMBERED, numbers, unnumbered
from provd.plugin import Manifest, Model, Writes

_OWN_NUMBER = re.compile(r"(?<=[._])[0-9]+(?=[._]|$)")
_VERSION = re.compile(r"(\d+)([a-z]?)")
_NEEDS_VALUE = frozenset({"speed_dial", "blf", "blf_pickup", "dtmf", "url", "intercom"})
_RINGS = ("lines", "dial_lines", "default_line")
_BELONGS: Mapping[str, tuple[str, ...]] = {
    "sip.port": ("sip.server",),
    "sip.registrar_port": ("sip.registrar",),
    "sip.backup_port": ("sip.backup_server",),
    "sip.backup_registrar_port": ("sip.backup_registrar",),
    "sip.outbound_port": ("sip.outbound_proxy",),
    "dialing.port": ("dialing.server",),
    "syslog.port": ("syslog.server",),
    "phonebook.name": ("phonebook.url",),
    "firmware.step_url": ("firmware.url", "firmware.version"),
    "firmware.step_below": ("firmware.step_url", "firmware.version"),
}
"""Settings that mean nothing without another one: one of these has to be there. (A line with a server of its own has a
port of its own, too.)"""


_LINES = frozenset({"keys.N.line", "modules.N.keys.N.line"} | {f"handsets.N.{member}" for member in _RINGS})
"""Settings whose values are numbers of lines."""

_SAID = frozenset(
    ".".join(parts[:count])
    for parts in (name.split(".") for name in (*KNOWN, *NUMBERED))
    for count in range(1, len(parts) + 1)
)


def covers(name: str) -> bool:
    """Whether a row of a manifest that says this name, or the beginning of names, says anything."""
    return name in _SAID


def _within(name: str, start: str) -> bool:
    return name == start or name.startswith(f"{start}.")


def shortfalls(
    manifest: Manifest | None,
    model: Model,
    values: Mapping[str, object],
    version: str = "",
    beside: Mapping[str, object] = MappingProxyType({}),
) -> dict[str, str]:
    """Which of these settings do nothing on that model with that firmware (empty: not known), each with the reason:
    ``SPA502G has no line keys``. ``beside`` is what else is in force."""
    found: dict[str, str] = {}
    for name, value in values.items():
        reason = shortfall(manifest, model, name, value, version)
        if reason:
            found[name] = reason
    for name, reason in _incomplete(values, {**beside, **values}):
        found.setdefault(name, reason)
    return found


_WRITTEN_AS = {"firmware.version": "firmware.url"}
"""Settings that templates see as another one."""


def shortfall(manifest: Manifest | None, model: Model, name: str, value: object, version: str = "") -> str:
    """Why this setting does nothing on that model with that firmware, or an empty text."""
    if manifest is None:
        return "no plugin of this device writes it"
    name = _WRITTEN_AS.get(name, name)
    if name.startswith(FREE):
        return "" if name.split(".")[1] == manifest.id else f"is not for a {manifest.vendor} device"
    rows = _rows(manifest.writes, unnumbered(name))
    if not rows:
        return f"the plugin {manifest.id} does not write it"
    for row in rows:
        if row.never:
            reason = row.never
        elif all(_suits(_of(model, field), wanted) for field, wanted in row.when.items()):
            reason = _too_high(row, model, numbers(name)) or _no_line(model, name, value) or _strange(row, value)
            reason = reason or _too_old(row.since, version, manifest.version_from)
        else:
            reason = row.otherwise
        if reason:
            return f"{model.name or manifest.vendor} {reason}"
    return ""


def written(manifest: Manifest, name: str) -> bool:
    """Whether the plugin writes this setting for any model at all."""
    rows = _rows(manifest.writes, _WRITTEN_AS.get(name, name))
    return bool(rows) and not any(row.never for row in rows)


def _rows(rows: tuple[Writes, ...], name: str) -> tuple[Writes, ...]:
    return tuple(row for row in rows if any(_within(name, start) for start in row.settings))


def _of(model: Model, field: str) -> object:
    own = {"lines": model.lines, "keys": model.keys, "ports": model.ports}
    return own[field] if field in own else model.traits.get(field)


def _suits(value: object, wanted: object) -> bool:
    if isinstance(wanted, tuple):
        return value in wanted
    if isinstance(wanted, bool):
        return bool(value) is wanted
    return isinstance(value, int) and isinstance(wanted, int) and value >= wanted


def _too_high(row: Writes, model: Model, given: tuple[int, ...]) -> str:
    for number, field in zip(given, row.upto, strict=False):
        parts = field.split("+")
        most = sum(value for part in parts if isinstance(value := _of(model, part), int))
        if number > most:
            noun = parts[0].replace("_", " ")
            return f"has only {most} {noun.removesuffix('s') if most == 1 else noun}"
    return ""


def _no_line(model: Model, name: str, value: object) -> str:
    """Of a key or a handset that belongs to a line which no phone of the model has."""
    if not model.lines or unnumbered(name) not in _LINES or value is None:
        return ""
    highest = max(int(member) for member in str(value).split(","))
    return f"has only {model.lines} line{'' if model.lines == 1 else 's'}" if highest > model.lines else ""


def _strange(row: Writes, value: object) -> str:
    if not row.values or not isinstance(value, str):
        return ""
    strange = [member for member in value.split(",") if member not in row.values]
    return f"does not know {', '.join(strange)}" if strange else ""


def _too_old(since: str, version: str, version_from: int) -> str:
    """Of an unknown firmware nothing is said: its file has whatever any firmware of the model knows."""
    age = _VERSION.findall(version)[version_from:]
    if not since or not age:
        return ""
    ages, needed = ([(int(number), letter) for number, letter in each] for each in (age, _VERSION.findall(since)))
    return f"knows it from firmware {since} on, and has {version}" if ages < needed else ""


def _incomplete(values: Mapping[str, object], all_values: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """What lacks that which it belongs to: the port of no server, a key without a type or without what its type needs.
    And what a key of that type has no use for."""
    for name, value in values.items():
        start, _, member = name.rpartition(".")
        if name in _BELONGS:
            if not any(other in all_values for other in _BELONGS[name]):
                yield name, f"does nothing without {_BELONGS[name][0]}"
        elif not name.startswith(("keys.", "modules.")):
            continue
        elif member == "type":
            if value in _NEEDS_VALUE and f"{start}.value" not in values:
                yield name, f"does nothing without {start}.value"
        elif f"{start}.type" not in values:
            yield name, f"does nothing without {start}.type"
        elif _useless(str(values[f"{start}.type"]), member):
            yield name, f"does nothing on a key for {str(values[f'{start}.type']).replace('_', ' ')}"


def _useless(key_type: str, member: str) -> bool:
    if key_type == "none":
        return True
    return (member == "value" and key_type == "line") or (member == "pickup" and key_type != "blf_pickup")


def parameter_fault(manifests: Iterable[Manifest], name: str) -> str:
    """Why ``vendor.PLUGIN.PARAMETER`` is refused, or an empty text: the vendor's list must have the parameter."""
    _, plugin, parameter = name.split(".", 2)
    manifest = next((each for each in manifests if each.id == plugin), None)
    if manifest is None:
        return f"there is no plugin {plugin!r}"
    if not manifest.names:
        return f"the plugin {plugin!r} has no list of parameters"
    patterns = {parameter, _OWN_NUMBER.sub("X", parameter), _OWN_NUMBER.sub("#", parameter)}
    if patterns & manifest.names:
        return ""
    near = difflib.get_close_matches(_OWN_NUMBER.sub("X", parameter), manifest.names, n=1)
    return f"{manifest.vendor} has no parameter {parameter[:60]!r}" + (f"; did you mean {near[0]}?" if near else "")
