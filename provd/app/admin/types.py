"""Operations on types of devices: what they bring to their devices, and which devices have them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from provd.app.admin import views
from provd.app.admin.desk import Desk, Operation
from provd.app.admin.params import CHANGES, KEY, LISTING, SETTINGS, Args, Param
from provd.app.caller import Caller, Scope
from provd.app.ownership import owner_of_key
from provd.app.ports import Change, Delete, Put
from provd.app.tasks import assembly
from provd.app.tasks.book import TaskBook
from provd.base.errors import ConflictError, FaultsError, NotFoundError, UsageError
from provd.base.types import Mac, mac_text
from provd.domain.device_types import DeviceType
from provd.domain.rulebook import Rulebook
from provd.domain.settings import masked
from provd.domain.tasks import SetStep, Template, WaitStep, WebhookStep

if TYPE_CHECKING:
    from provd.app.hooks.outbox import Outbox

_TASK = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?")
ANYWHERE = "-"
"""Devices that leave a type may go wherever the patterns of others lead them, and have none where none fits."""
_SHOWN = 3
_WRITE = Scope.WRITE
TO = Param(
    "to", doc="the type of devices that leave this one; '-': whichever fits, or none, also for those of other types"
)
BREAKING = Param("breaking", "flag", doc="also where metadata that was right is wrong from now on")


def named(devices: Sequence[Mac]) -> str:
    """Some devices by name, for a sentence."""
    more = f" and {len(devices) - _SHOWN} more" if len(devices) > _SHOWN else ""
    return ", ".join(mac_text(mac) for mac in devices[:_SHOWN]) + more


class Types:
    """``type.…``: a tenant has types of its own, for its own devices."""

    def __init__(self, desk: Desk, book: TaskBook, outbox: Outbox | None) -> None:
        self._desk = desk
        self._book = book
        self._outbox = outbox

    def operations(self) -> Sequence[Operation]:
        """What this group offers."""
        tasks = Param("tasks", "objects", doc="templates in the words of the configuration file, each with its id")
        fields = (Param("description"), Param("devices", "texts"), Param("constraints", "texts"), tasks, BREAKING)
        return (
            Operation("type.list", "List types of devices.", self._list, LISTING),
            Operation("type.show", "Show a type of devices.", self._show, (KEY,)),
            Operation("type.add", "Add a type of devices.", self._add, (KEY, *fields, TO, SETTINGS[0]), _WRITE),
            Operation("type.set", "Change a type of devices.", self._set, (KEY, *fields, TO, *CHANGES), _WRITE),
            Operation("type.delete", "Delete a type of devices.", self._delete, (KEY, TO, BREAKING), _WRITE),
        )

    # --- looking

    def visible(self, caller: Caller) -> list[DeviceType]:
        """The types that exist for this caller."""
        return [each for each in self._desk.tables.kinds.types.values() if caller.owns(each.tenant or None)]

    def find(self, name: str, caller: Caller) -> DeviceType:
        """The type that the caller knows by this name. Raises NotFoundError."""
        types = self._desk.tables.kinds.types
        for key in caller.names(name):
            found = types.get(key)
            if found is not None and caller.owns(found.tenant or None):
                return found
        raise NotFoundError(f"there is no type {name[:120]!r}")

    def view(self, record: DeviceType, caller: Caller) -> views.View:
        """A type."""
        brought = self._book.rules.types.get(record.id)
        return {
            "id": caller.shown(record.id),
            "tenant": record.tenant,
            "description": record.description,
            "devices": list(record.devices),
            "settings": masked(record.settings),
            "constraints": [caller.shown(key) for key in record.constraints],
            "tasks": [{"id": name, **assembly.said(each)} for name, each in record.tasks.items()],
            "faults": [] if brought is None else list(brought.faults),
            "revision": record.revision,
        }

    async def _list(self, args: Args, caller: Caller) -> object:
        typing = self._desk.tables.kinds.typing
        devices = self._desk.tables.devices.values()
        kinds = (typing.of(device.vendor, device.model, device.tenant) for device in devices)
        counts = Counter(kind.id for kind in kinds if kind is not None)
        return await views.page(
            self.visible(caller),
            args,
            lambda each: each.id,
            lambda each: {**self.view(each, caller), "count": counts[each.id]},
        )

    async def _show(self, args: Args, caller: Caller) -> object:
        found = self.find(args.text("id"), caller)
        return {**self.view(found, caller), "count": len(self._having(found))}

    def _having(self, of: DeviceType) -> list[Mac]:
        typing = self._desk.tables.kinds.typing
        devices = self._desk.tables.devices.values()
        return [each.mac for each in devices if typing.of(each.vendor, each.model, each.tenant) == of]

    # --- changing

    async def _add(self, args: Args, caller: Caller) -> object:
        def plan() -> list[Change]:
            if args.text("to") not in ("", ANYWHERE):
                raise UsageError(f"to: no device leaves a type that is new; {ANYWHERE!r}: they leave others for it")
            key = self._new(args.text("id"), caller)
            return self._changes(None, self._with(DeviceType(id=key), args, caller), args, caller)

        await self._desk.change("type.add", args.text("id"), caller, plan)
        return self.view(self.find(args.text("id"), caller), caller)

    def _new(self, name: str, caller: Caller) -> str:
        key = caller.new_name(name)
        owner = owner_of_key(key)
        if owner is not None:
            self._desk.tenant(owner, caller)
        for known in caller.names(name):
            found = self._desk.tables.kinds.types.get(known)
            if found is not None and (known == key or caller.owns(found.tenant or None)):
                raise ConflictError(f"type {name!r} is there already")
        return key

    async def _set(self, args: Args, caller: Caller) -> object:
        def plan() -> list[Change]:
            before = self.find(args.text("id"), caller)
            return self._changes(before, self._with(before, args, caller), args, caller)

        await self._desk.change("type.set", args.text("id"), caller, plan)
        return self.view(self.find(args.text("id"), caller), caller)

    async def _delete(self, args: Args, caller: Caller) -> object:
        def plan() -> list[Change]:
            return self._changes(self.find(args.text("id"), caller), None, args, caller)

        await self._desk.change("type.delete", args.text("id"), caller, plan)
        return {"deleted": args.text("id")}

    def _changes(self, before: DeviceType | None, after: DeviceType | None, args: Args, caller: Caller) -> list[Change]:
        """All that is to be written, runs of devices included: it takes effect as a whole, or not at all."""
        types = dict(self._desk.tables.kinds.types)
        changes: list[Change] = []
        touched = {each.id for each in (before, after) if each is not None}
        if after is None and before is not None:
            del types[before.id]
            changes.append(Delete(before))
        elif after is not None:
            types[after.id] = after
            changes.append(Put(after))
        heir = self._heir(before, after, args.text("to"), caller)
        if heir is not None:
            types[heir.id] = heir
            touched.add(heir.id)
            changes.append(Put(heir))
        rules = self._book.with_types(types)
        if not args.text("to"):
            self._need_staying("" if before is None else before.id, rules)
        if not args.flag("breaking"):
            self._need_whole(rules)
        return [*changes, *self._book.retyped(rules, touched)]

    def _heir(self, before: DeviceType | None, after: DeviceType | None, to: str, caller: Caller) -> DeviceType | None:
        """The type that takes over the patterns that are given up."""
        if to in ("", ANYWHERE) or before is None:
            return None
        heir = self.find(to, caller)
        if heir.id == before.id or heir.tenant != before.tenant:
            raise ConflictError(f"to: {to!r} cannot take its devices")
        kept = (*heir.devices, *(() if after is None else after.devices))
        return replace(heir, devices=(*heir.devices, *(each for each in before.devices if each not in kept)))

    def _need_staying(self, before: str, rules: Rulebook) -> None:
        """No device loses without a word what its type brings, be it the one that is changed or one that it takes
        from."""
        left: list[Mac] = []
        taken: list[Mac] = []
        present, devices = self._book.rules, self._desk.tables.devices.values()
        for device, was, _ in assembly.moved(devices, present, rules):
            if was and was == before:
                left.append(device.mac)
            elif present.brought(device).templates or present.brought(device).rules:
                taken.append(device.mac)
        if left:
            raise ConflictError(f"{len(left)} devices have this type ({named(left)}): say where they go (to)")
        if taken:
            raise ConflictError(
                f"{len(taken)} devices would leave another type with its tasks and constraints ({named(taken)}): "
                f"say that they may (to {ANYWHERE!r})"
            )

    def _need_whole(self, rules: Rulebook) -> None:
        wrong = assembly.broken(self._desk.tables, self._book.rules, rules)
        if wrong:
            raise ConflictError(f"the metadata of {len(wrong)} devices would be wrong ({named(wrong)})")

    def _with(self, record: DeviceType, args: Args, caller: Caller) -> DeviceType:
        if args.flag("replace"):
            record = DeviceType(id=record.id, settings=record.settings, revision=record.revision)
        return replace(
            record,
            description=args.text("description") if "description" in args else record.description,
            devices=self._patterns(args.texts("devices")) if "devices" in args else record.devices,
            constraints=self._constraints(record, args, caller) if "constraints" in args else record.constraints,
            tasks=self._tasks(record, args, caller) if "tasks" in args else record.tasks,
            settings=self._desk.settings(record.settings, args),
        )

    @staticmethod
    def _patterns(given: Sequence[str]) -> tuple[str, ...]:
        wrong = next((each for each in given if each != "*" and each.count("/") != 1), None)
        if wrong is not None:
            raise UsageError(f'devices: "Vendor/Model" with wildcards, or "*", not {wrong[:60]!r}')
        return tuple(dict.fromkeys(given))

    def _constraints(self, record: DeviceType, args: Args, caller: Caller) -> tuple[str, ...]:
        # One that the site has put there may stay, though this caller could not have chosen it.
        present = {caller.shown(key): key for key in record.constraints}
        names = args.texts("constraints")
        return tuple(dict.fromkeys(present.get(name) or self._constraint(name, record, caller) for name in names))

    def _constraint(self, name: str, record: DeviceType, caller: Caller) -> str:
        known = self._desk.tables.kinds.constraints
        of_file = {rule.name for rule in self._book.given.rules}
        for key in caller.names(name):
            owner = owner_of_key(key)
            if (key in known or key in of_file) and caller.owns(owner) and owner in (None, record.tenant):
                return key
        raise NotFoundError(f"constraints: there is no constraint {name[:120]!r}")

    def _tasks(self, record: DeviceType, args: Args, caller: Caller) -> Mapping[str, object]:
        found: dict[str, object] = {}
        for number, each in enumerate(args.objects("tasks")):
            name = each.get("id")
            if not isinstance(name, str) or not _TASK.fullmatch(name) or name in found:
                raise FaultsError([(f"tasks.{number}.id", "must be made of a-z, 0-9, '_' and '-', each there once")])
            definition = {key: value for key, value in each.items() if key != "id"}
            template = self._book.reader.task(assembly.task_name(record.id, name), definition)
            if lacking := assembly.out_of_reach(template, self._book.rules):
                raise FaultsError([(f"tasks.{name}", lacking)])
            self._need_allowed(name, template, caller)
            found[name] = definition
        return found

    def _need_allowed(self, name: str, template: Template, caller: Caller) -> None:
        """Databases, servers and files are the site's: only who administers it lets tasks use them."""
        for step in template.steps:
            if isinstance(step, WebhookStep):
                self._need_hook(name, step, caller)
            elif not isinstance(step, SetStep | WaitStep):
                caller.need_all_tenants()
                caller.need(Scope.ADMIN)

    def _need_hook(self, name: str, step: WebhookStep, caller: Caller) -> None:
        if self._outbox is None:
            return  # without a daemon nobody knows them; the step fails where there is none
        box = self._outbox.boxes.get(step.to)
        if box is None or not caller.owns(box.hook.tenant or None):
            raise FaultsError([(f"tasks.{name}", f"step {step.id!r}: there is no webhook {step.to[:60]!r}")])
