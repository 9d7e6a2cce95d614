"""Vendors, models and serials: what their tenants do with them, from the command line and over the vendors' paths."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from provd.app.activation.ports import Book, Ledger, Reading
from provd.base.errors import ConflictError, NotFoundError, UsageError
from provd.base.facts import FactSink
from provd.base.facts.devices import AdminChanged
from provd.domain.activation import thing as life
from provd.domain.activation.form import FormError, checked
from provd.domain.activation.serials import SerialRange
from provd.domain.activation.thing import Attempt, Thing, ThingModel, ThingVendor, in_ranges
from provd.domain.records import AuditEntry

if TYPE_CHECKING:
    from provd.app.admin.caller import Caller  # whose package imports this module

T = TypeVar("T")
MOST_AT_ONCE = 10_000
"""Serials in one call."""
LOG_LINES = 1000
_DROPPED_AT_ONCE = 1000


class Registry:
    """Every change is durable and in the audit when it returns. A foreign vendor does not exist for a caller.

    ``window`` is the site's, in seconds; ``octets`` gives so many random octets.
    """

    def __init__(
        self,
        ledger: Ledger,
        clock: Callable[[], float],
        emit: FactSink,
        window: int,
        octets: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._ledger = ledger
        self.now = clock
        self._emit = emit
        self.window = window
        self._octets = octets

    # -- looking ---------------------------------------------------------------------------------------------------

    async def vendors(self, caller: Caller) -> Sequence[ThingVendor]:
        """The vendors that exist for this caller, by name."""
        return [each for each in await self._ledger.read(lambda book: book.vendors()) if caller.owns(each.tenant)]

    async def look(self, vendor: str, model: str, caller: Caller, work: Callable[[Reading, ThingModel], T]) -> T:
        """What ``work`` reads of a model. Raises NotFoundError."""
        return await self._ledger.read(lambda book: work(book, _model(book, vendor, model, caller)))

    async def models(self, vendor: str, caller: Caller) -> Sequence[ThingModel]:
        """A vendor's models. Raises NotFoundError."""

        def work(book: Reading) -> Sequence[ThingModel]:
            _vendor(book, vendor, caller)
            return book.models(vendor)

        return await self._ledger.read(work)

    async def thing(self, vendor: str, model: str, sn: str, caller: Caller) -> Thing:
        """A device, also one that only a range knows. Raises NotFoundError."""
        return await self.look(vendor, model, caller, lambda book, _model: _known(book, vendor, model, [sn])[sn])

    async def log(self, vendor: str, model: str, sn: str, caller: Caller) -> Sequence[Attempt]:
        """The attempts of a device, oldest first. Raises NotFoundError."""

        def work(book: Reading, _model: ThingModel) -> Sequence[Attempt]:
            _known(book, vendor, model, [sn])
            return book.log(vendor, model, sn, LOG_LINES)

        return await self.look(vendor, model, caller, work)

    async def unused(self, caller: Caller, limit: int) -> Sequence[Thing]:
        """Activated devices whose key nobody has shown yet, the longest waiting ones first."""

        def work(book: Reading) -> Sequence[Thing]:
            mine = {each.vendor for each in book.vendors() if caller.owns(each.tenant)}
            return [thing for thing in book.unused(MOST_AT_ONCE) if thing.vendor in mine][:limit]

        return await self._ledger.read(work)

    # -- vendors, models, ranges -----------------------------------------------------------------------------------

    async def add_vendor(self, vendor: str, tenant: str, caller: Caller) -> None:
        """Take a name for a tenant. Raises ConflictError when it is taken."""
        _named("vendor", vendor)

        def work(book: Book) -> str:
            if book.vendor(vendor) is not None:
                raise ConflictError(f"the name {vendor!r} is taken")
            book.put_vendor(ThingVendor(vendor=vendor, tenant=tenant, created=self.now()))
            return tenant

        await self._change((vendor, "", ""), "vendor_add", vendor, caller, work)

    async def delete_vendor(self, vendor: str, caller: Caller) -> None:
        """Give a name back. Raises ConflictError while it has models."""

        def work(book: Book) -> str:
            found = _vendor(book, vendor, caller)
            if book.models(vendor):
                raise ConflictError(f"{vendor} has models")
            book.drop_vendor(vendor)
            return found.tenant

        await self._change((vendor, "", ""), "vendor_delete", vendor, caller, work)

    async def add_model(self, vendor: str, model: str, window: int, caller: Caller) -> None:
        """Add a model; a window of 0 is the site's. Raises ConflictError when it is there."""
        _named("model", model)

        def work(book: Book) -> str:
            found = _vendor(book, vendor, caller)
            if book.model(vendor, model) is not None:
                raise ConflictError(f"{vendor} has a model {model} already")
            book.put_model(ThingModel(vendor=vendor, model=model, window=window, created=self.now()))
            return found.tenant

        await self._change((vendor, model, ""), "model_add", f"{vendor}/{model}", caller, work)

    async def set_window(self, vendor: str, model: str, window: int, caller: Caller) -> None:
        """Another window for what is enabled from now on."""

        def work(book: Book, found: ThingModel) -> None:
            book.put_model(replace(found, window=window))

        await self._of_model("model_set", vendor, model, caller, work)

    async def delete_model(self, vendor: str, model: str, caller: Caller) -> None:
        """Remove a model with its ranges and devices; their keys work no longer."""

        def drop(book: Book) -> int:
            _model(book, vendor, model, caller)
            return book.drop_some(vendor, model, _DROPPED_AT_ONCE)

        while await self._ledger.change((vendor, model, ""), drop, _DROPPED_AT_ONCE):
            pass
        await self._of_model("model_delete", vendor, model, caller, lambda book, _found: book.drop_model(vendor, model))

    async def add_ranges(self, vendor: str, model: str, ranges: Sequence[SerialRange], caller: Caller) -> None:
        """Add ranges, all of them or none. Raises ConflictError when one is there."""

        def work(book: Book, _found: ThingModel) -> None:
            present = set(book.ranges(vendor, model))
            if len(set(ranges)) < len(ranges) or not present.isdisjoint(ranges):
                raise ConflictError("the range is there already")
            for each in ranges:
                book.put_range(vendor, model, each)

        await self._of_model("range_add", vendor, model, caller, work, weight=len(ranges))

    async def delete_ranges(self, vendor: str, model: str, ranges: Sequence[SerialRange], caller: Caller) -> None:
        """Remove ranges, all of them or none; devices that were enabled stay. Raises NotFoundError."""

        def work(book: Book, _found: ThingModel) -> None:
            if not set(ranges) <= set(book.ranges(vendor, model)):
                raise NotFoundError("there is no such range")
            for each in ranges:
                book.drop_range(vendor, model, each)

        await self._of_model("range_delete", vendor, model, caller, work)

    # -- devices ---------------------------------------------------------------------------------------------------

    async def add(
        self, vendor: str, model: str, serials: Mapping[str, str], caller: Caller, *, known_too: bool = False
    ) -> int:
        """Add serials, each with its note; gives how many are new.

        All or none: raises ConflictError when one is there, unless ``known_too`` says that those are left as they are.
        """
        if len(serials) > MOST_AT_ONCE:
            raise UsageError(f"more than {MOST_AT_ONCE} serials at once")
        for sn, extra in serials.items():
            _named("sn", sn)
            _named("extra", extra, empty=True)

        def work(book: Book, _found: ThingModel) -> int:
            present = book.things(vendor, model, list(serials))
            if present and not known_too:
                raise ConflictError(f"{next(iter(present))} is there already")
            new = {sn: extra for sn, extra in serials.items() if sn not in present}
            book.put(Thing(vendor=vendor, model=model, sn=sn, extra=extra) for sn, extra in new.items())
            return len(new)

        subject = next(iter(serials)) if len(serials) == 1 else f"({len(serials)} serials)"
        return await self._of_model("serial_add", vendor, model, caller, work, subject, len(serials))

    async def enable(self, vendor: str, model: str, sn: str, caller: Caller, *, tenant: str, owner: str) -> str:
        """Give a device that nobody has to a tenant, and open its window; gives the id that it has from now on."""
        _named("owner", owner, empty=True)
        rid = self._octets(20).hex()

        def work(book: Book, found: ThingModel) -> str:
            thing = _known(book, vendor, model, [sn])[sn]
            whose = tenant or _vendor(book, vendor, caller).tenant
            window = found.window or self.window
            book.put([life.enabled(thing, self.now(), window, tenant=whose, owner=owner, rid=rid)])
            return rid

        return await self._of_model("enable", vendor, model, caller, work, sn)

    async def reenable(self, vendor: str, model: str, sn: str, caller: Caller) -> None:
        """End a device's key and open a full window."""

        def work(book: Book, found: ThingModel) -> None:
            thing = _known(book, vendor, model, [sn])[sn]
            book.put([life.reenabled(thing, self.now(), found.window or self.window)])

        await self._of_model("reenable", vendor, model, caller, work, sn)

    async def disable(self, vendor: str, model: str, sn: str, caller: Caller) -> None:
        """End a device's key, and give it no other."""

        def work(book: Book, _found: ThingModel) -> None:
            book.put([life.disabled(_known(book, vendor, model, [sn])[sn])])

        await self._of_model("disable", vendor, model, caller, work, sn)

    async def remap(self, vendor: str, model: str, sn: str, old: str, caller: Caller) -> None:
        """A device was replaced by another one: give that one what the old one was."""

        def work(book: Book, found: ThingModel) -> None:
            things = _known(book, vendor, model, [sn, old])
            book.put(life.remapped(things[old], things[sn], self.now(), found.window or self.window))

        await self._of_model("remap", vendor, model, caller, work, sn)

    async def delete(self, vendor: str, model: str, sns: Sequence[str], caller: Caller) -> None:
        """Remove devices with their keys and logs, all or none. One that a range has is nobody's again."""

        def work(book: Book, _found: ThingModel) -> None:
            _known(book, vendor, model, sns)
            book.drop(vendor, model, sns)

        subject = sns[0] if len(sns) == 1 else f"({len(sns)} serials)"
        await self._of_model("delete", vendor, model, caller, work, subject, len(sns))

    async def _of_model(
        self,
        action: str,
        vendor: str,
        model: str,
        caller: Caller,
        work: Callable[[Book, ThingModel], T],
        subject: str = "",
        weight: int = 1,
    ) -> T:
        given: list[T] = []

        def whole(book: Book) -> str:
            found = _model(book, vendor, model, caller)
            given[:] = [work(book, found)]
            return _vendor(book, vendor, caller).tenant

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

        tenant = await self._ledger.change(key, audited, weight)
        self._emit(AdminChanged(at=now, action=full, kind="activation", object=name, by=caller.name, tenant=tenant))


def _vendor(book: Reading, vendor: str, caller: Caller) -> ThingVendor:
    found = book.vendor(vendor)
    if found is None or not caller.owns(found.tenant):
        raise NotFoundError(f"there is no vendor {vendor[:60]!r}")
    return found


def _model(book: Reading, vendor: str, model: str, caller: Caller) -> ThingModel:
    _vendor(book, vendor, caller)
    found = book.model(vendor, model)
    if found is None:
        raise NotFoundError(f"{vendor} has no model {model[:60]!r}")
    return found


def _known(book: Reading, vendor: str, model: str, sns: Sequence[str]) -> dict[str, Thing]:
    """These devices; what only a range knows is as if it had been added. Raises NotFoundError."""
    found = dict(book.things(vendor, model, sns))
    missing = [sn for sn in sns if sn not in found]
    ranges = book.ranges(vendor, model) if missing else ()
    for sn in missing:
        if not in_ranges(sn, ranges):
            raise NotFoundError(f"{vendor}/{model} has no serial {sn[:60]!r}")
        found[sn] = Thing(vendor=vendor, model=model, sn=sn)
    return found


def _named(what: str, text: str, *, empty: bool = False) -> None:
    """Raises UsageError for a name that no device could send."""
    if not text and not empty:
        raise UsageError(f"{what}: is needed")
    try:
        checked(what, text)
    except FormError as error:
        raise UsageError(str(error)) from None
