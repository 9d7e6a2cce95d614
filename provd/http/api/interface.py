"""The door of the REST interface: a request comes in, a route is found, the caller is known, an answer goes out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property, partial
from http import HTTPStatus

from aiohttp import web

from provd.app.admin import Admin, Caller, Scope
from provd.app.admin.params import check
from provd.base.clock import Clock
from provd.base.errors import FaultsError, ProvdError, UsageError
from provd.base.facts import FactSink
from provd.base.facts.daemon import InternalError
from provd.domain.settings import validate
from provd.http.api import browse, openapi, reading
from provd.http.api.guard import Guard, Known, need
from provd.http.api.ports import Daemon
from provd.http.api.refusal import Refusal
from provd.http.api.replay import Replays
from provd.http.api.resources import (
    activation,
    codes,
    devices,
    firmware,
    hooks,
    network,
    objects,
    packages,
    regions,
    rollouts,
    site_models,
    tasks,
    templates,
    types,
)
from provd.http.api.resources import daemon as about_daemon
from provd.http.api.routes import PREFIX, Access, Ask, Registry, Reply, Route
from provd.http.problems import problem, problem_of

NOBODY = Caller(name="nobody", tenant="", scopes=frozenset())
"""Who asks for what is public: the tenant of that name cannot exist."""


class Api:
    """Answers everything below ``/api/v1``."""

    def __init__(self, admin: Admin, known: Known, daemon: Daemon, *, emit: FactSink, clock: Clock) -> None:
        self._admin = admin
        self._known = known
        self._emit = emit
        self._clock = clock
        self._guard = Guard(known, emit, clock)
        self._replays = Replays(clock)
        self.registry = Registry()
        for group in (
            devices.routes(admin, daemon),
            objects.routes(admin),
            codes.routes(admin),
            tasks.routes(admin),
            types.routes(admin),
            hooks.routes(admin),
            packages.routes(admin),
            templates.routes(admin),
            site_models.routes(admin),
            firmware.routes(admin),
            rollouts.routes(admin),
            regions.routes(admin),
            activation.routes(admin),
            network.routes(admin, daemon),
            about_daemon.routes(admin, daemon),
            self._about(),
        ):
            for route in group:
                self.registry.add(route)

    @cached_property
    def document(self) -> openapi.Document:
        """What is written of the routes; made when somebody wants to read it."""
        return openapi.document(self.registry, self._admin)

    @cached_property
    def _page(self) -> bytes:
        return browse.page(self.document)

    def _about(self) -> tuple[Route, ...]:
        async def document(_: Ask) -> Reply:
            return Reply(body=self.document)

        async def page(_: Ask) -> Reply:
            return Reply(octets=self._page, media="text/html; charset=utf-8")

        return (
            Route(
                method="GET",
                path="/openapi.json",
                name="about.document",
                summary="This interface as an OpenAPI 3.1 document",
                access=Access.PUBLIC,
                handler=document,
                answer={"type": "object"},
            ),
            Route(
                method="GET",
                path="/",
                name="about.page",
                summary="The same for people",
                access=Access.PUBLIC,
                handler=page,
                gives="text/html",
                answer={"type": "string"},
            ),
        )

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a request. Never raises but for a peer that is gone."""
        try:
            answer = await self._answer(request)
        except Refusal as refusal:
            answer = refusal.response()
        except ProvdError as error:
            answer = problem_of(error)
        except ConnectionError:
            raise
        except Exception as error:  # noqa: BLE001 - a defect of one route is told, and the others go on
            reason = f"{type(error).__name__}: {error}"
            self._emit(InternalError(at=self._clock.now(), where=f"api {request.method} {request.path}", reason=reason))
            answer = problem("internal", HTTPStatus.INTERNAL_SERVER_ERROR, "A defect of provd", type(error).__name__)
        if answer.status >= 400 and request.body_exists and not request.content.at_eof():
            # What was not read would have to be read before the next request.
            answer.force_close()
        return answer

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        route, path = self._route(request)
        caller = self._admitted(request, route)
        accepted = request.headers.getall("Accept", ())
        if not any(accepts(accepted, media) for media in (route.gives, *route.also)):
            raise Refusal("not-acceptable", HTTPStatus.NOT_ACCEPTABLE, "Not in that form", f"there is {route.gives}")
        query = tuple(request.rel_url.query.items())
        if not route.listing:
            _check_query(route, query)
        octets = await self._body(request, route)
        if octets:
            # That took time, in which the token may have been revoked.
            caller = self._admitted(request, route)
        body = _members(route, octets)
        ask = Ask(
            request=request,
            admin=self._admin,
            caller=caller,
            path=path,
            query=query,
            body=body,
            octets=octets,
            valid=self._still(request, route),
        )
        try:
            reply = await self._carried_out(ask, route)
        except UsageError as error:
            raise _of_body(error, route) from None
        return reply if isinstance(reply, web.StreamResponse) else reply.response()

    def _route(self, request: web.Request) -> tuple[Route, Mapping[str, str]]:
        found = self.registry.find(request.rel_url.raw_path.removeprefix(PREFIX) or "/")
        if found is None:
            raise Refusal("not-found", HTTPStatus.NOT_FOUND, "There is no such resource", f"see {PREFIX}/")
        methods, path = found
        route = methods.get("GET" if request.method == "HEAD" else request.method)
        if route is None or (route.streams and request.method == "HEAD"):
            looks = "GET" in methods and not methods["GET"].streams
            allowed = sorted({*methods, "HEAD"} if looks else methods)
            headers = {"Allow": ", ".join(allowed)}
            raise Refusal("method", HTTPStatus.METHOD_NOT_ALLOWED, "Not with this method", headers=headers)
        return route, path

    def _admitted(self, request: web.Request, route: Route) -> Caller:
        scope: Scope | None = route.access.value
        if scope is None:
            return NOBODY
        caller = self._guard.caller(request.headers.get("Authorization", ""), request.remote or "")
        need(caller, scope, site=route.site)
        return caller

    def _still(self, request: web.Request, route: Route) -> Callable[[], bool]:
        text = request.headers.get("Authorization", "").partition(" ")[2].strip()
        return lambda: route.access is Access.PUBLIC or self._known(text, "") is not None

    @staticmethod
    async def _body(request: web.Request, route: Route) -> bytes:
        if route.raw:
            return b""
        if route.body is None and route.takes == reading.JSON:
            # Not even looked at: who promises a body may never send it.
            if request.body_exists:
                raise Refusal("body", HTTPStatus.BAD_REQUEST, "Nothing is to be sent here")
            return b""
        octets = await reading.octets(request, route.takes)
        if route.takes != reading.JSON:
            reading.text_of(octets)
        return octets

    async def _carried_out(self, ask: Ask, route: Route) -> Reply | web.StreamResponse:
        key = ask.request.headers.get("Idempotency-Key")
        if key is None or route.method != "POST":
            return await route.handler(ask)

        async def work() -> Reply:
            reply = await route.handler(ask)
            if not isinstance(reply, Reply):
                raise TypeError("a stream is not given twice")
            return reply

        request = b"\0".join([route.name.encode(), ask.request.raw_path.encode(), ask.octets])
        return await self._replays.once(ask.caller.name, key, request, work)


def _check_query(route: Route, query: tuple[tuple[str, str], ...]) -> None:
    """Raises FaultsError for parameters that the route does not have."""
    given: dict[str, object] = {}
    for name, value in query:
        if name in given:
            raise FaultsError([(name[:60], "is given twice")])
        # In a query even a flag is a text.
        flag = any(param.name == name and param.kind == "flag" for param in route.query)
        given[name] = {"true": True, "false": False}.get(value, value) if flag else value
    check(route.query, given)


def _members(route: Route, octets: bytes) -> Mapping[str, object]:
    if route.body is None or route.takes != reading.JSON:
        return {}
    given = {name: value for name, value in reading.object_of(octets).items() if name not in route.ignored}
    # Before anything is looked up: a request that is wrong in itself is told so whatever it is about.
    faults = [(name[:60], "must not be null; leave it out") for name, value in given.items() if value is None]
    for examine in (partial(check, route.body, given), partial(_check_settings, given.get("settings"))):
        try:
            examine()
        except FaultsError as error:
            faults += error.faults
    if faults:
        raise invalid(FaultsError(faults))
    return given


def _check_settings(settings: object) -> None:
    if isinstance(settings, Mapping):
        validate({str(name): value for name, value in settings.items()})


def _of_body(error: UsageError, route: Route) -> Exception:
    """A plain usage error of a request with a body is one of its content."""
    if type(error) not in (UsageError, FaultsError) or not (route.body is not None or route.takes != reading.JSON):
        return error
    return invalid(error)


def invalid(error: UsageError) -> Refusal:
    """The content was understood and cannot be used (422)."""
    name, colon, reason = str(error).partition(": ")
    named = [(name, reason)] if colon and " " not in name else []
    faults = error.faults if isinstance(error, FaultsError) else named
    title = "The content cannot be used as it is"
    return Refusal("invalid", HTTPStatus.UNPROCESSABLE_ENTITY, title, str(error), faults=faults)


def accepts(headers: list[str] | tuple[str, ...], media: str) -> bool:
    """Whether an ``Accept`` (RFC 9110 section 12.5.1) lets an answer be of this type; no header accepts all."""
    best: tuple[int, bool] | None = None
    kind = media.partition("/")[0]
    for word in ",".join(headers).split(","):
        name, *params = (part.strip().lower() for part in word.split(";"))
        rank = {media: 2, f"{kind}/*": 1, "*/*": 0}.get(name)
        if rank is not None and (best is None or rank > best[0]):
            best = rank, not any(_is_zero(param) for param in params)
    return best[1] if best is not None else not any(header.strip() for header in headers)


def _is_zero(param: str) -> bool:
    name, _, value = param.partition("=")
    return name.strip() == "q" and value.strip().rstrip("0") in ("", "0.", "0")
