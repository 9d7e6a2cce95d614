"""All that vendors of devices can do, in one place for whoever offers it to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provd.app.activation.contents import Contents
from provd.app.activation.groups import Groups, Shares
from provd.app.activation.registry import Registry
from provd.base.dataclass import dataclass

if TYPE_CHECKING:
    from provd.app.activation.badges import Badges  # needs the package that imports this module


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorOffice:
    """The parts, each with the same ledger."""

    registry: Registry
    contents: Contents
    groups: Groups
    shares: Shares
    badges: Badges
