"""Changes of what a vendor has: for whom they may be done, and their entry in the audit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from provd.app.activation.ports import Book, Ledger, Reading
from provd.app.caller import Caller
from provd.base.errors import NotFoundError, UsageError
from provd.base.facts import FactSink
from provd.base.facts.devices import AdminChanged
from provd.domain.activation.content import Share
from provd.domain.activation.form import FormError, checked
from provd.domain.activation.thing import Thing, ThingModel, ThingVendor, in_ranges
from provd.domain.records import AuditEntry

T = TypeVar("T")
_AROUND = 10
"""What a change weighs beside its rows: it looks up vendor and model, writes to the audit and to what hangs on it."""


class Audited:
    """Every change is durable and in the audit when it returns. A foreign vendor does not exist for a caller.

    ``partner`` is a vendor of the caller's, where the model is another vendor's who shares it.
    """

    def __init__(self, ledger: Ledger, clock: Callable[[], float], emit: FactSink) -> None:
        self._ledger = ledger
        self.now = clock
        self._emit = emit

    async def look(
        self, vendor: str, model: str, caller: Caller, work: Callable[[Reading, ThingModel], T], partner: str = ""
    ) -> T:
        """What ``work`` reads of a model. Raises NotFoundError."""
        return await self._ledger.read(lambda book: work(book, model_of(book, vendor, model, caller, partner)))

    async def _of_model(
        self,
        action: str,
        vendor: str,
        model: str,
        caller: Caller,
        work: Callable[[Book, ThingModel], T],
        subject: str = "",
        weight: int = 1,
        partner: str = "",
    ) -> T:
        given: list[T] = []

        def whole(book: Book) -> str:
            found = model_of(book, vendor, model, caller, partner)
            given[:] = [work(book, found)]
            return vendor_of(book, partner or vendor, caller).tenant

        name = "/".join(part for part in (vendor, model, subject) if part)
        await self._change((vendor, model, subject), action, name, caller, whole, weight)
        return given[0]

    async def _change(
        self,
        key: tuple[str, ...],
        action: str,
        name: str,
        caller: Caller,
        work: Callable[[Book], str],
        weight: int = 1,
    ) -> None:
        """Carry out ``work``, which gives whose object it was, with its entry in the audit."""
        now, full = self.now(), f"activation.{action}"

        def audited(book: Book) -> str:
            if caller.condition is not None:
                caller.condition()
            tenant = work(book)
            peer = {"peer": caller.peer} if caller.peer else {}
            entry = AuditEntry(
                at=now, by=caller.name, action=full, kind="activation", object=name, tenant=tenant, data=peer
            )
            book.audit(entry)
            return tenant

        tenant = await self._ledger.change(key, audited, weight + _AROUND)
        self._emit(AdminChanged(at=now, action=full, kind="activation", object=name, by=caller.name, tenant=tenant))


def vendor_of(book: Reading, vendor: str, caller: Caller) -> ThingVendor:
    """A vendor of the caller's. Raises NotFoundError."""
    found = book.vendor(vendor)
    if found is None or not caller.owns(found.tenant):
        raise NotFoundError(f"there is no vendor {vendor[:60]!r}")
    return found


def model_of(book: Reading, vendor: str, model: str, caller: Caller, partner: str = "") -> ThingModel:
    """A model of the caller's own, or one that is shared with the caller's ``partner``. Raises NotFoundError."""
    if partner:
        vendor_of(book, partner, caller)
        if not book.find(Share, vendor=vendor, model=model, partner=partner):
            raise NotFoundError(f"{vendor} shares no model {model[:60]!r}")
    else:
        vendor_of(book, vendor, caller)
    found = book.model(vendor, model)
    if found is None:
        raise NotFoundError(f"{vendor} has no model {model[:60]!r}")
    return found


def known(book: Reading, vendor: str, model: str, sns: Sequence[str]) -> dict[str, Thing]:
    """These devices; what only a range knows is as if it had been added. Raises NotFoundError."""
    found = dict(book.things(vendor, model, sns))
    missing = [sn for sn in sns if sn not in found]
    ranges = book.ranges(vendor, model) if missing else ()
    for sn in missing:
        if not in_ranges(sn, ranges):
            raise NotFoundError(f"{vendor}/{model} has no serial {sn[:60]!r}")
        found[sn] = Thing(vendor=vendor, model=model, sn=sn)
    return found


def named(what: str, text: str, *, empty: bool = False) -> None:
    """Raises UsageError for a name that no device could send."""
    if not text and not empty:
        raise UsageError(f"{what}: is needed")
    try:
        checked(what, text)
    except FormError as error:
        raise UsageError(str(error)) from None
