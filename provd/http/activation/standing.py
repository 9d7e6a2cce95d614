"""As whom a vendor asks."""

from __future__ import annotations

from provd.app.caller import Caller
from provd.base.dataclass import dataclass
from provd.domain.activation.thing import Thing


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A caller who asks about what ``vendor`` has; as ``partner``, where that is somebody else's and shared."""

    caller: Caller
    vendor: str
    partner: str = ""

    def note(self, thing: Thing) -> str:
        """The note on a device, which is nobody's business but the vendor's own."""
        return "" if self.partner else thing.extra
