"""All that vendors of devices can do, in one place for whoever offers it to them."""

from __future__ import annotations

from dataclasses import dataclass

from provd.app.activation.contents import Contents
from provd.app.activation.groups import Groups, Shares
from provd.app.activation.registry import Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorOffice:
    """The parts, each with the same ledger."""

    registry: Registry
    contents: Contents
    groups: Groups
    shares: Shares
