"""Routes: what they take, who may use them, and what they answer. Everything else is made from them."""

from __future__ import annotations

import enum
import json
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from provd.app.admin import Admin, Caller, Param, Scope
from provd.base.dataclass import dataclass
from provd.base.errors import FaultsError, StaleError
from provd.http.api.reading import JSON

PREFIX = "/api/v1"
Schema = Mapping[str, Any]


class Access(enum.Enum):
    """Who may use a route. There is no default: whoever adds a route has to say."""

    PUBLIC = None
    """Everybody, without a token."""
    READ = Scope.READ
    WRITE = Scope.WRITE
    ADMIN = Scope.ADMIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The answer of a handler: ``body`` as JSON, or ``octets`` of the type ``media``. Without both there is no content.

    ``once`` stands in place of what a body shows only once, when the same answer is given again.
    """

    status: int = 200
    body: object = None
    octets: bytes | None = None
    media: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    once: Mapping[str, object] = field(default_factory=dict)

    def again(self) -> Reply:
        """The same, for who repeats his request."""
        body = {**self.body, **self.once} if self.once and isinstance(self.body, dict) else self.body
        return replace(self, body=body, headers={**self.headers, "Idempotency-Replayed": "true"})

    def response(self) -> web.Response:
        """As aiohttp sends it."""
        octets = self.octets
        if octets is None and self.body is not None:
            # default=str prints whatever is no JSON type; a Secret becomes ***.
            octets = json.dumps(self.body, default=str).encode()
        headers = dict(self.headers)
        if octets is not None:
            headers["Content-Type"] = self.media
        return web.Response(status=self.status, body=octets, headers=headers)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ask:
    """A request that has passed the door. ``query`` and ``body`` are as they came; the operations check them."""

    request: web.Request
    admin: Admin
    caller: Caller
    path: Mapping[str, str] = field(default_factory=dict)
    query: Sequence[tuple[str, str]] = ()
    body: Mapping[str, Any] = field(default_factory=dict)
    octets: bytes = b""
    valid: Callable[[], bool] = lambda: True
    """Whether the token is still good: for an answer that goes on for long."""

    async def do(self, operation: str, condition: Callable[[], None] | None = None, /, **params: object) -> Any:
        """Carry out an operation for this caller."""
        caller = self.caller if condition is None else replace(self.caller, condition=condition)
        return await self.admin.call(operation, params, caller)

    def flag(self, name: str) -> bool:
        """A parameter of the query that is true or false. Raises FaultsError."""
        value = dict(self.query).get(name, "false")
        if value not in ("true", "false"):
            raise FaultsError([(name, "must be true or false")])
        return value == "true"

    def text(self, name: str, default: str = "") -> str:
        """A parameter of the query."""
        return dict(self.query).get(name, default)

    @property
    def local(self) -> str:
        """The address of ours that was talked to."""
        transport = self.request.transport
        name = transport.get_extra_info("sockname") if transport is not None else None
        return str(name[0]) if name else "127.0.0.1"

    def fresh(self, etag: Callable[[], str]) -> Callable[[], None] | None:
        """What an ``If-Match`` demands (RFC 9110 section 13.1.1), None without one. Raises StaleError when called."""
        given = self.request.headers.get("If-Match")
        if given is None:
            return None
        wanted = {tag.strip() for tag in given.split(",")}

        def check() -> None:
            if "*" not in wanted and etag() not in wanted:
                raise StaleError(f"it is {etag()} now")

        return check


Handler = Callable[[Ask], Awaitable["Reply | web.StreamResponse"]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A method on a path. ``{name}`` in the path is one segment.

    ``site`` routes are for callers of all tenants. ``listing`` names the collection whose parameters the query takes;
    otherwise ``query`` are all there are. ``body`` are the members of a JSON object, or empty with another ``takes``.
    ``answer`` is the schema of a good answer of the type ``gives`` and the status ``status``. ``match`` says what of
    If-Match is taken: ``""``, ``may`` or ``must``. A route with ``streams`` answers by itself.
    """

    method: str
    path: str
    name: str
    summary: str
    access: Access
    handler: Handler
    site: bool = False
    detail: str = ""
    listing: str = ""
    query: tuple[Param, ...] = ()
    body: tuple[Param, ...] | None = None
    ignored: frozenset[str] = frozenset()
    """Members of the body that may be there and mean nothing: what can only be read."""
    takes: str = JSON
    answer: Schema | None = None
    gives: str = JSON
    also: tuple[str, ...] = ()
    """Further types that an answer may be of."""
    status: int = 200
    match: str = ""
    streams: bool = False
    raw: bool = False
    """The body is left for the handler to take while it comes, whatever its type."""

    @property
    def tag(self) -> str:
        """Its resource: the first segment of the path."""
        return self.path.split("/")[1] or "about"

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names in the path."""
        return tuple(segment[1:-1] for segment in self.path.split("/") if segment.startswith("{"))


class Registry:
    """All routes, found by path."""

    def __init__(self, routes: Iterable[Route] = ()) -> None:
        self._routes: list[Route] = []
        self._by_length: dict[int, list[tuple[tuple[str, ...], dict[str, Route]]]] = {}
        for route in routes:
            self.add(route)

    def __iter__(self) -> Iterator[Route]:
        return iter(self._routes)

    def add(self, route: Route) -> None:
        """One more. Raises ValueError when it is there already."""
        segments = tuple(route.path.split("/"))
        group = self._by_length.setdefault(len(segments), [])
        methods = next((methods for known, methods in group if known == segments), None)
        if methods is None:
            methods = {}
            group.append((segments, methods))
            # What is spelt out goes before what is open.
            group.sort(key=lambda entry: [segment.startswith("{") for segment in entry[0]])
        if route.method in methods:
            raise ValueError(f"{route.method} {route.path} is there twice")
        methods[route.method] = route
        self._routes.append(route)

    def find(self, raw: str) -> tuple[Mapping[str, Route], Mapping[str, str]] | None:
        """The routes of a path (percent-encoded, without the prefix) by method, and what its open segments hold."""
        try:
            segments = [unquote(segment, errors="strict") for segment in raw.split("/")]
        except UnicodeDecodeError:
            return None
        for known, methods in self._by_length.get(len(segments), ()):
            if all(a == b or (a.startswith("{") and b) for a, b in zip(known, segments, strict=True)):
                path = {a[1:-1]: b for a, b in zip(known, segments, strict=True) if a.startswith("{")}
                return methods, path
        return None
