"""What administrators may do with leases and reservations, carried out by the DHCP server."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from provd.app.ports import Journal, Put
from provd.base.types import ip_int
from provd.dhcp.lease import Lease
from provd.domain.records import Reservation


class Server(Protocol):
    """The part of the DHCP server that is needed here."""

    def leases(self) -> Iterable[Lease]:
        """Every lease that is on disk, also ended ones."""
        ...

    def release(self, ip: str) -> bool:
        """Take an address back from its client."""
        ...


class ServedAddresses:
    """Implements the administration's port to a running DHCP server.

    ``reserved`` makes the server take the reservations as they are now, with one more or one less.
    """

    def __init__(
        self, server: Server, journal: Journal, reserved: Callable[[Reservation | None, Reservation | None], None]
    ) -> None:
        self._server = server
        self._journal = journal
        self._reserved = reserved

    def leases(self) -> Iterable[Lease]:
        """Every lease there is, in any state."""
        return self._server.leases()

    async def release(self, ip: str) -> bool:
        """End the active lease of that address; False when there is none. Durable when it returns."""
        if not self._server.release(ip):
            return False
        number = ip_int(ip)
        # The server has submitted the change; the same record once more, awaited, says when it is on disk.
        await self._journal.commit([Put(lease) for lease in self._server.leases() if lease.ip == number])
        return True

    def reserve(self, reservation: Reservation) -> None:
        """Keep this address for its client from now on."""
        self._reserved(reservation, None)

    def unreserve(self, reservation: Reservation) -> None:
        """Do not keep it any longer."""
        self._reserved(None, reservation)
