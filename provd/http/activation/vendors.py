"""The vendors' side: ``/provision/manage/…`` and ``/provision/register``. Who asks, and for which vendor.

``X-Exosite-Token`` is an API token of the vendor's tenant (``provd token add``). Whoever has several vendors names one
in ``X-Exosite-Vendor``; there may also stand the vendor whose model is shared. What belongs to somebody else does not
exist.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable

from provd.app.activation.contents import TooLargeError
from provd.app.activation.office import VendorOffice
from provd.app.admin.caller import Caller, Scope
from provd.base.errors import ClashError, ConflictError, ForbiddenError, NotFoundError, ProvdError, UsageError
from provd.domain.activation.form import only
from provd.domain.records import MASTER_TENANT
from provd.http.activation.contents import UPLOADING, ContentPaths
from provd.http.activation.groups import GroupPaths, SharePaths
from provd.http.activation.management import Management
from provd.http.activation.standing import Standing
from provd.http.activation.wire import DONE, READING, Reply, ThingRequest, error, not_allowed, text_reply

PREFIX = "/provision/manage/"
REGISTER = "/provision/register"
_REFUSALS: tuple[tuple[type[ProvdError], int], ...] = (
    (ForbiddenError, 403),
    (NotFoundError, 404),
    (ConflictError, 409),
    (ClashError, 409),
    (TooLargeError, 413),
    (UsageError, 400),
)
"""The first that fits counts."""

Known = Callable[[str, str], Caller | None]
"""Who shows this token, from this address."""
Work = Callable[[ThingRequest, Caller], Awaitable[Reply]]
Answers = Callable[[ThingRequest, Standing, str], Awaitable[Reply]]


class Vendors:
    """Answers vendors."""

    def __init__(self, office: VendorOffice, known: Known) -> None:
        self._registry = office.registry
        self._shares = office.shares
        self._known = known
        self._contents = ContentPaths(office.contents, office.groups)
        self._parts: dict[str, Answers] = {
            "model": Management(office.registry, office.groups, office.shares).answer,
            "content": self._contents.answer,
            "group": GroupPaths(office.groups).answer,
            "share": SharePaths(office.shares).answer,
        }

    def knows(self, path: str) -> bool:
        """Whether the path is one of ours."""
        return path == REGISTER or (path.startswith(PREFIX) and self._part(path)[0] in self._parts)

    @staticmethod
    def uploads(method: str, path: str) -> bool:
        """Whether the body is a content, which is taken while it comes."""
        part, rest = Vendors._part(path) if path.startswith(PREFIX) else ("", "")
        return method in UPLOADING and part == "content" and bool(rest.partition("/")[2])

    @staticmethod
    def _part(path: str) -> tuple[str, str]:
        part, _, rest = path[len(PREFIX) :].partition("/")
        return part, rest.lstrip("/")

    async def answer(self, request: ThingRequest) -> Reply:
        """A request on one of our paths."""
        return await self._for_somebody(request, self._register if request.path == REGISTER else self._manage)

    async def upload(self, request: ThingRequest, octets: AsyncIterable[bytes]) -> Reply:
        """A content that is still coming. Nothing of it is read for a stranger."""

        async def work(request: ThingRequest, caller: Caller) -> Reply:
            rest = self._part(request.path)[1]
            who = await self._standing(request, caller, rest)
            return await self._contents.upload(request, who, rest, octets)

        return await self._for_somebody(request, work)

    async def _for_somebody(self, request: ThingRequest, work: Work) -> Reply:
        token = request.headers.get("X-Exosite-Token", "").strip()
        caller = self._known(token, request.peer) if token else None
        if caller is None:
            return error(401)
        try:
            caller.need(Scope.READ if request.method in READING else Scope.WRITE)
            return await work(request, caller)
        except tuple(kind for kind, _ in _REFUSALS) as refusal:
            return error(next(status for kind, status in _REFUSALS if isinstance(refusal, kind)))

    async def _manage(self, request: ThingRequest, caller: Caller) -> Reply:
        part, rest = self._part(request.path)
        return await self._parts[part](request, await self._standing(request, caller, rest), rest)

    async def _register(self, request: ThingRequest, caller: Caller) -> Reply:
        """The vendor's name: show it, take one, give it back."""
        tenant = caller.tenant or MASTER_TENANT
        mine = [each for each in await self._registry.vendors(caller) if each.tenant == tenant]
        if request.method in READING:
            return text_reply(mine[0].vendor) if mine else Reply(204)
        if request.method != "POST":
            return not_allowed("GET", "HEAD", "POST")
        form = request.form()
        name = only(form, "vendor") or ""
        if only(form, "delete") == "true":
            if not mine or name not in {"", mine[0].vendor}:
                return error(404)
            await self._registry.delete_vendor(mine[0].vendor, caller)
            return DONE
        if mine:
            raise ConflictError("there is a vendor already")
        await self._registry.add_vendor(name, tenant, caller)
        return DONE

    async def _standing(self, request: ThingRequest, caller: Caller, rest: str) -> Standing:
        named = request.headers.get("X-Exosite-Vendor", "").strip()
        mine = [each.vendor for each in await self._registry.vendors(caller)]
        if named and named not in mine:
            return await self._as_partner(named, mine, rest.partition("/")[0], caller)
        if named:
            return Standing(caller=caller, vendor=named)
        if len(mine) > 1:
            raise UsageError("several vendors: X-Exosite-Vendor names one")
        if not mine:
            raise NotFoundError("there is no vendor")
        return Standing(caller=caller, vendor=mine[0])

    async def _as_partner(self, vendor: str, mine: list[str], model: str, caller: Caller) -> Standing:
        for own in mine:
            for each in await self._shares.with_partner(own, caller):
                if (each.vendor, each.model) == (vendor, model):
                    return Standing(caller=caller, vendor=vendor, partner=own)
        raise NotFoundError("there is no such vendor")
