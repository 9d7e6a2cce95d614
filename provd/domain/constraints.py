"""Rules on the metadata of devices: which attributes there are to be, and what they may hold."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping
from typing import Literal

from provd.base.dataclass import dataclass

AttributeType = Literal["string", "number", "boolean", "enum", "array", "object", "reference"]
_KINDS: Mapping[str, tuple[tuple[type, ...], str]] = {
    "string": ((str,), "must be a text"),
    "number": ((int, float), "must be a number"),
    "boolean": ((bool,), "must be true or false"),
    "array": ((list, tuple), "must be a list"),
    "object": ((Mapping,), "must be an object"),
}
There = Callable[[str], bool]
"""Whether there is a device that people call so."""


def everything(_name: str) -> bool:
    """Where nobody knows the devices."""
    return True


class Standing(enum.StrEnum):
    """How a rule stands with one device."""

    APPLYING = "applying"
    """Nothing is known of the device yet."""
    IN_EFFECT = "in effect"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """One attribute by name; ``values`` are those of an enum, ``minimum`` and ``maximum`` bound a number, the length of
    a string and of an array. A reference is the name of another device."""

    name: str
    type: AttributeType = "string"
    required: bool = False
    values: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None

    def fault(self, value: object, there: There = everything) -> str:
        """Why this value will not do, or an empty text."""
        good, what = self._kind(value, there)
        if not good:
            return what
        if isinstance(value, bool):
            return ""
        if self.type == "number" and isinstance(value, int | float):
            return self._bounded(value, "")
        if self.type in {"string", "array"} and isinstance(value, str | list | tuple):
            return self._bounded(len(value), " characters" if self.type == "string" else " members")
        return ""

    def _kind(self, value: object, there: There) -> tuple[bool, str]:
        if self.type == "enum":
            return value in self.values, f"must be one of {', '.join(self.values)}"
        if self.type == "reference":
            return isinstance(value, str) and there(value), "must be the name of a device that is there"
        kinds, what = _KINDS[self.type]
        # True and false are numbers to Python.
        return isinstance(value, kinds) and (self.type == "boolean" or not isinstance(value, bool)), what

    def _bounded(self, size: float, what: str) -> str:
        if self.minimum is not None and size < self.minimum:
            return f"must be at least {self.minimum:g}{what}"
        if self.maximum is not None and size > self.maximum:
            return f"must be at most {self.maximum:g}{what}"
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A named set of attributes for the devices that its patterns fit."""

    name: str
    devices: tuple[str, ...]
    attributes: tuple[Attribute, ...]

    def faults(self, metadata: Mapping[str, object], there: There = everything) -> Iterator[str]:
        """What is wrong, attribute by attribute."""
        for attribute in self.attributes:
            value = metadata.get(attribute.name)
            if value is None:
                if attribute.required:
                    yield f"{self.name}: {attribute.name} is missing"
            elif fault := attribute.fault(value, there):
                yield f"{self.name}: {attribute.name} {fault}"
