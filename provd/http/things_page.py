"""The page about devices that are not phones: models with their counts, keys that were never shown, one button."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from types import MappingProxyType

from aiohttp import web
from yarl import URL

from provd.app.admin import Scope
from provd.base.errors import ConflictError, ForbiddenError, NotFoundError, ProvdError
from provd.http.api.refusal import Refusal
from provd.http.signin import Session, Sessions
from provd.http.views import ThingViews

HERE = "/activation"
_STATUS: Mapping[type[ProvdError], int] = MappingProxyType(
    {ForbiddenError: 403, NotFoundError: 404, ConflictError: 409}
)
Render = Callable[..., web.Response]
"""Renders a template for a request with what it is given."""


class ThingsPage:
    """Shows them to everybody who may see the page; who has signed in may re-enable what is his."""

    def __init__(self, views: ThingViews, sessions: Sessions) -> None:
        self._views = views
        self._sessions = sessions
        self._render: Render = _unable

    def add_to(self, app: web.Application, render: Render) -> None:
        """Open its paths."""
        self._render = render
        app.router.add_get(HERE, self._show)
        app.router.add_post(f"{HERE}/sign-in", self._sign_in)
        app.router.add_post(f"{HERE}/sign-out", self._sign_out)
        app.router.add_post(f"{HERE}/reenable", self._reenable)

    async def _show(self, request: web.Request) -> web.Response:
        return await self._page(request)

    async def _page(self, request: web.Request, text: str = "", status: HTTPStatus = HTTPStatus.OK) -> web.Response:
        session = self._sessions.of(request)
        view = await self._views.things()
        may = set[tuple[str, str]]()
        if session is not None and session.caller.has(Scope.WRITE):
            may = {(row.vendor, row.model) for row in view.models if session.caller.owns(row.tenant)}
        return self._render(
            request,
            "things.html",
            status=status,
            view=view,
            session=session,
            may=may,
            text=text,
            done=request.query.get("done", "")[:300],
        )

    async def _sign_in(self, request: web.Request) -> web.Response:
        form = await request.post()
        answer = web.Response(status=303, headers={"Location": HERE})
        try:
            self._sessions.sign_in(request, str(form.get("token", "")).strip(), answer)
        except Refusal as refusal:
            return await self._page(request, refusal.title, HTTPStatus(refusal.status))
        return answer

    async def _sign_out(self, request: web.Request) -> web.Response:
        answer = web.Response(status=303, headers={"Location": HERE})
        if await self._meant(request):
            self._sessions.sign_out(request, answer)
        return answer

    async def _meant(self, request: web.Request) -> Session | None:
        """The session whose page sent this form."""
        session, form = self._sessions.of(request), await request.post()
        return session if session is not None and self._sessions.is_meant(session, form.get("word")) else None

    async def _reenable(self, request: web.Request) -> web.Response:
        session = await self._meant(request)
        if session is None:
            return await self._page(request, "Sign in first.", HTTPStatus.FORBIDDEN)
        form = await request.post()
        vendor, model, sn = (str(form.get(name, "")) for name in ("vendor", "model", "sn"))
        where = URL(HERE).with_query(done=f"{vendor}/{model}/{sn}")
        try:
            session.caller.need(Scope.WRITE)
            await self._views.reenable(vendor, model, sn, session.caller)
        except ProvdError as error:
            status = _STATUS.get(type(error), 503)
            return await self._page(request, str(error), HTTPStatus(status))
        return web.Response(status=303, headers={"Location": str(where)})


def _unable(*_arguments: object, **_more: object) -> web.Response:
    raise RuntimeError("the page was not opened")
