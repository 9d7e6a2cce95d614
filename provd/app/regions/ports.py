"""What regions need of the store and of the world outside."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol, TypeVar

from provd.base.dataclass import dataclass
from provd.domain.activation.thing import Thing
from provd.domain.records import AuditEntry
from provd.domain.regions.enrolment import Enrolment
from provd.domain.regions.home import Home, Outgoing, Region, Tombstone
from provd.domain.regions.speech import Heard, Said
from provd.domain.regions.unit import Unit

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a message of a device was answered, so that its repetition is answered so again."""

    device_id: str
    type: str
    message_id: str
    digest: str
    body: Mapping[str, object]
    epoch: int = 0
    at: float = 0.0


class Reading(Protocol):
    """What can be looked up. Within a change, homes that were looked at are not changed by anybody else meanwhile."""

    def regions(self) -> Sequence[Region]:
        """Every region, by name."""
        ...

    def region(self, name: str) -> Region | None:
        """One of them."""
        ...

    def home(self, device_id: str) -> Home | None:
        """A device."""
        ...

    def home_by_key(self, key_hash: str) -> Home | None:
        """The device whose key has this SHA-256."""
        ...

    def mates(self, system_id: str) -> Sequence[Home]:
        """The devices of a vehicle or site, by id."""
        ...

    def systems(self, vin: str) -> frozenset[str]:
        """The vehicles that claim to have this VIN."""
        ...

    def tombstone(self, device_id: str) -> Tombstone | None:
        """Where a device is that is not here."""
        ...

    def units(self, device_id: str) -> Sequence[Unit]:
        """The units of a device, by id."""
        ...

    def registered(self, limit: int) -> Sequence[Unit]:
        """Units that have proved themselves and are not active, the newest first."""
        ...

    def unready(self, after: tuple[str, str], limit: int) -> Sequence[Unit]:
        """Units that have proved themselves and are not active, or failed, in the order of their keys."""
        ...

    def listed(self, device_id: str) -> str:
        """The region that the table has for a device, empty without one."""
        ...

    def given(self, device_id: str, kind: str) -> Given | None:
        """The last answer to a message of this type."""
        ...

    def said(self, name: str) -> Outgoing | None:
        """What waits to be said under this id."""
        ...

    def saying(self, device_id: str) -> Sequence[Outgoing]:
        """Everything that waits to be said about a device."""
        ...

    def counts(self) -> Sequence[tuple[str, str, int]]:
        """How many devices are in which state, by region: state, region, number. GONE counts tombstones."""
        ...

    def named(self, lengths: Sequence[int], after: str, limit: int) -> Sequence[str]:
        """Ids of so many characters, of devices that are here or were, in their order behind ``after``."""
        ...

    def stuck(self, before: float, limit: int) -> Sequence[Home]:
        """Devices on their way, or refused, since before that time, the longest waiting ones first."""
        ...

    def waiting(self, limit: int) -> Sequence[Outgoing]:
        """What waits to be said, the oldest first."""
        ...

    def enrolment(self, name: str) -> Enrolment | None:
        """A request of many devices."""
        ...

    def living(self, region: str, limit: int) -> Sequence[str]:
        """Devices that are at home in that region, or on their way there, by id."""
        ...

    def coming_from(self, region: str) -> int:
        """How many devices that region has given to this instance which have not come yet."""
        ...

    def owed_to(self, region: str) -> int:
        """How much waits to be said to that region."""
        ...

    def activated(self, key_hash: str) -> Home | None:
        """A device that was activated here and has this key, as a home that is not stored."""
        ...

    def claimed(self, home: Home) -> str | None:
        """The tenant of a device whose serial is known here, empty when nobody has it; None when it is not known."""
        ...

    def owners(self) -> Sequence[str]:
        """The tenants of the devices that are at home here, or expected, by name."""
        ...

    def owned(self, tenant: str, limit: int) -> Sequence[str]:
        """Such devices of one tenant, by id."""
        ...

    def units_owned(self, tenant: str, after: tuple[str, str], limit: int) -> Sequence[Unit]:
        """Units of such devices, in the order of their keys."""
        ...

    def ownerless(self, after: tuple[str, str, str], limit: int) -> Sequence[Thing]:
        """Devices that fetch a key which are the master's although their serial names a tenant, by their keys."""
        ...


class Book(Reading, Protocol):
    """One transaction."""

    def save(self, before: Home | None, after: Home) -> None:
        """Write a device that is still as ``before``, or is new. Raises ClashError when it is not."""
        ...

    def drop(self, home: Home) -> None:
        """Remove a device with its units. Raises ClashError when it is not as it was."""
        ...

    def depart(self, device_id: str) -> None:
        """The units of this device are not here any more, once this is durable."""
        ...

    def bury(self, stone: Tombstone) -> None:
        """Write a tombstone."""
        ...

    def dig(self, device_id: str) -> None:
        """Remove a tombstone."""
        ...

    def say(self, outgoing: Outgoing) -> None:
        """Say something from now on, in place of what has the same id."""
        ...

    def hush(self, name: str) -> None:
        """Say it no more."""
        ...

    def put_units(self, units: Sequence[Unit]) -> None:
        """Write units."""
        ...

    def drop_units(self, device_id: str) -> None:
        """Remove the units of a device."""
        ...

    def give(self, given: Given) -> None:
        """Keep an answer, in place of the former one."""
        ...

    def end_key(self, key_hash: str) -> None:
        """A device that was activated here has no key here any more."""
        ...

    def adopt(self, home: Home, now: float) -> None:
        """A device that was activated elsewhere counts as activated here."""
        ...

    def reunite(self, things: Sequence[Thing]) -> Sequence[Thing]:
        """Give these devices to the tenants that their serials name, which are there now. Gives those that still name
        the same one."""
        ...

    def free(self) -> None:
        """Nothing that waits to be said is in anybody's hands."""
        ...

    def due(self, now: float, limit: int) -> Sequence[Outgoing]:
        """What is to be said now and is in nobody's hands, the longest waiting ones first."""
        ...

    def settled(self, limit: int) -> Sequence[Home]:
        """Devices that are provisioned and all of whose units are active."""
        ...

    def unfinished(self) -> Enrolment | None:
        """The oldest request of many devices that is not finished, locked; None while another daemon sees to it."""
        ...

    def put_enrolment(self, enrolment: Enrolment) -> None:
        """Write such a request."""
        ...

    def prune_enrolments(self, before: float) -> None:
        """Remove those that were finished before that time."""
        ...

    def list_homes(self, regions: Mapping[str, str]) -> None:
        """Write rows of the table of devices and their regions; an empty region removes one."""
        ...

    def hold_region(self, name: str, *, alone: bool = False) -> bool:
        """Nobody removes this region until the end of the transaction; ``alone``: nor does anybody else hold it so.
        False when it is not there."""
        ...

    def put_region(self, region: Region) -> None:
        """Write a region."""
        ...

    def drop_region(self, name: str, then: str) -> None:
        """Remove a region, with what waits to be said to it; in the table of homes ``then`` takes its place, if any."""
        ...

    def announce(self, names: Sequence[str]) -> None:
        """Tell other daemons on the same database of these devices, once this is durable. An empty name: of regions."""
        ...

    def audit(self, entry: AuditEntry) -> None:
        """Note who did it."""
        ...


class Ledger(Protocol):
    """The store's side of regions."""

    async def change(self, key: tuple[str, ...], work: Callable[[Book], T], weight: int = 1) -> T:
        """What ``work`` gives, once all that it wrote is durable; when it raises, it must have written nothing.

        ``work`` is pure but for the book, and is called once more when somebody else was quicker. Raises StorageError
        (ClashError: he was so again), and whatever ProvdError ``work`` raises.
        """
        ...

    async def read(self, work: Callable[[Reading], T]) -> T:
        """What ``work`` gives, beside the writer. Raises StorageError."""
        ...


class Unreached(Exception):  # noqa: N818 - nobody answers, which is no error of anybody's here
    """There was no answer, or none that can be believed. ``trust`` says that it was the signature."""

    def __init__(self, reason: str, *, trust: bool = False) -> None:
        super().__init__(reason)
        self.trust = trust


class Peers(Protocol):
    """The way to other instances."""

    def say(self, region: Region, said: Said) -> Awaitable[Heard]:
        """Say it once. Raises Unreached."""
        ...


class Advice(Protocol):
    """Servers that know homes."""

    def ask(self, server: str, home: Home) -> Awaitable[str]:
        """The region that the server of this URL has for a device, empty for none. Raises Unreached."""
        ...
