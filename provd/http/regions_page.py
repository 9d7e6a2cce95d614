"""The page about regions: how many devices are where, and which hand-overs do not get on."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from provd.http.views import RegionViews

Render = Callable[..., web.Response]
"""Renders a template for a request with what it is given."""


class RegionsPage:
    """Shows them to everybody who may see the page."""

    def __init__(self, views: RegionViews) -> None:
        self._views = views

    def add_to(self, app: web.Application, render: Render) -> None:
        """Open its path."""

        async def show(request: web.Request) -> web.Response:
            return render(request, "regions.html", view=await self._views.regions())

        app.router.add_get("/regions", show)
