"""What the page shows of firmware."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from provd.base.types import mac_text
from provd.daemon.core import Core
from provd.domain.rollouts import Rollout, RolloutDevice, Standing, ring_name
from provd.http.firmware_page import FirmwareView, PackageRow, RolloutRow

_MOST_NAMED = 10
_MOST_ROLLOUTS = 50


class StoredFirmware:
    """Implements the page's ``FirmwareViews``."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def firmware(self) -> FirmwareView:
        """The newest rollouts, and every package."""
        rollouts = sorted(self._core.fleet.tables.rollouts.values(), key=lambda rollout: -rollout.created)
        packages = [
            PackageRow(
                plugin=held.plugin,
                name=held.name,
                version=held.version,
                kind=held.kind,
                files=len(held.files),
                size=sum(part.size for part in held.files.values()),
                checked=held.checked,
            )
            for held in self._core.packaging.warehouse.held
        ]
        return FirmwareView([self._row(rollout) for rollout in rollouts[:_MOST_ROLLOUTS]], packages)

    def _row(self, rollout: Rollout) -> RolloutRow:
        standings = self._core.rollouts.standings(rollout)
        counts = Counter(each for _, each in standings)
        given = {member.mac for member, _ in standings}
        waiting = sum(device.mac not in given for device in self._core.rollouts.scope(rollout))
        missing = [mac_text(member.mac) for member, each in standings if each not in {Standing.ON, Standing.WITHDRAWN}]
        more = (f"and {len(missing) - _MOST_NAMED} more",) if len(missing) > _MOST_NAMED else ()
        return RolloutRow(
            name=rollout.id,
            package=rollout.package,
            version=rollout.version,
            state=rollout.state.value,
            ring=ring_name(rollout),
            on=counts[Standing.ON],
            of=counts.total() - counts[Standing.WITHDRAWN] + waiting,
            reason=rollout.reason,
            missing=(*sorted(missing)[:_MOST_NAMED], *more),
            tenant=rollout.tenant,
            rings=tuple(_rings(rollout, standings)),
        )


def _rings(rollout: Rollout, standings: Sequence[tuple[RolloutDevice, Standing]]) -> Iterator[tuple[str, int, int]]:
    for number, ring in enumerate(rollout.rings[: rollout.ring], 1):
        counts = Counter(each for member, each in standings if member.ring == number)
        yield ring.rpartition("=")[0], counts[Standing.ON], counts.total() - counts[Standing.WITHDRAWN]
