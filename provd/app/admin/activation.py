"""Operations on devices that are not phones: ``activation.…``"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import replace

from provd.app.activation.registry import MOST_AT_ONCE, Registry
from provd.app.admin import views
from provd.app.admin.desk import Desk, Operation
from provd.app.admin.params import LISTING, Args, Param
from provd.app.caller import Caller, Scope
from provd.base.errors import ConflictError, NotFoundError, UsageError
from provd.domain.activation.serials import FORMATS, SerialRange, range_of
from provd.domain.activation.thing import REISSUE, Attempt, Thing, ThingModel
from provd.domain.records import MASTER_TENANT

_MODEL = (Param("vendor", required=True), Param("model", required=True))
_SERIAL = (*_MODEL, Param("sn", required=True))
_RANGE = (
    *_MODEL,
    Param("format", required=True, doc=", ".join(FORMATS)),
    Param("first", required=True, doc="the first serial, as it is written"),
    Param("last", required=True),
    Param("casing", doc="of hexadecimal digits: upper (unless said) or lower"),
)
_WRITE, _ADMIN = Scope.WRITE, Scope.ADMIN
_PAGE = 1000
_RULES = ("window", "recovery", "serial_is_mac")


class Things:
    """Vendors, models and ranges of serials."""

    def __init__(self, desk: Desk, registry: Registry) -> None:
        self._desk = desk
        self._registry = registry

    def operations(self) -> Sequence[Operation]:
        """What this group offers."""
        rules = (
            Param("window", "duration", doc="from enabling to the end of the chance; 0 is the site's"),
            Param("recovery", doc="reissue: a device that lost the answer may ask again; off: it may not"),
            Param("serial_is_mac", "flag", doc="a serial that is a MAC must come from the lease of that MAC"),
        )
        add = (*_MODEL, *rules, Param("tenant", doc="whose vendor it is, when it is a new one"))
        text = Param("csv", required=True, doc="format,first,last[,casing]")
        return (
            Operation("activation.model_list", "List models.", self._models, (Param("vendor"), *LISTING)),
            Operation("activation.model_show", "Show a model and how many serials it has.", self._show, _MODEL),
            Operation("activation.model_add", "Add a model, and its vendor if it is new.", self._add, add, _WRITE),
            Operation("activation.model_set", "Change a model's rules.", self._set, (*_MODEL, *rules), _WRITE),
            Operation("activation.model_delete", "Delete a model with its serials.", self._delete, _MODEL, _ADMIN),
            Operation("activation.range_list", "List the ranges of a model.", self._ranges, (*_MODEL, *LISTING)),
            Operation("activation.range_add", "Add a range of serials.", self._add_range, _RANGE, _WRITE),
            Operation("activation.range_import", "Add ranges from CSV.", self._import, (*_MODEL, text), _WRITE),
            Operation("activation.range_delete", "Delete a range of serials.", self._delete_range, _RANGE, _WRITE),
        )

    async def _models(self, args: Args, caller: Caller) -> object:
        wanted, found = args.text("vendor"), []
        for vendor in await self._registry.vendors(caller):
            if wanted in {"", vendor.vendor}:
                models = await self._registry.models(vendor.vendor, caller)
                found += [(vendor.tenant, model) for model in models]
        return await views.page(
            found, args, lambda each: f"{each[1].vendor}/{each[1].model}", lambda each: self._view(each[1], each[0])
        )

    def _view(self, model: ThingModel, tenant: str) -> views.View:
        return {
            "vendor": model.vendor,
            "model": model.model,
            "tenant": tenant,
            "window": model.window or self._registry.window,
            "own_window": bool(model.window),
            "recovery": model.recovery or "off",
            "serial_is_mac": bool(model.serial_is_mac),
            "created": views.when(model.created),
        }

    async def _show(self, args: Args, caller: Caller) -> object:
        vendor, model = _names(args)
        tenants = {each.vendor: each.tenant for each in await self._registry.vendors(caller)}
        found, counts, ranges = await self._registry.look(
            vendor, model, caller, lambda book, each: (each, book.count(vendor, model), book.ranges(vendor, model))
        )
        in_ranges = sum(each.size for each in ranges)
        return {**self._view(found, tenants[vendor]), "serials": dict(counts), "in_ranges": in_ranges}

    async def _add(self, args: Args, caller: Caller) -> object:
        vendor, model = _names(args)
        tenant = args.text("tenant") or caller.tenant or MASTER_TENANT
        self._desk.tenant(tenant, caller)
        present = {each.vendor: each.tenant for each in await self._registry.vendors(caller)}
        if vendor not in present:
            await self._registry.add_vendor(vendor, tenant, caller)
        elif args.text("tenant") and present[vendor] != tenant:
            raise ConflictError(f"{vendor} is the vendor of {present[vendor]}")
        await self._registry.add_model(_ruled(ThingModel(vendor=vendor, model=model), args), caller)
        return await self._show(args, caller)

    async def _set(self, args: Args, caller: Caller) -> object:
        if not args.given(_RULES):
            raise UsageError(f"nothing to change: there are {', '.join(_RULES)}")
        _ruled(ThingModel(vendor="", model=""), args)
        await self._registry.set_model(*_names(args), lambda found: _ruled(found, args), caller)
        return await self._show(args, caller)

    async def _delete(self, args: Args, caller: Caller) -> object:
        await self._registry.delete_model(*_names(args), caller)
        return {"deleted": "/".join(_names(args))}

    async def _ranges(self, args: Args, caller: Caller) -> object:
        vendor, model = _names(args)
        found = await self._registry.look(vendor, model, caller, lambda book, _each: book.ranges(vendor, model))
        return await views.page(found, args, lambda each: f"{each.format} {each.text(each.first)}", _range_view)

    async def _add_range(self, args: Args, caller: Caller) -> object:
        found = _range(*(args.text(name) for name in ("format", "first", "last", "casing")))
        await self._registry.add_ranges(*_names(args), [found], caller)
        return _range_view(found)

    async def _import(self, args: Args, caller: Caller) -> object:
        rows = _rows(args.text("csv"), "format")
        if not all(len(row) in {3, 4} for row in rows):
            raise UsageError("csv: a line is not format,first,last[,casing]")
        found = [_range(*row, *[""] * (4 - len(row))) for row in rows]
        await self._registry.add_ranges(*_names(args), found, caller)
        return {"rows": len(rows), "added": len(found)}

    async def _delete_range(self, args: Args, caller: Caller) -> object:
        found = _range(*(args.text(name) for name in ("format", "first", "last", "casing")))
        await self._registry.delete_ranges(*_names(args), [found], caller)
        return {"deleted": f"{found.text(found.first)}-{found.text(found.last)}"}


class Serials:
    """Single devices."""

    def __init__(self, desk: Desk, registry: Registry) -> None:
        self._desk = desk
        self._registry = registry

    def operations(self) -> Sequence[Operation]:
        """What this group offers."""
        enable = (*_SERIAL, Param("tenant", doc="whose it is; the vendor's own unless said"), Param("owner"))
        text = Param("csv", required=True, doc="sn[,extra]")
        return (
            Operation("activation.list", "List serials of a model.", self._list, (*_MODEL, *LISTING)),
            Operation("activation.show", "Show a device.", self._show, _SERIAL),
            Operation("activation.log", "Show the attempts of a device.", self._log, (*_SERIAL, *LISTING)),
            Operation(
                "activation.unused", "List activated devices that never showed their key.", self._unused, LISTING
            ),
            Operation("activation.serial_add", "Add a serial.", self._add, (*_SERIAL, Param("extra")), _WRITE),
            Operation("activation.serial_import", "Add serials from CSV.", self._import, (*_MODEL, text), _WRITE),
            Operation("activation.enable", "Give a device to a tenant.", self._enable, enable, _WRITE),
            Operation("activation.reenable", "End a device's key, open a window.", self._reenable, _SERIAL, _WRITE),
            Operation("activation.disable", "End a device's key.", self._disable, _SERIAL, _WRITE),
            Operation("activation.delete", "Delete a serial with its key and log.", self._delete, _SERIAL, _WRITE),
            Operation(
                "activation.remap",
                "Put a device in the place of another one.",
                self._remap,
                (*_SERIAL, Param("old", required=True)),
                _WRITE,
            ),
        )

    def _view(self, thing: Thing) -> views.View:
        return {
            "vendor": thing.vendor,
            "model": thing.model,
            "sn": thing.sn,
            "state": thing.state_at(self._registry.now()).value,
            "tenant": thing.tenant,
            "owner": thing.owner,
            "rid": thing.rid,
            "extra": thing.extra,
            "generation": thing.generation,
            "enabled": views.when(thing.enabled_at),
            "until": views.when(thing.enabled_until),
            "activated": views.when(thing.activated_at),
            "first_used": views.when(thing.first_used_at),
        }

    async def _list(self, args: Args, caller: Caller) -> object:
        vendor, model = _names(args)
        limit, after = min(args.number("limit") or views.LIMIT, _PAGE), args.text("after")
        things = await self._registry.look(
            vendor, model, caller, lambda book, _each: book.page(vendor, model, after=after, limit=limit + 1)
        )
        further = things[limit - 1].sn if len(things) > limit else None
        return {"items": [self._view(each) for each in things[:limit]], "next": further}

    async def _show(self, args: Args, caller: Caller) -> object:
        return self._view(await self._registry.thing(*_names(args), args.text("sn"), caller))

    async def _log(self, args: Args, caller: Caller) -> object:
        log = await self._registry.log(*_names(args), args.text("sn"), caller)
        return await views.page(log, args, lambda each: f"{each.seq:020d}", _attempt_view)

    async def _unused(self, args: Args, caller: Caller) -> object:
        things = await self._registry.unused(caller, MOST_AT_ONCE)
        return await views.page(things, args, lambda each: f"{each.vendor}/{each.model}/{each.sn}", self._view)

    async def _add(self, args: Args, caller: Caller) -> object:
        await self._registry.add(*_names(args), {args.text("sn"): args.text("extra")}, caller)
        return await self._show(args, caller)

    async def _import(self, args: Args, caller: Caller) -> object:
        rows = _rows(args.text("csv"), "sn")
        if not all(len(row) in {1, 2} for row in rows):
            raise UsageError("csv: a line is not sn[,extra]")
        serials = {row[0]: row[1] if len(row) > 1 else "" for row in rows}
        added = await self._registry.add(*_names(args), serials, caller, known_too=True)
        return {"rows": len(rows), "added": added}

    async def _enable(self, args: Args, caller: Caller) -> object:
        tenant = args.text("tenant")
        if tenant:
            self._desk.tenant(tenant, caller)
        await self._registry.enable(*_names(args), args.text("sn"), caller, tenant=tenant, owner=args.text("owner"))
        return await self._show(args, caller)

    async def _reenable(self, args: Args, caller: Caller) -> object:
        await self._registry.reenable(*_names(args), args.text("sn"), caller)
        return await self._show(args, caller)

    async def _disable(self, args: Args, caller: Caller) -> object:
        await self._registry.disable(*_names(args), args.text("sn"), caller)
        return await self._show(args, caller)

    async def _delete(self, args: Args, caller: Caller) -> object:
        await self._registry.delete(*_names(args), [args.text("sn")], caller)
        return {"deleted": args.text("sn")}

    async def _remap(self, args: Args, caller: Caller) -> object:
        await self._registry.remap(*_names(args), args.text("sn"), args.text("old"), caller)
        return await self._show(args, caller)


def _ruled(model: ThingModel, args: Args) -> ThingModel:
    """The model with those rules that the call names. Raises UsageError."""
    recovery = args.text("recovery") if "recovery" in args else model.recovery
    if recovery not in {"", "off", REISSUE}:
        raise UsageError(f"recovery: must be {REISSUE} or off")
    return replace(
        model,
        window=args.number("window") if "window" in args else model.window,
        recovery=recovery.removeprefix("off"),
        serial_is_mac=int(args.flag("serial_is_mac")) if "serial_is_mac" in args else model.serial_is_mac,
    )


def _names(args: Args) -> tuple[str, str]:
    return args.text("vendor"), args.text("model")


def _attempt_view(each: Attempt) -> views.View:
    return {"at": views.when(each.at), "peer": each.peer, "outcome": each.outcome}


def _range_view(each: SerialRange) -> views.View:
    first, last = each.text(each.first), each.text(each.last)
    return {"format": each.format, "first": first, "last": last, "casing": each.casing, "serials": each.size}


def _range(form: str, first: str, last: str, casing: str) -> SerialRange:
    """The range between two serials as they are written. Raises UsageError."""
    digits = {"mac:48": ":", "mac-48": "-", "mac.48": "."}
    base = 10 if form == "base10" else 16
    try:
        numbers = [int(text.replace(digits.get(form, " "), ""), base) for text in (first, last)]
    except ValueError:
        raise UsageError(f"first and last: must be serials in the format {form}") from None
    found = range_of(
        {
            "format": form,
            "casing": casing or "upper",
            "length": len(first) if len(first) == len(last) else 0,
            "first": numbers[0],
            "last": numbers[1],
        }
    )
    if not (found.holds(first) and found.holds(last)):
        raise UsageError(f"first and last: are not written as they are in this range: {found.text(numbers[0])}")
    return found


def _rows(text: str, header: str) -> list[list[str]]:
    """The lines of a CSV, without empty ones and without a first line of names."""
    rows: Iterable[list[str]] = csv.reader(io.StringIO(text.removeprefix("\ufeff")))
    found = [row for row in rows if row and row[0]]
    if found and found[0][0] == header:
        del found[0]
    if not found:
        raise NotFoundError("the CSV has no lines")
    return found
