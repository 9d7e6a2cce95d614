"""What the page shows of devices that are not phones, counted now and then: there may be millions."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from provd.app.activation.office import VendorOffice
from provd.app.activation.registry import MOST_AT_ONCE
from provd.app.caller import Caller
from provd.base.errors import StorageError
from provd.domain.activation.thing import Thing, ThingState
from provd.http.views import SilentRow, ThingModelRow, ThingsView

COUNTED_EVERY = 30.0
"""Seconds for which the counts of the models are good."""
_SHOWN = 100
_STATES = tuple(state.value for state in ThingState)
_ALL = Caller(name="page")


class StoredThingViews:
    """Implements the page's ``ThingViews``."""

    def __init__(self, office: VendorOffice) -> None:
        self._office = office
        self._models: tuple[ThingModelRow, ...] = ()
        self._counted = 0.0
        self._counting = asyncio.Lock()

    async def things(self) -> ThingsView:
        """Models and silent devices; what the database does not say now is said as it was, with the fault."""
        try:
            async with self._counting:
                if self._office.registry.now() - self._counted >= COUNTED_EVERY:
                    await self._count()
            silent = await self._office.registry.unused(_ALL, MOST_AT_ONCE)
        except StorageError as error:
            return ThingsView(self._models, _STATES, counted=self._counted, fault=str(error))
        shown = tuple(_silent(thing) for thing in silent[:_SHOWN])
        return ThingsView(self._models, _STATES, shown, len(silent), self._counted)

    async def reenable(self, vendor: str, model: str, sn: str, caller: Caller) -> None:
        """End a device's key and open a full window. Raises ProvdError."""
        await self._office.registry.reenable(vendor, model, sn, caller)
        self._counted = 0.0

    async def _count(self) -> None:
        registry = self._office.registry
        counts = await registry.tally()
        rows = []
        for vendor in await registry.vendors(_ALL):
            for model in await registry.models(vendor.vendor, _ALL):
                sizes = await registry.look(
                    model.vendor,
                    model.model,
                    _ALL,
                    lambda book, found: sum(each.size for each in book.ranges(found.vendor, found.model)),
                )
                of_model: Mapping[str, int] = counts.get((model.vendor, model.model), {})
                rows.append(
                    ThingModelRow(
                        vendor=model.vendor,
                        model=model.model,
                        tenant=vendor.tenant,
                        window=model.window or registry.window,
                        in_ranges=sizes,
                        counts=tuple(of_model.get(state, 0) for state in _STATES),
                    )
                )
        self._models, self._counted = tuple(rows), registry.now()


def _silent(thing: Thing) -> SilentRow:
    return SilentRow(thing.vendor, thing.model, thing.sn, thing.tenant, thing.activated_at)
