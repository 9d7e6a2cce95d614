"""``firmware.…``: firmware and language packages, what the plugins know of them and what is here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from provd.app.admin import views
from provd.app.admin.desk import Desk, Operation
from provd.app.admin.params import Args, Param
from provd.app.admin.plugins import view_of
from provd.app.caller import Caller, Scope
from provd.app.firmware.offer import KINDS, Asked
from provd.app.firmware.ports import Held
from provd.app.firmware.warehouse import Warehouse
from provd.app.works import Works
from provd.base.errors import ProvdError, UsageError
from provd.domain.firmware import same

_NAME = Param("name", required=True, doc="of the package, such as spa50x-30x")
_VERSION = Param("version", doc="needed where there are several")
_PLUGIN = Param("plugin", doc="needed where several have a package of this name")
_SHA256 = Param("sha256", doc="what it has to be, in hex")
_OWN = (
    Param("models", "texts", doc="of a package that no catalogue has: what it is for"),
    Param("kind", doc=f"of such a package: {', '.join(KINDS)}"),
)
_DIGEST = re.compile(r"[0-9a-f]{64}")
_URL = re.compile(r"https?://[^\s/?#@]+/[^\s#]+")


class Firmware:
    """Looking is for everybody; what is kept here is the site's matter."""

    def __init__(self, desk: Desk, warehouse: Warehouse, works: Works) -> None:
        self._desk = desk
        self._works = works
        self.warehouse = warehouse

    def operations(self) -> Sequence[Operation]:
        """What this group offers."""
        admin = Scope.ADMIN
        which = (_NAME, _VERSION, _PLUGIN)
        return (
            Operation(
                "firmware.list", "List the firmware and language packages that are here.", self._list, (_PLUGIN,)
            ),
            Operation(
                "firmware.available",
                "List what the plugins know of firmware and languages, and where it is to be had.",
                self._available,
                (_PLUGIN, Param("model")),
            ),
            Operation("firmware.show", "Show a package that is here, and what runs it.", self._show, which),
            Operation(
                "firmware.fetch",
                "Get a package from where everybody may have it, or from a mirror of yours.",
                self._fetch,
                (*which, _SHA256, Param("url", longest=400), *_OWN),
                admin,
                site=True,
            ),
            Operation(
                "firmware.upload",
                "Keep a package that was laid into the entry.",
                self._upload,
                (
                    Param("entry", required=True, doc="name of the file there"),
                    Param("called", required=True, doc="name of the file that was brought"),
                    Param("name", doc="of the package; not needed where the catalogue has a file of that name"),
                    *which[1:],
                    _SHA256,
                    Param("unpack", "flag", doc="it is a zip archive with the files in it"),
                    *_OWN,
                ),
                admin,
                site=True,
            ),
            Operation("firmware.remove", "Take a package away.", self._remove, which, admin, site=True),
        )

    async def _list(self, args: Args, _caller: Caller) -> object:
        plugin = args.text("plugin")
        return {"items": [shown(held) for held in self.warehouse.held if plugin in ("", held.plugin)]}

    async def _available(self, args: Args, _caller: Caller) -> object:
        return {"items": list(self._rows(args.text("plugin"), args.text("model").lower()))}

    def _rows(self, plugin: str, model: str) -> Iterator[views.View]:
        here = {(held.plugin, held.name, held.version) for held in self.warehouse.held}
        for manifest in self._desk.knowledge.catalogue.manifests:
            for package in manifest.packages if plugin in ("", manifest.id) else ():
                if model and model not in (name.lower() for name in package.models):
                    continue
                for release in package.releases:
                    yield {
                        "plugin": manifest.id,
                        "name": package.name,
                        "version": release.version,
                        "kind": package.kind,
                        "models": list(package.models),
                        "files": list(release.files),
                        "size": release.size or None,
                        "sha256": release.sha256 or None,
                        "source": release.source or None,
                        "obtain": package.obtain or None,
                        "here": (manifest.id, package.name, release.version) in here,
                    }

    async def _show(self, args: Args, caller: Caller) -> object:
        held = self.warehouse.present(asked_of(args, caller))
        runs = sum(
            device.plugin == held.plugin and device.model in held.models and same(device.version, held.version)
            for device in self._desk.devices_seen(caller)
        )
        return {**shown(held), "running": runs}

    async def _fetch(self, args: Args, caller: Caller) -> object:
        url = args.text("url")
        if url and not _URL.fullmatch(url):
            raise UsageError("url: must be http:// or https:// and lead to a file")
        asked = asked_of(args, caller)
        work = await self.warehouse.begin(asked, url)
        await self._desk.audit("firmware.fetch", f"{asked.name} {asked.version}".rstrip(), caller)
        return view_of(work, self._works)

    async def _upload(self, args: Args, caller: Caller) -> object:
        return shown(await self.brought(args.text("entry"), args, caller))

    async def brought(self, entry: str, args: Args, caller: Caller) -> Held:
        """Keep what lies in the entry. Raises ProvdError."""
        try:
            held = await self.warehouse.take(entry, asked_of(args, caller))
        except ProvdError:
            await self.warehouse.forget(entry)
            raise
        await self._desk.audit("firmware.upload", f"{held.name} {held.version}", caller)
        return held

    async def _remove(self, args: Args, caller: Caller) -> object:
        held = await self.warehouse.drop(asked_of(args, caller))
        await self._desk.audit("firmware.remove", f"{held.name} {held.version}", caller)
        return {"removed": held.name, "version": held.version}


def asked_of(args: Args, caller: Caller) -> Asked:
    """What the parameters say of a package. Raises UsageError."""
    sha256, kind = args.text("sha256").lower(), args.text("kind")
    if sha256 and not _DIGEST.fullmatch(sha256):
        raise UsageError("sha256: is 64 hexadecimal digits")
    if kind and kind not in KINDS:
        raise UsageError(f"kind: must be one of {', '.join(KINDS)}")
    return Asked(
        name=args.text("name"),
        version=args.text("version"),
        plugin=args.text("plugin"),
        models=args.texts("models"),
        kind=kind,
        sha256=sha256,
        called=args.text("called"),
        unpack=args.flag("unpack"),
        by=caller.name,
    )


def shown(held: Held) -> dict[str, Any]:
    """A package that is here, as plain values."""
    return {
        "plugin": held.plugin,
        "name": held.name,
        "version": held.version,
        "kind": held.kind,
        "models": list(held.models),
        "files": [{"name": name, "size": part.size, "sha256": part.sha256} for name, part in held.files.items()],
        "step": held.step or None,
        "size": held.size,
        "sha256": held.sha256,
        "checked": held.checked,
        "origin": held.origin,
        "at": views.when(held.at),
        "by": held.by,
    }
