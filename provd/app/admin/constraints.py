"""Operations on constraints: what metadata is to be like, and how it stands with each device."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from provd.app.admin import views
from provd.app.admin.desk import Desk, Operation
from provd.app.admin.params import KEY, LISTING, Args, Param
from provd.app.admin.types import ANYWHERE, BREAKING, named
from provd.app.caller import Caller, Scope
from provd.app.ownership import owner_of_key
from provd.app.ports import Change, Delete, Put
from provd.app.tasks import assembly
from provd.app.tasks.book import TaskBook
from provd.app.turns import in_turns
from provd.base.dataclass import dataclass
from provd.base.errors import ConflictError, FaultsError, ForbiddenError, NotFoundError, UsageError
from provd.base.types import mac_text
from provd.domain.constraints import Attribute, Standing
from provd.domain.device_types import Constraint, DeviceType
from provd.domain.rulebook import Rulebook

_WRITE = Scope.WRITE
_LONGEST = 80
_MOST_FAILED = 100
_TO = Param("to", doc="the constraint that takes its place in the types that name it; '-': none does")
_ATTRIBUTES = Param("attributes", "objects", doc="in the words of the configuration file, each with its name")
_REPLACE = Param("replace", "flag", doc="what is not given goes back to its default")


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A constraint, of the configuration file or not. ``devices`` are the patterns that the file gives it."""

    id: str
    attributes: tuple[Attribute, ...]
    devices: tuple[str, ...] = ()
    origin: str = "file"
    revision: int = 0

    @property
    def tenant(self) -> str:
        """The tenant whose constraint it is, empty for one of the site."""
        return owner_of_key(self.id) or ""


class Constraints:
    """``constraint.…``: a tenant has constraints of its own, for its own types."""

    def __init__(self, desk: Desk, book: TaskBook) -> None:
        self._desk = desk
        self._book = book

    def operations(self) -> Sequence[Operation]:
        """What this group offers."""
        change = (KEY, _ATTRIBUTES, BREAKING, _REPLACE)
        return (
            Operation("constraint.list", "List constraints on metadata.", self._list, LISTING),
            Operation("constraint.show", "Show a constraint and how devices stand with it.", self._show, (KEY,)),
            Operation("constraint.add", "Add a constraint.", self._add, (KEY, _ATTRIBUTES, BREAKING), _WRITE),
            Operation("constraint.set", "Change a constraint.", self._set, change, _WRITE),
            Operation("constraint.delete", "Delete a constraint.", self._delete, (KEY, _TO, BREAKING), _WRITE),
        )

    # --- looking

    def visible(self, caller: Caller) -> list[Known]:
        """The constraints that exist for this caller."""
        return [each for each in self._every() if caller.owns(each.tenant or None)]

    def _every(self) -> list[Known]:
        of_file = [
            Known(id=rule.name, attributes=rule.attributes, devices=rule.devices) for rule in self._book.given.rules
        ]
        names = {each.id for each in of_file}
        stored = self._desk.tables.kinds.constraints.values()
        return [*of_file, *(self._known(each) for each in stored if each.id not in names)]

    def _known(self, record: Constraint) -> Known:
        attributes: list[Attribute] = []
        for name, said in record.attributes.items():
            try:
                attributes.append(self._book.reader.attribute(name, assembly.said(said)))
            except UsageError:
                continue  # it was written by a newer provd
        return Known(id=record.id, attributes=tuple(attributes), origin="api", revision=record.revision)

    def find(self, name: str, caller: Caller) -> Known:
        """The constraint that the caller knows by this name. Raises NotFoundError."""
        known = {each.id: each for each in self.visible(caller)}
        for key in caller.names(name):
            if key in known:
                return known[key]
        raise NotFoundError(f"there is no constraint {name[:120]!r}")

    def _own(self, name: str, caller: Caller) -> Constraint:
        """One that may be changed. Raises NotFoundError, ForbiddenError."""
        found = self.find(name, caller)
        if found.origin == "file":
            raise ForbiddenError(f"constraint {name!r} stands in the configuration file, and is changed there")
        return self._desk.tables.kinds.constraints[found.id]

    def types(self, of: Known, caller: Caller) -> tuple[str, ...]:
        """The types that name it, as far as they exist for this caller."""
        return tuple(caller.shown(each.id) for each in self._naming(of.id) if caller.owns(each.tenant or None))

    def _naming(self, key: str) -> list[DeviceType]:
        return [each for each in self._desk.tables.kinds.types.values() if key in each.constraints]

    def view(self, of: Known, caller: Caller) -> views.View:
        """A constraint."""
        return {
            "id": caller.shown(of.id),
            "tenant": of.tenant,
            "origin": of.origin,
            "devices": list(of.devices),
            "types": list(self.types(of, caller)),
            "attributes": [_attribute_view(each) for each in of.attributes],
            "revision": of.revision,
        }

    async def _list(self, args: Args, caller: Caller) -> object:
        return await views.page(self.visible(caller), args, lambda each: each.id, lambda each: self.view(each, caller))

    async def _show(self, args: Args, caller: Caller) -> object:
        found = self.find(args.text("id"), caller)
        rules, tables = self._book.rules, self._desk.tables
        states: Counter[str] = Counter({state.value: 0 for state in Standing})
        failed: list[views.View] = []
        own = (device for device in tuple(tables.devices.values()) if caller.owns(device.tenant))
        async for lot in in_turns(own):
            for device in lot:
                known, there = tables.metadata(device.mac), tables.known_to(device.tenant)
                for rule, state, faults in rules.standing(device, {} if known is None else known.data, there):
                    if rule.name == found.id:
                        states[state.value] += 1
                        if state is Standing.FAILED and len(failed) < _MOST_FAILED:
                            failed.append({"device": mac_text(device.mac), "faults": faults})
        return {**self.view(found, caller), "states": dict(states), "failed": failed}

    # --- changing

    async def _add(self, args: Args, caller: Caller) -> object:
        def plan() -> list[Change]:
            name = args.text("id")
            key = caller.new_name(name)
            owner = owner_of_key(key)
            if owner is not None:
                self._desk.tenant(owner, caller)
            if key in {each.id for each in self._every()} or name in {each.id for each in self.visible(caller)}:
                raise ConflictError(f"constraint {name!r} is there already")
            return self._put(Constraint(id=key, attributes=self._attributes(args)), args)

        await self._desk.change("constraint.add", args.text("id"), caller, plan)
        return self.view(self.find(args.text("id"), caller), caller)

    async def _set(self, args: Args, caller: Caller) -> object:
        def plan() -> list[Change]:
            record = self._own(args.text("id"), caller)
            if "attributes" in args or args.flag("replace"):
                record = replace(record, attributes=self._attributes(args))
            return self._put(record, args)

        await self._desk.change("constraint.set", args.text("id"), caller, plan)
        return self.view(self.find(args.text("id"), caller), caller)

    def _put(self, record: Constraint, args: Args) -> list[Change]:
        kinds = self._desk.tables.kinds
        rules = self._book.with_types(kinds.types, {**kinds.constraints, record.id: record})
        self._need_whole(rules, args)
        return [Put(record)]

    def _need_whole(self, rules: Rulebook, args: Args) -> None:
        wrong = assembly.broken(self._desk.tables, self._book.rules, rules)
        if wrong and not args.flag("breaking"):
            raise ConflictError(f"the metadata of {len(wrong)} devices would be wrong ({named(wrong)})")

    def _attributes(self, args: Args) -> Mapping[str, object]:
        found: dict[str, object] = {}
        for number, each in enumerate(args.objects("attributes")):
            name = each.get("name")
            if not isinstance(name, str) or not 0 < len(name) <= _LONGEST or name in found:
                raise FaultsError([(f"attributes.{number}.name", "must be a text, each there once")])
            said = {key: value for key, value in each.items() if key != "name" and value is not None}
            self._book.reader.attribute(name, said)
            found[name] = said
        if not found:
            raise FaultsError([("attributes", "at least one is needed")])
        return found

    async def _delete(self, args: Args, caller: Caller) -> object:
        def plan() -> list[Change]:
            record, to = self._own(args.text("id"), caller), args.text("to")
            users = self._naming(record.id)
            if users and not to:
                shown = ", ".join(caller.shown(each.id) for each in users[:3])
                raise ConflictError(f"{len(users)} types name it ({shown}): say what takes its place (to)")
            heir = () if to in ("", ANYWHERE) else (self._heir(record, to, caller),)
            kinds = self._desk.tables.kinds
            changed = {each.id: _with_another(each, record.id, heir) for each in users}
            left = {name: each for name, each in kinds.constraints.items() if name != record.id}
            self._need_whole(self._book.with_types({**kinds.types, **changed}, left), args)
            return [*(Put(each) for each in changed.values()), Delete(record)]

        await self._desk.change("constraint.delete", args.text("id"), caller, plan)
        return {"deleted": args.text("id")}

    def _heir(self, record: Constraint, to: str, caller: Caller) -> str:
        heir = self.find(to, caller)
        if heir.id == record.id or owner_of_key(heir.id) not in (None, owner_of_key(record.id)):
            raise ConflictError(f"to: {to!r} cannot take its place")
        return heir.id


def _with_another(of: DeviceType, name: str, heir: tuple[str, ...]) -> DeviceType:
    kept = [each for each in of.constraints if each != name]
    return replace(of, constraints=tuple(dict.fromkeys((*kept, *heir))))


def _attribute_view(of: Attribute) -> views.View:
    bounds = {"minimum": of.minimum, "maximum": of.maximum}
    return {
        "name": of.name,
        "type": of.type,
        "required": of.required,
        **({"values": list(of.values)} if of.values else {}),
        **{name: value for name, value in bounds.items() if value is not None},
    }
