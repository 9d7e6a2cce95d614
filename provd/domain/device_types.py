"""Types of devices: what all of one model, or of several, have in common; and what their metadata is to be like.

A device has one type, by its ``Vendor/Model`` and its tenant: a tenant's own type goes before one of the site, a
pattern without a wildcard before one with, more letters before fewer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import field
from fnmatch import fnmatchcase

from provd.base.dataclass import dataclass

_MARK = ":"
_WILD = re.compile(r"[*?]|\[[^\]]*\]")
_REMEMBERED = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceType:
    """``devices`` are patterns over ``Vendor/Model``, without regard to case. ``constraints`` are names of rules on the
    metadata, ``tasks`` templates by their ids, each in the words of the configuration file."""

    id: str
    description: str = ""
    devices: tuple[str, ...] = ()
    settings: Mapping[str, object] = field(default_factory=dict)
    constraints: tuple[str, ...] = ()
    tasks: Mapping[str, object] = field(default_factory=dict)
    revision: int = 1

    @property
    def tenant(self) -> str:
        """The tenant whose type it is, empty for one of the site."""
        return _owner(self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """Attributes by name, each in the words of the configuration file. It is in force where a type names it."""

    id: str
    attributes: Mapping[str, object] = field(default_factory=dict)
    revision: int = 1

    @property
    def tenant(self) -> str:
        """The tenant whose constraint it is, empty for one of the site."""
        return _owner(self.id)


def _owner(key: str) -> str:
    owner, mark, _ = key.partition(_MARK)
    return owner if mark else ""


class Typing:
    """Which type a device has, among these."""

    def __init__(self, types: Iterable[DeviceType] = ()) -> None:
        found = [(_rank(each, pattern), pattern.lower(), each) for each in types for pattern in each.devices]
        self._patterns = [(pattern, each) for _, pattern, each in sorted(found, key=lambda entry: entry[:2])]
        self._known: dict[tuple[str, str, str], DeviceType | None] = {}

    def of(self, vendor: str, model: str, tenant: str) -> DeviceType | None:
        """The type of such a device of that tenant; with an empty one of the site's types only."""
        if not self._patterns:
            return None
        key = (vendor, model, tenant)
        if key not in self._known:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[key] = self._found(f"{vendor}/{model}".lower(), tenant)
        return self._known[key]

    def _found(self, name: str, tenant: str) -> DeviceType | None:
        for pattern, each in self._patterns:
            if each.tenant in ("", tenant) and fnmatchcase(name, pattern):
                return each
        return None


def _rank(of: DeviceType, pattern: str) -> tuple[bool, bool, int, str]:
    literal = _WILD.sub("", pattern)
    return not of.tenant, literal != pattern, -len(literal), of.id
