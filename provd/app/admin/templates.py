"""``template.…``: templates in place of a plugin's, for a model, the site, a tenant or one device."""

from __future__ import annotations

import difflib
from collections.abc import AsyncIterator, Mapping, Sequence

from provd.app.admin import views
from provd.app.admin.desk import Desk, Operation
from provd.app.admin.params import Args, Param
from provd.app.caller import Caller, Scope
from provd.app.overlays import shared
from provd.app.overriding import LOCAL, Overriding, Target
from provd.app.ports import Change, Delete, Put
from provd.base.errors import ConflictError, ForbiddenError, NotFoundError, PluginError, StaleError, UsageError
from provd.base.types import Mac, mac_text
from provd.domain.merging import merge
from provd.domain.overrides import Override, Place, override_id, sha256
from provd.domain.records import Device
from provd.plugin import Manifest

_WHERE = (
    Param("model", doc="a model (T27P, or acme:t27p), or the id of a plugin"),
    Param("site", "flag", doc="for all devices of the plugin"),
    Param("tenant", doc="for those of this tenant"),
    Param("device", "device", doc="for this one only"),
)
_NAME = Param("name", required=True)
_TEXT = Param("text", "document")
_EXPECT = Param("expect", doc="SHA-256 of your text that it was made from; 'default' where there was none of yours")
_PRESENT: Mapping[str, Override | None] = {}
MOST_NAMED = 20
"""Devices that are named when it is said whom an override is for."""


class Templates:
    """Operations on overrides. A caller of one tenant has those of its tenant and of its devices, and no others."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._over = Overriding(desk.boot.station, desk.boot.previews)

    def operations(self) -> Sequence[Operation]:
        """What this group offers."""
        admin = Scope.ADMIN
        return (
            Operation("template.list", "List templates that stand in place of a plugin's.", self._list, _WHERE),
            Operation(
                "template.show", "Show a template, and what it stands in place of.", self._show, (_NAME, *_WHERE)
            ),
            Operation(
                "template.set",
                "Put a template in place of the plugin's; refused when it does not work.",
                self._set,
                (_NAME, Param("text", "document", required=True), _EXPECT, *_WHERE),
                admin,
            ),
            Operation(
                "template.preview",
                "Show what a text would change in the files of a device; nothing is kept.",
                self._preview,
                (
                    _NAME,
                    *_WHERE,
                    _TEXT,
                    Param("restored", "flag", doc="as if the override were taken away"),
                    Param("on", "device", doc="the device whose files are shown; else one that it is for"),
                    Param("local"),
                    Param("reveal", "flag"),
                ),
                admin,
            ),
            Operation("template.diff", "Show how a template differs from the default.", self._diff, (_NAME, *_WHERE)),
            Operation(
                "template.restore",
                "Take an override away: the default applies.",
                self._restore,
                (_NAME, _EXPECT, *_WHERE),
                admin,
            ),
        )

    # --- what is meant

    async def _target(self, args: Args, caller: Caller) -> Target:
        plugin, model, device = self._plugin(args, caller)
        place, applies_to = self._place(args, caller, model, device)
        defaults = await self._over.defaults(plugin.id)
        name = args.text("name")
        if name not in defaults:
            near = difflib.get_close_matches(name, defaults, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(defaults)) or 'none'}"
            raise NotFoundError(f"plugin {plugin.id} has no template {name!r}; {hint}")
        return Target(plugin, name, defaults[name], place, applies_to, model, device)

    def _plugin(self, args: Args, caller: Caller) -> tuple[Manifest, str, Device | None]:
        """The plugin, the model's name and the device; the latter two where they were given."""
        desk = self._desk
        desk.boot.station.refresh()
        if "device" in args:
            device = desk.device(args.mac("device"), caller)
            desk.need_all_lines(device, caller)
            manifest = next(filter(None, map(desk.knowledge.manifest, self._over.plugins(device))), None)
            if manifest is None:
                raise NotFoundError(f"no plugin makes the files of {mac_text(device.mac)}")
            return manifest, device.model, device
        wanted = args.text("model")
        if not wanted:
            raise UsageError("model: is needed, or device")
        owner, colon, name = wanted.partition(":")
        manifests = [each for each in desk.knowledge.catalogue.manifests if not colon or each.id == owner]
        found = [(each, model.name) for each in manifests if (model := each.model(name if colon else wanted))]
        if len(found) > 1:
            names = " or ".join(f"{each.id}:{model}".lower() for each, model in found)
            raise UsageError(f"model: several plugins know a {wanted!r}; say {names}")
        if found:
            return *found[0], None
        whole = desk.knowledge.manifest(wanted)
        if whole is None:
            raise NotFoundError(f"there is no model and no plugin {wanted[:60]!r}")
        return whole, "", None

    def _place(self, args: Args, caller: Caller, model: str, device: Device | None) -> tuple[Place, str]:
        given = [name for name in ("site", "tenant", "device") if name in args and args.given([name])[name]]
        if len(given) > 1:
            raise UsageError(f"{' and '.join(given)}: an override is for one of them")
        if device is not None:
            return Place.DEVICE, device.mac
        if given == ["tenant"]:
            return Place.TENANT, self._desk.tenant(args.text("tenant"), caller).id
        if caller.tenant is not None:
            raise ForbiddenError("this concerns all tenants; say tenant or device to have it for your own")
        if given == ["site"]:
            return Place.SITE, ""
        if not model:
            raise UsageError("model: is a plugin; name a model, or say site or tenant")
        return Place.MODEL, model

    def _visible(self, override: Override, caller: Caller) -> bool:
        if override.place is Place.TENANT:
            return caller.owns(override.applies_to)
        if override.place is Place.DEVICE:
            device = self._desk.tables.device(Mac(override.applies_to))
            return device is not None and caller.owns(device.tenant)
        return caller.tenant is None

    # --- looking

    async def _list(self, args: Args, caller: Caller) -> object:
        chosen = None
        if any(name in args for name in ("model", "device")):
            chosen = self._plugin(args, caller)[0].id
        known = sorted(self._desk.tables.overrides.values(), key=lambda each: each.id)
        seen = [each for each in known if self._visible(each, caller) and chosen in (None, each.plugin)]
        if "tenant" in args:
            wanted = self._desk.tenant(args.text("tenant"), caller).id
            seen = [each for each in seen if (each.place, each.applies_to) == (Place.TENANT, wanted)]
        defaults = {plugin: await self._defaults(plugin) for plugin in {each.plugin for each in seen}}
        counts = await self._over.counts(defaults)
        items = [{**_view(each), **_standing(each, defaults[each.plugin]), "devices": counts[each.id]} for each in seen]
        if chosen is None:
            return {"items": items}
        return {"items": items, "plugin": chosen, "templates": sorted(await self._defaults(chosen))}

    async def _defaults(self, plugin: str) -> Mapping[str, str]:
        try:
            return await self._over.defaults(plugin)
        except PluginError:
            return {}

    async def _show(self, args: Args, caller: Caller) -> object:
        target = await self._target(args, caller)
        override = self._desk.tables.overrides.get(target.key)
        shown = {"template": target.template, "plugin": target.plugin.id, "version": target.plugin.version}
        if override is None:
            return {**shown, "state": "default", "text": target.default, "default": target.default}
        devices = await self._over.affected(override.plugin, override)
        return {
            **shown,
            **_view(override),
            **_standing(override, {target.template: target.default}),
            "text": override.text,
            "default": target.default,
            "base": override.base,
            **_named(devices),
        }

    async def _diff(self, args: Args, caller: Caller) -> object:
        target = await self._target(args, caller)
        override = self._there(target)
        base, mine, new = override.base, override.text, target.default
        shown = {
            **_standing(override, {target.template: new}),
            "diff": _difference(new, mine, "default", "yours"),
            "mine": _difference(base, mine, f"made from {override.base_version}", "yours"),
            "default": _difference(base, new, f"made from {override.base_version}", f"now {target.plugin.version}"),
        }
        if base == new:
            return {**shown, "merged": "", "conflicts": 0}
        merged = merge(base, mine, new)
        return {**shown, "merged": merged.text, "conflicts": merged.conflicts}

    async def _preview(self, args: Args, caller: Caller) -> object:
        target = await self._target(args, caller)
        present = self._desk.tables.overrides.get(target.key)
        supposed: Override | None = None
        if "text" in args:
            supposed = self._over.made(target, args.document("text"), at=0.0, by=caller.name)
        elif not args.flag("restored"):
            raise UsageError("text: is needed, or restored")
        whose = supposed or present
        devices = [] if whose is None else await self._over.affected(target.plugin.id, whose)
        device = self._on(args, caller, target, devices)
        reveal = args.flag("reveal")
        if reveal:
            await self._desk.audit("device.reveal", device.mac, caller, tenant=device.tenant)
        files = [
            {"name": name, "plugin": target.plugin.id, "before": before, "text": after,
             "diff": _difference(before, after, f"{name} as it is", f"{name} as it would be")}
            async for name, before, after in self._rendered(args, target, device, {target.key: supposed})
        ]  # fmt: skip
        return {"device": device.mac, "model": device.model, "files": files, **_named(devices)}

    async def _rendered(
        self, args: Args, target: Target, device: Device, supposed: Mapping[str, Override | None]
    ) -> AsyncIterator[tuple[str, str, str]]:
        """Each file by its name, as it is and as it would be."""
        local, reveal = args.text("local") or LOCAL, args.flag("reveal")
        plugin = target.plugin.id
        for name, rule in self._over.files(plugin, device).items():
            texts = []
            for case in (_PRESENT, supposed):
                overlay = self._over.overlay(plugin, device, rule, case)
                try:
                    texts.append(await self._over.text(device, name, overlay, local=local, reveal=reveal))
                except NotFoundError:
                    texts.append("")
                except PluginError as error:
                    if case:
                        raise
                    texts.append(f"(it cannot be rendered: {error})\n")
            yield name, texts[0], texts[1]

    def _on(self, args: Args, caller: Caller, target: Target, devices: Sequence[Device]) -> Device:
        """The device whose files are shown. Raises ConflictError when the override is not for it."""
        if "on" not in args:
            known = next((device for device in devices if caller.owns(device.tenant)), None)
            return target.device or known or self._over.sample(target)
        device = self._desk.device(args.mac("on"), caller)
        self._desk.need_all_lines(device, caller)
        if target.plugin.id not in self._over.plugins(device):
            raise ConflictError(f"{mac_text(device.mac)} is no device of the plugin {target.plugin.id}")
        return device

    # --- changing

    async def _set(self, args: Args, caller: Caller) -> object:
        target = await self._target(args, caller)
        self._need_own_lines(target.device)
        override = self._over.made(target, args.document("text"), at=self._desk.clock.now(), by=caller.name)
        devices = await self._over.check(target, override)

        def plan() -> list[Change]:
            self._still(target, args, caller)
            self._expected(target, args)
            return [Put(override)]

        await self._desk.change("template.set", override.id, caller, plan)
        return {**_view(override), **_standing(override, {target.template: target.default}), **_named(devices)}

    def _need_own_lines(self, device: Device | None) -> None:
        if device is not None and shared(self._desk.tables, device):
            raise ConflictError("several tenants have lines on this device: only what is for its model applies to it")

    def _still(self, target: Target, args: Args, caller: Caller) -> None:
        """Look again at whom it is for: trying a text takes its time. What is gone by then, or another's, has left its
        overrides behind, and this one would come too late for that. Raises as at first, and ConflictError."""
        plugin, model, device = self._plugin(args, caller)
        self._need_own_lines(device)
        place, applies_to = self._place(args, caller, model, device)
        was = "" if target.device is None else target.device.tenant
        now = "" if device is None else device.tenant
        if now != was or override_id(plugin.id, target.template, place, applies_to) != target.key:
            raise ConflictError("whom this is for has changed while it was tried; look, and try again")

    def _expected(self, target: Target, args: Args) -> None:
        """Raises StaleError when somebody else was quicker."""
        present = self._desk.tables.overrides.get(target.key)
        now = "default" if present is None else sha256(present.text)
        if "expect" in args and args.text("expect") != now:
            raise StaleError(f"{target.template} was changed by {present.by if present else 'somebody'} meanwhile")

    async def _restore(self, args: Args, caller: Caller) -> object:
        target = await self._target(args, caller)
        override = self._there(target)
        devices = await self._over.affected(override.plugin, override)

        def plan() -> list[Change]:
            present = self._there(target)
            self._expected(target, args)
            return [Delete(present)]

        await self._desk.change("template.restore", override.id, caller, plan)
        return {"restored": override.id, **_named(devices)}

    def _there(self, target: Target) -> Override:
        override = self._desk.tables.overrides.get(target.key)
        if override is None:
            whom = {Place.SITE: "the site"}.get(target.place, f"{target.place} {target.applies_to}")
            raise NotFoundError(f"{target.template} is not overridden for {whom}")
        return override


def _view(override: Override) -> views.View:
    return {
        "id": override.id,
        "plugin": override.plugin,
        "template": override.template,
        "place": override.place.value,
        "applies_to": override.applies_to,
        "sha256": sha256(override.text),
        "base_version": override.base_version,
        "base_sha256": override.base_sha256,
        "changed": views.when(override.changed),
        "by": override.by,
    }


def _standing(override: Override, defaults: Mapping[str, str]) -> views.View:
    """Whether what it was made from is still the default."""
    default = defaults.get(override.template)
    if default is None:
        return {"state": "without default"}
    return {"state": "in force" if default == override.base else "default changed"}


def _named(devices: Sequence[Device]) -> views.View:
    return {"devices": len(devices), "some": [mac_text(device.mac) for device in devices[:MOST_NAMED]]}


def _difference(before: str, after: str, was: str, now: str) -> str:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), was, now, lineterm="")
    return "".join(f"{line}\n" for line in lines)
