"""The page about plugins: what is in force, and another version of it, seen in the files of the fleet before it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from aiohttp import web
from yarl import URL

from provd.app.caller import Caller, Scope
from provd.base.errors import ConflictError, ProvdError
from provd.http.api.refusal import Refusal
from provd.http.signed_page import Form, Operations, Render, SignedPage, asked, go, refused
from provd.http.signin import Session, Sessions

HERE = "/plugins"
REFRESH = 2
"""Seconds until the page of work that is under way is loaded again."""
_ALL = Caller(name="page", scopes=frozenset({Scope.READ}))
_MOST = 10_000

Devices = Callable[[], Mapping[str, int]]
"""How many devices use each plugin."""


class PluginsPage(SignedPage):
    """Everybody who may see the page sees what is in force; an administrator of the site may change it."""

    here = HERE

    def __init__(self, operations: Operations, sessions: Sessions, devices: Devices) -> None:
        super().__init__(sessions)
        self._operations = operations
        self._devices = devices

    def add_to(self, app: web.Application, render: Render) -> None:
        """Open its paths."""
        super().add_to(app, render)
        app.router.add_get(f"{HERE}/operation/{{id}}", self._work)
        for verb in ("try", "fetch", "switch", "cancel"):
            app.router.add_post(f"{HERE}/{verb}", self._doing(verb))

    async def page(self, request: web.Request, text: str = "", status: HTTPStatus = HTTPStatus.OK) -> web.Response:
        """What is in force; with ``?offered=1`` also what the publishers offer, which asks them."""
        session = self.sessions.of(request)
        may = _may(session)
        listed = await self._do("plugin.list", {"limit": _MOST}, _ALL)
        offers: list[Mapping[str, Any]] | None = None
        if may and session is not None and request.query.get("offered") and not text:
            try:
                found = await self._do("plugin.available", {}, session.caller)
                offers, text = found["items"], "; ".join(found["failed"])
            except ProvdError as error:
                text, status = refused(error)
        return self._render(
            request,
            "plugins.html",
            status=status,
            session=session,
            may=may,
            text=text,
            rows=listed["items"],
            devices=self._devices(),
            offers=offers,
            said="" if text else self.sessions.said(request, HERE),
        )

    async def _work(self, request: web.Request) -> web.Response:
        session = self.sessions.of(request)
        if session is None:
            return await self.page(request, "Sign in first.", HTTPStatus.FORBIDDEN)
        try:
            work = await self._do("operation.show", {"id": request.match_info["id"]}, session.caller)
        except ProvdError as error:
            return await self.page(request, *refused(error))
        running = work["state"] == "running"
        result, given = work["result"] or {}, work["args"]
        return self._render(
            request,
            "plugin_work.html",
            what=" ".join(
                filter(None, (given.get("plugin") or work["kind"], given.get("choice") or given.get("version")))
            ),
            staged=result.get("staged"),
            session=session,
            may=_may(session),
            work=work,
            result=result,
            outcome=result.get("outcome"),
            back=bool(request.query.get("back")),
            refresh=REFRESH if running else 0,
        )

    def _doing(self, verb: str) -> Callable[[web.Request], Any]:
        act = {"try": self._try, "fetch": self._fetch, "switch": self._switch, "cancel": self._cancel}[verb]

        async def handle(request: web.Request) -> web.Response:
            try:
                session, form = await self.meant(request)
                return go(await act(request, form, session.caller))
            except (ProvdError, Refusal) as error:
                return await self.page(request, *refused(error))

        return handle

    async def _try(self, _request: web.Request, form: Form, caller: Caller) -> str:
        back = bool(asked(form, "back"))
        wanted: dict[str, object] = {"previous": True} if back else {"version": asked(form, "version")}
        work = await self._do("plugin.try", {"id": asked(form, "id"), **wanted}, caller)
        return str(URL(f"{HERE}/operation/{work['id']}").with_query({"back": "1"} if back else {}))

    async def _fetch(self, _request: web.Request, form: Form, caller: Caller) -> str:
        wanted = {"plugin": asked(form, "id"), "version": asked(form, "version")}
        work = await self._do("plugin.prepare", wanted, caller)
        return f"{HERE}/operation/{work['id']}"

    async def _switch(self, request: web.Request, form: Form, caller: Caller) -> str:
        """What was seen is done, and nothing else: from what was in force then to what was looked at."""
        work = await self._do("operation.show", {"id": asked(form, "work")}, caller)
        result = work["result"] or {}
        if "outcome" not in result:
            raise ConflictError("what it would change was not seen yet")
        if result["outcome"]["harmful"] and not form.get("force"):
            raise ConflictError("some device would be worse off: say that it is to be done all the same")
        kept = {"keep_templates": True} if work["args"].get("keep_templates") else {}
        if form.get("back"):
            wanted = {"id": result["plugin"], "expect": result["choice"], **kept}
            done = await self._do("plugin.rollback", wanted, caller)
        else:
            wanted = {"id": result["plugin"], "version": result["choice"], "expect": result["expect"], **kept}
            done = await self._do("plugin.switch", wanted, caller)
        text = f"{done['id']} {done['version']} is in force; phones get its files from now on."
        self.sessions.say(request, HERE, text)
        return HERE

    async def _cancel(self, _request: web.Request, form: Form, caller: Caller) -> str:
        work = await self._do("operation.cancel", {"id": asked(form, "work")}, caller)
        return f"{HERE}/operation/{work['id']}"

    async def _do(self, name: str, params: Mapping[str, object], caller: Caller) -> dict[str, Any]:
        found = await self._operations.call(name, params, caller)
        return dict(found) if isinstance(found, Mapping) else {}


def _may(session: Session | None) -> bool:
    """Whether somebody may put another version in force."""
    return session is not None and session.caller.tenant is None and session.caller.has(Scope.ADMIN)
