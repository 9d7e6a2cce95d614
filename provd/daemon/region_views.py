"""What the page shows of regions."""

from __future__ import annotations

from provd.app.regions.register import Regions
from provd.base.errors import StorageError
from provd.domain.regions.home import STUCK, HomeState
from provd.http.views import RegionRow, RegionsView, StuckRow

_STATES = tuple(state.value for state in HomeState)


class StoredRegionViews:
    """Implements the page's ``RegionViews``."""

    def __init__(self, regions: Regions) -> None:
        self._regions = regions

    async def regions(self) -> RegionsView:
        """Regions with their counts, and what is stuck."""
        terms, silent = self._regions.terms(), frozenset(self._regions.silent())
        try:
            (found, _), summary = await self._regions.all(), await self._regions.summary()
        except StorageError as error:
            return RegionsView(role=terms.role.value, name=terms.name, fault=str(error))
        counts: dict[str, dict[str, int]] = {"": {}}
        for state, region, number in summary.counts:
            counts.setdefault(region, {})[state] = number
        urls = {region.name: region for region in found}
        states = tuple(state for state in _STATES if any(state in each for each in counts.values()))
        rows = [
            RegionRow(
                name=name,
                url=urls[name].url if name in urls else "",
                enabled=name not in urls or urls[name].enabled,
                draining=name in urls and urls[name].draining,
                answers=name not in silent,
                lacks=tuple(sorted(self._regions.lacking().get(name, ()))),
                counts=tuple(counts.get(name, {}).get(state, 0) for state in states),
            )
            for name in sorted({*counts, *urls})
        ]
        stuck = tuple(
            StuckRow(
                device=home.device_id,
                state=home.state.value,
                region=home.region,
                since=home.since,
                reason=home.reason or _owed(home.transfer, {each.id: each.reason for each in summary.waiting}),
            )
            for home in summary.stuck
        )
        return RegionsView(
            role=terms.role.value,
            name=terms.name,
            states=states,
            rows=tuple(rows),
            stuck=stuck,
            missing=tuple(summary.missing),
            patience=STUCK,
        )


def _owed(transfer: str, reasons: dict[str, str]) -> str:
    return reasons.get(transfer, "")
