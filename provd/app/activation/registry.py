"""Vendors, models and serials: what their tenants do with them, from the command line and over the vendors' paths."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from provd.app.activation.audited import Audited, known, model_of, named, vendor_of
from provd.app.activation.ports import Book, Ledger, Reading
from provd.app.activation.tenancy import Tenancy
from provd.app.caller import Caller
from provd.base.errors import ConflictError, NotFoundError, UsageError
from provd.base.facts import FactSink
from provd.domain.activation import thing as life
from provd.domain.activation.content import Content, Group, Member, Share
from provd.domain.activation.serials import SerialRange
from provd.domain.activation.standing import VendorToken
from provd.domain.activation.thing import Attempt, Thing, ThingModel, ThingVendor

MOST_AT_ONCE = 10_000
"""Serials in one call."""
LOG_LINES = 1000
_DROPPED_AT_ONCE = 1000


class Registry(Audited):
    """Vendors, models, ranges and devices.

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
        super().__init__(ledger, clock, emit)
        self.window = window
        self.tenants = Tenancy(ledger)
        self._octets = octets

    # -- looking ---------------------------------------------------------------------------------------------------

    async def vendors(self, caller: Caller) -> Sequence[ThingVendor]:
        """The vendors that exist for this caller, by name."""
        return [each for each in await self._ledger.read(lambda book: book.vendors()) if caller.owns(each.tenant)]

    async def models(self, vendor: str, caller: Caller) -> Sequence[ThingModel]:
        """A vendor's models. Raises NotFoundError."""

        def work(book: Reading) -> Sequence[ThingModel]:
            vendor_of(book, vendor, caller)
            return book.models(vendor)

        return await self._ledger.read(work)

    async def thing(self, vendor: str, model: str, sn: str, caller: Caller, partner: str = "") -> Thing:
        """A device, also one that only a range knows. Raises NotFoundError."""
        return await self.look(
            vendor, model, caller, lambda book, _model: _theirs(book, vendor, model, [sn], partner)[sn], partner
        )

    async def log(self, vendor: str, model: str, sn: str, caller: Caller, partner: str = "") -> Sequence[Attempt]:
        """The attempts of a device, oldest first. Raises NotFoundError."""

        def work(book: Reading, _model: ThingModel) -> Sequence[Attempt]:
            _theirs(book, vendor, model, [sn], partner)
            return book.log(vendor, model, sn, LOG_LINES)

        return await self.look(vendor, model, caller, work, partner)

    async def unused(self, caller: Caller, limit: int) -> Sequence[Thing]:
        """Activated devices whose key nobody has shown yet, the longest waiting ones first."""

        def work(book: Reading) -> Sequence[Thing]:
            mine = {each.vendor for each in book.vendors() if caller.owns(each.tenant)}
            return [thing for thing in book.unused(MOST_AT_ONCE) if thing.vendor in mine][:limit]

        return await self._ledger.read(work)

    async def tally(self) -> dict[tuple[str, str], dict[str, int]]:
        """How many serials of each vendor and model are in which state: of everybody. Looks at all of them."""
        found: dict[tuple[str, str], dict[str, int]] = {}
        now = self.now()
        for vendor, model, state, number in await self._ledger.read(lambda book: book.tally(now)):
            found.setdefault((vendor, model), {})[state] = number
        return found

    # -- vendors, models, ranges -----------------------------------------------------------------------------------

    async def add_vendor(self, vendor: str, tenant: str, caller: Caller) -> None:
        """Take a name for a tenant. Raises ConflictError when it is taken."""
        named("vendor", vendor)
        self.tenants.may_gain(tenant)

        def work(book: Book) -> str:
            if book.vendor(vendor) is not None:
                raise ConflictError(f"the name {vendor!r} is taken")
            book.put_vendor(ThingVendor(vendor=vendor, tenant=tenant, created=self.now()))
            return tenant

        await self._change((vendor, "", ""), "vendor_add", vendor, caller, work)

    async def delete_vendor(self, vendor: str, caller: Caller) -> None:
        """Give a name back. Raises ConflictError while it has models."""

        def work(book: Book) -> str:
            found = vendor_of(book, vendor, caller)
            if book.models(vendor):
                raise ConflictError(f"{vendor} has models")
            book.forget(Share, partner=vendor)
            book.forget(VendorToken, vendor=vendor)
            book.drop_vendor(vendor)
            return found.tenant

        await self._change((vendor, "", ""), "vendor_delete", vendor, caller, work)

    async def add_model(self, wanted: ThingModel, caller: Caller) -> None:
        """Add a model; a window of 0 is the site's. Raises ConflictError when it is there."""
        vendor, model = wanted.vendor, wanted.model
        named("model", model)

        def work(book: Book) -> str:
            found = vendor_of(book, vendor, caller)
            if book.model(vendor, model) is not None:
                raise ConflictError(f"{vendor} has a model {model} already")
            book.put_model(replace(wanted, created=self.now()))
            return found.tenant

        await self._change((vendor, model, ""), "model_add", f"{vendor}/{model}", caller, work)

    async def set_model(
        self, vendor: str, model: str, change: Callable[[ThingModel], ThingModel], caller: Caller
    ) -> None:
        """Let a model be what ``change`` makes of it, for what is enabled from now on."""

        def work(book: Book, found: ThingModel) -> None:
            book.put_model(change(found))

        await self._of_model("model_set", vendor, model, caller, work)

    async def delete_model(self, vendor: str, model: str, caller: Caller) -> None:
        """Remove a model with its ranges, devices and contents; keys of its devices work no longer."""

        def drop(book: Book) -> int:
            model_of(book, vendor, model, caller)
            return book.drop_some(vendor, model, _DROPPED_AT_ONCE)

        while await self._ledger.change((vendor, model, ""), drop, _DROPPED_AT_ONCE):
            pass

        def rest(book: Book, _found: ThingModel) -> None:
            for content in book.find(Content, vendor=vendor, model=model):
                book.let_go(content.blob, self.now())
            book.forget(Content, vendor=vendor, model=model)
            book.forget(Group, vendor=vendor, model=model)
            book.forget(Member, vendor=vendor, model=model)
            book.forget(Share, vendor=vendor, model=model)
            book.drop_model(vendor, model)

        await self._of_model("model_delete", vendor, model, caller, rest)

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
            named("sn", sn)
            named("extra", extra, empty=True)

        def work(book: Book, _found: ThingModel) -> int:
            present = book.things(vendor, model, list(serials))
            if present and not known_too:
                raise ConflictError(f"{next(iter(present))} is there already")
            new = {sn: extra for sn, extra in serials.items() if sn not in present}
            book.put(Thing(vendor=vendor, model=model, sn=sn, extra=extra) for sn, extra in new.items())
            return len(new)

        subject = next(iter(serials)) if len(serials) == 1 else f"({len(serials)} serials)"
        return await self._of_model("serial_add", vendor, model, caller, work, subject, len(serials))

    async def enable(
        self, vendor: str, model: str, sn: str, caller: Caller, *, tenant: str, owner: str, partner: str = ""
    ) -> str:
        """Give a device that nobody has to a tenant, and open its window; gives the id that it has from now on."""
        named("owner", owner, empty=True)
        if tenant:
            self.tenants.may_gain(tenant)
        rid = self._octets(20).hex()

        def work(book: Book, found: ThingModel) -> str:
            thing = known(book, vendor, model, [sn])[sn]
            whose = tenant or vendor_of(book, partner or vendor, caller).tenant
            window = found.window or self.window
            book.put([life.enabled(thing, self.now(), window, tenant=whose, owner=owner, rid=rid, via=partner)])
            return rid

        return await self._of_model("enable", vendor, model, caller, work, sn, partner=partner)

    async def reenable(self, vendor: str, model: str, sn: str, caller: Caller, partner: str = "") -> None:
        """End a device's key and open a full window."""

        def work(book: Book, found: ThingModel) -> None:
            thing = _theirs(book, vendor, model, [sn], partner)[sn]
            book.put([life.reenabled(thing, self.now(), found.window or self.window)])

        await self._of_model("reenable", vendor, model, caller, work, sn, partner=partner)

    async def disable(self, vendor: str, model: str, sn: str, caller: Caller, partner: str = "") -> None:
        """End a device's key, and give it no other."""

        def work(book: Book, _found: ThingModel) -> None:
            book.put([life.disabled(_theirs(book, vendor, model, [sn], partner)[sn])])

        await self._of_model("disable", vendor, model, caller, work, sn, partner=partner)

    async def remap(self, vendor: str, model: str, sn: str, old: str, caller: Caller, partner: str = "") -> None:
        """A device was replaced by another one: give that one what the old one was, with its groups, settings and
        metadata."""

        def work(book: Book, found: ThingModel) -> None:
            was = _theirs(book, vendor, model, [old], partner)[old]
            new = known(book, vendor, model, [sn])[sn]
            book.hand_over(*life.remapped(was, new, self.now(), found.window or self.window))
            for each in book.find(Member, vendor=vendor, model=model, type="sn", member_id=old):
                book.keep(replace(each, member_id=sn))
            book.forget(Member, vendor=vendor, model=model, type="sn", member_id=old)

        await self._of_model("remap", vendor, model, caller, work, sn, partner=partner)

    async def delete(self, vendor: str, model: str, sns: Sequence[str], caller: Caller) -> None:
        """Remove devices with their keys and logs, all or none. One that a range has is nobody's again."""

        def work(book: Book, _found: ThingModel) -> None:
            known(book, vendor, model, sns)
            book.drop(vendor, model, sns)
            for sn in sns if book.find(Group, vendor=vendor, model=model, limit=1) else ():
                book.forget(Member, vendor=vendor, model=model, type="sn", member_id=sn)

        subject = sns[0] if len(sns) == 1 else f"({len(sns)} serials)"
        await self._of_model("delete", vendor, model, caller, work, subject, len(sns))


def _theirs(book: Reading, vendor: str, model: str, sns: Sequence[str], partner: str) -> dict[str, Thing]:
    """These devices; for a partner there are only those that it has enabled itself. Raises NotFoundError."""
    found = known(book, vendor, model, sns)
    for sn, thing in found.items():
        if partner and thing.via != partner:
            raise NotFoundError(f"{partner} has no serial {sn[:60]!r} of {vendor}/{model}")
    return found
