"""``plugin.…`` and ``operation.…``: packages of plugins, and whatever takes its time."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import asdict

from provd.app.admin import views
from provd.app.admin.desk import Desk, Operation
from provd.app.admin.params import LISTING, Args, Param
from provd.app.caller import Caller, Scope
from provd.app.fleet import Plan
from provd.app.packages import Shop
from provd.app.packages.ports import BUNDLED, Held
from provd.app.packages.switching import PREPARE, TRY, Merging
from provd.app.works import Progress, Works
from provd.base.errors import ProvdError, UsageError
from provd.domain.overrides import Override
from provd.domain.records import Work
from provd.domain.site_models import MARK
from provd.plugin import Manifest

_ID = Param("id", "text", required=True)
_VERSION = Param("version", "text")
_KEEP = Param("keep_templates", "flag", doc="leave your templates as they are, also where what is new fits in")
_WORK = Param("id", "text", required=True)


class Plugins:
    """Operations on packages. Everything but looking needs the scope ``admin`` and all tenants."""

    def __init__(self, desk: Desk, shop: Shop) -> None:
        self._desk = desk
        self._packages = shop.packages
        self._switching = shop.switching
        self._works = shop.works

    def operations(self) -> Sequence[Operation]:
        """What this group offers."""
        admin = Scope.ADMIN
        return (
            Operation("plugin.list", "List plugins.", self._list, LISTING, site=True),
            Operation("plugin.available", "List what the publishers offer.", self._available, site=True),
            Operation(
                "plugin.prepare",
                "Fetch a package, check it, and see what it would change; nothing is in force by that.",
                self._prepare,
                (Param("plugin"), _VERSION, Param("package", doc="name of a file laid into the entry"), _KEEP),
                admin,
                site=True,
            ),
            Operation(
                "plugin.try",
                "See what putting another version in force would change.",
                self._try,
                (_ID, _VERSION, Param("previous", "flag", doc="what was in force before"), _KEEP),
                admin,
                site=True,
            ),
            Operation(
                "plugin.switch",
                "Put a version in force; phones get its files from now on.",
                self._switch,
                (_ID, _VERSION, Param("expect", doc="what has to be in force until now"), _KEEP),
                admin,
                site=True,
            ),
            Operation(
                "plugin.rollback",
                "Put in force again what was before.",
                self._rollback,
                (_ID, Param("expect", doc="what it is to lead to"), _KEEP),
                admin,
                site=True,
            ),
            Operation(
                "plugin.remove",
                "Take a version, or every package of a plugin, off the shelf.",
                self._remove,
                (_ID, _VERSION, Param("to", doc="plugin that its devices go to, or none")),
                admin,
                site=True,
            ),
            Operation(
                "plugin.link",
                "Put a folder in force as it lies, for who writes a plugin.",
                self._link,
                (_ID, Param("folder", required=True)),
                admin,
                site=True,
            ),
        )

    async def _list(self, args: Args, _caller: Caller) -> object:
        manifests = [each for each in self._desk.knowledge.catalogue.manifests if not each.id.startswith(MARK)]
        return await views.page(manifests, args, lambda manifest: manifest.id, self.view)

    async def _available(self, _args: Args, _caller: Caller) -> object:
        offers = await self._packages.offers(Progress())
        items = [asdict(offer) | {"in_force": self._version(offer.plugin)} for offer in offers.items]
        return {"items": items, "failed": list(offers.failed)}

    async def _prepare(self, args: Args, caller: Caller) -> object:
        given = {name: args.text(name) for name in ("plugin", "version", "package")}
        if bool(given["plugin"]) == bool(given["package"]):
            raise UsageError("exactly one of plugin and package")
        return self._view(await self._works.start(PREPARE, {**given, **_keeping(args)}, caller.name))

    async def _try(self, args: Args, caller: Caller) -> object:
        plugin = args.text("id")
        choice = self._switching.previous(plugin) if args.flag("previous") else args.text("version")
        given = {"plugin": plugin, "choice": choice, **_keeping(args)}
        return self._view(await self._works.start(TRY, given, caller.name))

    async def _switch(self, args: Args, caller: Caller) -> object:
        plugin = args.text("id")
        expect = args.text("expect") if "expect" in args else None
        merging = self._merging(args, caller)
        held, merged = await self._switching.switch(plugin, args.text("version"), expect, merging)
        return await self._switched("plugin.switch", held, merged, caller)

    async def _switched(self, action: str, held: Held, merged: Sequence[Override], caller: Caller) -> object:
        await self._desk.audit(action, f"{held.plugin} {held.in_force}", caller)
        return {**self._held(held), "merged": [override.id for override in merged]}

    async def _rollback(self, args: Args, caller: Caller) -> object:
        plugin, expect = args.text("id"), args.text("expect") if "expect" in args else None
        held, merged = await self._switching.rollback(plugin, expect, self._merging(args, caller))
        return await self._switched("plugin.rollback", held, merged, caller)

    async def _remove(self, args: Args, caller: Caller) -> object:
        manifests = {each.id: each for each in self._desk.knowledge.catalogue.manifests}
        plugin, version = args.text("id"), args.text("version")
        moved = await self._switching.remove(plugin, version, args.text("to"), manifests)
        await self._desk.audit("plugin.remove", f"{plugin} {version}".rstrip(), caller)
        return {"removed": plugin, "version": version, "moved": len(moved)}

    async def _link(self, args: Args, caller: Caller) -> object:
        folder = args.text("folder")
        if not folder.startswith("/"):
            raise UsageError("folder: must be absolute")
        held = await self._switching.link(args.text("id"), folder)
        await self._desk.audit("plugin.link", f"{held.plugin} {folder}", caller)
        return self._held(held)

    def _merging(self, args: Args, caller: Caller) -> Merging | None:
        return None if args.flag("keep_templates") else self._merging_of(caller)

    def _merging_of(self, caller: Caller) -> Merging:
        async def change(override: str, plan: Plan) -> None:
            await self._desk.change("template.merge", override, caller, plan)

        return Merging(caller.name, change)

    async def complete(self) -> None:
        """Merge what is new in templates into overrides where a switch was not followed by that."""
        for held in self._packages.every():
            if held.merging:
                # Whatever is in the way of it now has been told; it is tried again.
                with contextlib.suppress(ProvdError):
                    await self._switching.complete(held.plugin, lambda by: self._merging_of(Caller(name=by)))

    def _version(self, plugin: str) -> str:
        manifest = self._desk.knowledge.manifest(plugin)
        return "" if manifest is None else manifest.version

    def _held(self, held: Held) -> views.View:
        return {"id": held.plugin, "version": self._version(held.plugin), **shown(held)}

    def view(self, manifest: Manifest) -> views.View:
        """A plugin in force, and what there is of it beside."""
        return {**views.plugin(manifest), **shown(self._packages.held(manifest.id))}

    def _view(self, work: Work) -> views.View:
        return view_of(work, self._works)


def _keeping(args: Args) -> dict[str, object]:
    return {"keep_templates": True} if args.flag("keep_templates") else {}


def shown(held: Held) -> views.View:
    """Where it comes from and what else is there."""
    beside = "folder" if held.own else "bundled"
    origin = beside if held.in_force == BUNDLED else "linked" if held.in_force.startswith("/") else "package"
    return {"origin": origin, "versions": list(held.versions), "before": held.history[-1] if held.history else None}


class Operations:
    """Looking at long work and calling it off."""

    def __init__(self, desk: Desk, works: Works) -> None:
        self._desk = desk
        self._works = works

    def operations(self) -> Sequence[Operation]:
        """What this group offers."""
        return (
            Operation("operation.list", "List long work, the newest first.", self._list, site=True),
            Operation("operation.show", "Show how far it is and what came of it.", self._show, (_WORK,), site=True),
            Operation("operation.cancel", "Call it off.", self._cancel, (_WORK,), Scope.ADMIN, site=True),
        )

    async def _list(self, _args: Args, _caller: Caller) -> object:
        works = sorted(self._desk.tables.works.values(), key=lambda work: -work.started)
        return {"items": [{**self.view(work), "result": None} for work in works]}

    async def _show(self, args: Args, _caller: Caller) -> object:
        return self.view(self._works.find(args.text("id")))

    async def _cancel(self, args: Args, caller: Caller) -> object:
        work = await self._works.cancel(self._works.find(args.text("id")).id)
        await self._desk.audit("operation.cancel", work.id, caller)
        return self.view(work)

    def view(self, work: Work) -> views.View:
        """It as plain values."""
        return view_of(work, self._works)


def view_of(work: Work, works: Works) -> views.View:
    """Long work as plain values, with how far it is."""
    progress = works.progress(work.id)
    return {
        "id": work.id,
        "kind": work.kind,
        "args": {name: value for name, value in work.args.items() if value},
        "by": work.by,
        "state": work.state.value,
        "started": views.when(work.started),
        "finished": views.when(work.finished),
        "doing": progress.doing,
        "done": progress.done,
        "total": progress.total,
        "reason": work.reason,
        "result": dict(work.result) or None,
    }
