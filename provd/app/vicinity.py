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
may have been carried behind a repeater; so restarting a phone always helps it. A phone is seen when it fetches files,
which it does as soon as it has an address, and when it renews its lease.

This does not stop who takes over the address of a phone that has done neither yet, nor who takes its MAC as well:
tokens do (``policy.secrets``).
"""

from __future__ import annotations

from provd.app.ports import Neighbours
from provd.base.dataclass import dataclass
from provd.base.types import Mac

FRESH = 3.0
"""Seconds for which an answer of the kernel holds: a phone fetches several files in a row."""
QUIET = 60.0
"""Seconds after its DISCOVER, or the last such question, for which a phone's lease is no reason to ask the kernel: who
boots comes for files anyway, and DHCP must stay quick where the answer is always no."""
_ANSWERS, _HOLDERS = 20_000, 100_000


@dataclass(slots=True)
class _Seen:
    holder: Mac
    at: float
    usurper: Mac | None


class Vicinity:
    """Compares leases with what the kernel knows, at most once in some seconds for each address."""

    def __init__(self, neighbours: Neighbours | None) -> None:
        self._neighbours = neighbours
        self._seen: dict[str, _Seen] = {}
        self._at: dict[Mac, str] = {}
        self._asked: dict[Mac, float] = {}

    def usurper(self, ip: str, holder: Mac, now: float) -> Mac | None:
        """The MAC that uses this address of the holder's in its place, None when nothing speaks for that."""
        if self._neighbours is None:
            return None
        seen = self._seen.get(ip)
        # The clock may be set: then what was to hold for some seconds must not hold for an hour.
        if seen is not None and 0.0 <= now - seen.at < FRESH and seen.holder == holder:
            return seen.usurper
        found = self._neighbours.find(ip)
        if found == holder:
            self._stood(holder, ip)
        usurper = None if found == holder or self._at.get(holder) != ip else found
        if len(self._seen) >= _ANSWERS:
            self._seen.clear()
        self._seen[ip] = _Seen(holder, now, usurper)
        return usurper

    def _stood(self, holder: Mac, ip: str) -> None:
        if holder not in self._at and len(self._at) >= _HOLDERS:
            del self._at[next(iter(self._at))]
        self._at[holder] = ip

    def _note(self, holder: Mac, now: float) -> None:
        if len(self._asked) >= _ANSWERS:
            self._asked.clear()
        self._asked[holder] = now

    def leased(self, ip: str, holder: Mac, now: float) -> None:
        """It has the address, perhaps for some time already: a phone that renews its lease has just spoken to us."""
        if self._at.get(holder) != ip and not 0.0 <= now - self._asked.get(holder, 0.0) < QUIET:
            self._note(holder, now)
            self.usurper(ip, holder, now)

    def begins(self, holder: Mac, now: float) -> None:
        """It asks for an address anew: where and how it was seen counts no more."""
        self._note(holder, now)
        ip = self._at.pop(holder, None)
        if ip is not None:
            self._seen.pop(ip, None)
