"""Tenants that have vendors or devices are not deleted from under them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from provd.app.activation.ports import Ledger, Reading
from provd.base.errors import ConflictError
from provd.domain.activation.thing import Thing

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
            vendors, thing = await self._ledger.read(lambda book: _owned(book, tenant))
            if vendors:
                shown = ", ".join(vendors[:_NAMED]) + (", …" if len(vendors) > _NAMED else "")
                raise ConflictError(
                    f"tenant {tenant!r} has vendors of devices ({shown}): first move them to another tenant "
                    f"(provd activation vendor move), or delete them with their models"
                )
            if thing is not None:
                name = f"{thing.vendor}/{thing.model}/{thing.sn}"
                raise ConflictError(
                    f"tenant {tenant!r} has devices of other vendors (such as {name}): delete their serials first"
                )
            yield
        finally:
            self._closing.discard(tenant)


def _owned(book: Reading, tenant: str) -> tuple[list[str], Thing | None]:
    vendors = [each.vendor for each in book.vendors() if each.tenant == tenant]
    return vendors, None if vendors else book.some_of_tenant(tenant)
