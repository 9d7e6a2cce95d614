"""What the configuration says about codes, as far as the use cases need it."""

from __future__ import annotations

from dataclasses import field

from provd.base.dataclass import dataclass
from provd.base.secrets import Secret
from provd.domain.codes import Form
from provd.domain.lockout import Rules


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """``life`` is in seconds, 0 for ever. Without a PIN, or without a number, nobody can reset a phone by dialing."""

    form: Form = field(default_factory=Form)
    life: float = 86400.0
    uses: int = 1
    rules: Rules = field(default_factory=Rules)
    reset_number: str = ""
    reset_pin: Secret = field(default_factory=lambda: Secret(""))

    def pin_of(self, digits: str) -> str | None:
        """What was dialed behind the reset number, None when that is not what was dialed."""
        if self.reset_number and self.reset_pin and digits.startswith(self.reset_number):
            return digits.removeprefix(self.reset_number)
        return None
