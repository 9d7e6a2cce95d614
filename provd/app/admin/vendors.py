"""Operations on vendors of devices, their tokens, and the contents of their models: ``activation.vendor_…``,
``activation.content_…``"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from functools import partial

from provd.app import ownership
from provd.app.activation.office import VendorOffice
from provd.app.admin import views
from provd.app.admin.desk import Desk, Operation
from provd.app.admin.params import LISTING, Args, Param
from provd.app.caller import Caller, Scope
from provd.app.ports import Change
from provd.base.errors import NotFoundError
from provd.base.types import thing_key
from provd.domain.activation.content import Content
from provd.domain.activation.standing import VendorToken
from provd.domain.activation.thing import Thing, ThingVendor
from provd.domain.records import MASTER_TENANT

_VENDOR = Param("vendor", required=True)
_TOKEN = (_VENDOR, Param("id", required=True))
_MODEL = (_VENDOR, Param("model", required=True))
_CONTENT = (*_MODEL, Param("id", required=True))


class VendorGroup:
    """Vendors and what they have beside their serials."""

    def __init__(self, desk: Desk, office: VendorOffice) -> None:
        self._desk = desk
        self._office = office

    def operations(self) -> Sequence[Operation]:
        """What this group offers."""
        write, admin = Scope.WRITE, Scope.ADMIN
        add = (_VENDOR, Param("tenant", doc="whose it is; the caller's own unless said"))
        move = (_VENDOR, Param("tenant", required=True))
        make = (*_TOKEN, Param("expires", "duration"))
        room = (*_CONTENT, Param("meta"), Param("protected", "flag", doc="only for devices of a group that it is in"))
        send = (*_CONTENT, Param("type"), Param("data", "octets", required=True))
        return (
            Operation("activation.vendor_list", "List vendors.", self._list, LISTING),
            Operation("activation.vendor_show", "Show a vendor.", self._show, (_VENDOR,)),
            Operation("activation.vendor_add", "Take a vendor's name.", self._add, add, write),
            Operation("activation.vendor_move", "Give a vendor to another tenant.", self._move, move, admin, site=True),
            Operation("activation.vendor_key", "Give a vendor a key; it is shown once.", self._key, (_VENDOR,), admin),
            Operation("activation.vendor_delete", "Delete a vendor without models.", self._delete, (_VENDOR,), admin),
            Operation("activation.token_list", "List a vendor's tokens.", self._tokens, (_VENDOR, *LISTING), admin),
            Operation("activation.token_add", "Make a vendor's token; shown once.", self._add_token, make, admin),
            Operation("activation.token_delete", "End a vendor's token.", self._delete_token, _TOKEN, admin),
            Operation("activation.content_list", "List contents.", self._contents, (*_MODEL, *LISTING)),
            Operation("activation.content_show", "Show a content's record.", self._content, _CONTENT),
            Operation("activation.content_add", "Make room for a content.", self._add_content, room, write),
            Operation("activation.content_send", "Put octets into a content.", self._send, send, write),
            Operation("activation.content_delete", "Delete a content.", self._delete_content, _CONTENT, write),
        )

    # -- vendors ---------------------------------------------------------------------------------------------------

    async def _list(self, args: Args, caller: Caller) -> object:
        found = await self._office.registry.vendors(caller)
        return await views.page(found, args, lambda each: each.vendor, _vendor_view)

    async def _show(self, args: Args, caller: Caller) -> object:
        found = await self._find(args, caller)
        models = await self._office.registry.models(found.vendor, caller)
        return {**_vendor_view(found), "models": [each.model for each in models]}

    async def _find(self, args: Args, caller: Caller) -> ThingVendor:
        name = args.text("vendor")
        found = next((each for each in await self._office.registry.vendors(caller) if each.vendor == name), None)
        if found is None:
            raise NotFoundError(f"there is no vendor {name[:60]!r}")
        return found

    async def _add(self, args: Args, caller: Caller) -> object:
        tenant = args.text("tenant") or caller.tenant or MASTER_TENANT
        self._desk.tenant(tenant, caller)
        await self._office.registry.add_vendor(args.text("vendor"), tenant, caller)
        return await self._show(args, caller)

    async def _move(self, args: Args, caller: Caller) -> object:
        """Devices first, lot by lot: broken off, it is begun again and goes on from there."""
        tenant, moved = args.text("tenant"), 0
        self._desk.tenant(tenant, caller)
        self._office.registry.tenants.may_gain(tenant)
        was = await self._find(args, caller)
        things = await self._office.badges.devices(was) if was.tenant != tenant else ()
        while things:
            await self._desk.fleet.change(partial(self._given, things, tenant))
            moved += len(things)
            last = things[-1]
            things = await self._office.badges.devices(was, (last.vendor, last.model, last.sn))
        await self._office.badges.move(was.vendor, tenant, caller)
        return {**_vendor_view(await self._find(args, caller)), "devices": moved}

    def _given(self, things: Sequence[Thing], tenant: str) -> list[Change]:
        """What gives these devices to a tenant; nothing that the old one has set stays on them."""
        tables, changes = self._desk.tables, list[Change]()
        for key in (thing_key(each.vendor, each.model, each.sn) for each in things):
            device = tables.device(key)
            if device is not None and device.tenant != tenant:
                changes += ownership.transfer(tables, key, tenant)
        return changes

    async def _key(self, args: Args, caller: Caller) -> object:
        key = await self._office.badges.renew_key(args.text("vendor"), caller)
        return {"vendor": args.text("vendor"), "key": key.reveal()}

    async def _delete(self, args: Args, caller: Caller) -> object:
        await self._office.registry.delete_vendor(args.text("vendor"), caller)
        return {"deleted": args.text("vendor")}

    # -- tokens ----------------------------------------------------------------------------------------------------

    def _token_view(self, token: VendorToken) -> views.View:
        return {
            "vendor": token.vendor,
            "id": token.id,
            "state": "valid" if token.valid_at(self._office.badges.now()) else "expired",
            "created": views.when(token.created),
            "expires": views.when(token.expires),
            "by": token.by,
        }

    async def _tokens(self, args: Args, caller: Caller) -> object:
        found = await self._office.badges.tokens(args.text("vendor"), caller)
        return await views.page(found, args, lambda each: each.id, self._token_view)

    async def _add_token(self, args: Args, caller: Caller) -> object:
        vendor, name, lasting = args.text("vendor"), args.text("id"), args.number("expires")
        expires = self._office.badges.now() + lasting if lasting else 0.0
        text = await self._office.badges.add_token(vendor, name, expires, caller)
        return {"vendor": vendor, "id": name, "expires": views.when(expires), "token": text.reveal()}

    async def _delete_token(self, args: Args, caller: Caller) -> object:
        await self._office.badges.delete_token(args.text("vendor"), args.text("id"), caller)
        return {"deleted": args.text("id")}

    # -- contents --------------------------------------------------------------------------------------------------

    async def _contents(self, args: Args, caller: Caller) -> object:
        found = await self._office.contents.list(args.text("vendor"), args.text("model"), caller)
        return await views.page(found, args, lambda each: each.id, content_view)

    async def _content(self, args: Args, caller: Caller) -> object:
        found = await self._office.contents.show(args.text("vendor"), args.text("model"), args.text("id"), caller)
        return content_view(found)

    async def _add_content(self, args: Args, caller: Caller) -> object:
        wanted = Content(
            vendor=args.text("vendor"),
            model=args.text("model"),
            id=args.text("id"),
            meta=args.text("meta"),
            protected=args.flag("protected"),
        )
        await self._office.contents.add(wanted, caller)
        return await self._content(args, caller)

    async def _send(self, args: Args, caller: Caller) -> object:
        async def whole() -> AsyncIterator[bytes]:
            yield args.octets("data")

        media = args.text("type") or "application/octet-stream"
        name = (args.text("vendor"), args.text("model"), args.text("id"))
        return content_view(await self._office.contents.upload(*name, media, whole(), caller))

    async def _delete_content(self, args: Args, caller: Caller) -> object:
        await self._office.contents.delete(args.text("vendor"), args.text("model"), args.text("id"), caller)
        return {"deleted": args.text("id")}


def content_view(found: Content) -> views.View:
    """A content's record."""
    return {
        "vendor": found.vendor,
        "model": found.model,
        "id": found.id,
        "type": found.type,
        "size": found.size,
        "sha256": found.sha256,
        "protected": found.protected,
        "meta": found.meta,
        "updated": views.when(found.updated),
    }


def _vendor_view(found: ThingVendor) -> views.View:
    return {
        "vendor": found.vendor,
        "tenant": found.tenant,
        "has_key": bool(found.key_hash),
        "created": views.when(found.created),
    }
