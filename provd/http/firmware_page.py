"""The page about firmware: what is here, and how far rollouts are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web

Render = Callable[..., web.Response]
"""Renders a template for a request with what it is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutRow:
    """A rollout: ``on`` of ``of`` devices run the version; ``missing`` names those that should and do not."""

    name: str
    package: str
    version: str
    state: str
    ring: str
    on: int
    of: int
    reason: str = ""
    missing: tuple[str, ...] = ()


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


class FirmwarePage:
    """Shows it to everybody who may see the page."""

    def __init__(self, views: FirmwareViews) -> None:
        self._views = views

    def add_to(self, app: web.Application, render: Render) -> None:
        """Open its path."""

        async def show(request: web.Request) -> web.Response:
            return render(request, "firmware.html", view=self._views.firmware())

        app.router.add_get("/firmware", show)
