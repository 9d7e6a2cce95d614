"""The page about devices that are not phones: models with their counts, keys that were never shown, one button."""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import web

from provd.app.caller import Scope
from provd.base.errors import ProvdError
from provd.http.api.refusal import Refusal
from provd.http.signed_page import Render, SignedPage, go, refused
from provd.http.signin import Sessions
from provd.http.views import ThingViews

HERE = "/activation"


class ThingsPage(SignedPage):
    """Shows them to everybody who may see the page; who has signed in may re-enable what is his."""

    here = HERE

    def __init__(self, views: ThingViews, sessions: Sessions) -> None:
        super().__init__(sessions)
        self._views = views

    def add_to(self, app: web.Application, render: Render) -> None:
        """Open its paths."""
        super().add_to(app, render)
        app.router.add_post(f"{HERE}/reenable", self._reenable)

    async def page(self, request: web.Request, text: str = "", status: HTTPStatus = HTTPStatus.OK) -> web.Response:
        """Models, and who never showed a key."""
        session = self.sessions.of(request)
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
            said="" if text else self.sessions.said(request, HERE),
        )

    async def _reenable(self, request: web.Request) -> web.Response:
        try:
            session, form = await self.meant(request)
            vendor, model, sn = (form.get(name, "") for name in ("vendor", "model", "sn"))
            session.caller.need(Scope.WRITE)
            await self._views.reenable(vendor, model, sn, session.caller)
        except (ProvdError, Refusal) as error:
            return await self.page(request, *refused(error))
        text = f"{vendor}/{model}/{sn} has a full window again: it may fetch a new key, and the one before is dead."
        self.sessions.say(request, HERE, text)
        return go(HERE)
