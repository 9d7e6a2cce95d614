"""A page on which something can be done by who has signed in with a token."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import parse_qsl

from aiohttp import web

from provd.app.caller import Caller
from provd.base.errors import ProvdError, UsageError
from provd.http.api.refusal import Refusal
from provd.http.problems import status_of
from provd.http.signin import Session, Sessions

Render = Callable[..., web.Response]
"""Renders a template for a request with what it is given."""
Form = Mapping[str, str]

_LONGEST_FIELD = 200


class Operations(Protocol):
    """The operations of provd by their names; who may do what is theirs to say."""

    async def call(self, name: str, params: Mapping[str, object], caller: Caller, /) -> object:
        """Carry one out. Raises ProvdError."""
        ...


class SignedPage(ABC):
    """What such pages have in common: who has signed in on one of them has done so on all.

    Every change is a form with the session's word in it, and ends with a redirect, so that looking at the page again
    does not do it again.
    """

    here: str
    """Where it is."""

    def __init__(self, sessions: Sessions) -> None:
        self.sessions = sessions
        self._render: Render = _unable

    def add_to(self, app: web.Application, render: Render) -> None:
        """Open its paths."""
        self._render = render
        app.router.add_get(self.here, self._show)
        app.router.add_post(f"{self.here}/sign-in", self._sign_in)
        app.router.add_post(f"{self.here}/sign-out", self._sign_out)

    @abstractmethod
    async def page(self, request: web.Request, text: str = "", status: HTTPStatus = HTTPStatus.OK) -> web.Response:
        """The page as it is now, with a sentence about what could not be done."""

    async def meant(self, request: web.Request, octets: int = 0) -> tuple[Session, Form]:
        """The session whose page sent this form, and the form; up to so many ``octets`` of it are read.

        Raises Refusal when nobody has signed in, or somebody else's page sent it.
        """
        session = self.sessions.of(request)
        if session is None:
            raise Refusal("forbidden", HTTPStatus.FORBIDDEN, "Sign in first.")
        form = await _form(request.clone(client_max_size=octets) if octets else request)
        if not self.sessions.is_meant(session, form.get("word")):
            raise Refusal("forbidden", HTTPStatus.FORBIDDEN, "Sign in first.")
        return session, form

    async def _show(self, request: web.Request) -> web.Response:
        return await self.page(request)

    async def _sign_in(self, request: web.Request) -> web.Response:
        answer = go(self.here)
        try:
            form = await _form(request)
            self.sessions.sign_in(request, form.get("token", "").strip(), answer)
        except Refusal as refusal:
            return await self.page(request, refusal.title, HTTPStatus(refusal.status))
        return answer

    async def _sign_out(self, request: web.Request) -> web.Response:
        answer = go(self.here)
        try:
            await self.meant(request)
        except Refusal:
            return answer
        self.sessions.sign_out(request, answer)
        return answer


async def _form(request: web.Request) -> Form:
    """The fields of a form as browsers send it: in UTF-8, and none of ours has files in it. Raises Refusal."""
    # Not aiohttp's way: it lets the sender choose among Python's codecs, and raises whatever those do.
    form = None
    if request.content_type == "application/x-www-form-urlencoded":
        with contextlib.suppress(ValueError):
            form = dict(parse_qsl((await request.read()).decode(), keep_blank_values=True))
    if form is None:
        raise Refusal("usage", HTTPStatus.BAD_REQUEST, "That is no form of this page.")
    return form


def go(where: str) -> web.Response:
    """On to another page, which is asked for with GET."""
    return web.Response(status=303, headers={"Location": where})


def refused(error: ProvdError | Refusal) -> tuple[str, HTTPStatus]:
    """Why something was not done, for people, and the status that says so to programs."""
    if isinstance(error, Refusal):
        return error.title, HTTPStatus(error.status)
    return str(error), status_of(error)


def asked(given: Mapping[str, Any], name: str, default: str = "") -> str:
    """A short field of a form or of a query. Raises UsageError for one that is no such field's value."""
    value = str(given.get(name, default)).strip()
    if len(value) > _LONGEST_FIELD:
        raise UsageError(f"{name}: is too long")
    return value


def _unable(*_arguments: object, **_more: object) -> web.Response:
    raise RuntimeError("the page was not opened")
