"""``site_model.…``: models of any vendor without a plugin: two templates, and the names their files are asked by."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from provd.app.admin import views
from provd.app.admin.desk import Desk, Operation
from provd.app.admin.params import LISTING, Args, Param
from provd.app.caller import Caller, Scope
from provd.app.ports import Change, Delete, Put
from provd.base.errors import ConflictError, FaultsError, NotFoundError, PluginError
from provd.domain.ambiguity import clashes
from provd.domain.described import manifest_of, options_of
from provd.domain.names import LONGEST_NAME, MAC_MARK
from provd.domain.overrides import overlaid
from provd.domain.records import Device
from provd.domain.site_models import FORMATS, GENERIC, MARK, SiteModel

_ID = Param("id", "id", required=True)
_TEXTS = ("generic", "specific", "user_agents", "ouis", "dhcp")
_FIELDS = (
    Param("vendor"),
    Param("model"),
    Param("lines", "number", doc="how many accounts it holds"),
    Param("generic", "texts", doc="names of the file that every device of the model asks for"),
    Param("specific", "texts", doc="names of a device's own file, with {mac}"),
    Param("format", doc=f"{', '.join(FORMATS)}: how values are written, and which are refused"),
    Param("content_type"),
    Param("generic_template", "document"),
    Param("specific_template", "document"),
    Param("user_agents", "texts", doc="beginnings of User-Agents that tell of it"),
    Param("ouis", "texts", doc="MAC prefixes that tell of it"),
    Param("dhcp", "texts", doc="option codes and texts; 66={base}/ unless said otherwise"),
)
_OUI = re.compile(r"[0-9a-f]{6}")
_PLACEHOLDERS = re.compile(r"\{(?!(?:base|host|port|path|address|tftp|mac)\})")
LOCAL = "192.0.2.1"


class SiteModels:
    """Operations on models without a plugin. They concern every tenant."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def operations(self) -> Sequence[Operation]:
        """What this group offers."""
        admin = Scope.ADMIN
        fresh = tuple(replace(each, required=each.name in {"vendor", "model"}) for each in _FIELDS)
        return (
            Operation("site_model.list", "List models without a plugin.", self._list, LISTING, site=True),
            Operation("site_model.show", "Show a model without a plugin.", self._show, (_ID,), site=True),
            Operation(
                "site_model.add", "Describe a model that no plugin knows.", self._add, (_ID, *fresh), admin, site=True
            ),
            Operation(
                "site_model.set",
                "Change a model without a plugin.",
                self._set,
                (_ID, *_FIELDS, Param("replace", "flag", doc="what is not given goes back to its default")),
                admin,
                site=True,
            ),
            Operation("site_model.delete", "Delete it; refused while devices are of it.", self._delete, (_ID,), admin,
                      site=True),
        )  # fmt: skip

    def find(self, name: str) -> SiteModel:
        """The model. Raises NotFoundError."""
        found = self._desk.tables.site_models.get(name.removeprefix(MARK))
        if found is None:
            raise NotFoundError(f"there is no model {name[:60]!r} without a plugin")
        return found

    async def _list(self, args: Args, _caller: Caller) -> object:
        found = tuple(self._desk.tables.site_models.values())
        return await views.page(found, args, lambda own: own.id, self.view)

    async def _show(self, args: Args, _caller: Caller) -> object:
        return self.view(self.find(args.text("id")))

    async def _add(self, args: Args, caller: Caller) -> object:
        own = self._with(SiteModel(id=args.text("id"), vendor="", model=""), args, caller)
        await self._check(own)

        def plan() -> list[Change]:
            if self._desk.tables.site_models.get(own.id) is not None:
                raise ConflictError(f"there is a model {own.id!r} already")
            self._unambiguous(own)
            return [Put(own)]

        await self._desk.change("site_model.add", own.id, caller, plan)
        return self.view(own)

    async def _set(self, args: Args, caller: Caller) -> object:
        before = self.find(args.text("id"))
        bare = SiteModel(id=before.id, vendor=before.vendor, model=before.model)
        own = self._with(bare if args.flag("replace") else before, args, caller)
        await self._check(own)

        def plan() -> list[Change]:
            if self.find(own.id) != before:
                raise ConflictError(f"{own.id} was changed meanwhile; look again")
            self._unambiguous(own)
            named = [replace(device, vendor=own.vendor, model=own.model) for device in self._devices(own)]
            moved = (own.vendor, own.model) != (before.vendor, before.model)
            return [*(Put(device) for device in named if moved), Put(own)]

        await self._desk.change("site_model.set", own.id, caller, plan)
        return self.view(own)

    async def _delete(self, args: Args, caller: Caller) -> object:
        own = self.find(args.text("id"))

        def plan() -> list[Change]:
            users = len(self._devices(own))
            if users:
                raise ConflictError(f"{users} devices are of the model {own.id}: say what they are first")
            overrides = self._desk.tables.overrides.values()
            return [*(Delete(each) for each in overrides if each.plugin == own.plugin), Delete(self.find(own.id))]

        await self._desk.change("site_model.delete", own.id, caller, plan)
        return {"deleted": own.id}

    def _devices(self, own: SiteModel) -> list[Device]:
        return [device for device in self._desk.tables.devices.values() if device.plugin == own.plugin]

    # --- what is to be

    def _with(self, own: SiteModel, args: Args, caller: Caller) -> SiteModel:
        given = args.given(param.name for param in _FIELDS)
        texts = {name: value.replace("\r\n", "\n") for name, value in given.items() if isinstance(value, str)}
        lists = {name: tuple(value) for name, value in given.items() if isinstance(value, tuple)}
        changed = replace(own, **texts, **lists)  # type: ignore[arg-type]  # each has the type of its parameter
        prefixes = tuple(re.sub("[:-]", "", prefix).lower() for prefix in changed.ouis)
        stated = replace(changed, ouis=prefixes, changed=self._desk.clock.now(), by=caller.name)
        faults = list(_faults(replace(stated, lines=args.number("lines", own.lines))))
        if faults:
            raise FaultsError(faults)
        return replace(stated, lines=args.number("lines", own.lines), dhcp=stated.dhcp)

    def _unambiguous(self, own: SiteModel) -> None:
        """Raises FaultsError for everything that something else claims as well."""
        catalogue = self._desk.knowledge.catalogue
        plugins = [each for each in catalogue.manifests if not each.id.startswith(MARK)]
        others = [each for each in self._desk.tables.site_models.values() if each.id != own.id]
        found = clashes(own, others, plugins)
        if found:
            raise FaultsError([(clash.field, clash.reason) for clash in found])

    async def _check(self, own: SiteModel) -> None:
        """Compile and render both templates. Raises FaultsError that names the line."""
        self._unambiguous(own)
        manifest, overlay = manifest_of(own), overlaid(own.texts, ())
        previews = self._desk.boot.previews
        for rule in manifest.files:
            field = "generic_template" if rule.template == GENERIC else "specific_template"
            try:
                await previews.compiles(own.plugin, rule.template, overlay)
                await previews.sample(manifest, rule, overlay, LOCAL)
            except PluginError as error:
                raise FaultsError([(field, str(error).removeprefix(f"{own.plugin}: "))]) from None

    def view(self, own: SiteModel) -> views.View:
        """It as plain values."""
        names = ("id", "vendor", "model", "lines", "format", "content_type", "generic_template", "specific_template")
        return {
            **{name: getattr(own, name) for name in names},
            **{name: list(getattr(own, name)) for name in _TEXTS},
            "plugin": own.plugin,
            "devices": len(self._devices(own)),
            "changed": views.when(own.changed),
            "by": own.by,
        }


def _faults(own: SiteModel) -> Iterator[tuple[str, str]]:
    if not own.vendor or not own.model:
        yield "model", "vendor and model are needed"
    if not 1 <= own.lines <= 100:
        yield "lines", "must be a number from 1 to 100"
    if own.format not in FORMATS:
        yield "format", f"must be one of {', '.join(FORMATS)}"
    if not own.specific and not own.generic:
        yield "specific", "a model has files: name its own one, such as {mac}.cfg"
    yield from _named_faults("generic", (_name_fault(name, 0) for name in own.generic))
    yield from _named_faults("specific", (_name_fault(name, 1) for name in own.specific))
    yield from _named_faults("ouis", (_oui_fault(prefix) for prefix in own.ouis))
    yield from _named_faults("user_agents", (_agent_fault(start) for start in own.user_agents))
    yield from _named_faults("dhcp", _dhcp_faults(own.dhcp))


def _named_faults(field: str, faults: Iterable[str]) -> Iterator[tuple[str, str]]:
    return ((field, fault) for fault in faults if fault)


def _oui_fault(prefix: str) -> str:
    return "" if _OUI.fullmatch(prefix) else f"{prefix!r} is not six hexadecimal digits"


def _agent_fault(start: str) -> str:
    return f"{start!r} is too short to tell of anything: at least four letters" if len(start) < 4 else ""


def _dhcp_faults(texts: tuple[str, ...]) -> Iterator[str]:
    try:
        options = options_of(texts)
    except ValueError as error:
        yield str(error)
        return
    for value in options.values():
        if _PLACEHOLDERS.search(value.text):
            yield f"{value.text!r}: there are {{base}}, {{host}}, {{port}}, {{path}}, {{address}}, {{tftp}}, {{mac}}"


def _name_fault(name: str, macs: int) -> str:
    if "/" in name:
        return f"{name!r}: only the last part of a path names a file; leave the folders out"
    rest = name.replace(MAC_MARK, "")
    if name.count(MAC_MARK) != macs or "{" in rest or "}" in rest:
        return f"{name!r}: " + (f"one {MAC_MARK} and no other braces" if macs else "no braces: it is the same for all")
    if not name.isascii() or " " in name or len(name) > LONGEST_NAME // 2:
        return f"{name!r}: is no file name that a phone asks for"
    return ""
