"""Models and serials of a vendor: ``/provision/manage/model/…``"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from urllib.parse import urlencode

from provd.app.activation.groups import Groups, Shares
from provd.app.activation.registry import MOST_AT_ONCE, Registry
from provd.base.errors import NotFoundError, UsageError
from provd.domain.activation.form import Fields, only
from provd.domain.activation.serials import SerialRange, range_of
from provd.domain.activation.thing import Thing, ThingModel, ThingState
from provd.http.activation.standing import Standing
from provd.http.activation.wire import (
    DONE,
    READING,
    Reply,
    ThingRequest,
    error,
    json_reply,
    key_reply,
    not_allowed,
    rows_or_nothing,
    rows_reply,
    text_reply,
)

_WORDS = {
    ThingState.UNCLAIMED: "",
    ThingState.PENDING: "notactivated",
    ThingState.ACTIVATED: "activated",
    ThingState.EXPIRED: "expired",
    ThingState.DISABLED: "expired",
}
"""The states as they are spoken of on the wire."""
_CLONED = ("rid", "code", "options[]")
"""What a vendor may say about what its devices are made after. It means nothing here and is given back."""


class Management:
    """Answers vendors about models and serials.

    A vendor that a model is shared with sees and moves the serials that it has enabled itself, and nothing else.
    """

    def __init__(self, registry: Registry, groups: Groups, shares: Shares) -> None:
        self._registry = registry
        self._groups = groups
        self._shares = shares

    async def answer(self, request: ThingRequest, who: Standing, rest: str) -> Reply:
        """A request for what stands behind ``/provision/manage/model/``. Raises ProvdErrors: they become statuses."""
        model, slash, sn = rest.partition("/")
        if sn:
            return await self._serial(request, who, model, sn)
        if who.partner and not (model and slash and request.method in READING):
            raise NotFoundError("a model of somebody else has nothing but its serials")
        if not model:
            return await self._models(request, who)
        if slash:
            return await self._serials(request, who, model)
        return await self._model(request, who, model)

    async def _models(self, request: ThingRequest, who: Standing) -> Reply:
        if request.method in READING:
            return await self._list_models(request, who)
        if request.method != "POST":
            return not_allowed("GET", "HEAD", "POST")
        form = request.form()
        model = only(form, "model") or ""
        if only(form, "delete") == "true":
            await self._registry.delete_model(who.vendor, model, who.caller)
        else:
            wanted = ThingModel(vendor=who.vendor, model=model, clone=_clone(form))
            await self._registry.add_model(wanted, who.caller)
        return DONE

    async def _list_models(self, request: ThingRequest, who: Standing) -> Reply:
        match request.query("show"):
            case "":
                models = await self._registry.models(who.vendor, who.caller)
                return rows_reply([(each.model,) for each in models])
            case "shared":
                shared = await self._shares.with_partner(who.vendor, who.caller)
                return rows_reply([(each.vendor, each.model) for each in shared])
        return error(404)

    async def _model(self, request: ThingRequest, who: Standing, model: str) -> Reply:
        match request.method:
            case "GET" | "HEAD":
                found = await self._registry.look(who.vendor, model, who.caller, lambda _book, each: each)
                own = urlencode({"model": found.model, "window": found.window or self._registry.window})
                return text_reply(f"{found.clone}&{own}" if found.clone else own)
            case "PUT":
                await self._registry.set_model(who.vendor, model, _change_of(request.form()), who.caller)
                return DONE
            case "DELETE":
                await self._registry.delete_model(who.vendor, model, who.caller)
                return DONE
        return not_allowed("GET", "HEAD", "PUT", "DELETE")

    async def _serials(self, request: ThingRequest, who: Standing, model: str) -> Reply:
        if request.method in READING:
            return await self._list(request, who, model)
        if request.method not in {"POST", "DELETE"}:
            return not_allowed("GET", "HEAD", "POST", "DELETE")
        ranges, serials, form = _sent(request)
        # Clients of the first hour say "remove".
        removing = request.method == "DELETE" or "true" in {only(form, "delete"), only(form, "remove")}
        if not (ranges or serials):
            raise UsageError("no serials and no ranges")
        if removing and ranges:
            await self._registry.delete_ranges(who.vendor, model, ranges, who.caller)
        elif removing:
            await self._registry.delete(who.vendor, model, list(serials), who.caller)
        elif ranges:
            await self._registry.add_ranges(who.vendor, model, ranges, who.caller)
        else:
            await self._registry.add(who.vendor, model, serials, who.caller)
        return DONE

    async def _list(self, request: ThingRequest, who: Standing, model: str) -> Reply:
        show, vendor = request.query("show"), who.vendor
        if show == "ranges" and not who.partner:
            found = await self._registry.look(
                vendor, model, who.caller, lambda book, _model: book.ranges(vendor, model)
            )
            return json_reply(json.dumps({"ranges": [_shown(each) for each in found]}))
        if show:
            return error(404)
        offset, limit = request.slice
        via = who.partner or request.query("shared")
        things = await self._registry.look(
            vendor,
            model,
            who.caller,
            lambda book, _model: book.page(vendor, model, offset=offset, limit=limit, via=via),
            who.partner,
        )
        now, with_state = self._registry.now(), request.query("status") == "true"
        return rows_reply(
            (each.sn, each.rid, who.note(each), *([_word(each, now)] if with_state else [])) for each in things
        )

    async def _serial(self, request: ThingRequest, who: Standing, model: str, sn: str) -> Reply:
        match request.method:
            case "GET" | "HEAD":
                return await self._show(request, who, model, sn)
            case "POST":
                return await self._change(request.form(), who, (who.vendor, model, sn))
            case "DELETE" if not who.partner:
                await self._registry.delete(who.vendor, model, [sn], who.caller)
                return DONE
        return not_allowed("GET", "HEAD", "POST", "DELETE")

    async def _show(self, request: ThingRequest, who: Standing, model: str, sn: str) -> Reply:
        show, name = request.query("show"), (who.vendor, model, sn)
        if show == "log":
            attempts = await self._registry.log(*name, who.caller, who.partner)
            return rows_or_nothing([(int(each.at), each.peer, each.outcome) for each in attempts])
        if show == "groups" and not who.partner:
            groups = await self._groups.of_member(who.vendor, model, "sn", sn, who.caller)
            return rows_or_nothing([(each,) for each in request.part(groups)])
        if show:
            return error(404)
        thing = await self._registry.thing(*name, who.caller, who.partner)
        if thing.state is ThingState.UNCLAIMED:
            return Reply(204)
        return rows_reply([(_word(thing, self._registry.now()), thing.rid, who.note(thing))])

    async def _change(self, form: Fields, who: Standing, name: tuple[str, str, str]) -> Reply:
        enable, disable = only(form, "enable") == "true", only(form, "disable") == "true"
        owner, old = only(form, "owner"), only(form, "oldsn")
        if enable == disable:
            raise UsageError("either enable=true or disable=true")
        if disable:
            await self._registry.disable(*name, who.caller, who.partner)
        elif old:
            await self._registry.remap(*name, old, who.caller, who.partner)
        elif owner:
            rid = await self._registry.enable(*name, who.caller, tenant="", owner=owner, partner=who.partner)
            return key_reply(rid)
        else:
            await self._registry.reenable(*name, who.caller, who.partner)
        return DONE


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


def _clone(form: Fields) -> str:
    """What the form says of the clone, as it is kept. Raises UsageError."""
    text = urlencode([(name, value) for name, value in form if name in _CLONED])
    if len(text) > 1024:
        raise UsageError("rid, code and options: are too long")
    return text


def _change_of(form: Fields) -> Callable[[ThingModel], ThingModel]:
    """What a form makes of a model. Raises UsageError."""
    window, clone = only(form, "window"), _clone(form)
    if window is None and not clone:
        raise UsageError("window: is needed, or rid, code, options")
    if window is not None and not (window.isascii() and window.isdigit() and len(window) < 10):
        raise UsageError("window: must be seconds")

    def change(found: ThingModel) -> ThingModel:
        return replace(found, window=found.window if window is None else int(window), clone=clone or found.clone)

    return change


def _sent(request: ThingRequest) -> tuple[list[SerialRange], dict[str, str], Fields]:
    """Ranges, serials with their notes, and the form, if it is one. Raises UsageError, FormError."""
    if request.media in {"application/json", "application/javascript", "text/javascript"}:
        return _ranges(request.body), {}, []
    if request.media == "text/csv":
        return [], _distinct(csv.reader(io.StringIO(request.text))), []
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


def _ranges(body: bytes) -> list[SerialRange]:
    try:
        sent = json.loads(body)
    except (ValueError, RecursionError):
        raise UsageError("the body is not JSON") from None
    listed = sent.get("ranges") if isinstance(sent, dict) else None
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise UsageError("the body is not {ranges: [...]}")
    return [range_of(each) for each in listed]
