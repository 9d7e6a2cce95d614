"""The page about templates of one's own: written, looked at in the files of a real device, and taken away again."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from aiohttp import web
from yarl import URL

from provd.app.caller import Caller, Scope
from provd.base.errors import ProvdError, UsageError
from provd.domain.overrides import PLACES, Place, sha256
from provd.http.api.refusal import Refusal
from provd.http.signed_page import Form, Operations, Render, SignedPage, asked, go, refused
from provd.http.signin import Sessions

HERE = "/templates"
ONE = f"{HERE}/one"
_LARGEST_FORM = 1 << 20
"""Octets of a form with a template in it: the largest one, three octets for each where it is escaped."""
_OF_A_DEFAULT = {"applies_to": "", "some": (), "devices": 0}
"""What is said of an override, and of a default not."""
_IN_FORCE = "{} is in force. Devices get it when they next ask; provd device sync tells them at once."
_NAMES = ("model", "name", "for", "whom")
"""What says which template is meant, and whose. ``model`` may be a plugin, ``plugin:model``, or empty for a device."""


class TemplatesPage(SignedPage):
    """Lists and edits overrides. Templates may hold what is not for everybody: one has to sign in to see them."""

    here = HERE

    def __init__(self, operations: Operations, sessions: Sessions) -> None:
        super().__init__(sessions)
        self._operations = operations

    def add_to(self, app: web.Application, render: Render) -> None:
        """Open its paths."""
        super().add_to(app, render)
        app.router.add_get(ONE, self._one)
        app.router.add_post(ONE, self._act)

    async def page(self, request: web.Request, text: str = "", status: HTTPStatus = HTTPStatus.OK) -> web.Response:
        """The list; of one plugin or model with the names of what could be overridden, too."""
        session, found, of = self.sessions.of(request), {}, ""
        if session is not None:
            try:
                of = asked(request.query, "of")
                found = await self._do("template.list", {"model": of} if of else {}, session.caller)
            except ProvdError as error:
                of = ""
                text, status = refused(error)
        rows = [{**row, "link": _link(row)} for row in found.get("items", ())]
        return self._render(
            request,
            "templates.html",
            status=status,
            session=session,
            text=text,
            of=of,
            rows=rows,
            names=found.get("templates", ()),
            places=[place.value for place in PLACES],
            said="" if text else self.sessions.said(request, HERE),
        )

    async def _one(self, request: web.Request) -> web.Response:
        session = self.sessions.of(request)
        if session is None:
            return await self.page(request, "Sign in first.", HTTPStatus.FORBIDDEN)
        try:
            given = {name: asked(request.query, name) for name in _NAMES}
            return await self._shown(request, given, session.caller)
        except ProvdError as error:
            return await self.page(request, *refused(error))

    async def _shown(
        self,
        request: web.Request,
        given: Form,
        caller: Caller,
        problem: tuple[str, HTTPStatus] = ("", HTTPStatus.OK),
        **more: Any,
    ) -> web.Response:
        """One template with its editor. ``more``: the text as it was sent, and what was found out about it."""
        where = _where(given)
        shown = {**_OF_A_DEFAULT, **await self._do("template.show", where, caller)}
        own = shown["state"] != "default"
        compared = await self._do("template.diff", where, caller) if own else {}
        text, taken = shown["text"], False
        if request.query.get("merged") and compared.get("merged"):
            text, taken = compared["merged"], True
        data: dict[str, Any] = {
            "given": given,
            "shown": shown,
            "own": own,
            "compared": compared,
            "text": text,
            "taken": taken,
            "was": sha256(shown["text"]) if own else "default",
            "on": "",
            "preview": None,
            "restoring": False,
            "said": "" if problem[0] else self.sessions.said(request, ONE),
            "link": _to(given),
            **more,
        }
        sentence, status = problem
        session = self.sessions.of(request)
        may = caller.has(Scope.ADMIN)
        return self._render(request, "template.html", status=status, session=session, may=may, problem=sentence, **data)

    async def _act(self, request: web.Request) -> web.Response:
        try:
            session, form = await self.meant(request, _LARGEST_FORM)
            given = {name: asked(form, name) for name in _NAMES}
        except (ProvdError, Refusal) as error:
            return await self.page(request, *refused(error))
        text = form.get("text", "").replace("\r\n", "\n")
        sent: dict[str, Any] = {"text": text, "was": form.get("was", ""), "on": form.get("on", "")[:20].strip()}
        problem = ("", HTTPStatus.OK)
        try:
            match form.get("do", ""):
                case "save":
                    wanted = {"text": text, "expect": sent["was"]}
                    kept = await self._do("template.set", {**_where(given), **wanted}, session.caller)
                    self.sessions.say(request, ONE, _IN_FORCE.format(kept["id"]))
                    return go(_to(given))
                case "restore":
                    wanted = {"expect": sent["was"]}
                    gone = await self._do("template.restore", {**_where(given), **wanted}, session.caller)
                    self.sessions.say(request, HERE, f"{gone['restored']} is gone: what is weaker applies again.")
                    return go(HERE)
                case "preview" | "restored" as doing:
                    sent["restoring"] = doing == "restored"
                    sent["preview"] = await self._previewed(given, sent, session.caller)
                case _:
                    raise UsageError("do: is none of the buttons")
        except ProvdError as error:
            problem = refused(error)
        try:
            return await self._shown(request, given, session.caller, problem, **sent)
        except ProvdError as error:
            return await self.page(request, *refused(error))

    async def _previewed(self, given: Form, sent: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        wanted: dict[str, object] = {"restored": True} if sent["restoring"] else {"text": sent["text"]}
        if sent["on"]:
            wanted["on"] = sent["on"]
        return await self._do("template.preview", {**_where(given), **wanted}, caller)

    async def _do(self, name: str, params: Mapping[str, object], caller: Caller) -> dict[str, Any]:
        found = await self._operations.call(name, params, caller)
        return dict(found) if isinstance(found, Mapping) else {}


def _where(given: Form) -> dict[str, object]:
    """The parameters of the operations. Raises UsageError."""
    place, whom = given["for"], given["whom"]
    meant: dict[str, object] = {"name": given["name"]}
    match place:
        case Place.DEVICE:
            return {**meant, "device": whom}
        case Place.TENANT:
            return {**meant, "model": given["model"], "tenant": whom}
        case Place.SITE:
            return {**meant, "model": given["model"], "site": True}
        case Place.MODEL:
            return {**meant, "model": given["model"]}
        case _:
            raise UsageError(f"for: is none of {', '.join(PLACES)}")


def _link(row: Mapping[str, Any]) -> str:
    """Where an override is edited."""
    model = f"{row['plugin']}:{row['applies_to']}" if row["place"] == Place.MODEL else row["plugin"]
    return _to({"model": model, "name": row["template"], "for": row["place"], "whom": row["applies_to"]})


def _to(given: Form) -> str:
    return str(URL(ONE).with_query({name: given[name] for name in _NAMES}))
