"""The vendors' side: ``/provision/manage/…``, ``/provision/register``, ``/provision/admin/auth/…``.

Here it is found out who asks, and for which vendor.

``X-Exosite-Token`` is an API token of the vendor's tenant (``provd token add``) or one that the vendor made itself,
``X-Exosite-CIK`` the vendor's own key. Clients of this protocol mix the two headers up, so either may be in either.
Whoever has several vendors names one in ``X-Exosite-Vendor``; there may also stand the vendor whose model is shared.
What belongs to somebody else does not exist.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable

from provd.app.activation.badges import Badge
from provd.app.activation.contents import TooLargeError
from provd.app.activation.office import VendorOffice
from provd.app.caller import Caller, Scope
from provd.base.errors import ClashError, ConflictError, ForbiddenError, NotFoundError, ProvdError, UsageError
from provd.domain.activation.form import only
from provd.domain.activation.thing import ThingVendor
from provd.domain.records import MASTER_TENANT
from provd.http.activation.contents import UPLOADING, ContentPaths
from provd.http.activation.groups import GroupPaths, SharePaths
from provd.http.activation.management import Management
from provd.http.activation.standing import Standing
from provd.http.activation.tokens import TokenPaths
from provd.http.activation.wire import DONE, READING, Reply, ThingRequest, error, not_allowed, text_reply

PREFIX = "/provision/manage/"
REGISTER = "/provision/register"
AUTH = "/provision/admin/auth"
_REFUSALS: tuple[tuple[type[ProvdError], int], ...] = (
    (ForbiddenError, 403),
    (NotFoundError, 404),
    (ConflictError, 409),
    (ClashError, 409),
    (TooLargeError, 413),
    (UsageError, 400),
)
"""The first that fits counts."""

Work = Callable[[ThingRequest, Badge], Awaitable[Reply]]
Answers = Callable[[ThingRequest, Standing, str], Awaitable[Reply]]


class Vendors:
    """Answers vendors."""

    def __init__(self, office: VendorOffice) -> None:
        self._registry = office.registry
        self._shares = office.shares
        self._badges = office.badges
        self._tokens = TokenPaths(office.badges)
        self._contents = ContentPaths(office.contents, office.groups)
        self._parts: dict[str, Answers] = {
            "model": Management(office.registry, office.groups, office.shares).answer,
            "content": self._contents.answer,
            "group": GroupPaths(office.groups).answer,
            "share": SharePaths(office.shares).answer,
        }

    def knows(self, path: str) -> bool:
        """Whether the path is one of ours."""
        return (
            path in {REGISTER, AUTH}
            or path.startswith(f"{AUTH}/")
            or (path.startswith(PREFIX) and self._part(path)[0] in self._parts)
        )

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
        if request.path == REGISTER:
            return await self._for_somebody(request, self._register)
        if request.path.startswith(AUTH):
            return await self._for_somebody(request, self._auth, Scope.ADMIN)
        return await self._for_somebody(request, self._manage)

    async def upload(self, request: ThingRequest, octets: AsyncIterable[bytes]) -> Reply:
        """A content that is still coming. Nothing of it is read for a stranger."""

        async def work(request: ThingRequest, badge: Badge) -> Reply:
            rest = self._part(request.path)[1]
            who = await self._standing(request, badge, rest)
            return await self._contents.upload(request, who, rest, octets)

        return await self._for_somebody(request, work)

    async def _for_somebody(self, request: ThingRequest, work: Work, needed: Scope = Scope.WRITE) -> Reply:
        text = request.headers.get("X-Exosite-Token", "").strip() or request.key
        badge = await self._badges.badge(text, request.peer)
        if badge is None:
            return error(401)
        try:
            badge.caller.need(Scope.READ if request.method in READING and needed is Scope.WRITE else needed)
            return await work(request, badge)
        except tuple(kind for kind, _ in _REFUSALS) as refusal:
            return error(next(status for kind, status in _REFUSALS if isinstance(refusal, kind)))

    async def _manage(self, request: ThingRequest, badge: Badge) -> Reply:
        part, rest = self._part(request.path)
        return await self._parts[part](request, await self._standing(request, badge, rest), rest)

    async def _auth(self, request: ThingRequest, badge: Badge) -> Reply:
        who = await self._standing(request, badge, "")
        return await self._tokens.answer(request, who, request.path[len(AUTH) :].lstrip("/"))

    async def _mine(self, badge: Badge) -> list[ThingVendor]:
        """The vendors that the caller is: the one of the badge, or all of his tenant."""
        vendors = await self._registry.vendors(badge.caller)
        return [each for each in vendors if badge.vendor in {"", each.vendor}]

    async def _register(self, request: ThingRequest, badge: Badge) -> Reply:
        """The vendor's name: show it, take one, give it back."""
        caller = badge.caller
        tenant = caller.tenant or MASTER_TENANT
        mine = [each for each in await self._mine(badge) if each.tenant == tenant]
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
        if name in {each.vendor for each in mine}:
            return DONE
        if mine:
            raise ConflictError("there is a vendor already")
        await self._registry.add_vendor(name, tenant, caller)
        return DONE

    async def _standing(self, request: ThingRequest, badge: Badge, rest: str) -> Standing:
        named, caller = request.headers.get("X-Exosite-Vendor", "").strip(), badge.caller
        mine = [each.vendor for each in await self._mine(badge)]
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
