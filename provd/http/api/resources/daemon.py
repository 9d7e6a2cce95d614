"""``/status``, ``/reload``, ``/audit``, ``/dial`` and ``/events``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from http import HTTPStatus

from aiohttp import web

from provd.app.admin import Admin, Caller, Param, views
from provd.app.admin.params import check
from provd.app.dialing import Dial
from provd.base.errors import FaultsError
from provd.base.facts import Fact
from provd.base.types import Mac, mac_text
from provd.http.api import schemas
from provd.http.api.ports import Daemon
from provd.http.api.refusal import Refusal
from provd.http.api.routes import Access, Ask, Reply, Route

HEARTBEAT = 15.0
"""Seconds after which a silent stream of events says that it is there."""
MOST_STREAMS = 50
"""Streams of events at a time."""
_STREAM = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Accel-Buffering": "no",
}
_MOST = 1000
_PAGE = 100
_DIAL = (
    Param("code", required=True, doc="the digits that were dialed"),
    Param("account", doc="the SIP user that dialed them, as the PBX has authenticated it"),
    Param("mac", "mac", doc="the device, where it is known"),
    Param("ip", "ip", doc="its own address"),
)
_AUDIT = (Param("limit", "number"), Param("cursor", "number"), Param("kind"), Param("object"))


def routes(admin: Admin, daemon: Daemon) -> Iterator[Route]:
    """All of them."""
    yield _status(daemon)
    yield _reload(daemon)
    yield _audit(daemon)
    yield _dial(daemon)
    yield _events(admin, daemon)


def _status(daemon: Daemon) -> Route:
    async def handle(_: Ask) -> Reply:
        return Reply(body=daemon.status())

    return Route(
        method="GET",
        path="/status",
        name="status.show",
        summary="How the daemon is",
        access=Access.READ,
        site=True,
        handler=handle,
        answer=schemas.ANY,
    )


def _reload(daemon: Daemon) -> Route:
    async def handle(_: Ask) -> Reply:
        return Reply(body=daemon.reload())

    return Route(
        method="POST",
        path="/reload",
        name="reload.do",
        summary="Apply the configuration file as it is now, or keep the one in force",
        access=Access.ADMIN,
        site=True,
        body=(),
        handler=handle,
        answer=schemas.of_object(["changed", "restart_needed"], changed=schemas.TEXTS, restart_needed=schemas.TEXTS),
    )


def _audit(daemon: Daemon) -> Route:
    async def handle(ask: Ask) -> Reply:
        args = check(_AUDIT, dict(ask.query))
        limit = args.number("limit", _PAGE)
        if not 1 <= limit <= _MOST:
            raise FaultsError([("limit", f"must be a number from 1 to {_MOST}")])
        kind, subject, before = (args.text("kind") or None, args.text("object") or None, args.number("cursor") or None)
        found = await daemon.audit(ask.caller.tenant, kind, subject, before, limit + 1)
        items = [views.audit_entry(entry) for entry in found[:limit]]
        more = str(found[limit - 1].seq) if len(found) > limit else None
        return Reply(body={"items": items, "next": more})

    item = schemas.of_object(
        ["id", "at", "by", "action", "kind", "object", "tenant", "data"],
        id=schemas.NUMBER,
        at=schemas.TIME,
        by=schemas.TEXT,
        action=schemas.TEXT,
        kind=schemas.TEXT,
        object=schemas.TEXT,
        tenant=schemas.MAYBE,
        data=schemas.ANY,
    )
    return Route(
        method="GET",
        path="/audit",
        name="audit.list",
        summary="Who changed what, the newest first",
        detail="A token of one tenant sees what concerned that tenant's objects.",
        access=Access.ADMIN,
        query=_AUDIT,
        handler=handle,
        answer=schemas.of_object(["items", "next"], items={"type": "array", "items": item}, next=schemas.MAYBE),
    )


def _dial(daemon: Daemon) -> Route:
    async def handle(ask: Ask) -> Reply:
        desk = daemon.dial
        if desk is None:
            raise Refusal("no-dialing", HTTPStatus.SERVICE_UNAVAILABLE, "Nobody redeems codes here")
        args = check(_DIAL, ask.body)
        answer = await desk.dial(
            Dial(
                digits=args.text("code"),
                via="rest",
                account=args.text("account"),
                mac=args.mac() if args.text("mac") else None,
                ip=args.text("ip"),
                peer=ask.caller.peer,
            )
        )
        return Reply(
            body={
                "outcome": answer.outcome.value,
                "accepted": answer.good,
                "text": answer.text,
                "device": mac_text(answer.mac) if answer.mac else None,
                "tenant": answer.tenant or None,
                "line": answer.line or None,
                "wait": answer.wait,
            }
        )

    return Route(
        method="POST",
        path="/dial",
        name="dial.do",
        summary="Redeem a code that was dialed on a device, for a PBX that takes the call itself",
        detail=(
            "The answer is 200 with an `outcome` whatever became of the code: the PBX plays a prompt by it, and a "
            "wrong code is no fault of the request. `wait` is for how many seconds nothing is looked at after too "
            "many wrong ones. Who may say which device has dialed may claim any: a token of all tenants is needed."
        ),
        access=Access.WRITE,
        site=True,
        body=_DIAL,
        handler=handle,
        answer=schemas.of_object(
            ["outcome", "accepted", "text", "device", "tenant", "line", "wait"],
            outcome=schemas.TEXT,
            accepted=schemas.FLAG,
            text=schemas.TEXT,
            device=schemas.MAYBE,
            tenant=schemas.MAYBE,
            line=schemas.MAYBE,
            wait=schemas.REAL,
        ),
    )


def concerns(admin: Admin, caller: Caller) -> Callable[[Fact], bool]:
    """Whether a fact is one that this caller may hear of."""
    if caller.tenant is None:
        return lambda _: True

    def wanted(fact: Fact) -> bool:
        named = getattr(fact, "tenant", "")
        if named:
            return bool(named == caller.tenant)
        device = admin.desk.tables.device(fact.mac) if fact.mac else None
        return device is not None and device.tenant == caller.tenant

    return wanted


def _events(admin: Admin, daemon: Daemon) -> Route:
    open_streams: set[Ask] = set()

    async def handle(ask: Ask) -> web.StreamResponse:
        device = ask.text("device")
        mac = Mac(check((Param("device", "device"),), {"device": device}).text("device")) if device else None
        own = concerns(admin, ask.caller)
        if len(open_streams) >= MOST_STREAMS:
            raise Refusal("too-many-streams", HTTPStatus.SERVICE_UNAVAILABLE, "Too many listen already")
        open_streams.add(ask)
        try:
            response = web.StreamResponse(headers=_STREAM)
            await response.prepare(ask.request)
            async with daemon.watch(lambda fact: (mac is None or fact.mac == mac) and own(fact)) as lines:
                with suppress(ConnectionError):
                    await _pour(lines, response, ask)
        finally:
            open_streams.discard(ask)
        return response

    return Route(
        method="GET",
        path="/events",
        name="events.watch",
        summary="What happens, as it happens (server-sent events)",
        detail="Every event is a fact as JSON. A token of one tenant hears what concerns that tenant.",
        access=Access.READ,
        query=(Param("device", "device", doc="only of this device"),),
        handler=handle,
        gives="text/event-stream",
        answer=schemas.TEXT,
        streams=True,
    )


async def _pour(lines: AsyncIterator[str], response: web.StreamResponse, ask: Ask) -> None:
    """Write events until the token ends. Raises ConnectionError when the peer is gone."""
    await response.write(b": here\n\n")
    waiting = asyncio.ensure_future(anext(lines))
    try:
        while True:
            done, _ = await asyncio.wait([waiting], timeout=HEARTBEAT)
            if not ask.valid():
                return
            if done:
                line, waiting = waiting.result(), asyncio.ensure_future(anext(lines))
                await response.write(f"data: {line}\n\n".encode())
            else:
                await response.write(b": still here\n\n")
    finally:
        waiting.cancel()
