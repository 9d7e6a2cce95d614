"""Tenants that have vendors are not deleted from under them. Devices go back to the master tenant, as all do."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from provd.app.activation.ports import Ledger
from provd.base.errors import ConflictError

_NAMED = 3


class Tenancy:
    """What tenants have in the ledger, which knows nothing of tenants itself."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._closing: set[str] = set()

    def may_gain(self, tenant: str) -> None:
        """Raises ConflictError for a tenant that is just being deleted."""
        if tenant in self._closing:
            raise ConflictError(f"tenant {tenant!r} is being deleted")

    @contextlib.asynccontextmanager
    async def closing(self, tenant: str) -> AsyncIterator[None]:
        """While it is deleted, it gains nothing. Raises ConflictError when it has something."""
        self._closing.add(tenant)
        try:
            found = await self._ledger.read(lambda book: book.vendors())
            vendors = [each.vendor for each in found if each.tenant == tenant]
            if vendors:
                shown = ", ".join(vendors[:_NAMED]) + (", …" if len(vendors) > _NAMED else "")
                raise ConflictError(
                    f"tenant {tenant!r} has vendors of devices ({shown}): first move them to another tenant "
                    f"(provd activation vendor move), or delete them with their models"
                )
            yield
        finally:
            self._closing.discard(tenant)
