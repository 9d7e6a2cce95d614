"""Who is given a file with secrets: the ladder of evidence as a pure function.

A rung is a policy of the site. ``open``: everybody. ``bound``: whoever asks from the address that our own DHCP has
leased to that very MAC, unless another one has taken it over, or shows the device's token. ``token``: whoever shows the
device's token.
"""

from __future__ import annotations

from typing import Literal

from provd.base.dataclass import dataclass
from provd.base.types import Mac

Policy = Literal["open", "bound", "token"]


@dataclass(frozen=True, slots=True)
class Claims:
    """What a request proves about its sender. Each field is a MAC it proved to be, or None.

    ``lease``: holder of our lease of the sender's address (None behind a NAT or a proxy). ``token``: owner of the
    valid token in the path. ``usurped``: who would be the former, and proves nothing: another MAC uses that address.
    """

    lease: Mac | None = None
    token: Mac | None = None
    usurped: Mac | None = None

    def prove(self, mac: Mac) -> bool:
        """Whether anything here proves that the sender is this device."""
        return mac in (self.lease, self.token)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision; ``reason`` is for the operator, never for the requester."""

    allowed: bool
    reason: str


def decide(policy: Policy, mac: Mac, claims: Claims) -> Verdict:
    """Whether a sender with these claims is given the files with secrets of that device."""
    if policy == "open":
        return Verdict(allowed=True, reason="policy open")
    if claims.token == mac:
        return Verdict(allowed=True, reason="token")
    if policy == "bound" and claims.lease == mac:
        return Verdict(allowed=True, reason="lease")
    return Verdict(allowed=False, reason=_why_not(policy, mac, claims))


def _why_not(policy: Policy, mac: Mac, claims: Claims) -> str:
    if claims.token is not None:
        return "the token belongs to another device"
    if policy == "token":
        return "no valid token"
    if claims.usurped == mac:
        return "another MAC uses the address that is leased to this device"
    if claims.lease is not None or claims.usurped is not None:
        return "the address is leased to another device"
    return "the address has no lease of ours and there is no valid token"
