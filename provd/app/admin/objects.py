"""Operations on tenants, lines and profiles."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from provd.app import ownership
from provd.app.admin import views
from provd.app.admin.desk import Desk, Operation
from provd.app.admin.params import Args, Param
from provd.app.ports import Change, Delete, Put
from provd.base.errors import ConflictError, NotFoundError, UsageError
from provd.base.secrets import Secret
from provd.domain.records import Level, Line, Profile, Tenant

_ID = Param("id", "id", required=True)
_LISTING = (Param("limit", "number"), Param("after"))
_SETTINGS = (Param("settings", "settings"), Param("unset", "texts"))

_LINE_TEXTS = (
    "username",
    "auth_username",
    "display_name",
    "number",
    "server",
    "transport",
    "backup_server",
    "outbound_proxy",
    "voicemail",
)
_LINE_PORTS = ("port", "backup_port", "outbound_port")
_LINE_NUMBERS = (*_LINE_PORTS, "max_devices")
_LINE = (
    *(Param(name) for name in _LINE_TEXTS),
    *(Param(name, "number") for name in _LINE_NUMBERS),
    Param("password", "secret"),
)
MOST_DEVICES = 100
"""Devices that one line may be on."""
_TRANSPORTS = ("", "udp", "tcp", "tls")
_LEVELS = tuple(level.value for level in Level if level is not Level.DEVICE)


class Tenants:
    """``tenant.…``"""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def operations(self) -> Sequence[Operation]:
        """What this group offers."""
        fields = (Param("name"), Param("enabled", "flag"))
        return (
            Operation("tenant.list", "List tenants.", self._list, _LISTING),
            Operation("tenant.show", "Show a tenant.", self._show, (_ID,)),
            Operation("tenant.add", "Add a tenant.", self._add, (_ID, *fields, _SETTINGS[0])),
            Operation("tenant.set", "Change a tenant.", self._set, (_ID, *fields, *_SETTINGS)),
            Operation("tenant.delete", "Delete a tenant and its lines; devices go back.", self._delete, (_ID,)),
        )

    def _of(self, args: Args) -> Tenant:
        return ownership.tenant_of(self._desk.tables, args.text("id"))

    async def _list(self, args: Args, _by: str) -> object:
        devices = Counter(device.tenant for device in self._desk.tables.devices.values())
        lines = Counter(line.tenant for line in self._desk.tables.lines.values())

        def view(tenant: Tenant) -> views.View:
            return {**views.tenant(tenant), "devices": devices[tenant.id], "lines": lines[tenant.id]}

        return views.page(self._desk.tables.tenants.values(), args, lambda tenant: tenant.id, view)

    async def _show(self, args: Args, _by: str) -> object:
        tenant = self._of(args)
        devices = sum(device.tenant == tenant.id for device in self._desk.tables.devices.values())
        lines = sum(line.tenant == tenant.id for line in self._desk.tables.lines.values())
        return {**views.tenant(tenant), "devices": devices, "lines": lines}

    async def _add(self, args: Args, by: str) -> object:
        def plan() -> list[Change]:
            if self._desk.tables.tenant(args.text("id")) is not None:
                raise ConflictError(f"tenant {args.text('id')!r} is there already")
            return [Put(self._with(Tenant(id=args.text("id"), name=args.text("id")), args))]

        await self._desk.change("tenant.add", args.text("id"), by, plan)
        return views.tenant(self._of(args))

    async def _set(self, args: Args, by: str) -> object:
        await self._desk.change("tenant.set", args.text("id"), by, lambda: [Put(self._with(self._of(args), args))])
        return views.tenant(self._of(args))

    def _with(self, tenant: Tenant, args: Args) -> Tenant:
        return replace(
            tenant,
            name=args.text("name") or tenant.name,
            enabled=args.flag("enabled") if "enabled" in args else tenant.enabled,
            settings=self._desk.settings(tenant.settings, args),
        )

    async def _delete(self, args: Args, by: str) -> object:
        key = args.text("id")
        await self._desk.change("tenant.delete", key, by, lambda: ownership.delete_tenant(self._desk.tables, key))
        return {"deleted": key}


class Lines:
    """``line.…``"""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def operations(self) -> Sequence[Operation]:
        """What this group offers."""
        tenant = Param("tenant", required=True)
        reveal = Param("reveal", "flag")
        return (
            Operation("line.list", "List lines.", self._list, (Param("tenant"), Param("free", "flag"), *_LISTING)),
            Operation("line.show", "Show a line.", self._show, (_ID, reveal)),
            Operation("line.add", "Add a line.", self._add, (_ID, tenant, *_LINE, _SETTINGS[0])),
            Operation("line.set", "Change a line.", self._set, (_ID, *_LINE, *_SETTINGS)),
            Operation("line.delete", "Delete a line and take it from its device.", self._delete, (_ID,)),
        )

    def _of(self, args: Args) -> Line:
        return ownership.line_of(self._desk.tables, args.text("id"))

    def _view(self, line: Line) -> views.View:
        return views.line(line, self._desk.tables.holders(line.id))

    async def _list(self, args: Args, _by: str) -> object:
        tables, tenant = self._desk.tables, args.text("tenant")
        found = (
            line
            for line in tables.lines.values()
            if (not tenant or line.tenant == tenant.lower())
            and not (args.flag("free") and len(tables.holders(line.id)) >= line.max_devices)
        )
        return views.page(found, args, lambda line: line.id, self._view)

    async def _show(self, args: Args, by: str) -> object:
        line = self._of(args)
        if not args.flag("reveal"):
            return self._view(line)
        await self._desk.audit("line.reveal", line.id, by)
        return {**self._view(line), "password": line.password.reveal()}

    async def _add(self, args: Args, by: str) -> object:
        def plan() -> list[Change]:
            key = args.text("id")
            if self._desk.tables.line(key) is not None:
                raise ConflictError(f"line {key!r} is there already")
            # A line without a password of its own gets one that nobody has to think of.
            password = Secret(args.text("password") or secrets.token_urlsafe(18))
            return [Put(self._with(Line(id=key, tenant=args.text("tenant"), username=key, password=password), args))]

        await self._desk.change("line.add", args.text("id"), by, plan)
        return self._view(self._of(args))

    async def _set(self, args: Args, by: str) -> object:
        await self._desk.change("line.set", args.text("id"), by, lambda: [Put(self._with(self._of(args), args))])
        return self._view(self._of(args))

    def _with(self, line: Line, args: Args) -> Line:
        texts = {name: args.text(name) for name in _LINE_TEXTS if name in args}
        numbers = {name: args.number(name) for name in _LINE_NUMBERS if name in args}
        if texts.get("transport", "") not in _TRANSPORTS:
            raise UsageError("transport: must be one of udp, tcp, tls")
        for name, port in numbers.items():
            if name in _LINE_PORTS and port > 65535:
                raise UsageError(f"{name}: must be at most 65535")
        if not 1 <= numbers.get("max_devices", 1) <= MOST_DEVICES:
            raise UsageError(f"max_devices: must be between 1 and {MOST_DEVICES}")
        if texts.get("username") == "":
            raise UsageError("username: must not be empty")
        password = Secret(args.text("password")) if args.text("password") else line.password
        changed = replace(line, password=password, settings=self._desk.settings(line.settings, args))
        fields: dict[str, Any] = {**texts, **numbers}
        return replace(changed, **fields)

    async def _delete(self, args: Args, by: str) -> object:
        key = args.text("id")
        await self._desk.change("line.delete", key, by, lambda: ownership.delete_line(self._desk.tables, key))
        return {"deleted": key}


class Profiles:
    """``profile.…``"""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def operations(self) -> Sequence[Operation]:
        """What this group offers."""
        fields = (Param("name"), Param("level"), Param("applies_to"), Param("parents", "texts"))
        return (
            Operation("profile.list", "List profiles.", self._list, (Param("level"), *_LISTING)),
            Operation("profile.show", "Show a profile.", self._show, (_ID,)),
            Operation("profile.add", "Add a profile.", self._add, (_ID, *fields, _SETTINGS[0])),
            Operation("profile.set", "Change a profile.", self._set, (_ID, *fields, *_SETTINGS)),
            Operation("profile.delete", "Delete a profile that nothing uses.", self._delete, (_ID,)),
        )

    def _of(self, args: Args) -> Profile:
        profile = self._desk.tables.profile(args.text("id"))
        if profile is None:
            raise NotFoundError(f"there is no profile {args.text('id')!r}")
        return profile

    async def _list(self, args: Args, _by: str) -> object:
        level = args.text("level").lower()
        if level and level not in _LEVELS:
            raise UsageError(f"level: must be one of {', '.join(_LEVELS)}")
        devices = Counter(device.profile for device in self._desk.tables.devices.values())

        def view(profile: Profile) -> views.View:
            return {**views.profile(profile), "devices": devices[profile.id]}

        found = (profile for profile in self._desk.tables.profiles.values() if level in ("", profile.level))
        return views.page(found, args, lambda profile: profile.id, view)

    async def _show(self, args: Args, _by: str) -> object:
        profile = self._of(args)
        devices = sum(device.profile == profile.id for device in self._desk.tables.devices.values())
        return {**views.profile(profile), "devices": devices}

    async def _add(self, args: Args, by: str) -> object:
        def plan() -> list[Change]:
            key = args.text("id")
            if self._desk.tables.profile(key) is not None:
                raise ConflictError(f"profile {key!r} is there already")
            return [Put(self._with(Profile(id=key, name=key), args))]

        await self._desk.change("profile.add", args.text("id"), by, plan)
        return views.profile(self._of(args))

    async def _set(self, args: Args, by: str) -> object:
        await self._desk.change("profile.set", args.text("id"), by, lambda: [Put(self._with(self._of(args), args))])
        return views.profile(self._of(args))

    def _with(self, profile: Profile, args: Args) -> Profile:
        level = args.text("level") or profile.level.value
        applies_to = args.text("applies_to") if "applies_to" in args else profile.applies_to
        if level not in _LEVELS:
            raise UsageError(f"level: must be one of {', '.join(_LEVELS)}")
        needed = level in (Level.VENDOR, Level.MODEL, Level.TENANT)
        if needed != bool(applies_to):
            reason = "is needed" if needed else "must be empty"
            raise UsageError(f"applies_to: {reason} for a {level} profile")
        return replace(
            profile,
            name=args.text("name") or profile.name,
            level=Level(level),
            applies_to=applies_to,
            parents=args.texts("parents") if "parents" in args else profile.parents,
            settings=self._desk.settings(profile.settings, args),
        )

    async def _delete(self, args: Args, by: str) -> object:
        await self._desk.change("profile.delete", args.text("id"), by, lambda: [Delete(self._of(args))])
        return {"deleted": args.text("id")}
