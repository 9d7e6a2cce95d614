"""Operations on devices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from provd.app import effective, ownership
from provd.app.admin import sheet, views
from provd.app.admin.desk import Desk, Operation
from provd.app.admin.params import Args, Param
from provd.app.caller import Caller, Scope
from provd.app.limits import Limit
from provd.app.ports import Change, Put
from provd.app.sealed import phrase_of
from provd.app.zones import edition
from provd.base.errors import ConflictError, FaultsError, ForbiddenError, NotFoundError, PluginError, UsageError
from provd.base.types import Mac, is_thing, mac_text
from provd.domain.evidence import Evidence
from provd.domain.inheritance import Layer, merge
from provd.domain.lifecycle import Event, after
from provd.domain.names import name_for
from provd.domain.records import MASTER_TENANT, Device, DeviceState

SAID = 50
"""Confidence in a model that an administrator names: what the phone itself says precisely is stronger."""

_MAC = Param("mac", "device", required=True)
_NEW_MAC = Param("mac", "mac", required=True)
_LISTING = (Param("limit", "number"), Param("after"))
_FILTERS = ("tenant", "state", "vendor", "model", "plugin", "profile", "ip")
_FIELDS = (
    Param("description"),
    Param("profile"),
    Param("vendor"),
    Param("model"),
    Param("lines", "texts", doc="exactly these; left out they stay as they are"),
)
_NEW_TOKEN = Param("new_token", "flag", doc="another URL token: the phone must learn it from option 66 or by hand")
_REPLACE = Param("replace", "flag", doc="description, profile and settings that are not given go back to none")
_WRITE = Scope.WRITE
_RENEWED = replace(_NEW_TOKEN, doc="another URL token; default: yes, unless the phone could not learn it by itself")
_DEFAULT_LOCAL = "127.0.0.1"


class Devices:
    """``device.…``"""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def operations(self) -> Sequence[Operation]:
        """What this group offers."""
        settings = (Param("settings", "settings"), Param("unset", "texts"))
        lines = Param("line", "texts")
        filters = (*(Param(name) for name in _FILTERS), Param("query"))
        return (
            Operation("device.list", "List devices.", self._list, (*filters, *_LISTING)),
            Operation("device.show", "Show a device.", self._show, (_MAC, Param("reveal", "flag"), Param("local"))),
            Operation(
                "device.add", "Add a device.", self._add, (_NEW_MAC, Param("tenant"), *_FIELDS, settings[0]), _WRITE
            ),
            Operation(
                "device.set", "Change a device.", self._set, (_MAC, *_FIELDS, *settings, _REPLACE, _NEW_TOKEN), _WRITE
            ),
            Operation(
                "device.assign",
                "Put lines on a device.",
                self._assign,
                (_MAC, replace(lines, required=True), Param("port", "number")),
                _WRITE,
            ),
            Operation("device.unassign", "Take lines from a device.", self._unassign, (_MAC, lines), _WRITE),
            Operation("device.reset", "Make a device unclaimed again.", self._reset, (_MAC, _NEW_TOKEN), _WRITE),
            Operation(
                "device.transfer",
                "Give a device to another tenant.",
                self._transfer,
                (_MAC, Param("tenant", required=True), _RENEWED),
                Scope.ADMIN,
            ),
            Operation("device.delete", "Delete a device.", self._delete, (_MAC,), _WRITE),
            Operation("device.settings", "Show settings and their origins.", self._settings, (_MAC,)),
            Operation(
                "device.check", "Say what a device cannot do of what it is told.", self._check, (_MAC, Param("local"))
            ),
            Operation("device.files", "List the files that are rendered for a device.", self._files, (_MAC,)),
            Operation(
                "device.import",
                "Add or change devices from CSV.",
                self._import,
                (Param("csv", required=True), Param("dry_run", "flag")),
                _WRITE,
            ),
            Operation("device.export", "Devices as CSV.", self._export),
        )

    def _of(self, args: Args, caller: Caller) -> Device:
        return self._desk.device(args.mac(), caller)

    async def _list(self, args: Args, caller: Caller) -> object:
        state = args.text("state")
        if state and state not in set(DeviceState):
            raise UsageError(f"state: must be one of {', '.join(DeviceState)}")
        wanted = {name: args.text(name).lower() for name in _FILTERS if args.text(name)}
        query = args.text("query").lower()

        def fits(device: Device) -> bool:
            if any(str(getattr(device, name)).lower() != value for name, value in wanted.items()):
                return False
            return not query or query in f"{device.mac} {mac_text(device.mac)} {device.description.lower()}"

        found = (device for device in self._desk.devices_seen(caller) if fits(device))
        return await views.page(
            found, args, lambda device: device.mac, lambda device: self._desk.device_view(device, caller)
        )

    async def _show(self, args: Args, caller: Caller) -> object:
        device = self._desk.device_seen(args.mac(), caller)
        if not caller.owns(device.tenant):
            return self._desk.device_view(device, caller)
        if is_thing(device.mac):
            # It has a key and no URL token, and no telephone account.
            return {**self._desk.device_view(device, caller), **self._known(device), "files": self._names(device)}
        station = self._desk.boot.station
        base = station.site.base(args.text("local") or _DEFAULT_LOCAL)
        account = station.tokens.account(device.mac, device.token_epoch)
        shown = args.flag("reveal")
        if shown:
            # Whoever has the token can fetch the file, and in it everybody's passwords.
            self._desk.need_all_lines(device, caller)
            await self._desk.audit("device.reveal", device.mac, caller, tenant=device.tenant)
        return {
            **self._desk.device_view(device, caller),
            **self._known(device),
            "url": f"{base}/{station.token(device.mac, device) if shown else '***'}",
            "account": {
                "username": account.username,
                "password": account.password.reveal() if shown else str(account.password),
            },
            "files": self._names(device),
        }

    def _known(self, device: Device) -> views.View:
        found = self._desk.tables.metadata(device.mac)
        return {"metadata": {} if found is None else dict(found.data)}

    def _names(self, device: Device) -> list[str]:
        if is_thing(device.mac):
            return [name for name, _, _ in self._desk.knowledge.own_files(device)]
        manifest = self._desk.knowledge.manifest(device.plugin)
        rules = () if manifest is None else manifest.files
        return [name_for(rule.name, device.mac, device.model) for rule in rules if rule.kind == "device"]

    async def _add(self, args: Args, caller: Caller) -> object:
        def plan() -> list[Change]:
            mac = args.mac()
            self._check_new(mac, caller)
            tenant = args.text("tenant") or caller.tenant
            owner = self._desk.tenant(tenant, caller).id if tenant else MASTER_TENANT
            bare = Device(mac=mac, tenant=owner, settings=self._desk.settings({}, args))
            return [Put(self._with_lines(self._described(bare, args, caller), args, caller))]

        await self._desk.change("device.add", args.mac(), caller, plan)
        return self._desk.device_view(self._of(args, caller), caller)

    def _check_new(self, mac: Mac, caller: Caller) -> None:
        device = self._desk.tables.device(mac)
        if device is None:
            return
        if caller.owns(device.tenant):
            raise ConflictError(f"device {mac_text(mac)} is there already")
        # A MAC is the same everywhere, so that somebody has it cannot be hidden from who adds it; whose it is can.
        raise ConflictError(f"device {mac_text(mac)} cannot be added; dial a code on it, or ask the site")

    def _described(self, device: Device, args: Args, caller: Caller) -> Device:
        """The device with those fields that the call gives, its vendor and model as the plugins spell them."""
        device = replace(
            device,
            description=args.text("description") if "description" in args else device.description,
            profile=self._profile(device, args, caller),
        )
        if args.text("vendor") or args.text("model"):
            return self._made_by(device, args.text("vendor"), args.text("model"))
        if device.plugin:
            return device
        heard = self._desk.knowledge.identify(Evidence(via="dhcp", mac=device.mac))
        if not heard.plugin:
            return device
        return _identified(device, heard.vendor, heard.model, heard.plugin, heard.confidence)

    def _profile(self, device: Device, args: Args, caller: Caller) -> str:
        name = args.text("profile")
        # What somebody else has chosen for this device may stay as it is.
        if "profile" not in args or name == caller.shown(device.profile):
            return device.profile
        if not name:
            return ""
        profile = self._desk.profile(name, caller)
        if ownership.owner_of_profile(profile) not in (None, device.tenant):
            raise NotFoundError(f"tenant {device.tenant!r} has no profile {name!r}")
        return profile.id

    def _made_by(self, device: Device, vendor: str, name: str) -> Device:
        vendor = vendor or device.vendor
        if device.plugin and vendor.lower() == device.vendor.lower() and name.lower() in ("", device.model.lower()):
            # Nothing new: its plugin and the confidence of what the phone itself said stay.
            return replace(device, confidence=max(device.confidence, SAID))
        for manifest in self._desk.knowledge.catalogue.manifests:
            if vendor and vendor.lower() not in (manifest.vendor.lower(), manifest.id):
                continue
            model = manifest.model(name) if name else None
            if model is not None or not name:
                spelt = "" if model is None else model.name
                return _identified(device, manifest.vendor, spelt, manifest.id, SAID)
        raise NotFoundError(f"no plugin knows {' '.join(word for word in (vendor, name) if word)!r}")

    async def _set(self, args: Args, caller: Caller) -> object:
        def plan() -> list[Change]:
            device = self._of(args, caller)
            epoch = device.token_epoch + (1 if args.flag("new_token") else 0)
            changed = replace(device, settings=self._desk.settings(device.settings, args), token_epoch=epoch)
            if args.flag("replace"):
                changed = replace(changed, description="", profile=device.profile if "profile" in args else "")
            return [Put(self._with_lines(self._described(changed, args, caller), args, caller))]

        await self._desk.change("device.set", args.mac(), caller, plan)
        return self._desk.device_view(self._of(args, caller), caller)

    def _with_lines(self, device: Device, args: Args, caller: Caller) -> Device:
        """The device with exactly the lines of the call, if it names any or none."""
        lines = tuple(self._desk.line(name, caller).id for name in args.texts("lines"))
        if "lines" not in args or lines == device.lines:
            return device
        if device.ports:
            raise UsageError("lines: those of a gateway are assigned to its ports, one by one")
        room = self._room(device)
        if 0 < room.lines < len(lines):
            raise ConflictError(f"a {device.model} holds {room.lines} lines, not {len(lines)}")
        if lines:
            return sheet.with_lines(self._desk.tables, device, lines)
        return replace(device, lines=(), state=after(device.state, Event.UNASSIGN))

    async def _assign(self, args: Args, caller: Caller) -> object:
        def plan() -> list[Change]:
            device = self._claimable(args.mac(), caller)
            lines = [self._desk.line(name, caller).id for name in args.texts("line")]
            room, port = self._room(device), args.number("port")
            return ownership.assign(self._desk.tables, device.mac, lines, room=room, port=port)

        await self._desk.change("device.assign", args.mac(), caller, plan)
        return self._desk.device_view(self._of(args, caller), caller)

    def _room(self, device: Device) -> ownership.Room:
        return ownership.room_of(self._desk.knowledge.manifest(device.plugin), device)

    def _claimable(self, mac: Mac, caller: Caller) -> Device:
        """The device, which may be an unclaimed one where the site lets tenants claim by MAC."""
        device = self._desk.tables.device(mac)
        if device is not None and device.tenant == MASTER_TENANT and self._desk.boot.station.site.claim == "mac":
            return device
        return self._desk.device(mac, caller)

    async def _unassign(self, args: Args, caller: Caller) -> object:
        def plan() -> list[Change]:
            device = self._desk.device_seen(args.mac(), caller)
            lines = [self._desk.line(name, caller).id for name in args.texts("line")]
            # Nobody takes others' lines away by naming none.
            return ownership.unassign(self._desk.tables, device.mac, lines or self._desk.own_lines(device, caller))

        seen = self._desk.device_seen(args.mac(), caller)
        await self._desk.change("device.unassign", args.mac(), caller, plan)
        left = self._desk.tables.device(seen.mac)
        if left is None or not caller.owns(left.tenant):
            return {"id": seen.mac, "mac": mac_text(seen.mac), "lines": []}
        return self._desk.device_view(left, caller)

    async def _reset(self, args: Args, caller: Caller) -> object:
        def plan() -> list[Change]:
            return ownership.reset(self._desk.tables, self._of(args, caller).mac, new_token=args.flag("new_token"))

        await self._desk.change("device.reset", args.mac(), caller, plan)
        return self._desk.device_view(self._of(args, caller), caller)

    async def _transfer(self, args: Args, caller: Caller) -> object:
        def plan() -> list[Change]:
            device, owner = self._of(args, caller), self._desk.tenant(args.text("tenant"), caller)
            new_token = args.flag("new_token") if "new_token" in args else self._desk.renews_token(device)
            return ownership.transfer(self._desk.tables, device.mac, owner.id, new_token=new_token)

        await self._desk.change("device.transfer", args.mac(), caller, plan)
        return self._desk.device_view(self._of(args, caller), caller)

    async def _delete(self, args: Args, caller: Caller) -> object:
        def plan() -> list[Change]:
            device = self._of(args, caller)
            if is_thing(device.mac):
                raise ConflictError("it goes with its serial: provd activation delete")
            if self._desk.own_lines(device, caller) != device.lines:
                raise ForbiddenError("others have lines on this device: it is deleted by who may see all of them")
            return ownership.delete_device(self._desk.tables, device)

        await self._desk.change("device.delete", args.mac(), caller, plan)
        return {"deleted": mac_text(args.mac())}

    async def _settings(self, args: Args, caller: Caller) -> object:
        device = self._of(args, caller)
        found = effective.for_device(self._desk.tables, device)
        notes = self._desk.knowledge.notes(device, found)
        if self._desk.own_lines(device, caller) == device.lines:
            for each in await self._limits(device, args):
                notes.setdefault(each.setting, each.reason)
        items = views.settings(found, notes)
        for key in self._desk.own_lines(device, caller):
            line = self._desk.tables.line(key)
            if line is not None and line.settings:
                own = merge([Layer(f"line {caller.shown(line.id)}", line.settings)])
                items += views.settings(own, self._desk.knowledge.notes(device, own, found))
        return {"items": items}

    async def _limits(self, device: Device, args: Args) -> tuple[Limit, ...]:
        """None where its plugin fails: who wants to know why asks with ``device check``."""
        try:
            return await self._desk.boot.limits(device, args.text("local") or _DEFAULT_LOCAL)
        except PluginError:
            return ()

    async def _check(self, args: Args, caller: Caller) -> object:
        device = self._of(args, caller)
        self._desk.need_all_lines(device, caller)
        notes = self._desk.knowledge.notes(device, effective.for_device(self._desk.tables, device))
        found = await self._desk.boot.limits(device, args.text("local") or _DEFAULT_LOCAL)
        items = [{"setting": each.setting, "reason": each.reason} for each in found]
        known = {(each.setting, each.reason) for each in found}
        items += [{"setting": name, "reason": why} for name, why in notes.items() if (name, why) not in known]
        return {"items": items, "tzdata": edition()}

    async def _files(self, args: Args, caller: Caller) -> object:
        device = self._of(args, caller)
        manifest = self._desk.knowledge.manifest(device.plugin)
        model = None if manifest is None else manifest.model(device.model)
        keyed = bool(phrase_of(self._desk.tables, device))
        items = [
            {"name": name, "kind": rule.kind, "content_type": rule.content_type, "secrets": rule.secrets}
            for name, _, rule in (self._desk.knowledge.own_files(device) if is_thing(device.mac) else ())
        ]
        for rule in () if manifest is None else manifest.files:
            if rule.kind in {"absent", "static"} or (rule.encrypted_only and not keyed):
                continue
            own = name_for(rule.name, device.mac, device.model)
            names = model.common if model and "{common}" in rule.name else (own,)
            for name in (name for name in names if "{" not in name):
                about = {"kind": rule.kind, "content_type": rule.content_type, "secrets": rule.secrets}
                items.append({"name": name, **about})
        return {"items": items}

    async def _import(self, args: Args, caller: Caller) -> object:
        rows = sheet.read(args.text("csv"))
        added = sum(self._desk.tables.device(row.mac) is None for row in rows)
        if args.flag("dry_run"):
            changes = self._imported(rows, caller)
        else:
            changes = []

            def plan() -> list[Change]:
                changes.extend(self._imported(rows, caller))
                return changes

            await self._desk.change("device.import", f"{len(rows)} rows", caller, plan)
        return {"rows": len(rows), "added": added, "changed": len(changes), "dry_run": args.flag("dry_run")}

    def _imported(self, rows: Sequence[sheet.Row], caller: Caller) -> list[Change]:
        faults: list[tuple[str, str]] = []
        changes: list[Change] = []
        for row in rows:
            try:
                device = self._from_row(row, caller)
            except UsageError as error:
                faults.append((f"line {row.number}", str(error)))
                continue
            if device != self._desk.tables.device(device.mac):
                changes.append(Put(device))
        if faults:
            raise FaultsError(faults, "\n")
        return changes

    def _from_row(self, row: sheet.Row, caller: Caller) -> Device:
        present = self._desk.tables.device(row.mac)
        if present is None or not caller.owns(present.tenant):
            self._check_new(row.mac, caller)
            present = Device(mac=row.mac, tenant=caller.tenant or MASTER_TENANT)
        owner = row.args.text("tenant")
        device = self._described(present, row.args, caller)
        if owner:
            tenant = self._desk.tenant(owner, caller).id
            if tenant != device.tenant and device.lines:
                raise ConflictError(f"the device has lines of tenant {device.tenant!r}; transfer it first")
            device = replace(device, tenant=tenant)
        lines = tuple(self._desk.line(name, caller).id for name in row.args.texts("lines"))
        return sheet.with_lines(self._desk.tables, device, lines)

    async def _export(self, _args: Args, caller: Caller) -> object:
        own = (
            device
            for device in self._desk.tables.devices.values()
            # What an import makes has a MAC.
            if caller.owns(device.tenant) and not is_thing(device.mac)
        )
        return {"csv": sheet.write(own, caller.shown)}


def _identified(device: Device, vendor: str, model: str, plugin: str, confidence: int) -> Device:
    state = DeviceState.IDENTIFIED if device.state is DeviceState.SEEN else device.state
    return replace(device, vendor=vendor, model=model, plugin=plugin, confidence=confidence, state=state)
