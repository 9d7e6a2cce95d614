"""What a vendor does with its models and serials over HTTP: ``/provision/manage/model/…`` and ``/provision/register``.

``X-Exosite-Token`` is an API token of the vendor's tenant (``provd token add``). Whoever has several vendors names one
in ``X-Exosite-Vendor``. What belongs to somebody else does not exist.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from urllib.parse import urlencode

from provd.app.activation.desk import ThingDesk
from provd.app.activation.registry import MOST_AT_ONCE, Registry
from provd.app.admin.caller import Caller, Scope
from provd.base.errors import ClashError, ConflictError, ForbiddenError, NotFoundError, UsageError
from provd.domain.activation.form import Fields, FormError, only
from provd.domain.activation.serials import SerialRange, range_of
from provd.domain.activation.thing import Thing, ThingState
from provd.domain.records import MASTER_TENANT
from provd.http.activation.wire import (
    Reply,
    ThingRequest,
    csv_reply,
    error,
    json_reply,
    key_reply,
    not_allowed,
    text_reply,
)

PREFIX = "/provision/manage/model"
REGISTER = "/provision/register"
_FEWEST, _MOST = 5, 1000
"""Into these bounds the length of a list is forced."""
_READING = frozenset({"GET", "HEAD"})
_DONE = Reply(205)
_WORDS = {
    ThingState.UNCLAIMED: "",
    ThingState.PENDING: "notactivated",
    ThingState.ACTIVATED: "activated",
    ThingState.EXPIRED: "expired",
    ThingState.DISABLED: "expired",
}
"""The states as they are spoken of on the wire."""

_REFUSALS = ((ForbiddenError, 403), (NotFoundError, 404), (ConflictError, 409), (ClashError, 409), (UsageError, 400))
"""The first that fits counts."""

Known = Callable[[str, str], Caller | None]
"""Who shows this token, from this address."""
_Work = Callable[[ThingRequest, Caller], Awaitable[Reply]]


class Management:
    """Answers vendors."""

    def __init__(self, registry: Registry, desk: ThingDesk, known: Known) -> None:
        self._registry = registry
        self._desk = desk
        self._known = known

    async def answer(self, request: ThingRequest) -> Reply:
        """A request below ``/provision/manage/model``."""
        return await self._for_somebody(request, self._manage)

    async def register(self, request: ThingRequest) -> Reply:
        """The vendor's name: show it, take one, give it back."""
        return await self._for_somebody(request, self._register)

    async def _for_somebody(self, request: ThingRequest, work: _Work) -> Reply:
        token = request.headers.get("X-Exosite-Token", "").strip()
        caller = self._known(token, request.peer) if token else None
        if caller is None:
            return error(401)
        try:
            caller.need(Scope.READ if request.method in _READING else Scope.WRITE)
            return await work(request, caller)
        except (ForbiddenError, UsageError, ClashError) as refusal:
            return error(next(status for kind, status in _REFUSALS if isinstance(refusal, kind)))

    async def _register(self, request: ThingRequest, caller: Caller) -> Reply:
        tenant = caller.tenant or MASTER_TENANT
        mine = [each for each in await self._registry.vendors(caller) if each.tenant == tenant]
        if request.method in _READING:
            return text_reply(mine[0].vendor) if mine else Reply(204)
        if request.method != "POST":
            return not_allowed("GET", "HEAD", "POST")
        form = request.form()
        if only(form, "delete") == "true":
            if not mine:
                return error(404)
            await self._registry.delete_vendor(mine[0].vendor, caller)
            return _DONE
        name = only(form, "vendor") or ""
        if mine:
            raise ConflictError("there is a vendor already")
        await self._registry.add_vendor(name, tenant, caller)
        return _DONE

    async def _vendor(self, request: ThingRequest, caller: Caller) -> str:
        named = request.headers.get("X-Exosite-Vendor", "").strip()
        mine = [each.vendor for each in await self._registry.vendors(caller)]
        if named:
            if named not in mine:
                raise NotFoundError("there is no such vendor")
            return named
        if len(mine) > 1:
            raise UsageError("several vendors: X-Exosite-Vendor names one")
        if not mine:
            raise NotFoundError("there is no vendor")
        return mine[0]

    async def _manage(self, request: ThingRequest, caller: Caller) -> Reply:
        vendor = await self._vendor(request, caller)
        rest = request.path[len(PREFIX) :].lstrip("/")
        model, slash, sn = rest.partition("/")
        if not model:
            return await self._models(request, caller, vendor)
        if sn:
            return await self._serial(request, caller, (vendor, model, sn))
        if slash:
            return await self._serials(request, caller, vendor, model)
        return await self._model(request, caller, vendor, model)

    async def _models(self, request: ThingRequest, caller: Caller, vendor: str) -> Reply:
        if request.method in _READING:
            if request.query("show"):
                return error(404)
            return csv_reply(_lines((each.model,) for each in await self._registry.models(vendor, caller)))
        if request.method != "POST":
            return not_allowed("GET", "HEAD", "POST")
        form = request.form()
        model = only(form, "model") or ""
        if only(form, "delete") == "true":
            await self._registry.delete_model(vendor, model, caller)
        else:
            await self._registry.add_model(vendor, model, 0, caller)
        return _DONE

    async def _model(self, request: ThingRequest, caller: Caller, vendor: str, model: str) -> Reply:
        match request.method:
            case "GET" | "HEAD":
                found = await self._registry.look(vendor, model, caller, lambda _book, each: each)
                return text_reply(urlencode({"model": found.model, "window": found.window or self._registry.window}))
            case "PUT":
                window = only(request.form(), "window") or ""
                if not (window.isascii() and window.isdigit() and len(window) < 10):
                    raise UsageError("window: must be seconds")
                await self._registry.set_window(vendor, model, int(window), caller)
                return _DONE
            case "DELETE":
                await self._registry.delete_model(vendor, model, caller)
                return _DONE
        return not_allowed("GET", "HEAD", "PUT", "DELETE")

    async def _serials(self, request: ThingRequest, caller: Caller, vendor: str, model: str) -> Reply:
        if request.method in _READING:
            return await self._list(request, caller, vendor, model)
        if request.method not in {"POST", "DELETE"}:
            return not_allowed("GET", "HEAD", "POST", "DELETE")
        ranges, serials, form = _sent(request)
        # Clients of the first hour say "remove".
        removing = request.method == "DELETE" or "true" in {only(form, "delete"), only(form, "remove")}
        if not (ranges or serials):
            raise UsageError("no serials and no ranges")
        if removing and ranges:
            await self._registry.delete_ranges(vendor, model, ranges, caller)
        elif removing:
            await self._registry.delete(vendor, model, list(serials), caller)
        elif ranges:
            await self._registry.add_ranges(vendor, model, ranges, caller)
        else:
            await self._registry.add(vendor, model, serials, caller)
        return _DONE

    async def _list(self, request: ThingRequest, caller: Caller, vendor: str, model: str) -> Reply:
        show = request.query("show")
        if show == "ranges":
            found = await self._registry.look(vendor, model, caller, lambda book, _model: book.ranges(vendor, model))
            return json_reply(json.dumps({"ranges": [_shown(each) for each in found]}))
        if show:
            return error(404)
        offset = _count(request, "offset", 0)
        limit = min(max(_count(request, "limit", _MOST), _FEWEST), _MOST)
        things = await self._registry.look(
            vendor, model, caller, lambda book, _model: book.page(vendor, model, offset=offset, limit=limit)
        )
        now, with_state = self._desk.now(), request.query("status") == "true"
        rows = ((each.sn, each.rid, each.extra, *([_word(each, now)] if with_state else [])) for each in things)
        return csv_reply(_lines(rows))

    async def _serial(self, request: ThingRequest, caller: Caller, name: tuple[str, str, str]) -> Reply:
        match request.method:
            case "GET" | "HEAD":
                return await self._show(request, caller, name)
            case "POST":
                return await self._change(request.form(), caller, name)
            case "DELETE":
                await self._registry.delete(name[0], name[1], [name[2]], caller)
                return _DONE
        return not_allowed("GET", "HEAD", "POST", "DELETE")

    async def _show(self, request: ThingRequest, caller: Caller, name: tuple[str, str, str]) -> Reply:
        show = request.query("show")
        if show == "log":
            attempts = await self._registry.log(*name, caller)
            rows = [(int(each.at), each.peer, each.outcome) for each in attempts]
            return csv_reply(_lines(rows)) if rows else Reply(204)
        if show:
            return error(404)
        thing = await self._registry.thing(*name, caller)
        if thing.state is ThingState.UNCLAIMED:
            return Reply(204)
        return csv_reply(_lines([(_word(thing, self._desk.now()), thing.rid, thing.extra)]))

    async def _change(self, form: Fields, caller: Caller, name: tuple[str, str, str]) -> Reply:
        enable, disable = only(form, "enable") == "true", only(form, "disable") == "true"
        owner, old = only(form, "owner"), only(form, "oldsn")
        if enable == disable:
            raise UsageError("either enable=true or disable=true")
        if disable:
            await self._registry.disable(*name, caller)
        elif old:
            await self._registry.remap(*name, old, caller)
        elif owner:
            return key_reply(await self._registry.enable(*name, caller, tenant="", owner=owner))
        else:
            await self._registry.reenable(*name, caller)
        return _DONE


def _word(thing: Thing, now: float) -> str:
    return _WORDS[thing.state_at(now)]


def _shown(each: SerialRange) -> dict[str, object]:
    return {
        "format": each.format,
        "length": each.length or None,
        "casing": each.casing or None,
        "first": each.first,
        "last": each.last,
    }


def _count(request: ThingRequest, name: str, default: int) -> int:
    text = request.query(name)
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise FormError(400, f"{name} is not a number")
    return int(text)


def _lines(rows: Iterable[Sequence[object]]) -> str:
    """CSV without a line end behind the last line (RFC 4180 section 2)."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().removesuffix("\r\n")


def _sent(request: ThingRequest) -> tuple[list[SerialRange], dict[str, str], Fields]:
    """Ranges, serials with their notes, and the form, if it is one. Raises UsageError, FormError."""
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind in {"application/json", "application/javascript", "text/javascript"}:
        return _ranges(request.body), {}, []
    if kind == "text/csv":
        return [], _distinct(csv.reader(io.StringIO(_text(request.body)))), []
    form = request.form(MOST_AT_ONCE)
    one, extra = only(form, "sn"), only(form, "extra") or ""
    rows = [(value,) for name, value in form if name == "sn[]"]
    return [], _distinct([*([(one, extra)] if one is not None else []), *rows]), form


def _distinct(rows: Iterable[Sequence[str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for row in rows:
        if not row:
            continue
        if len(row) > 2 or row[0] in found:
            raise UsageError("a line is not sn,extra, or a serial is there twice")
        found[row[0]] = row[1] if len(row) > 1 else ""
    return found


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise FormError(400, "the body is not UTF-8") from None


def _ranges(body: bytes) -> list[SerialRange]:
    try:
        sent = json.loads(body)
    except (ValueError, RecursionError):
        raise UsageError("the body is not JSON") from None
    listed = sent.get("ranges") if isinstance(sent, dict) else None
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise UsageError("the body is not {ranges: [...]}")
    return [range_of(each) for each in listed]
