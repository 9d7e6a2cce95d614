"""Leases and reservations without a DHCP server: on the database of a daemon that does not run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from provd.app.ports import Journal, Put
from provd.base.clock import Clock
from provd.base.types import ip_int
from provd.dhcp.lease import Lease, LeaseState
from provd.domain.records import Reservation


class StoredAddresses:
    """Implements the administration's port to leases on the store alone."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock

    def leases(self) -> Iterable[Lease]:
        """Every lease that is stored."""
        return self._journal.load(Lease)

    async def release(self, ip: str) -> bool:
        """End the active lease of that address; False when there is none."""
        number, now = ip_int(ip), int(self._clock.now())
        active = [lease for lease in self.leases() if lease.ip == number and lease.state is LeaseState.ACTIVE]
        await self._journal.commit([Put(replace(lease, state=LeaseState.RELEASED, expires=now)) for lease in active])
        return bool(active)

    def reserve(self, reservation: Reservation) -> None:
        """The daemon reads reservations when it starts: nothing else is owed."""

    def unreserve(self, reservation: Reservation) -> None:
        """The same."""
