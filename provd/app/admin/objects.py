"""Operations on tenants and profiles."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from provd.app import ownership
from provd.app.activation.tenancy import Tenancy
from provd.app.admin import views
from provd.app.admin.desk import Desk, Operation
from provd.app.admin.params import CHANGES, ID, KEY, LISTING, SETTINGS, Args, Param
from provd.app.caller import Caller, Scope
from provd.app.ownership import MARK, owner_of_key, owner_of_profile
from provd.app.ports import Change, Delete, Put
from provd.base.errors import ConflictError, UsageError
from provd.domain.records import Level, Profile, Tenant

_WRITE = Scope.WRITE
_ADMIN = Scope.ADMIN
_LEVELS = tuple(level.value for level in Level if level is not Level.DEVICE)


class Tenants:
    """``tenant.…``"""

    def __init__(self, desk: Desk, tenancy: Tenancy | None = None) -> None:
        self._desk = desk
        self._tenancy = tenancy

    def operations(self) -> Sequence[Operation]:
        """What this group offers."""
        fields = (Param("name"), Param("enabled", "flag"))
        return (
            Operation("tenant.list", "List tenants.", self._list, LISTING),
            Operation("tenant.show", "Show a tenant.", self._show, (ID,)),
            Operation("tenant.add", "Add a tenant.", self._add, (ID, *fields, SETTINGS[0]), _ADMIN, site=True),
            Operation("tenant.set", "Change a tenant.", self._set, (ID, *fields, *CHANGES), _ADMIN),
            Operation(
                "tenant.delete",
                "Delete a tenant and its lines; devices go back.",
                self._delete,
                (ID,),
                _ADMIN,
                site=True,
            ),
        )

    def _of(self, args: Args, caller: Caller) -> Tenant:
        return self._desk.tenant(args.text("id"), caller)

    async def _list(self, args: Args, caller: Caller) -> object:
        devices = Counter(device.tenant for device in self._desk.tables.devices.values())
        lines = Counter(line.tenant for line in self._desk.tables.lines.values())

        def view(tenant: Tenant) -> views.View:
            return {**views.tenant(tenant), "devices": devices[tenant.id], "lines": lines[tenant.id]}

        found = (tenant for tenant in tuple(self._desk.tables.tenants.values()) if caller.owns(tenant.id))
        return await views.page(found, args, lambda tenant: tenant.id, view)

    async def _show(self, args: Args, caller: Caller) -> object:
        tenant = self._of(args, caller)
        devices = sum(device.tenant == tenant.id for device in self._desk.tables.devices.values())
        lines = sum(line.tenant == tenant.id for line in self._desk.tables.lines.values())
        return {**views.tenant(tenant), "devices": devices, "lines": lines}

    async def _add(self, args: Args, caller: Caller) -> object:
        def plan() -> list[Change]:
            if self._desk.tables.tenant(args.text("id")) is not None:
                raise ConflictError(f"tenant {args.text('id')!r} is there already")
            return [Put(self._with(Tenant(id=args.text("id"), name=args.text("id")), args))]

        await self._desk.change("tenant.add", args.text("id"), caller, plan)
        return views.tenant(self._of(args, caller))

    async def _set(self, args: Args, caller: Caller) -> object:
        if "enabled" in args:
            # A tenant that was closed must not be able to open itself again.
            caller.need_all_tenants()
        await self._desk.change(
            "tenant.set", args.text("id"), caller, lambda: [Put(self._with(self._of(args, caller), args))]
        )
        return views.tenant(self._of(args, caller))

    def _with(self, tenant: Tenant, args: Args) -> Tenant:
        bare = args.flag("replace")
        return replace(
            tenant,
            name=args.text("name") or (tenant.id if bare else tenant.name),
            enabled=args.flag("enabled") if "enabled" in args else tenant.enabled,
            settings=self._desk.settings(tenant.settings, args),
        )

    async def _delete(self, args: Args, caller: Caller) -> object:
        key, desk = args.text("id"), self._desk
        async with contextlib.nullcontext() if self._tenancy is None else self._tenancy.closing(key):
            await desk.change(
                "tenant.delete", key, caller, lambda: ownership.delete_tenant(desk.tables, key, desk.renews_token)
            )
        return {"deleted": key}


class Profiles:
    """``profile.…``"""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def operations(self) -> Sequence[Operation]:
        """What this group offers."""
        fields = (Param("name"), Param("level"), Param("applies_to"), Param("parents", "texts"))
        return (
            Operation("profile.list", "List profiles.", self._list, (Param("level"), *LISTING)),
            Operation("profile.show", "Show a profile.", self._show, (KEY,)),
            Operation("profile.add", "Add a profile.", self._add, (KEY, *fields, SETTINGS[0]), _WRITE),
            Operation("profile.set", "Change a profile.", self._set, (KEY, *fields, *CHANGES), _WRITE),
            Operation("profile.delete", "Delete a profile that nothing uses.", self._delete, (KEY,), _WRITE),
        )

    def _of(self, args: Args, caller: Caller) -> Profile:
        return self._desk.profile(args.text("id"), caller)

    async def _list(self, args: Args, caller: Caller) -> object:
        level = args.text("level").lower()
        if level and level not in _LEVELS:
            raise UsageError(f"level: must be one of {', '.join(_LEVELS)}")
        devices = Counter(device.profile for device in self._desk.tables.devices.values())

        def view(profile: Profile) -> views.View:
            return {**views.profile(profile, caller.shown), "devices": devices[profile.id]}

        found = (
            profile
            for profile in tuple(self._desk.tables.profiles.values())
            if caller.owns(owner_of_profile(profile)) and level in ("", profile.level)
        )
        return await views.page(found, args, lambda profile: profile.id, view)

    async def _show(self, args: Args, caller: Caller) -> object:
        profile = self._of(args, caller)
        devices = sum(device.profile == profile.id for device in self._desk.tables.devices.values())
        return {**views.profile(profile, caller.shown), "devices": devices}

    async def _add(self, args: Args, caller: Caller) -> object:
        def plan() -> list[Change]:
            key = self._new(args, caller)
            return [Put(self._with(Profile(id=key, name=key.rpartition(MARK)[2]), args, caller))]

        await self._desk.change("profile.add", args.text("id"), caller, plan)
        return views.profile(self._of(args, caller), caller.shown)

    async def _set(self, args: Args, caller: Caller) -> object:

        def plan() -> list[Change]:
            return [Put(self._with(self._of(args, caller), args, caller))]

        await self._desk.change("profile.set", args.text("id"), caller, plan)
        return views.profile(self._of(args, caller), caller.shown)

    def _new(self, args: Args, caller: Caller) -> str:
        """The key of the profile to be made. Raises UsageError."""
        name = args.text("id")
        key = caller.new_name(name)
        owner = owner_of_key(key)
        if owner is not None:
            self._desk.tenant(owner, caller)
        for known in caller.names(name):
            profile = self._desk.tables.profile(known)
            if profile is not None and (known == key or caller.owns(owner_of_profile(profile))):
                raise ConflictError(f"profile {name!r} is there already")
        return key

    def _with(self, profile: Profile, args: Args, caller: Caller) -> Profile:
        if args.flag("replace"):
            name = profile.id.rpartition(MARK)[2]
            profile = replace(profile, name=name, level=Level.GROUP, applies_to="", parents=())
        level = args.text("level") or profile.level.value
        applies_to = args.text("applies_to") if "applies_to" in args else profile.applies_to
        if level not in _LEVELS:
            raise UsageError(f"level: must be one of {', '.join(_LEVELS)}")
        needed = level in (Level.VENDOR, Level.MODEL, Level.TENANT)
        if needed != bool(applies_to):
            reason = "is needed" if needed else "must be empty"
            raise UsageError(f"applies_to: {reason} for a {level} profile")
        changed = replace(
            profile,
            name=args.text("name") or profile.name,
            level=Level(level),
            applies_to=applies_to,
            parents=self._parents(profile, args, caller),
            settings=self._desk.settings(profile.settings, args),
        )
        self._check_owner(changed, caller)
        return changed

    def _parents(self, profile: Profile, args: Args, caller: Caller) -> tuple[str, ...]:
        if "parents" not in args:
            return profile.parents
        # One that the site has put there may stay, though this caller could not have chosen it.
        present = {caller.shown(key): key for key in profile.parents}
        return tuple(present.get(name) or self._desk.profile(name, caller).id for name in args.texts("parents"))

    def _check_owner(self, profile: Profile, caller: Caller) -> None:
        """Settings of a level above the tenants concern everybody. Raises ForbiddenError, UsageError."""
        named, owner = owner_of_key(profile.id), owner_of_profile(profile)
        if profile.level is Level.TENANT:
            self._desk.tenant(profile.applies_to.lower(), caller)
        elif profile.level is not Level.GROUP and (caller.tenant or named):
            caller.need_all_tenants()
            raise UsageError(f"level: a profile of tenant {named!r} is a group or a tenant profile")
        if not caller.owns(owner):
            caller.need_all_tenants()
        if named not in (None, owner):
            raise UsageError(f"applies_to: must be {named!r}, whose profile this is")

    async def _delete(self, args: Args, caller: Caller) -> object:
        await self._desk.change("profile.delete", args.text("id"), caller, lambda: [Delete(self._of(args, caller))])
        return {"deleted": args.text("id")}
