"""What activation needs of the store. Serials are not in memory: there may be millions of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

from provd.app.ports import Change
from provd.domain.activation.content import Content, Group, Member, Piece, Share
from provd.domain.activation.form import Ask
from provd.domain.activation.serials import SerialRange
from provd.domain.activation.standing import VendorToken
from provd.domain.activation.thing import NOWHERE, Attempt, Origin, Thing, ThingModel, ThingVendor
from provd.domain.records import AuditEntry

T = TypeVar("T")
Kept = Content | Piece | Group | Member | Share | VendorToken
"""Records that are found by any of their fields."""
K = TypeVar("K", Content, Piece, Group, Member, Share, VendorToken)


class Reading(Protocol):
    """What can be looked up."""

    def vendors(self) -> Sequence[ThingVendor]:
        """Every vendor, by name."""
        ...

    def vendor(self, vendor: str) -> ThingVendor | None:
        """One of them."""
        ...

    def models(self, vendor: str) -> Sequence[ThingModel]:
        """The vendor's models, by name."""
        ...

    def model(self, vendor: str, model: str) -> ThingModel | None:
        """One of them."""
        ...

    def ranges(self, vendor: str, model: str) -> tuple[SerialRange, ...]:
        """The model's ranges of serials."""
        ...

    def things(self, vendor: str, model: str, sns: Sequence[str]) -> Mapping[str, Thing]:
        """Those of these devices that have a row, by serial; within a change nobody else changes them meanwhile."""
        ...

    def page(
        self, vendor: str, model: str, *, offset: int = 0, after: str = "", limit: int = 100, via: str = ""
    ) -> Sequence[Thing]:
        """Devices of a model in the order of their serials, from the first one behind ``after`` on.

        With ``via`` only those that this vendor has enabled.
        """
        ...

    def unused(self, limit: int) -> Sequence[Thing]:
        """Devices that were activated and whose key nobody has shown yet, the longest waiting ones first."""
        ...

    def count(self, vendor: str, model: str) -> Mapping[str, int]:
        """How many serials of a model have a row, by stored state."""
        ...

    def log(self, vendor: str, model: str, sn: str, limit: int) -> Sequence[Attempt]:
        """The newest attempts of one device, oldest first."""
        ...

    def by_key(self, key_hash: str) -> Thing | None:
        """The device whose key has this SHA-256."""
        ...

    def find(self, kind: type[K], *, offset: int = 0, limit: int = 0, **same: object) -> list[K]:
        """Records of that kind whose fields have these values, in the order of their keys; all without a limit."""
        ...

    def tally(self, now: float) -> Sequence[tuple[str, str, str, int]]:
        """How many serials of each vendor and model are in which state at that moment."""
        ...

    def vendor_by_key(self, key_hash: str) -> ThingVendor | None:
        """The vendor whose key has this SHA-256."""
        ...

    def of_tenant(self, tenant: str, vendor: str, after: tuple[str, str, str], limit: int) -> Sequence[Thing]:
        """Devices of a tenant that belong to this vendor or were enabled by it, in the order of their keys."""
        ...

    def stale_blobs(self, before: float, limit: int) -> Sequence[str]:
        """Blobs that no content has and that were not needed since ``before``."""
        ...


class Book(Reading, Protocol):
    """One transaction."""

    def activate(self, ask: Ask, key_hash: str, now: float, seen: Origin = NOWHERE) -> Thing | None:
        """Give a device its key if it is pending and its window is open at ``now``; None when it is not."""
        ...

    def reissue(self, thing: Thing, key_hash: str, now: float) -> Thing | None:
        """Give an activated device another key if it still has this one and has never shown it; None when not."""
        ...

    def note(self, attempt: Attempt) -> None:
        """Add a line to the log."""
        ...

    def put(self, things: Iterable[Thing]) -> None:
        """Write devices: those that :meth:`things` has found are replaced, others are new.

        Raises ClashError when somebody else has made a new one meanwhile.
        """
        ...

    def hand_over(self, gone: Thing, fresh: Thing) -> None:
        """Write two devices, of which one takes the other's place with what stands beside it. Raises ClashError."""
        ...

    def drop(self, vendor: str, model: str, sns: Sequence[str]) -> None:
        """Remove devices and their logs."""
        ...

    def put_vendor(self, vendor: ThingVendor) -> None:
        """Add a vendor, or replace it."""
        ...

    def put_model(self, model: ThingModel) -> None:
        """Add a model, or replace it."""
        ...

    def drop_some(self, vendor: str, model: str, limit: int) -> int:
        """Remove up to so many devices of a model, and their logs; gives how many went."""
        ...

    def drop_model(self, vendor: str, model: str) -> None:
        """Remove a model with its ranges."""
        ...

    def drop_vendor(self, vendor: str) -> None:
        """Remove a vendor that has no models."""
        ...

    def put_range(self, vendor: str, model: str, serials: SerialRange) -> None:
        """Add a range that is not there yet."""
        ...

    def drop_range(self, vendor: str, model: str, serials: SerialRange) -> None:
        """Remove a range; its devices that have rows of their own stay."""
        ...

    def used(self, key_hash: str, now: float) -> bool:
        """Note that the key was shown for the first time; whether it was."""
        ...

    def overdue(self, now: float, unused_since: float, limit: int) -> Sequence[Thing]:
        """Devices to be told of now, once for each generation; they count as told.

        Those are the ones whose window has passed, and the ones that were activated before ``unused_since`` and have
        never shown their key.
        """
        ...

    def prune_log(self, keep: int, at_once: int) -> int:
        """Remove up to ``at_once`` of the oldest attempts, all but the newest ``keep``; gives how many went."""
        ...

    def keep(self, *records: Kept) -> None:
        """Add these records, or replace those with the same keys."""
        ...

    def forget(self, kind: type[K], **same: object) -> None:
        """Remove the records of that kind whose fields have these values."""
        ...

    def let_go(self, blob: str, now: float) -> None:
        """Note that no content has this blob from now on; who is reading it may go on for a while."""
        ...

    def drop_pieces(self, blob: str, limit: int) -> int:
        """Remove up to so many pieces of a blob; gives how many went."""
        ...

    def audit(self, entry: AuditEntry) -> None:
        """Note who did it."""
        ...


class Beside(Protocol):
    """What is written in the same transaction as changes of devices. Only looks, and may do so in another thread."""

    def changed(self, things: Iterable[Thing]) -> Sequence[Change]:
        """What goes along with these devices, which are as they will be."""
        ...

    def handed_over(self, gone: Thing, fresh: Thing) -> Sequence[Change]:
        """What goes along when one device takes another one's place."""
        ...

    def dropped(self, vendor: str, model: str, sns: Iterable[str]) -> Sequence[Change]:
        """What goes with these devices."""
        ...

    def kept(self, changes: Sequence[Change]) -> None:
        """Changes of one transaction are durable. Called on the event loop's thread, in the order of transactions."""
        ...


class Ledger(Protocol):
    """The store's side of activation."""

    async def change(self, key: tuple[str, ...], work: Callable[[Book], T], weight: int = 1) -> T:
        """What ``work`` gives, once all that it wrote is durable; when it raises, it must have written nothing.

        ``work`` is pure but for the book, and may be called again. ``key`` is what it locks first, ``weight`` how
        many rows it is about. Raises StorageError, and whatever ProvdError ``work`` raises.
        """
        ...

    async def read(self, work: Callable[[Reading], T]) -> T:
        """What ``work`` gives, beside the writer and without holding anybody up. Raises StorageError."""
        ...
