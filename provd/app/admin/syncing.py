"""Operations that tell devices to fetch their files again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from provd.app.admin.desk import Desk, Operation
from provd.app.admin.params import Args, Param
from provd.app.caller import Caller, Scope
from provd.app.resync.caller import Campaign, Resyncer
from provd.base.errors import ConflictError, NotFoundError, UsageError
from provd.base.types import is_thing, mac_text
from provd.domain.records import Device

PER_SECOND = 10
"""How many of many devices are told in a second where nobody says otherwise."""

_MOST_PER_SECOND = 1000


class Syncing:
    """``device.sync…``. Without a resyncer (no daemon runs) nothing can be told to anybody."""

    def __init__(self, desk: Desk, resyncer: Resyncer | None) -> None:
        self._desk = desk
        self._resyncer = resyncer

    def operations(self) -> Sequence[Operation]:
        """What this group offers."""
        return (
            Operation(
                "device.sync",
                "Tell a device to fetch its files; says which ways were tried and what was heard.",
                self._sync,
                (Param("mac", "device", required=True),),
                Scope.WRITE,
            ),
            Operation(
                "device.sync_many",
                "Tell all devices of a tenant or profile, or all there are, one after the other.",
                self._many,
                (
                    Param("tenant"),
                    Param("profile"),
                    Param("all", "flag"),
                    Param("per_second", "number", doc=f"how many in a second, {PER_SECOND} unless said"),
                ),
                Scope.WRITE,
            ),
            Operation(
                "device.sync_progress",
                "How far telling many devices is.",
                self._progress,
                (Param("campaign", "number", required=True),),
            ),
        )

    def _ready(self) -> Resyncer:
        if self._resyncer is None:
            raise ConflictError("no daemon runs: only it can tell a device anything")
        return self._resyncer

    async def _sync(self, args: Args, caller: Caller) -> object:
        resyncer, device = self._ready(), self._desk.device(args.mac(), caller)
        if is_thing(device.mac):
            raise ConflictError("it fetches its files with its key, and nobody can tell it when")
        if not device.last_seen:
            raise ConflictError(f"device {mac_text(device.mac)} was never seen: it fetches its files when it comes")
        await self._desk.audit("device.sync", device.mac, caller, tenant=device.tenant)
        told = await resyncer.sync(device)
        present = self._desk.tables.device(device.mac) or device
        return {
            "mac": mac_text(device.mac),
            "told": [{"way": each.way, "heard": each.heard.value, "detail": each.detail} for each in told],
            "fetched": self._desk.tables.resync(device.mac) is None,
            "comes": resyncer.comes(present),
        }

    async def _many(self, args: Args, caller: Caller) -> object:
        resyncer = self._ready()
        per_second = args.number("per_second", PER_SECOND)
        if not 1 <= per_second <= _MOST_PER_SECOND:
            raise UsageError(f"per_second: must be between 1 and {_MOST_PER_SECOND}")
        chosen = [device for device in self._chosen(args, caller) if device.last_seen]
        if not chosen:
            raise NotFoundError("no device fits that was ever seen")
        whose = args.text("tenant") or caller.tenant or ""
        await self._desk.audit("device.sync_many", f"{len(chosen)} devices", caller, tenant=whose)
        campaign = await resyncer.sync_many(chosen, float(per_second), owner=caller.tenant or "")
        return _shown(campaign)

    def _chosen(self, args: Args, caller: Caller) -> Iterator[Device]:
        tenant, profile = args.text("tenant"), args.text("profile")
        if not (tenant or profile or args.flag("all")):
            # Nothing named must not mean everything.
            raise UsageError("name a tenant, a profile, or all")
        wanted_tenant = self._desk.tenant(tenant, caller).id if tenant else ""
        wanted_profile = self._desk.profile(profile, caller).id if profile else ""
        for device in list(self._desk.tables.devices.values()):
            if (
                is_thing(device.mac)
                or not caller.owns(device.tenant)
                or (wanted_tenant and device.tenant != wanted_tenant)
            ):
                continue
            if not wanted_profile or device.profile == wanted_profile:
                yield device

    async def _progress(self, args: Args, caller: Caller) -> object:
        campaign = self._ready().campaigns.get(args.number("campaign"))
        if campaign is None or not caller.owns(campaign.owner or None):
            raise NotFoundError("there is no such campaign; the last twenty since the daemon's start are kept")
        return _shown(campaign)


def _shown(campaign: Campaign) -> dict[str, object]:
    return {
        "campaign": campaign.number,
        "devices": campaign.total,
        "per_second": campaign.per_second,
        "told": len(campaign.heard),
        "fetched": campaign.fetched,
        "unanswered": campaign.unanswered,
    }
