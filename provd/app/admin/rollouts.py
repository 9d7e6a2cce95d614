"""``rollout.…``: giving a version of firmware to many devices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from provd.app.admin import views
from provd.app.admin.desk import Desk, Operation
from provd.app.admin.params import KEY, LISTING, Args, Param
from provd.app.caller import Caller, Scope
from provd.app.firmware.offer import Asked
from provd.app.firmware.rollouts import Rollouts as Book
from provd.app.firmware.warehouse import Warehouse
from provd.app.ownership import MARK
from provd.app.ports import Change, Put
from provd.base.errors import ConflictError, NotFoundError, UsageError
from provd.base.types import Mac, mac_text, parse_mac
from provd.domain.records import Level
from provd.domain.rollouts import Rollout, Standing, faults, ring_name

_WRITE = Scope.WRITE
_MOST_NAMED = 200
_TERMS = (
    Param("tolerance", "number", doc="percentage of a ring that may fail; 5 unless said"),
    Param("patience", "duration", doc="how long a device has to come back; 1h unless said"),
)
_ROLLED = ("start", "pause", "resume", "abort", "rollback")
_DOCS = {
    "start": "Give the version to the first ring; the others follow by themselves.",
    "pause": "Give it to nobody else for now.",
    "resume": "Go on; who has failed has its time once more.",
    "abort": "Give it to nobody else any more.",
    "rollback": "Give everybody back what was before.",
}


class Rollouts:
    """Of the site, or of one tenant and then with its devices only."""

    def __init__(self, desk: Desk, warehouse: Warehouse, book: Book) -> None:
        self._desk = desk
        self._warehouse = warehouse
        self._book = book

    def operations(self) -> Sequence[Operation]:
        """What this group offers."""
        asked = (
            Param("package", required=True, doc="of firmware that is here"),
            Param("version", required=True),
            Param("plugin", doc="needed where several have a package of this name"),
            Param("tenant", doc="only its devices"),
            Param("profile", doc="only devices with this group profile"),
            Param("models", "texts", doc="only these of the package's models"),
            Param("devices", "texts", doc="only these, by their MACs"),
            Param("rings", "texts", doc="NAME=PERCENT each, the last one 100; all=100 unless said"),
            Param("tell", "flag", doc="whether devices are told; true unless said"),
        )
        verbs = [Operation(f"rollout.{verb}", _DOCS[verb], self._moving(verb), (KEY,), _WRITE) for verb in _ROLLED]
        return (
            Operation("rollout.list", "List rollouts of firmware.", self._list, LISTING),
            Operation("rollout.show", "Show how far one is, and who is missing.", self._show, (KEY,)),
            Operation(
                "rollout.add", "Plan one; it begins when it is started.", self._add, (KEY, *asked, *_TERMS), _WRITE
            ),
            Operation("rollout.set", "Change what one bears with.", self._set, (KEY, *_TERMS), _WRITE),
            Operation("rollout.delete", "Forget one; devices keep what they have.", self._delete, (KEY,), _WRITE),
            *verbs,
        )

    def find(self, name: str, caller: Caller) -> Rollout:
        """The rollout that the caller knows by this name. Raises NotFoundError."""
        for key in caller.names(name):
            found = self._desk.tables.rollout(key)
            if found is not None and caller.owns(found.tenant or None):
                return found
        raise NotFoundError(f"there is no rollout {name!r}")

    def visible(self, caller: Caller) -> list[Rollout]:
        """Those that exist for this caller."""
        return [each for each in self._desk.tables.rollouts.values() if caller.owns(each.tenant or None)]

    async def _list(self, args: Args, caller: Caller) -> object:
        return await views.page(self.visible(caller), args, lambda each: each.id, lambda each: self.view(each, caller))

    async def _show(self, args: Args, caller: Caller) -> object:
        rollout = self.find(args.text("id"), caller)
        return {**self.view(rollout, caller), **self._detail(rollout)}

    async def _add(self, args: Args, caller: Caller) -> object:
        def plan() -> list[Change]:
            return [Put(self._planned(args, caller))]

        await self._desk.change("rollout.add", args.text("id"), caller, plan)
        return self.view(self.find(args.text("id"), caller), caller)

    def _planned(self, args: Args, caller: Caller) -> Rollout:
        desk, name = self._desk, args.text("id")
        key = caller.new_name(name)
        if MARK in key and caller.tenant is None:
            raise UsageError("id: name the tenant with tenant instead")
        if any(desk.tables.rollout(known) for known in caller.names(name)):
            raise ConflictError(f"rollout {name!r} is there already")
        tenant = caller.tenant or args.text("tenant")
        if args.text("tenant"):
            tenant = desk.tenant(args.text("tenant"), caller).id
        held = self._warehouse.present(Asked(args.text("package"), args.text("version"), args.text("plugin")))
        if held.kind != "firmware":
            raise UsageError(f"package: {held.name} is no firmware; of a {held.kind} nobody hears whether it is there")
        models = self._models(args, held.models)
        rings = args.texts("rings") or ("all=100",)
        if fault := faults(rings):
            raise UsageError(f"rings: {fault}")
        planned = Rollout(
            id=key,
            plugin=held.plugin,
            package=held.name,
            version=held.version,
            models=models,
            tenant=tenant,
            profile=self._group(args.text("profile"), caller),
            devices=tuple(desk.device(_mac(each), caller).mac for each in args.texts("devices")),
            rings=rings,
            tell=args.flag("tell") if "tell" in args else True,
            by=caller.name,
            created=desk.clock.now(),
        )
        return _with_terms(planned, args)

    def _models(self, args: Args, fitting: tuple[str, ...]) -> tuple[str, ...]:
        named = {model.lower(): model for model in fitting}
        wanted = args.texts("models")
        strange = [model for model in wanted if model.lower() not in named]
        if strange:
            raise UsageError(f"models: {strange[0]} is none of {', '.join(fitting)}, which the package is for")
        return tuple(named[model.lower()] for model in wanted) or fitting

    def _group(self, name: str, caller: Caller) -> str:
        if not name:
            return ""
        profile = self._desk.profile(name, caller)
        if profile.level is not Level.GROUP:
            raise UsageError("profile: must be a group profile")
        return profile.id

    async def _set(self, args: Args, caller: Caller) -> object:
        name = args.text("id")
        await self._desk.change("rollout.set", name, caller, lambda: [Put(_with_terms(self.find(name, caller), args))])
        return self.view(self.find(name, caller), caller)

    async def _delete(self, args: Args, caller: Caller) -> object:
        name = args.text("id")
        await self._desk.change("rollout.delete", name, caller, lambda: self._book.forgetting(self.find(name, caller)))
        return {"deleted": name}

    def _moving(self, verb: str) -> Callable[[Args, Caller], Any]:
        plans = {
            "start": self._book.starting,
            "pause": self._book.pausing,
            "resume": self._book.resuming,
            "abort": self._book.aborting,
            "rollback": self._book.returning,
        }

        async def move(args: Args, caller: Caller) -> object:
            name = args.text("id")
            await self._desk.change(f"rollout.{verb}", name, caller, lambda: plans[verb](self.find(name, caller)))
            moved = self.find(name, caller)
            self._book.moved(moved, caller.name)
            return self.view(moved, caller)

        return move

    def view(self, rollout: Rollout, caller: Caller) -> dict[str, Any]:
        """It as plain values, with how many devices it is for and how many run the version."""
        counts = Counter(each for _, each in self._book.standings(rollout))
        given = {member.mac for member in self._desk.tables.in_rollout(rollout.id)}
        waiting = {device.mac for device in self._book.scope(rollout)} - given
        total = counts.total() - counts[Standing.WITHDRAWN] + len(waiting)
        return {
            "id": caller.shown(rollout.id),
            "plugin": rollout.plugin,
            "package": rollout.package,
            "version": rollout.version,
            "tenant": rollout.tenant,
            "profile": caller.shown(rollout.profile),
            "models": list(rollout.models),
            "devices": [mac_text(Mac(mac)) for mac in rollout.devices],
            "rings": list(rollout.rings),
            "tolerance": rollout.tolerance,
            "patience": int(rollout.patience),
            "tell": rollout.tell,
            "state": rollout.state.value,
            "ring": ring_name(rollout),
            "on": counts[Standing.ON],
            "of": total,
            "reason": rollout.reason,
            "by": rollout.by,
            "created": views.when(rollout.created),
            "finished": views.when(rollout.finished),
        }

    def _detail(self, rollout: Rollout) -> dict[str, Any]:
        standings = self._book.standings(rollout)
        rings = [
            {"ring": ring.rpartition("=")[0], **_counted(each for member, each in standings if member.ring == number)}
            for number, ring in enumerate(rollout.rings, 1)
        ]
        missing: list[dict[str, Any]] = []
        for member, each in sorted(standings, key=lambda pair: pair[0].mac):
            device = self._desk.tables.device(member.mac)
            if each is not Standing.ON and len(missing) < _MOST_NAMED:
                missing.append(
                    {
                        "mac": mac_text(member.mac),
                        "standing": each.value,
                        "runs": "" if device is None else device.version,
                        "last_seen": views.when(device.last_seen) if device else None,
                    }
                )
        return {"by_ring": rings, "missing": missing}


def _counted(standings: Any) -> dict[str, int]:
    counts = Counter(standings)
    return {each.value: counts[each] for each in Standing}


def _with_terms(rollout: Rollout, args: Args) -> Rollout:
    tolerance = args.number("tolerance", rollout.tolerance)
    if tolerance > 100:
        raise UsageError("tolerance: is a percentage")
    return replace(rollout, tolerance=tolerance, patience=float(args.number("patience", int(rollout.patience))))


def _mac(text: str) -> Mac:
    try:
        return parse_mac(text)
    except ValueError as error:
        raise UsageError(f"devices: {error}") from None
