"""By what a vendor is known: tokens that it made itself."""

from __future__ import annotations

from provd.base.dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorToken:
    """A token of a vendor, by the vendor's own id for it. Only its SHA-256 is kept; ``expires`` 0 is never."""

    vendor: str
    id: str
    hash: str
    created: float = 0.0
    expires: float = 0.0
    by: str = ""

    def valid_at(self, now: float) -> bool:
        """Whether it is good at that moment."""
        return not self.expires or now < self.expires
