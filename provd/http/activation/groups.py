"""Groups of a model (``/provision/manage/group/…``) and whom it is shared with (``/provision/manage/share/…``)."""

from __future__ import annotations

import csv
import io

from provd.app.activation.groups import MOST_MEMBERS, Groups, Shares
from provd.base.errors import NotFoundError, UsageError
from provd.domain.activation.content import Member, member_type
from provd.domain.activation.form import only
from provd.http.activation.standing import Standing
from provd.http.activation.wire import (
    DONE,
    READING,
    Reply,
    ThingRequest,
    error,
    not_allowed,
    rows_or_nothing,
    rows_reply,
)

_LATEST = 253_402_300_799
"""The end of the year 9999."""


class GroupPaths:
    """Answers vendors about groups and their members."""

    def __init__(self, groups: Groups) -> None:
        self._groups = groups

    async def answer(self, request: ThingRequest, who: Standing, rest: str) -> Reply:
        """A request for what stands behind ``/provision/manage/group/``. Raises ProvdErrors: they become statuses."""
        model, _, name = rest.partition("/")
        name, slash, more = name.partition("/")
        if who.partner or not model or more:
            raise NotFoundError("there is no such model or group")
        if slash:
            return await self._members(request, who, model, name)
        if name:
            return await self._group(request, who, model, name)
        if request.method in READING:
            groups = await self._groups.list(who.vendor, model, who.caller)
            return rows_or_nothing([(each.id, each.meta) for each in request.part(groups)])
        if request.method != "POST":
            return not_allowed("GET", "HEAD", "POST")
        form = request.form()
        wanted = only(form, "id") or ""
        if only(form, "delete") == "true":
            await self._groups.delete(who.vendor, model, wanted, who.caller)
        else:
            meta = only(form, "meta") or only(form, "description") or ""
            await self._groups.add(who.vendor, model, wanted, meta, who.caller)
        return DONE

    async def _group(self, request: ThingRequest, who: Standing, model: str, name: str) -> Reply:
        if request.method == "DELETE":
            await self._groups.delete(who.vendor, model, name, who.caller)
            return DONE
        if request.method not in READING:
            return not_allowed("GET", "HEAD", "DELETE")
        match request.query("show"):
            case "groups":
                groups = await self._groups.of_member(who.vendor, model, "group", name, who.caller)
                return rows_or_nothing([(each,) for each in request.part(groups)])
            case "":
                group, members = await self._groups.show(who.vendor, model, name, who.caller)
                return rows_reply([(group.meta, len(members))])
        return error(404)

    async def _members(self, request: ThingRequest, who: Standing, model: str, name: str) -> Reply:
        if request.method in READING:
            _, members = await self._groups.show(who.vendor, model, name, who.caller)
            kind, wanted = request.query("type"), request.query("id")
            rows = [
                (each.type, each.member_id, int(each.expire) or "", each.meta)
                for each in members
                if kind in {"", each.type} and wanted in {"", each.member_id}
            ]
            return rows_or_nothing(request.part(rows))
        if request.method not in {"POST", "DELETE"}:
            return not_allowed("GET", "HEAD", "POST", "DELETE")
        members, removing = _sent(request, Member(vendor=who.vendor, model=model, group_id=name, type="", member_id=""))
        if removing:
            gone = [(each.type, each.member_id) for each in members]
            await self._groups.drop_members(who.vendor, model, name, gone, who.caller)
        else:
            await self._groups.put_members(who.vendor, model, name, members, who.caller)
        return DONE


class SharePaths:
    """Answers vendors about whom a model is shared with."""

    def __init__(self, shares: Shares) -> None:
        self._shares = shares

    async def answer(self, request: ThingRequest, who: Standing, rest: str) -> Reply:
        """A request for what stands behind ``/provision/manage/share/``. Raises ProvdErrors: they become statuses."""
        model, _, partner = rest.partition("/")
        if who.partner or not model:
            raise NotFoundError("there is no such model")
        if request.method == "DELETE" and partner:
            await self._shares.delete(who.vendor, model, partner, who.caller)
            return DONE
        if request.method in READING:
            shares = await self._shares.list(who.vendor, model, who.caller)
            if partner:
                return Reply(204) if partner in {each.partner for each in shares} else error(404)
            return rows_or_nothing([(each.partner,) for each in shares])
        if request.method != "POST" or partner:
            return not_allowed("GET", "HEAD", "DELETE" if partner else "POST")
        form = request.form()
        wanted = only(form, "vendor") or ""
        if only(form, "delete") == "true":
            await self._shares.delete(who.vendor, model, wanted, who.caller)
        else:
            await self._shares.add(who.vendor, model, wanted, who.caller)
        return DONE


def _sent(request: ThingRequest, blank: Member) -> tuple[list[Member], bool]:
    """The members in a form or a CSV, and whether they are to be removed. Raises UsageError, FormError."""
    if request.media == "text/csv":
        rows = [row for row in csv.reader(io.StringIO(request.text)) if row]
        if not all(2 <= len(row) <= 4 for row in rows):
            raise UsageError("a line is not type,id,expire,meta")
        filled = [(*row, *[""] * (4 - len(row))) for row in rows]
        return [_member(blank, *row) for row in filled], request.method == "DELETE"
    form = request.form(MOST_MEMBERS)
    one = only(form, "id")
    names = [*([one] if one is not None else []), *(value for name, value in form if name == "id[]")]
    kind, expire = only(form, "type") or "", only(form, "expire") or ""
    meta = only(form, "meta") or only(form, "description") or ""
    removing = request.method == "DELETE" or only(form, "delete") == "true"
    return [_member(blank, kind, name, expire, meta) for name in names], removing


def _member(blank: Member, kind: str, name: str, expire: str, meta: str) -> Member:
    if expire and not (expire.isascii() and expire.isdigit() and int(expire[:13]) <= _LATEST and len(expire) < 13):
        raise UsageError("expire: must be seconds since 1970")
    return Member(
        vendor=blank.vendor,
        model=blank.model,
        group_id=blank.group_id,
        type=member_type(kind),
        member_id=name,
        expire=float(expire or 0),
        meta=meta,
    )
