"""Contents of a model for its vendor (``/provision/manage/content/…``) and its devices (``/provision/download``)."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Sequence
from functools import partial

from provd.app.activation.contents import Contents
from provd.app.activation.desk import ThingDesk
from provd.app.activation.groups import Groups
from provd.base.errors import NotFoundError, UsageError
from provd.domain.activation.content import Content
from provd.domain.activation.form import FormError, only, product_of
from provd.domain.activation.thing import Thing
from provd.http.activation.standing import Standing
from provd.http.activation.wire import (
    DONE,
    READING,
    Reply,
    Stored,
    ThingRequest,
    error,
    not_allowed,
    rows_or_nothing,
    rows_reply,
)

UPLOADING = frozenset({"POST", "PUT"})
_ANY = "application/octet-stream"


class ContentPaths:
    """Answers vendors about contents."""

    def __init__(self, contents: Contents, groups: Groups) -> None:
        self._contents = contents
        self._groups = groups

    async def answer(self, request: ThingRequest, who: Standing, rest: str) -> Reply:
        """A request for what stands behind ``/provision/manage/content/``. Raises ProvdErrors: they become statuses."""
        model, _, name = rest.partition("/")
        if who.partner or not model:
            raise NotFoundError("there is no such model")
        if name and request.method in UPLOADING:
            return await self.upload(request, who, rest, _whole(request.body))
        if name:
            return await self._one(request, who, model, name)
        if request.method in READING:
            found = await self._listed(request, who, model)
            return rows_reply([(each.id,) for each in found])
        if request.method != "POST":
            return not_allowed("GET", "HEAD", "POST")
        form = request.form()
        wanted = only(form, "id") or ""
        if only(form, "delete") == "true":
            await self._contents.delete(who.vendor, model, wanted, who.caller)
            return DONE
        meta = only(form, "meta") or only(form, "description") or ""
        protected = only(form, "protected") == "true"
        new = Content(vendor=who.vendor, model=model, id=wanted, meta=meta, protected=protected)
        await self._contents.add(new, who.caller)
        return DONE

    async def upload(self, request: ThingRequest, who: Standing, rest: str, octets: AsyncIterable[bytes]) -> Reply:
        """What is in a content from now on. The media type is kept as it was sent. Raises NotFoundError, UsageError."""
        model, _, name = rest.partition("/")
        if who.partner:
            raise NotFoundError("there is no such model")
        media = request.headers.get("Content-Type", "").strip() or _ANY
        if not (media.isascii() and media.isprintable()):
            raise UsageError("the content type is none")
        await self._contents.upload(who.vendor, model, name, media, octets, who.caller)
        return DONE

    async def _listed(self, request: ThingRequest, who: Standing, model: str) -> Sequence[Content]:
        sn = request.query("sn")
        try:
            return await self._contents.list(who.vendor, model, who.caller, sn)
        except NotFoundError:
            if sn:
                raise FormError(400, "there is no such model, or it has no such serial") from None
            raise

    async def _one(self, request: ThingRequest, who: Standing, model: str, name: str) -> Reply:
        if request.method == "DELETE":
            await self._contents.delete(who.vendor, model, name, who.caller)
            return DONE
        if request.method not in READING:
            return not_allowed("GET", "HEAD", "POST", "PUT", "DELETE")
        match request.query("show"):
            case "":
                return await self._read(request, who, model, name)
            case "groups":
                groups = await self._groups.of_member(who.vendor, model, "content", name, who.caller)
                return rows_or_nothing([(each,) for each in request.part(groups)])
        return error(404)

    async def _read(self, request: ThingRequest, who: Standing, model: str, name: str) -> Reply:
        found = await self._contents.show(who.vendor, model, name, who.caller)
        sn = request.query("sn")
        if sn and name not in {each.id for each in await self._listed(request, who, model)}:
            return error(403)
        if request.query("download") == "true":
            return stored(self._contents, found)
        return rows_reply([_info(found) if sn else (*_info(found), _flag(found.protected))])


class Downloads:
    """Answers devices that show their key."""

    def __init__(self, contents: Contents, desk: ThingDesk) -> None:
        self._contents = contents
        self._desk = desk

    async def answer(self, request: ThingRequest) -> Reply:
        """The list of contents, one of them, or what there is to know about it."""
        if request.method not in READING:
            return not_allowed("GET", "HEAD")
        thing = await self._desk.holder(request.key, request.peer)
        if thing is None:
            # Not counted: nobody guesses 160 bits, and a device whose key was ended has to be able to activate again.
            return error(401)
        pair, about = (request.query("vendor"), request.query("model")), request.query("info") == "true"
        if pair == ("", ""):
            # Later clients name their product by the host they ask, as they do when they activate.
            pair = (product_of(request.headers.get("Host", "")),) * 2
        if pair != (thing.vendor, thing.model):
            return error(400 if about or not all(pair) else 403)
        name = request.query("id")
        try:
            return await self._of(thing, name, about=about)
        except NotFoundError:
            return error(404)

    async def _of(self, thing: Thing, name: str, *, about: bool) -> Reply:
        if not name:
            return rows_reply([(each.id,) for each in await self._contents.of_device(thing)])
        found = await self._contents.for_device(thing, name)
        if found is None:
            return error(403)
        return rows_reply([_info(found)]) if about else stored(self._contents, found)


def stored(contents: Contents, found: Content) -> Reply:
    """A content to be sent, 404 as long as nothing is in it."""
    if not found.blob:
        return error(404)
    return Reply(200, stored=Stored(found.type, found.size, found.sha256, partial(contents.octets, found.blob)))


def _info(found: Content) -> tuple[object, ...]:
    return found.type, found.size, int(found.updated), found.meta


def _flag(value: bool) -> str:
    return "true" if value else "false"


async def _whole(body: bytes) -> AsyncIterator[bytes]:
    yield body
