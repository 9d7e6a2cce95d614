"""Groups of devices and contents of a model, and the vendors that a model is shared with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from provd.app.activation.audited import Audited, known, named, vendor_of
from provd.app.activation.ports import Book, Reading
from provd.app.caller import Caller
from provd.base.errors import ConflictError, NotFoundError, UsageError
from provd.domain.activation.content import Content, Group, Member, Share, member_type
from provd.domain.activation.thing import ThingModel

MOST_GROUPS = 1000
"""Groups of one model, and vendors that it is shared with."""
MOST_MEMBERS = 10_000
"""Members that are added or removed in one call."""


class Groups(Audited):
    """What the vendor does with groups. A protected content is for the devices that share a group with it."""

    async def list(self, vendor: str, model: str, caller: Caller) -> Sequence[Group]:
        """The groups of a model."""
        return await self.look(vendor, model, caller, lambda book, _model: book.find(Group, vendor=vendor, model=model))

    async def show(self, vendor: str, model: str, name: str, caller: Caller) -> tuple[Group, Sequence[Member]]:
        """A group and its members, also those whose time is over. Raises NotFoundError."""

        def work(book: Reading, _model: ThingModel) -> tuple[Group, Sequence[Member]]:
            found = _group(book, vendor, model, name)
            return found, book.find(Member, vendor=vendor, model=model, group_id=name)

        return await self.look(vendor, model, caller, work)

    async def of_member(self, vendor: str, model: str, kind: str, name: str, caller: Caller) -> Sequence[str]:
        """The groups that this device, content or group is a member of at this moment. Raises NotFoundError."""
        wanted = member_type(kind)

        def work(book: Reading, _model: ThingModel) -> Sequence[str]:
            _exists(book, vendor, model, wanted, name)
            own = book.find(Member, vendor=vendor, model=model, type=wanted, member_id=name)
            return sorted(each.group_id for each in own if each.counts_at(self.now()))

        return await self.look(vendor, model, caller, work)

    async def add(self, vendor: str, model: str, name: str, meta: str, caller: Caller) -> None:
        """Add a group without members. Raises ConflictError when it is there."""
        named("id", name)
        named("meta", meta, empty=True)

        def work(book: Book, _model: ThingModel) -> None:
            present = {each.id for each in book.find(Group, vendor=vendor, model=model)}
            if name in present:
                raise ConflictError(f"{vendor}/{model} has a group {name} already")
            if len(present) >= MOST_GROUPS:
                raise ConflictError(f"{vendor}/{model} has {MOST_GROUPS} groups, which is all there may be")
            book.keep(Group(vendor=vendor, model=model, id=name, meta=meta, created=self.now()))

        await self._of_model("group_add", vendor, model, caller, work, name)

    async def delete(self, vendor: str, model: str, name: str, caller: Caller) -> None:
        """Remove a group; what it granted is granted no longer."""

        def work(book: Book, _model: ThingModel) -> None:
            _group(book, vendor, model, name)
            book.forget(Group, vendor=vendor, model=model, id=name)
            book.forget(Member, vendor=vendor, model=model, group_id=name)
            book.forget(Member, vendor=vendor, model=model, type="group", member_id=name)

        await self._of_model("group_delete", vendor, model, caller, work, name)

    async def put_members(self, vendor: str, model: str, name: str, members: Sequence[Member], caller: Caller) -> None:
        """Add members or replace them, all of them or none. Raises NotFoundError for what does not exist."""
        _bounded(members)
        for each in members:
            named("meta", each.meta, empty=True)

        def work(book: Book, _model: ThingModel) -> None:
            _group(book, vendor, model, name)
            for each in members:
                _exists(book, vendor, model, each.type, each.member_id)
            book.keep(*members)

        await self._of_model("group_set", vendor, model, caller, work, name, len(members))

    async def drop_members(
        self, vendor: str, model: str, name: str, members: Iterable[tuple[str, str]], caller: Caller
    ) -> None:
        """Remove members by type and id; that one is not there is no trouble."""
        wanted = [(member_type(kind), member) for kind, member in members]
        _bounded(wanted)

        def work(book: Book, _model: ThingModel) -> None:
            _group(book, vendor, model, name)
            for kind, member in wanted:
                book.forget(Member, vendor=vendor, model=model, group_id=name, type=kind, member_id=member)

        await self._of_model("group_set", vendor, model, caller, work, name, len(wanted))


class Shares(Audited):
    """Models that other vendors may enable devices of."""

    async def list(self, vendor: str, model: str, caller: Caller) -> Sequence[Share]:
        """With whom a model is shared."""
        return await self.look(vendor, model, caller, lambda book, _model: book.find(Share, vendor=vendor, model=model))

    async def with_partner(self, partner: str, caller: Caller) -> Sequence[Share]:
        """What others share with a vendor of the caller's. Raises NotFoundError."""

        def work(book: Reading) -> Sequence[Share]:
            vendor_of(book, partner, caller)
            return book.find(Share, partner=partner)

        return await self._ledger.read(work)

    async def add(self, vendor: str, model: str, partner: str, caller: Caller) -> None:
        """Share a model; that it is shared already is no trouble. Raises NotFoundError without such a vendor."""

        def work(book: Book, _model: ThingModel) -> None:
            if book.vendor(partner) is None:
                raise NotFoundError(f"there is no vendor {partner[:60]!r}")
            if partner == vendor:
                raise UsageError("vendor: is the one whose model it is")
            if len(book.find(Share, vendor=vendor, model=model)) >= MOST_GROUPS:
                raise ConflictError(f"{vendor}/{model} is shared with {MOST_GROUPS} vendors, which is all there may be")
            book.keep(Share(vendor=vendor, model=model, partner=partner, at=self.now()))

        await self._of_model("share_add", vendor, model, caller, work, partner)

    async def delete(self, vendor: str, model: str, partner: str, caller: Caller) -> None:
        """Share it no longer; devices that were enabled stay whose they are. Raises NotFoundError."""

        def work(book: Book, _model: ThingModel) -> None:
            if not book.find(Share, vendor=vendor, model=model, partner=partner):
                raise NotFoundError(f"{vendor}/{model} is not shared with {partner[:60]!r}")
            book.forget(Share, vendor=vendor, model=model, partner=partner)

        await self._of_model("share_delete", vendor, model, caller, work, partner)


def _group(book: Reading, vendor: str, model: str, name: str) -> Group:
    found = book.find(Group, vendor=vendor, model=model, id=name)
    if not found:
        raise NotFoundError(f"{vendor}/{model} has no group {name[:60]!r}")
    return found[0]


def _exists(book: Reading, vendor: str, model: str, kind: str, name: str) -> None:
    """Raises NotFoundError."""
    if kind == "sn":
        known(book, vendor, model, [name])
    elif kind == "group":
        _group(book, vendor, model, name)
    elif not book.find(Content, vendor=vendor, model=model, id=name):
        raise NotFoundError(f"{vendor}/{model} has no content {name[:60]!r}")


def _bounded(members: Sequence[object]) -> None:
    if not members:
        raise UsageError("id: is needed")
    if len(members) > MOST_MEMBERS:
        raise UsageError(f"more than {MOST_MEMBERS} members at once")
