"""Plugins as packages: what is on the shelf, what a change of version would do to the fleet, and making it."""

from __future__ import annotations

from provd.app.firmware.warehouse import Warehouse
from provd.app.packages.ports import Packages
from provd.app.packages.switching import Switching
from provd.app.works import Works
from provd.base.dataclass import dataclass

__all__ = ["Shop"]


@dataclass(frozen=True, slots=True)
class Shop:
    """What operations on packages need."""

    packages: Packages
    switching: Switching
    works: Works
    warehouse: Warehouse | None = None
    """Firmware and language packages."""
