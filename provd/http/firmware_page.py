"""The page about firmware: what is here, and how far rollouts are."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Protocol

from aiohttp import web

from provd.app.caller import Scope
from provd.base.dataclass import dataclass
from provd.base.errors import ProvdError, UsageError
from provd.http.api.refusal import Refusal
from provd.http.signed_page import Operations, Render, SignedPage, asked, go, refused
from provd.http.signin import Sessions

HERE = "/firmware"
_VERBS = {
    "planned": ("start",),
    "running": ("pause", "abort", "rollback"),
    "paused": ("resume", "abort", "rollback"),
    "done": ("rollback",),
    "aborted": ("rollback",),
}
"""What may be done with a rollout in each of its states."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutRow:
    """A rollout: ``on`` of ``of`` devices run the version; ``missing`` names those that should and do not. ``rings``:
    name, how many run it, and of how many, of each ring that has begun."""

    name: str
    package: str
    version: str
    state: str
    ring: str
    on: int
    of: int
    reason: str = ""
    missing: tuple[str, ...] = ()
    tenant: str = ""
    rings: tuple[tuple[str, int, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageRow:
    """A package that is here."""

    plugin: str
    name: str
    version: str
    kind: str
    files: int
    size: int
    checked: bool


@dataclass(frozen=True, slots=True)
class FirmwareView:
    """All of it."""

    rollouts: Sequence[RolloutRow] = ()
    packages: Sequence[PackageRow] = ()


class FirmwareViews(Protocol):
    """Where the page gets it from."""

    def firmware(self) -> FirmwareView:
        """How it is now."""
        ...


class FirmwarePage(SignedPage):
    """Shows it to everybody who may see the page; who has signed in may move rollouts on that are theirs."""

    here = HERE

    def __init__(self, views: FirmwareViews, operations: Operations, sessions: Sessions) -> None:
        super().__init__(sessions)
        self._views = views
        self._operations = operations

    def add_to(self, app: web.Application, render: Render) -> None:
        """Open its paths."""
        super().add_to(app, render)
        app.router.add_post(f"{HERE}/rollout", self._move)

    async def page(self, request: web.Request, text: str = "", status: HTTPStatus = HTTPStatus.OK) -> web.Response:
        """Rollouts and packages."""
        session = self.sessions.of(request)
        caller = None if session is None or not session.caller.has(Scope.WRITE) else session.caller
        view = self._views.firmware()
        verbs = {
            row.name: _VERBS.get(row.state, ())
            for row in view.rollouts
            if caller is not None and caller.owns(row.tenant or None)
        }
        return self._render(request, "firmware.html", status=status, view=view, session=session, verbs=verbs, text=text)

    async def _move(self, request: web.Request) -> web.Response:
        try:
            session, form = await self.meant(request)
            verb = asked(form, "do")
            if not any(verb in verbs for verbs in _VERBS.values()):
                raise UsageError("do: is none of the buttons")
            await self._operations.call(f"rollout.{verb}", {"id": asked(form, "id")}, session.caller)
        except (ProvdError, Refusal) as error:
            return await self.page(request, *refused(error))
        return go(HERE)
