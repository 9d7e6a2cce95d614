"""Rollouts: which devices are given the version next, and when it is better to stop."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from provd.app.firmware.choosing import VERSION, Images
from provd.app.fleet import Fleet
from provd.app.ports import Change, Delete, Put
from provd.app.resync.notes import Notes
from provd.app.turns import pause_for
from provd.base.clock import Clock
from provd.base.errors import ConflictError, StorageError
from provd.base.facts import FactSink
from provd.base.facts.daemon import InternalError
from provd.base.facts.firmware import RolloutGiven, RolloutMoved, RolloutPaused, RolloutReached, RolloutStuck
from provd.base.types import Mac, is_thing
from provd.domain.firmware import same
from provd.domain.records import Device
from provd.domain.rollouts import (
    ACTIVE,
    FAILED,
    Rollout,
    RolloutDevice,
    RolloutState,
    Seen,
    Standing,
    Verdict,
    ring_name,
    share,
    standing,
    verdict,
)

EVERY = 10.0
"""Seconds between two looks at what runs, where nothing happens in between."""
GATHER = 1.0
"""Seconds between two looks because of devices that come back: each look is at all of them."""
AT_ONCE = 50
"""Devices whose files change in one transaction."""

_REASON = "firmware"


class Rollouts:
    """All rollouts. What is decided is in the database before anything else happens, and goes on after a restart."""

    def __init__(
        self, fleet: Fleet, images: Images, notes: Notes, clock: Clock, emit: FactSink, *, gather: float = GATHER
    ) -> None:
        self._fleet = fleet
        self._tables = fleet.tables
        self._images = images
        self._notes = notes
        self._clock = clock
        self._emit = emit
        self._changed = asyncio.Event()
        self._pressing = asyncio.Event()
        self._gather = gather
        fleet.watch(self._heard)

    # --- what there is

    def scope(self, rollout: Rollout) -> list[Device]:
        """The devices that a rollout is for, but those that another one is busy with."""
        busy = {
            member.mac
            for other in self._tables.rollouts.values()
            if other.state in ACTIVE and other.id != rollout.id
            for member in self._tables.in_rollout(other.id)
        }
        return [device for device in self._tables.devices.values() if _fits(rollout, device) and device.mac not in busy]

    def standings(self, rollout: Rollout) -> list[tuple[RolloutDevice, Standing]]:
        """What has become of each device that was given the version."""
        now = self._clock.now()
        return [
            (member, standing(member, self._seen(rollout, member.mac), rollout.patience, now))
            for member in self._tables.in_rollout(rollout.id)
        ]

    def needed(self, package: str, version: str) -> str:
        """Which rollout that is under way needs this package; empty: none."""
        for rollout in self._tables.rollouts.values():
            if rollout.state in {*ACTIVE, RolloutState.PLANNED} and rollout.package == package:
                chosen = self._images.chosen(rollout.plugin, rollout.models[0], rollout.version)
                if same(rollout.version, version) or (chosen and chosen.step and same(chosen.step.version, version)):
                    return f"the rollout {rollout.id} ({rollout.state.value})"
        return ""

    def _seen(self, rollout: Rollout, mac: Mac) -> Seen:
        device = self._tables.device(mac)
        if device is None:
            return Seen(wants=False, runs=False)
        wants = device.settings.get(VERSION) == rollout.version
        return Seen(wants, same(device.version, rollout.version), device.last_seen, device.last_boot)

    # --- what somebody wants: plans for the fleet, which say what to change

    def starting(self, rollout: Rollout) -> list[Change]:
        """Begin with the first ring. Raises ConflictError where that cannot come to a good end."""
        if rollout.state is not RolloutState.PLANNED:
            raise ConflictError(f"it is {rollout.state.value}; only one that is planned can be started")
        devices = self.scope(rollout)
        if not devices:
            raise ConflictError("there is no device that it is for, or another rollout is busy with them")
        for device in devices:
            lacking = self._images.lacking(device, device.model, rollout.version)
            if lacking:
                raise ConflictError(f"device {device.mac} runs {device.version or 'nobody knows what'}: {lacking}")
        return [Put(replace(rollout, state=RolloutState.RUNNING, ring=1, reason=""))]

    def pausing(self, rollout: Rollout) -> list[Change]:
        """Give the version to nobody else for now."""
        _need(rollout, RolloutState.RUNNING)
        return [Put(replace(rollout, state=RolloutState.PAUSED, reason="somebody has paused it"))]

    def resuming(self, rollout: Rollout) -> list[Change]:
        """Go on; who has failed has its time once more, and is told again."""
        _need(rollout, RolloutState.PAUSED)
        changes: list[Change] = [Put(replace(rollout, state=RolloutState.RUNNING, reason=""))]
        for member, each in self.standings(rollout):
            device = self._tables.device(member.mac)
            if each in FAILED and device is not None:
                changes.append(Put(replace(member, at=self._clock.now())))
                changes += self._told(rollout, device, device)
        return changes

    def aborting(self, rollout: Rollout) -> list[Change]:
        """Give it to nobody else any more."""
        _need(rollout, *ACTIVE)
        return [Put(replace(rollout, state=RolloutState.ABORTED, finished=self._clock.now()))]

    def returning(self, rollout: Rollout) -> list[Change]:
        """Give everybody back what was before, one after the other; ``reason`` tells for how many that is not here."""
        _need(rollout, *ACTIVE, RolloutState.DONE, RolloutState.ABORTED)
        stay = self._staying(rollout)
        reason = ""
        if stay:
            versions = ", ".join(sorted({member.was or "an unknown version" for member in stay}))
            reason = f"{len(stay)} stay on {rollout.version}: what they ran before is not here ({versions})"
        return [Put(replace(rollout, state=RolloutState.ROLLED_BACK, reason=reason, finished=self._clock.now()))]

    def _staying(self, rollout: Rollout) -> list[RolloutDevice]:
        """Devices that a rollback cannot bring back."""
        stay = []
        for member in self._tables.in_rollout(rollout.id):
            device = self._tables.device(member.mac)
            if device is None or device.settings.get(VERSION) != rollout.version or same(device.version, member.was):
                continue
            if not any(self._here(device, version) for version in (member.was, member.had)):
                stay.append(member)
        return stay

    def _here(self, device: Device, version: str) -> bool:
        return bool(version) and self._images.chosen(device.plugin, device.model, version) is not None

    def forgetting(self, rollout: Rollout) -> list[Change]:
        """Forget it; devices keep what they were given. Raises ConflictError while it is at work."""
        if rollout.state in ACTIVE:
            raise ConflictError(f"it is {rollout.state.value}; abort it or roll it back first")
        owed = sum(member.ring > 0 for member in self._tables.in_rollout(rollout.id))
        if rollout.state is RolloutState.ROLLED_BACK and owed:
            raise ConflictError(f"{owed} devices have not been given back yet what was before; wait a moment")
        return [Delete(rollout), *(Delete(member) for member in self._tables.in_rollout(rollout.id))]

    def moved(self, rollout: Rollout, by: str) -> None:
        """Somebody has moved a rollout on: tell it, and look what follows."""
        self._tell(rollout, by)
        if rollout.state is RolloutState.ROLLED_BACK and rollout.reason:
            self._emit(RolloutStuck(at=self._clock.now(), rollout=rollout.id, reason=rollout.reason))
        self._changed.set()
        self._pressing.set()

    # --- what follows by itself

    async def run(self) -> None:
        """Do what is to be done, for as long as the daemon lives."""
        while True:
            self._changed.clear()
            self._pressing.clear()
            try:
                await self.step()
            except StorageError:
                pass  # The store tells of itself; what was not kept is tried again.
            except Exception as error:  # noqa: BLE001 - a defect with one rollout must not end all others for good
                reason = f"{type(error).__name__}: {error}"[:500]
                self._emit(InternalError(at=self._clock.now(), where="rollouts", reason=reason))
            await pause_for(self._changed, EVERY)
            if self._changed.is_set():
                # A thousand phones come back within minutes; nobody has to be given the version for each of them.
                await pause_for(self._pressing, self._gather)

    async def step(self) -> None:
        """Look at every rollout once. Raises StorageError."""
        for key in list(self._tables.rollouts):
            while (rollout := self._tables.rollout(key)) is not None:
                if rollout.state is RolloutState.ROLLED_BACK:
                    await self._give_back(rollout)
                elif rollout.state is RolloutState.RUNNING and await self._go_on(rollout):
                    continue
                break

    async def _go_on(self, rollout: Rollout) -> bool:
        """Give the version to who is to have it by now; True when the next ring has begun."""
        members = {member.mac for member in self._tables.in_rollout(rollout.id)}
        chosen = [mac for mac in share(rollout, (device.mac for device in self.scope(rollout))) if mac not in members]
        for start in range(0, len(chosen), AT_ONCE):
            await self._give(rollout.id, chosen[start : start + AT_ONCE])
        counts = Counter(each for member, each in self.standings(rollout) if member.ring == rollout.ring)
        after = _after(rollout, counts, self._clock.now())
        if after is None or self._tables.rollout(rollout.id) != rollout:
            return False
        await self._fleet.change(lambda: [Put(after)] if self._tables.rollout(rollout.id) == rollout else [])
        if after.state is RolloutState.PAUSED:
            self._emit(
                RolloutPaused(at=self._clock.now(), rollout=after.id, ring=ring_name(after), reason=after.reason)
            )
        else:
            self._tell(after, "")
        return after.state is RolloutState.RUNNING

    async def _give(self, key: str, macs: Sequence[Mac]) -> None:
        given: list[RolloutDevice] = []

        def plan() -> Sequence[Change]:
            given.clear()
            return list(self._given(key, macs, given))

        await self._fleet.change(plan)
        rollout = self._tables.rollout(key)
        for member in given if rollout is not None else ():
            device = self._tables.device(member.mac)
            self._emit(
                RolloutGiven(
                    at=member.at,
                    mac=member.mac,
                    rollout=key,
                    ring=ring_name(rollout) if rollout else "",
                    version=rollout.version if rollout else "",
                    was=member.was,
                    tenant="" if device is None else device.tenant,
                )
            )

    def _given(self, key: str, macs: Sequence[Mac], given: list[RolloutDevice]) -> Iterator[Change]:
        rollout = self._tables.rollout(key)
        if rollout is None or rollout.state is not RolloutState.RUNNING:
            return
        for mac in macs:
            device = self._tables.device(mac)
            if device is None or not _fits(rollout, device):
                continue
            if self._images.lacking(device, device.model, rollout.version):
                continue
            had = device.settings.get(VERSION)
            member = RolloutDevice(
                rollout=key,
                mac=mac,
                ring=rollout.ring,
                was=device.version,
                had=had if isinstance(had, str) else "",
                at=self._clock.now(),
            )
            given.append(member)
            yield Put(member)
            yield from self._with(rollout, device, rollout.version)

    async def _give_back(self, rollout: Rollout) -> None:
        owed = [member for member in self._tables.in_rollout(rollout.id) if member.ring]
        for start in range(0, len(owed), AT_ONCE):
            some = owed[start : start + AT_ONCE]
            await self._fleet.change(lambda some=some: list(self._given_back(rollout, some)))  # type: ignore[misc]

    def _given_back(self, rollout: Rollout, members: Sequence[RolloutDevice]) -> Iterator[Change]:
        if self._tables.rollout(rollout.id) != rollout:
            return  # Its tenant is gone, and the rollout with it.
        for member in members:
            yield Put(replace(member, ring=0))
            device = self._tables.device(member.mac)
            if device is None or device.settings.get(VERSION) != rollout.version:
                continue
            # Only what is here can be had back.
            can = self._here(device, member.was)
            yield from self._with(rollout, device, member.was if can else member.had)

    def _with(self, rollout: Rollout, device: Device, version: str) -> Iterator[Change]:
        settings = {name: value for name, value in device.settings.items() if name != VERSION}
        changed = replace(device, settings={**settings, **({VERSION: version} if version else {})})
        yield Put(changed)
        if not same(device.version, version):
            yield from self._told(rollout, device, changed)

    def _told(self, rollout: Rollout, before: Device, after: Device) -> list[Change]:
        if not (rollout.tell and before.last_seen):
            return []
        revised = self._fleet.revised(before, after)
        return [Put(self._notes.note(revised, _REASON, before=before))] if isinstance(revised, Device) else []

    def _tell(self, rollout: Rollout, by: str) -> None:
        self._emit(
            RolloutMoved(
                at=self._clock.now(),
                rollout=rollout.id,
                state=rollout.state.value,
                ring=ring_name(rollout),
                by=by,
                devices=len(self._tables.in_rollout(rollout.id)),
            )
        )

    def _heard(self, before: Device | None, after: Device | None) -> None:
        """A device has said that it runs something else than before."""
        if before is None or after is None or before.version == after.version:
            return
        for rollout in self._tables.rollouts.values():
            if rollout.state in {*ACTIVE, RolloutState.DONE} and same(after.version, rollout.version):
                if self._tables.rollout_device(rollout.id, after.mac) is None:
                    continue
                self._emit(
                    RolloutReached(
                        at=self._clock.now(),
                        mac=after.mac,
                        rollout=rollout.id,
                        version=after.version,
                        was=before.version,
                        tenant=after.tenant,
                    )
                )
                self._changed.set()


def _fits(rollout: Rollout, device: Device) -> bool:
    return (
        device.plugin == rollout.plugin
        and device.model in rollout.models
        and not is_thing(device.mac)
        and rollout.tenant in ("", device.tenant)
        and rollout.profile in ("", device.profile)
        and (not rollout.devices or device.mac in rollout.devices)
    )


def _need(rollout: Rollout, *states: RolloutState) -> None:
    if rollout.state not in states:
        raise ConflictError(f"it is {rollout.state.value}")


def _after(rollout: Rollout, counts: Counter[Standing], now: float) -> Rollout | None:
    """The rollout once it has moved on, or None while there is to wait."""
    match verdict(rollout, counts):
        case Verdict.PAUSE:
            return replace(rollout, state=RolloutState.PAUSED, reason=said(rollout, counts))
        case Verdict.NEXT if rollout.ring < len(rollout.rings):
            return replace(rollout, ring=rollout.ring + 1)
        case Verdict.NEXT:
            return replace(rollout, state=RolloutState.DONE, finished=now)
        case _:
            return None


def said(rollout: Rollout, counts: Counter[Standing]) -> str:
    """For people: why it has stopped."""
    total = counts.total() - counts[Standing.WITHDRAWN]
    parts = [(counts[Standing.MISSING], "did not come back"), (counts[Standing.OLD], "came back with another version")]
    failed = " and ".join(f"{count} {what}" for count, what in parts if count)
    return f"of {total} in ring {ring_name(rollout)} {failed}; {rollout.tolerance} % may"
