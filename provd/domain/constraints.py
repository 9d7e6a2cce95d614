"""Rules on the metadata of devices: which attributes there are to be, and what they may hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

AttributeType = Literal["string", "number", "boolean", "enum"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """One attribute by name; ``values`` are those of an enum."""

    name: str
    type: AttributeType = "string"
    required: bool = False
    values: tuple[str, ...] = ()

    def fault(self, value: object) -> str:
        """Why this value will not do, or an empty text."""
        match self.type:
            case "string" if not isinstance(value, str):
                return "must be a text"
            case "number" if isinstance(value, bool) or not isinstance(value, int | float):
                return "must be a number"
            case "boolean" if not isinstance(value, bool):
                return "must be true or false"
            case "enum" if value not in self.values:
                return f"must be one of {', '.join(self.values)}"
            case _:
                return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A named set of attributes for the devices that its patterns fit."""

    name: str
    devices: tuple[str, ...]
    attributes: tuple[Attribute, ...]

    def faults(self, metadata: Mapping[str, object]) -> Iterator[str]:
        """What is wrong, attribute by attribute."""
        for attribute in self.attributes:
            value = metadata.get(attribute.name)
            if value is None:
                if attribute.required:
                    yield f"{self.name}: {attribute.name} is missing"
            elif fault := attribute.fault(value):
                yield f"{self.name}: {attribute.name} {fault}"
