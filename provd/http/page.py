"""The page for people, and what machines ask beside it: ``/healthz``, ``/readyz``, ``/metrics``.

Rendered here, without script and without anything from elsewhere. It shows; who has signed in with a token may also
re-enable devices, edit templates, put versions of plugins in force and move rollouts on. Other changes go through the
command line.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from http import HTTPStatus
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlencode

from aiohttp import web
from aiohttp.typedefs import Handler

from provd.base.clock import Clock
from provd.base.facts import FactSink
from provd.base.facts.daemon import InternalError
from provd.base.types import Mac, is_thing, mac_text, parse_device, parse_mac
from provd.http.problems import problem
from provd.http.quiet import quiet_logger
from provd.http.views import FindingRow, Views
from provd.http.words import ago, iso, size, span

if TYPE_CHECKING:
    from jinja2 import Environment

_HERE = Path(__file__).parent
_ROWS = 100
_REFRESH = (2, 5, 10, 30, 60)
_METRICS = "text/plain; version=0.0.4; charset=utf-8"
_ICON = (
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="4" fill="#17212f"/>'
    b'<path d="M4 5h8M4 8h5M4 11h8" stroke="#4da3ff" stroke-width="1.6" stroke-linecap="round"/>'
    b'<circle cx="12" cy="8" r="1.2" fill="#5fce8d"/></svg>'
)
_HEADERS = {
    "Server": "provd",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Interface(Protocol):
    """The REST interface beside the page."""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a request below ``/api/v1``."""
        ...


class Part(Protocol):
    """Pages of one subject."""

    def add_to(self, app: web.Application, render: Callable[..., web.Response], /) -> None:
        """Open its paths; ``render`` makes the answer to a request of a template and what it is given."""
        ...


class PageServer:
    """The listener of ``[api]``.

    ``hosts`` are the names, beside localhost and literal addresses, under which the page may be asked for: a page of
    somebody else whose name was made to point here (DNS rebinding) gets nothing.
    """

    def __init__(
        self,
        views: Views,
        metrics: Callable[[], bytes],
        *,
        emit: FactSink,
        clock: Clock,
        hosts: Iterable[str] = (),
        api: Interface | None = None,
        parts: Iterable[Part] = (),
    ) -> None:
        self._views = views
        self._metrics = metrics
        self._emit = emit
        self._clock = clock
        self._api = api
        self._parts = tuple(parts)
        self._hosts = frozenset({"localhost", *(host.lower().rstrip(".") for host in hosts)})
        self._style = (_HERE / "static" / "style.css").read_bytes()
        self._runner: web.AppRunner | None = None

    @cached_property
    def _templates(self) -> Environment:
        from provd.http.templating import environment  # noqa: PLC0415 - see there

        return environment(ago=ago, iso=iso, span=span, size=size, mac_text=mac_text)

    async def serve(self, listener: socket.socket) -> None:
        """Answer on this socket."""
        if self._runner is None:
            self._runner = web.AppRunner(
                self._app(), access_log=None, logger=quiet_logger(), handle_signals=False, shutdown_timeout=1.0
            )
            await self._runner.setup()
        await web.SockSite(self._runner, listener).start()

    async def close(self) -> None:
        """Close all listeners."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[self._guarded], client_max_size=1024)
        app.router.add_get("/", self._devices)
        app.router.add_get("/device/{mac}", self._device)
        app.router.add_get("/leases", self._leases)
        app.router.add_get("/refused", self._refused)
        app.router.add_get("/status", self._status)
        app.router.add_get("/style.css", self._stylesheet)
        app.router.add_get("/favicon.ico", self._favicon)
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._metrics_text)
        for part in self._parts:
            part.add_to(app, self._render)
        if self._api is not None:
            app.router.add_route("*", "/api/v1{rest:(?:/(?s:.*))?}", self._api.handle)
        return app

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        response: web.StreamResponse
        if not self._known_host(request.headers.get("Host", "")):
            title = "This is not the host you asked for."
            if request.path.startswith("/api/"):
                response = problem("host", HTTPStatus.MISDIRECTED_REQUEST, title)
            else:
                response = _text(f"{title}\n", HTTPStatus.MISDIRECTED_REQUEST)
        else:
            try:
                response = await handler(request)
            except web.HTTPException as refusal:
                response = self._message(request, HTTPStatus(refusal.status), "")
                response.headers.update({"Allow": refusal.headers["Allow"]} if "Allow" in refusal.headers else {})
            except Exception as error:  # noqa: BLE001 - a defect of one page is told, and the others go on
                reason = f"{type(error).__name__}: {error}"
                self._emit(InternalError(at=self._clock.now(), where=f"page {request.path}", reason=reason))
                response = _text("A defect of provd; see the INTERNAL-ERROR in its log.\n", HTTPStatus(500))
        if not response.prepared:
            for name, value in _HEADERS.items():
                response.headers.setdefault(name, value)
        return response

    def _known_host(self, host: str) -> bool:
        """Whether a Host header (with or without a port) is an address, or a name of ours. HTTP/1.0 may have none."""
        name = host.rpartition("]")[0].lstrip("[") if host.startswith("[") else host.partition(":")[0]
        name = name.lower().rstrip(".")
        if not host or name in self._hosts:
            return True
        try:
            ip_address(name)
        except ValueError:
            return False
        return True

    async def _devices(self, request: web.Request) -> web.Response:
        state, tenant = request.query.get("state", ""), request.query.get("tenant", "")
        text, page = _asked(request)
        found = await self._views.devices(text, state, (page - 1) * _ROWS, _ROWS, tenant)
        shown: dict[str, Any] = {"state": state, "states": self._views.states(), "tenant": tenant}
        shown |= {"mac": _mac_in(text), "notes": self._views.notes()}
        return self._render(request, "devices.html", found=found, total=found.total, **shown)

    async def _device(self, request: web.Request) -> web.Response:
        try:
            mac = parse_device(request.match_info["mac"])
        except ValueError:
            raise web.HTTPNotFound from None
        view = self._views.device(mac)
        if view is None:
            found = () if is_thing(mac) else self._views.findings(mac)
            return self._message(request, HTTPStatus.NOT_FOUND, f"{mac_text(mac)} is no device here.", found)
        return self._render(request, "device.html", view=view)

    async def _leases(self, request: web.Request) -> web.Response:
        text, page = _asked(request)
        found = await self._views.leases(text, (page - 1) * _ROWS, _ROWS)
        return self._render(request, "leases.html", found=found, total=found.total)

    async def _refused(self, request: web.Request) -> web.Response:
        _, page = _asked(request)
        found = self._views.refusals((page - 1) * _ROWS, _ROWS)
        return self._render(request, "refused.html", found=found, total=found.total)

    async def _status(self, request: web.Request) -> web.Response:
        views = self._views
        return self._render(request, "status.html", view=views.status(), unready=views.unready(), notes=views.notes())

    async def _stylesheet(self, _: web.Request) -> web.Response:
        return web.Response(body=self._style, content_type="text/css", headers={"Cache-Control": "max-age=3600"})

    async def _favicon(self, _: web.Request) -> web.Response:
        return web.Response(body=_ICON, content_type="image/svg+xml", headers={"Cache-Control": "max-age=86400"})

    async def _healthz(self, _: web.Request) -> web.Response:
        return _text("ok\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        reasons = self._views.unready()
        if not reasons:
            return _text("ready\n")
        return _text("".join(f"{reason}\n" for reason in reasons), HTTPStatus.SERVICE_UNAVAILABLE)

    async def _metrics_text(self, _: web.Request) -> web.Response:
        return web.Response(body=self._metrics(), headers={"Content-Type": _METRICS})

    def _render(
        self, request: web.Request, template: str, *, status: HTTPStatus = HTTPStatus.OK, total: int = 0, **data: Any
    ) -> web.Response:
        text, page = _asked(request)
        seconds = request.query.get("refresh", "")
        kept = {"q": text, **{name: request.query.get(name, "") for name in ("state", "tenant")}, "refresh": seconds}

        def query(**changed: object) -> str:
            given = {**kept, **changed}
            return urlencode({name: value for name, value in given.items() if value and (name, value) != ("page", 1)})

        known: dict[str, Any] = {
            "here": request.path,
            "now": self._clock.now(),
            "q": text,
            "page": page,
            "last": -(-total // _ROWS),
            "query": query,
            "refresh": int(seconds) if seconds.isascii() and seconds.isdigit() and int(seconds) in _REFRESH else 0,
        }
        html = self._templates.get_template(template).render({**known, **data})
        return web.Response(
            status=status, body=html.encode("utf-8", "replace"), content_type="text/html", charset="utf-8"
        )

    def _message(
        self, request: web.Request, status: HTTPStatus, text: str, findings: Sequence[FindingRow] = ()
    ) -> web.Response:
        return self._render(request, "message.html", status=status, title=status.phrase, text=text, findings=findings)


def _mac_in(text: str) -> Mac | None:
    """The MAC that somebody has searched for, if it is one."""
    try:
        return parse_mac(text)
    except ValueError:
        return None


def _asked(request: web.Request) -> tuple[str, int]:
    """The search text and the page number; anything that is no page is the first one."""
    page = request.query.get("page", "")
    number = int(page) if page.isascii() and page.isdigit() and len(page) < 8 else 1
    return request.query.get("q", "").strip()[:100], max(1, number)


def _text(text: str, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    return web.Response(status=status, text=text)
