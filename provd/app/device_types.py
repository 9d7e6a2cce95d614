"""Types of devices and constraints, as the fleet keeps them in memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from provd.domain.device_types import Constraint, DeviceType, Typing


class Kinds:
    """``types`` and ``constraints`` by id. ``stamp`` rises with every change of one."""

    def __init__(self) -> None:
        self.types: dict[str, DeviceType] = {}
        self.constraints: dict[str, Constraint] = {}
        self.rows: Mapping[type, dict[str, Any]] = {DeviceType: self.types, Constraint: self.constraints}
        self.stamp = 0
        self.typing = Typing()

    def changed(self) -> None:
        """One of them is another than before."""
        self.stamp += 1
        self.typing = Typing(self.types.values())
