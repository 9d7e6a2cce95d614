"""Operations on groups of devices and contents of a model, and on whom a model is shared with: ``activation.group_…``,
``activation.share_…``"""

from __future__ import annotations

from collections.abc import Sequence

from provd.app.activation.office import VendorOffice
from provd.app.admin import views
from provd.app.admin.desk import Operation
from provd.app.admin.params import LISTING, Args, Param
from provd.app.caller import Caller, Scope
from provd.domain.activation.content import Group, Member, Share, member_type

_MODEL = (Param("vendor", required=True), Param("model", required=True))
_GROUP = (*_MODEL, Param("id", required=True))
_MEMBER = (Param("type", required=True, doc="sn, content or group"), Param("member", "texts", required=True))
_PARTNER = Param("partner", required=True, doc="the other vendor")


class GroupGroup:
    """What decides which devices may fetch a protected content, and which vendors may enable devices of a model."""

    def __init__(self, office: VendorOffice) -> None:
        self._groups = office.groups
        self._shares = office.shares

    def operations(self) -> Sequence[Operation]:
        """What this group offers."""
        write = Scope.WRITE
        put = (*_GROUP, *_MEMBER, Param("expires", "duration", doc="for so long; for good unless said"), Param("meta"))
        return (
            Operation("activation.group_list", "List groups of a model.", self._list, (*_MODEL, *LISTING)),
            Operation("activation.group_show", "Show a group and its members.", self._show, _GROUP),
            Operation("activation.group_add", "Add a group.", self._add, (*_GROUP, Param("meta")), write),
            Operation("activation.group_put", "Put members into a group.", self._put, put, write),
            Operation("activation.group_drop", "Take members from a group.", self._drop, (*_GROUP, *_MEMBER), write),
            Operation("activation.group_delete", "Delete a group.", self._delete, _GROUP, write),
            Operation("activation.share_list", "List whom a model is shared with.", self._shared, (*_MODEL, *LISTING)),
            Operation("activation.share_add", "Share a model.", self._share, (*_MODEL, _PARTNER), write),
            Operation("activation.share_delete", "Share it no longer.", self._unshare, (*_MODEL, _PARTNER), write),
        )

    async def _list(self, args: Args, caller: Caller) -> object:
        found = await self._groups.list(args.text("vendor"), args.text("model"), caller)
        return await views.page(found, args, lambda each: each.id, _group_view)

    async def _show(self, args: Args, caller: Caller) -> object:
        group, members = await self._groups.show(*_named(args), caller)
        return {**_group_view(group), "members": [self._member_view(each) for each in members]}

    def _member_view(self, member: Member) -> views.View:
        return {
            "type": member.type,
            "member": member.member_id,
            "state": "in" if member.counts_at(self._groups.now()) else "over",
            "expires": views.when(member.expire),
            "meta": member.meta,
        }

    async def _add(self, args: Args, caller: Caller) -> object:
        await self._groups.add(*_named(args), args.text("meta"), caller)
        return await self._show(args, caller)

    async def _put(self, args: Args, caller: Caller) -> object:
        vendor, model, name = _named(args)
        lasting = args.number("expires")
        kind, expire = member_type(args.text("type")), self._groups.now() + lasting if lasting else 0.0
        members = [
            Member(
                vendor=vendor,
                model=model,
                group_id=name,
                type=kind,
                member_id=each,
                expire=expire,
                meta=args.text("meta"),
            )
            for each in dict.fromkeys(args.texts("member"))
        ]
        await self._groups.put_members(vendor, model, name, members, caller)
        return await self._show(args, caller)

    async def _drop(self, args: Args, caller: Caller) -> object:
        members = [(args.text("type"), each) for each in args.texts("member")]
        await self._groups.drop_members(*_named(args), members, caller)
        return await self._show(args, caller)

    async def _delete(self, args: Args, caller: Caller) -> object:
        await self._groups.delete(*_named(args), caller)
        return {"deleted": args.text("id")}

    async def _shared(self, args: Args, caller: Caller) -> object:
        found = await self._shares.list(args.text("vendor"), args.text("model"), caller)
        return await views.page(found, args, lambda each: each.partner, _share_view)

    async def _share(self, args: Args, caller: Caller) -> object:
        vendor, model, partner = args.text("vendor"), args.text("model"), args.text("partner")
        await self._shares.add(vendor, model, partner, caller)
        (found,) = [each for each in await self._shares.list(vendor, model, caller) if each.partner == partner]
        return _share_view(found)

    async def _unshare(self, args: Args, caller: Caller) -> object:
        await self._shares.delete(args.text("vendor"), args.text("model"), args.text("partner"), caller)
        return {"deleted": args.text("partner")}


def _named(args: Args) -> tuple[str, str, str]:
    return args.text("vendor"), args.text("model"), args.text("id")


def _group_view(group: Group) -> views.View:
    return {
        "vendor": group.vendor,
        "model": group.model,
        "id": group.id,
        "meta": group.meta,
        "created": views.when(group.created),
    }


def _share_view(share: Share) -> views.View:
    return {"vendor": share.vendor, "model": share.model, "partner": share.partner, "since": views.when(share.at)}
