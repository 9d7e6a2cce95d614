"""``/devices``: phones, what is done with them, their files and what happened to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from provd.app.admin import Admin, Caller, Param
from provd.app.admin.history import is_another_s, since_it_was_ours
from provd.base.errors import NotFoundError
from provd.base.facts import Fact, text_of
from provd.base.types import Mac, parse_device
from provd.domain.records import Device
from provd.http.api import schemas
from provd.http.api.ports import Daemon
from provd.http.api.resources.crud import Resource, access_of, importing, whole
from provd.http.api.routes import PREFIX, Access, Ask, Reply, Route

ACTIONS = ("assign", "unassign", "transfer", "reset", "sync")


def _mac(name: str) -> Mac:
    """The MAC in any form, or another key of a device. Raises NotFoundError."""
    try:
        return parse_device(name)
    except ValueError:
        raise NotFoundError(f"there is no device {name[:60]!r}") from None


def find(admin: Admin, name: str, caller: Caller) -> Device:
    """The caller's device with that MAC. Raises NotFoundError."""
    return admin.desk.device(_mac(name), caller)


def look(admin: Admin, name: str, caller: Caller) -> Device:
    """The same for who only looks: of a gateway that several tenants share, each sees its ports."""
    return admin.desk.device_seen(_mac(name), caller)


DEVICES = Resource(
    name="devices",
    one="device",
    key="mac",
    find=find,
    look=look,
    more={
        "ports": {"type": "array", "items": schemas.NUMBER},
        "settings": {"$ref": "#/components/schemas/Settings"},
    },
    shown={
        "metadata": schemas.ANY,
        "url": schemas.TEXT,
        "account": schemas.of_object(["username", "password"], username=schemas.TEXT, password=schemas.TEXT),
        "files": schemas.TEXTS,
    },
    reveals=True,
)


def routes(admin: Admin, daemon: Daemon) -> Iterator[Route]:
    """All of them."""
    yield from whole(DEVICES, admin)
    yield from (_action(admin, word) for word in ACTIONS if f"device.{word}" in admin.operations)
    yield from _campaigns(admin)
    yield _settings(admin)
    yield _files(admin)
    yield _file(admin)
    yield _limits(admin)
    yield _timeline(admin, daemon)
    yield _diagnosis(admin)
    columns = "mac, vendor, model, tenant, profile, description, lines"
    yield importing(DEVICES, admin, f"Columns: {columns}. All of it, or nothing.")
    yield _export(admin)


def _action(admin: Admin, word: str) -> Route:
    operation = admin.operations[f"device.{word}"]

    async def handle(ask: Ask) -> Reply:
        name = ask.path["id"]
        mac = find(ask.admin, name, ask.caller).mac if word == "sync" else _mac(name)
        return Reply(body=await ask.do(operation.name, mac=mac, **ask.body))

    return Route(
        method="POST",
        path=f"/devices/{{id}}/{word}",
        name=f"devices.{word}",
        summary=operation.doc.rstrip("."),
        access=Access(operation.scope),
        site=operation.site,
        body=tuple(param for param in operation.params if param.name != "mac"),
        handler=handle,
        answer=schemas.of_item(admin.collections["devices"].columns, **DEVICES.more) if word != "sync" else schemas.ANY,
    )


def _campaigns(admin: Admin) -> Iterator[Route]:
    many, progress = admin.operations["device.sync_many"], admin.operations["device.sync_progress"]

    async def start(ask: Ask) -> Reply:
        begun = await ask.do(many.name, **ask.body)
        return Reply(status=202, body=begun, headers={"Location": f"{PREFIX}/devices/sync/{begun['campaign']}"})

    async def look_at(ask: Ask) -> Reply:
        return Reply(body=await ask.do(progress.name, campaign=ask.path["campaign"]))

    numbers = ("campaign", "devices", "told", "fetched", "unanswered")
    answer = schemas.of_object(numbers, **dict.fromkeys(numbers, schemas.NUMBER), per_second=schemas.REAL)
    yield Route(
        method="POST",
        path="/devices/sync",
        name="devices.sync_many",
        summary=many.doc.rstrip("."),
        access=Access(many.scope),
        body=many.params,
        handler=start,
        status=202,
        answer=answer,
    )
    yield Route(
        method="GET",
        path="/devices/sync/{campaign}",
        name="devices.sync_progress",
        summary=progress.doc.rstrip("."),
        access=Access(progress.scope),
        handler=look_at,
        answer=answer,
    )


def _settings(admin: Admin) -> Route:
    async def handle(ask: Ask) -> Reply:
        return Reply(body=await ask.do("device.settings", mac=find(ask.admin, ask.path["id"], ask.caller).mac))

    item = schemas.of_object(
        ["name", "value", "origin", "note"],
        name=schemas.TEXT,
        value={},
        origin=schemas.TEXT,
        note={**schemas.TEXT, "description": "why it does nothing on this device; empty when it does"},
    )
    return Route(
        method="GET",
        path="/devices/{id}/settings",
        name="devices.settings",
        summary="The settings in force, and where each comes from",
        access=access_of(admin, "device.settings"),
        handler=handle,
        answer=schemas.of_object(["items"], items={"type": "array", "items": item}),
    )


def _files(admin: Admin) -> Route:
    async def handle(ask: Ask) -> Reply:
        device = find(ask.admin, ask.path["id"], ask.caller)
        found = await ask.do("device.files", mac=device.mac)
        for item in found["items"]:
            item["url"] = f"{PREFIX}/devices/{device.mac}/files/{quote(item['name'], safe='')}"
        return Reply(body=found)

    item = schemas.of_object(
        ["name", "kind", "content_type", "secrets", "url"],
        name=schemas.TEXT,
        kind=schemas.TEXT,
        content_type=schemas.TEXT,
        secrets=schemas.FLAG,
        url=schemas.TEXT,
    )
    return Route(
        method="GET",
        path="/devices/{id}/files",
        name="devices.files",
        summary="The files that are rendered for the device",
        access=access_of(admin, "device.files"),
        handler=handle,
        answer=schemas.of_object(["items"], items={"type": "array", "items": item}),
    )


def _file(admin: Admin) -> Route:
    async def handle(ask: Ask) -> Reply:
        device = find(ask.admin, ask.path["id"], ask.caller)
        reveal = {"reveal": True} if ask.flag("reveal") else {}
        made = await ask.do("device.render", mac=device.mac, name=ask.path["name"], local=ask.local, **reveal)
        # Whatever a template says it is: shown by a browser it must stay a text.
        return Reply(octets=str(made["text"]).encode(), media="text/plain; charset=utf-8")

    return Route(
        method="GET",
        path="/devices/{id}/files/{name}",
        name="devices.file",
        summary="A file as the device would get it",
        detail="Secrets are `***` unless they are asked for.",
        access=access_of(admin, "device.render"),
        query=(Param("reveal", "flag", doc="show secrets; needs the scope admin and stands in the audit"),),
        handler=handle,
        gives="text/plain",
        answer=schemas.TEXT,
    )


def _limits(admin: Admin) -> Route:
    async def handle(ask: Ask) -> Reply:
        device = find(ask.admin, ask.path["id"], ask.caller)
        return Reply(body=await ask.do("device.check", mac=device.mac, local=ask.local))

    item = schemas.of_object(["setting", "reason"], setting=schemas.TEXT, reason=schemas.TEXT)
    return Route(
        method="GET",
        path="/devices/{id}/limits",
        name="devices.limits",
        summary="What the device cannot do of what it is told",
        detail="By its model and firmware; `tzdata` is the edition of the time zones that its clock was compared with.",
        access=access_of(admin, "device.check"),
        handler=handle,
        answer=schemas.of_object(["items", "tzdata"], items={"type": "array", "items": item}, tzdata=schemas.TEXT),
    )


def _timeline(admin: Admin, daemon: Daemon) -> Route:
    async def handle(ask: Ask) -> Reply:
        device = find(ask.admin, ask.path["id"], ask.caller)
        return Reply(body={"items": list(_boots(daemon.boots(device.mac), ask.caller))})

    step = schemas.of_object(
        ["at", "fact", "level", "text"],
        at=schemas.TEXT,
        gap=schemas.REAL,
        fact=schemas.TEXT,
        level=schemas.TEXT,
        text=schemas.TEXT,
    )
    boot = schemas.of_object(["id", "steps"], id=schemas.TEXT, steps={"type": "array", "items": step})
    return Route(
        method="GET",
        path="/devices/{id}/timeline",
        name="devices.timeline",
        summary="What happened to the device lately, boot by boot, the newest first",
        detail="To a token of one tenant it begins where the device became that tenant's.",
        access=access_of(admin, "device.show"),
        handler=handle,
        answer=schemas.of_object(["items"], items={"type": "array", "items": boot}),
    )


def _diagnosis(admin: Admin) -> Route:
    async def handle(ask: Ask) -> Reply:
        device = find(ask.admin, ask.path["id"], ask.caller)
        return Reply(body=await ask.do("device.diagnose", mac=device.mac))

    finding = schemas.of_object(["level", "what", "do"], level=schemas.TEXT, what=schemas.TEXT, do=schemas.TEXT)
    return Route(
        method="GET",
        path="/devices/{id}/diagnosis",
        name="devices.diagnosis",
        summary="What is wrong with the device, and what to do",
        detail="`level` is `problem`, `waiting`, `note` or `good`; the most urgent ones first.",
        access=access_of(admin, "device.diagnose"),
        handler=handle,
        answer=schemas.of_object(
            ["mac", "known", "state", "findings"],
            mac=schemas.TEXT,
            known=schemas.FLAG,
            state=schemas.TEXT,
            findings={"type": "array", "items": finding},
        ),
    )


def _boots(boots: Sequence[tuple[str, Sequence[Fact]]], caller: Caller) -> Iterator[dict[str, Any]]:
    for boot, facts in boots:
        since = since_it_was_ours(facts, caller)
        own = [fact for fact in facts[since:] if not is_another_s(fact, caller)]
        steps = []
        for before, fact in zip([*own[:1], *own], own, strict=False):
            steps.append(
                {
                    "at": datetime.fromtimestamp(fact.at, UTC).isoformat(timespec="milliseconds"),
                    "gap": round(max(0.0, fact.at - before.at), 6),
                    "fact": fact.ID,
                    "level": fact.LEVEL.name.lower(),
                    "text": text_of(fact),
                }
            )
        if steps:
            yield {"id": boot, "steps": steps}
        if since:
            return


def _export(admin: Admin) -> Route:
    async def handle(ask: Ask) -> Reply:
        found = await ask.do("device.export")
        return Reply(octets=found["csv"].encode(), media="text/csv; charset=utf-8")

    return Route(
        method="GET",
        path="/devices/export",
        name="devices.export",
        summary="Devices as the CSV that an import takes",
        access=access_of(admin, "device.export"),
        handler=handle,
        gives="text/csv",
        answer=schemas.TEXT,
    )
