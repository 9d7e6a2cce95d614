"""Whether an address that we have leased is used by whom we have leased it to.

A lease proves who asks only as long as nobody takes the address over: a host on the same link needs no more for that
than to configure it. The kernel knows the MAC to which it sends our answers: it is compared with the holder's.

They may differ for good reasons, and a phone must not go without its file for any of them:

* A router is on the way (then the kernel has no entry for the phone), or the table cannot be read: nothing is known.
* Something on the link speaks for the phone under its own MAC: a router that does proxy ARP, a wireless repeater or
  client bridge that translates MACs, a machine that plays many phones. It does so from the beginning.
* The entry is still that of the address's last holder.

So a difference counts only at an address at which its holder was seen with its own MAC before: then somebody else has
it now. It was seen so since the daemon's start, and since it asked for an address last (DISCOVER, INIT-REBOOT), for it
may have been carried behind a repeater; so restarting a phone always helps it. A phone fetches files as soon as it has
an address, and is seen by that.

This does not stop who takes over the address of a phone that has fetched nothing yet, nor who takes its MAC as well:
tokens do (``policy.secrets``).
"""

from __future__ import annotations

from provd.app.ports import Neighbours
from provd.base.dataclass import dataclass
from provd.base.types import Mac

FRESH = 3.0
"""Seconds for which an answer of the kernel holds: a phone fetches several files in a row."""
_REMEMBERED = 20_000


@dataclass(slots=True)
class _Seen:
    holder: Mac
    until: float
    usurper: Mac | None


class Vicinity:
    """Compares leases with what the kernel knows, at most once in some seconds for each address."""

    def __init__(self, neighbours: Neighbours | None) -> None:
        self._neighbours = neighbours
        self._seen: dict[str, _Seen] = {}
        self._at: dict[Mac, str] = {}

    def usurper(self, ip: str, holder: Mac, now: float) -> Mac | None:
        """The MAC that uses this address of the holder's in its place, None when nothing speaks for that."""
        if self._neighbours is None:
            return None
        seen = self._seen.get(ip)
        if seen is not None and seen.until > now and seen.holder == holder:
            return seen.usurper
        found = self._neighbours.find(ip)
        if found == holder:
            self._at[holder] = ip
        usurper = None if found == holder or self._at.get(holder) != ip else found
        if len(self._seen) >= _REMEMBERED:
            self._seen.clear()
        self._seen[ip] = _Seen(holder, now + FRESH, usurper)
        return usurper

    def begins(self, holder: Mac) -> None:
        """It asks for an address anew: where and how it was seen counts no more."""
        ip = self._at.pop(holder, None)
        if ip is not None:
            self._seen.pop(ip, None)
