"""How a Yealink phone reads a configuration file: the version line, ``name = value``, and which names it knows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from provd.plugin.phone import suspicious

VERSION_LINE = "#!version:1.0.0.1"
RESETS = frozenset({"%NULL%", "%EMPTY%"})

_STATIC_GROUPS = r"(?:network|auto_provision|autoprovision|firmware|security|syslog|wifi|directory_setting)\."
# From V81 these groups carry "static." in front of the name; from V82 the bare names are no longer known.
_STATIC = re.compile(rf"static\.({_STATIC_GROUPS}.+)")
_MOVED = re.compile(_STATIC_GROUPS)
ACCUMULATES = re.compile(r"(?:static\.)?security\.user_password")
_NAME = re.compile(r"[A-Za-z0-9_.\-]+")
_PORT = re.compile(r"account\.\d+\.(?:sip_server\.\d\.port|sip_server_port|sip_listen_port|outbound_port)")
_CHECKS = (
    (re.compile(r"account\.\d+\.enable"), re.compile(r"[01]"), "0 or 1"),
    (re.compile(r"account\.\d+\.sip_server\.\d\.transport_type"), re.compile(r"[0-3]"), "0 to 3"),
    (_PORT, re.compile(r"\d{1,5}"), "a port"),
    (re.compile(r"auto_provision\.repeat\.minutes"), re.compile(r"\d{1,5}"), "1 to 43200"),
    (re.compile(r"(?:linekey|memorykey)\.\d+\.type"), re.compile(r"\d{1,3}"), "a number"),
    (re.compile(r"local_time\.time_zone"), re.compile(r"[+-]\d{1,2}(?::\d\d)?|0"), "an offset such as +1 or +5:30"),
)


@dataclass(slots=True)
class ConfigFile:
    """What a file sets, in its order, under the names without ``static.``; and what is odd about it."""

    pairs: list[tuple[str, str]] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    refused: bool = False


def meaningful_lines(body: bytes) -> tuple[list[tuple[int, str]], str]:
    """The lines that are no comments, with their numbers; or the reason why the phone does not read the file at all."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        return [], f"octet {error.start} is not UTF-8"
    first, *rest = text.split("\n")
    if first.rstrip("\r") != VERSION_LINE:
        return [], f"the first line is not {VERSION_LINE} from octet 0"
    numbered = ((number, line.strip()) for number, line in enumerate(rest, 2))
    return [(number, line) for number, line in numbered if line and not line.startswith("#")], ""


def read_config(body: bytes, generation: int) -> ConfigFile:
    """A configuration file as firmware of that generation (81 = V81) reads it."""
    lines, refusal = meaningful_lines(body)
    if refusal:
        return ConfigFile(complaints=[f"refused: {refusal}"], refused=True)
    found = ConfigFile()
    seen: set[str] = set()
    for number, line in lines:
        name, equals, value = (part.strip() for part in line.partition("="))
        if not equals or not _NAME.fullmatch(name):
            found.complaints.append(f"line {number} is not a parameter: {line[:40]!r}")
            continue
        if name in seen and not ACCUMULATES.fullmatch(name):
            found.complaints.append(f"line {number}: {name} stands twice; the last one wins")
        seen.add(name)
        known = _known_as(name, generation)
        if known is not None:
            found.complaints += [f"line {number}: {known}: {doubt}" for doubt in _doubts(known, value)]
            found.pairs.append((known, value))
    return found


def is_static(name: str) -> bool:
    """Whether firmware of V81 and later puts "static." in front of that name."""
    return _MOVED.match(name) is not None


def _known_as(name: str, generation: int) -> str | None:
    """The one name under which a parameter is kept, or None when the firmware does not know it."""
    static = _STATIC.fullmatch(name)
    if static is not None:
        return static[1] if generation >= 81 else None
    return None if generation >= 82 and _MOVED.match(name) else name


def _doubts(name: str, value: str) -> Iterator[str]:
    if not value or value in RESETS:
        return
    doubt = suspicious(value)
    if doubt:
        yield doubt
    for names, values, expected in _CHECKS:
        if names.fullmatch(name) and not values.fullmatch(value):
            yield f"{value!r} is not {expected}"
