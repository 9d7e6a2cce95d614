"""Carries out, within one transaction, what was decided about a device; and tells of it when it is durable."""

from __future__ import annotations

from dataclasses import field

from provd.app.regions.ports import Book
from provd.base.dataclass import dataclass
from provd.base.errors import ClashError
from provd.base.facts import Fact
from provd.base.facts.regions import DeviceNotRehomed, DeviceRegional, DeviceRehomed, DeviceRehoming
from provd.domain.regions.handover import Turn
from provd.domain.regions.home import MOVABLE, Home, HomeState, Role
from provd.domain.regions.rules import Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What an instance is. ``endpoint`` is what devices are told that are at home here; ``delete`` says whether the
    identity of one that has gone is removed."""

    name: str = ""
    role: Role = Role.STANDALONE
    endpoint: str = ""
    rules: tuple[Rule, ...] = field(default=())
    delete: bool = True


def carry_out(book: Book, before: Home | None, turn: Turn, *, delete: bool) -> None:
    """Write a turn. Raises ClashError when the device, or the region that it is to go to, is not as it was."""
    after = turn.home
    begins = after is not None and after.state is HomeState.REHOMING and (before is None or before.state in MOVABLE)
    # The region was looked at before: another daemon on the same database may have removed it since.
    if after is not None and begins and not book.hold_region(after.region):
        raise ClashError(f"region {after.region} was removed meanwhile")
    for name in turn.hush:
        book.hush(name)
    for outgoing in turn.say:
        book.say(outgoing)
    if turn.tombstone is not None:
        book.bury(turn.tombstone)
    if before is not None and turn.ended:
        book.depart(before.device_id)
    if before is not None and turn.ended and (delete or turn.home is None):
        if before.key_hash:
            book.end_key(before.key_hash)
        book.drop(before)
        return
    if turn.home is not None and turn.home != before:
        book.save(before, turn.home)


def told(before: Home | None, after: Home | None, now: float) -> list[Fact]:
    """What is to be told of a device that another instance has to do with."""
    if after is None or before is None or before == after:
        return []
    device, region, epoch, tenant = after.device_id, after.region, after.epoch, after.tenant
    match after.state:
        case HomeState.REHOMING if before.state is not HomeState.REHOMING or before.epoch != epoch:
            return [DeviceRehoming(at=now, device=device, region=region, epoch=epoch, tenant=tenant)]
        case HomeState.REGIONAL:
            return [DeviceRegional(at=now, device=device, region=region, epoch=epoch, tenant=tenant)]
        case HomeState.GONE:
            return [DeviceRehomed(at=now, device=device, region=region, epoch=epoch, tenant=tenant)]
        case _ if before.state is HomeState.REHOMING and after.state is not HomeState.REHOMING:
            fact = DeviceNotRehomed(
                at=now, device=device, region=before.region, reason=after.reason, epoch=epoch, tenant=tenant
            )
            return [fact]
    return []
