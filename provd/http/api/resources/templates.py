"""``/models/{id}/templates/…`` and ``/templates``: templates in place of a plugin's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from provd.app.admin import Admin
from provd.app.admin.params import Param
from provd.http.api import schemas
from provd.http.api.resources.crud import access_of
from provd.http.api.routes import Ask, Reply, Route

_FOR = (
    Param("site", "flag", doc="the one for all devices of the plugin"),
    Param("tenant", "id", doc="the one of this tenant"),
    Param("device", "mac", doc="the one for this device"),
)
"""Whose override is meant; without any of these that of the model."""
_ITEM: Mapping[str, schemas.Schema] = {
    **dict.fromkeys(("id", "plugin", "template", "place", "applies_to"), schemas.TEXT),
    **dict.fromkeys(("sha256", "base_version", "base_sha256", "by", "state"), schemas.TEXT),
    "changed": {"type": ["string", "null"]},
    "devices": schemas.NUMBER,
}
_SET = {**_ITEM, "some": schemas.TEXTS}
_ONE = "/models/{id}/templates/{name}"


def routes(admin: Admin) -> Iterator[Route]:
    """All of them."""
    yield _listed(admin, "/templates", "templates.list", "List templates in place of a plugin's")
    yield _listed(admin, "/models/{id}/templates", "models.templates", "List a model's templates and overrides")
    yield _shown(admin)
    yield _put(admin)
    yield _restored(admin)
    yield _previewed(admin)
    yield _compared(admin)


def _meant(ask: Ask) -> dict[str, object]:
    """What path and query say: the template and whose. A device says its plugin by itself."""
    given: dict[str, object] = {"name": ask.path["name"], "model": ask.path["id"]}
    given |= {name: value for name, value in ask.query if name in {"tenant", "device"}}
    if ask.flag("site"):
        given["site"] = True
    return given


def _listed(admin: Admin, path: str, name: str, summary: str) -> Route:
    async def handle(ask: Ask) -> Reply:
        given = {key: value for key, value in ask.query if key == "tenant"}
        if "id" in ask.path:
            given["model"] = ask.path["id"]
        return Reply(body=await ask.do("template.list", **given))

    items = {"type": "array", "items": schemas.of_object(sorted(_ITEM), **_ITEM)}
    more = {"plugin": schemas.TEXT, "templates": schemas.TEXTS} if "{id}" in path else {}
    return Route(
        method="GET",
        path=path,
        name=name,
        summary=summary,
        access=access_of(admin, "template.list"),
        query=(Param("tenant", "id", doc="only what is for this tenant"),),
        handler=handle,
        answer=schemas.of_object(["items", *more], items=items, **more),
    )


def _shown(admin: Admin) -> Route:
    async def handle(ask: Ask) -> Reply:
        return Reply(body=await ask.do("template.show", **_meant(ask)))

    needed = ["template", "plugin", "state", "text", "default"]
    texts = dict.fromkeys(("text", "default", "base", "version"), schemas.TEXT)
    return Route(
        method="GET",
        path=_ONE,
        name="templates.show",
        summary="Show a template, and what it stands in place of",
        access=access_of(admin, "template.show"),
        query=_FOR,
        handler=handle,
        answer=schemas.of_object(needed, **{**_SET, **texts}),
    )


def _put(admin: Admin) -> Route:
    async def handle(ask: Ask) -> Reply:
        return Reply(body=await ask.do("template.set", **_meant(ask), **ask.body))

    return Route(
        method="PUT",
        path=_ONE,
        name="templates.put",
        summary="Put a template in place of the plugin's",
        detail="It is compiled, and rendered for devices that it is for; one that does not work is refused and its "
        "line named. Only files that are made from it change.",
        access=access_of(admin, "template.set"),
        query=_FOR,
        body=tuple(param for param in admin.operations["template.set"].params if param.name in {"text", "expect"}),
        handler=handle,
        answer=schemas.of_object(sorted(_SET), **_SET),
    )


def _restored(admin: Admin) -> Route:
    async def handle(ask: Ask) -> Reply:
        given = {key: value for key, value in ask.query if key == "expect"}
        await ask.do("template.restore", **_meant(ask), **given)
        return Reply(status=204)

    return Route(
        method="DELETE",
        path=_ONE,
        name="templates.restore",
        summary="Restore the default",
        access=access_of(admin, "template.restore"),
        query=(*_FOR, *(param for param in admin.operations["template.restore"].params if param.name == "expect")),
        handler=handle,
        status=204,
    )


def _previewed(admin: Admin) -> Route:
    operation = admin.operations["template.preview"]
    wanted = ("text", "restored", "on", "reveal")

    async def handle(ask: Ask) -> Reply:
        return Reply(body=await ask.do("template.preview", **_meant(ask), local=ask.local, **ask.body))

    file = dict.fromkeys(("name", "plugin", "before", "text", "diff"), schemas.TEXT)
    files = {"type": "array", "items": schemas.of_object(sorted(file), **file)}
    return Route(
        method="POST",
        path=f"{_ONE}/preview",
        name="templates.preview",
        summary="Show what a text would change in the files of a device; nothing is kept",
        access=access_of(admin, "template.preview"),
        query=_FOR,
        body=tuple(param for param in operation.params if param.name in wanted),
        handler=handle,
        answer=schemas.of_object(
            ["device", "files", "devices", "some"],
            device=schemas.TEXT,
            model=schemas.TEXT,
            files=files,
            devices=schemas.NUMBER,
            some=schemas.TEXTS,
        ),
    )


def _compared(admin: Admin) -> Route:
    async def handle(ask: Ask) -> Reply:
        return Reply(body=await ask.do("template.diff", **_meant(ask)))

    texts = dict.fromkeys(("state", "diff", "mine", "default", "merged"), schemas.TEXT)
    return Route(
        method="GET",
        path=f"{_ONE}/diff",
        name="templates.diff",
        summary="Show how a template differs from the default, and both from what it was made from",
        access=access_of(admin, "template.diff"),
        query=_FOR,
        handler=handle,
        answer=schemas.of_object([*sorted(texts), "conflicts"], conflicts=schemas.NUMBER, **texts),
    )
