"""Operations on provisioning codes, and on the locks of who dialed wrong ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from provd.app import ownership
from provd.app.admin import views
from provd.app.admin.desk import Desk, Operation
from provd.app.admin.params import Args, Param
from provd.app.caller import Caller, Scope
from provd.app.codes import printout
from provd.app.codes.office import Office
from provd.app.ports import Change, Delete, Put
from provd.base.errors import ConflictError, NotFoundError, UsageError
from provd.base.types import Mac, mac_text
from provd.domain import lockout
from provd.domain.codes import Standing, expires_at, grouped, standing
from provd.domain.records import Code, Line, Lock

MOST_AT_ONCE = 5000
"""Codes that one call may make."""

_LONGEST = 200
"""Characters of lines' names that the audit names an operation by."""
_ID = Param("id", required=True)
_LISTING = (Param("limit", "number"), Param("after"))
_STATES = {standing: standing.name.lower().replace("_", "-") for standing in Standing}


class Codes:
    """``code.…``"""

    def __init__(self, desk: Desk, office: Office) -> None:
        self._desk = desk
        self._office = office

    def operations(self) -> Sequence[Operation]:
        """What this group offers."""
        reveal, tenant = Param("reveal", "flag"), Param("tenant")
        filters = (tenant, Param("line"), Param("state"))
        life = Param("expires", "duration", doc="how long it is good; 0 for ever")
        made = (Param("line", "texts"), tenant, Param("free", "flag"), life, Param("uses", "number"))
        sheet = (Param("tenant", required=True), Param("format"))
        write = Scope.WRITE
        return (
            Operation("code.list", "List codes.", self._list, (*filters, reveal, *_LISTING)),
            Operation("code.show", "Show a code and its uses.", self._show, (_ID, reveal)),
            Operation("code.add", "Make codes; they are shown this once.", self._add, made, write),
            Operation("code.revoke", "Withdraw a code.", self._revoke, (_ID,), write),
            Operation("code.delete", "Delete a code.", self._delete, (_ID,), write),
            Operation("code.sheet", "Codes of a tenant to be printed.", self._sheet, sheet, Scope.ADMIN),
        )

    def visible(self, caller: Caller) -> list[Code]:
        """The codes that exist for this caller."""
        return [code for code in self._desk.tables.codes.values() if caller.owns(code.tenant)]

    def state(self, code: Code) -> str:
        """good, expired, used-up or revoked."""
        return _STATES[standing(code, self._desk.clock.now(), self._office.leap)]

    def ends(self, code: Code) -> float:
        """When the code ends, 0 for never."""
        return expires_at(code, self._office.leap)

    def view(self, code: Code, caller: Caller, *, reveal: bool = False) -> views.View:
        """A code's record."""
        line = self._desk.tables.line(code.line)
        return {
            "id": code.id,
            "code": code.code.reveal() if reveal else str(code.code),
            "line": caller.shown(code.line),
            "tenant": code.tenant,
            "number": "" if line is None else line.number,
            "name": "" if line is None else line.display_name,
            "state": self.state(code),
            "uses": code.uses,
            "used": code.used,
            "expires": views.when(self.ends(code)),
            "created": views.when(code.created),
            "by": code.by,
            "revoked": views.when(code.revoked),
            "last_used": views.when(code.last_used),
        }

    def _of(self, args: Args, caller: Caller) -> Code:
        code = self._desk.tables.code(args.text("id"))
        if code is None or not caller.owns(code.tenant):
            raise NotFoundError(f"there is no code {args.text('id')!r}")
        return code

    async def _list(self, args: Args, caller: Caller) -> object:
        state = args.text("state")
        if state and state not in _STATES.values():
            raise UsageError(f"state: must be one of {', '.join(_STATES.values())}")
        tenant = self._desk.tenant(args.text("tenant"), caller).id if args.text("tenant") else ""
        line = self._desk.line(args.text("line"), caller).id if args.text("line") else ""
        reveal = args.flag("reveal")
        if reveal:
            await self._desk.audit("code.reveal", line or tenant or "all", caller, tenant=tenant)
        found = (
            code
            for code in self.visible(caller)
            if tenant in ("", code.tenant) and line in ("", code.line) and state in ("", self.state(code))
        )
        return await views.page(found, args, lambda code: code.id, lambda code: self.view(code, caller, reveal=reveal))

    async def _show(self, args: Args, caller: Caller) -> object:
        code = self._of(args, caller)
        reveal = args.flag("reveal")
        if reveal:
            await self._desk.audit("code.reveal", code.id, caller, tenant=code.tenant)
        uses = (self._desk.tables.redemptions.get((code.id, number)) for number in range(1, code.used + 1))
        devices = [f"{mac_text(use.mac)} {views.when(use.at)}" for use in uses if use is not None]
        return {**self.view(code, caller, reveal=reveal), "devices": devices}

    async def _add(self, args: Args, caller: Caller) -> object:
        uses = args.number("uses", 0)
        if "uses" in args and not 1 <= uses <= 10_000:
            raise UsageError("uses: must be between 1 and 10000")
        made: list[Code] = []

        def plan() -> list[Change]:
            made[:] = self._office.issue(
                self._lines(args, caller),
                by=caller.name,
                uses=uses if "uses" in args else None,
                life=float(args.number("expires")) if "expires" in args else None,
            )
            return [Put(code) for code in made]

        named = ",".join(args.texts("line"))[:_LONGEST] or f"free lines of {args.text('tenant') or caller.tenant}"
        await self._desk.change("code.add", named, caller, plan)
        views_of = [{**self.view(code, caller, reveal=True), "grouped": grouped(code.code.reveal())} for code in made]
        return views_of[0] if len(views_of) == 1 and not args.flag("free") else {"items": views_of}

    def _lines(self, args: Args, caller: Caller) -> list[Line]:
        """The lines that codes are made for. Raises UsageError."""
        named = [self._desk.line(name, caller) for name in args.texts("line")]
        if bool(named) == args.flag("free"):
            raise UsageError("line: name lines, or ask for all free ones of a tenant")
        if args.flag("free"):
            tenant = self._desk.tenant(args.text("tenant") or caller.tenant or "", caller)
            named = [
                line for line in self._desk.tables.lines.values() if line.tenant == tenant.id and self._waits(line)
            ]
        elif args.text("tenant"):
            owner = self._desk.tenant(args.text("tenant"), caller).id
            strange = [line.id for line in named if line.tenant != owner]
            if strange:
                raise NotFoundError(f"tenant {owner!r} has no line {strange[0]!r}")
        if not named:
            raise NotFoundError("every line of the tenant is on a device or has a code")
        if len(named) > MOST_AT_ONCE:
            raise UsageError(f"line: at most {MOST_AT_ONCE} codes at a time")
        return named

    def _waits(self, line: Line) -> bool:
        """Whether the line is free and has no code that is good."""
        tables = self._desk.tables
        has_room = len(tables.holders(line.id)) < line.max_devices
        return has_room and all(self.state(code) != "good" for code in tables.codes_of(line.id))

    async def _revoke(self, args: Args, caller: Caller) -> object:
        def plan() -> list[Change]:
            code = self._of(args, caller)
            if code.revoked:
                raise ConflictError(f"code {code.id!r} is withdrawn already")
            return [Put(replace(code, revoked=self._desk.clock.now()))]

        await self._desk.change("code.revoke", args.text("id"), caller, plan)
        return self.view(self._of(args, caller), caller)

    async def _delete(self, args: Args, caller: Caller) -> object:
        def plan() -> list[Change]:
            return ownership.delete_codes(self._desk.tables, [self._of(args, caller)])

        await self._desk.change("code.delete", args.text("id"), caller, plan)
        return {"deleted": args.text("id")}

    async def _sheet(self, args: Args, caller: Caller) -> object:
        form = args.text("format") or "html"
        if form not in {"html", "csv"}:
            raise UsageError("format: must be html or csv")
        tenant = self._desk.tenant(args.text("tenant"), caller)
        cards = self._cards(code for code in self.visible(caller) if code.tenant == tenant.id)
        if not cards:
            raise NotFoundError(f"tenant {tenant.id!r} has no code that is good")
        await self._desk.audit("code.sheet", tenant.id, caller, tenant=tenant.id)
        qr = printout.qr_maker() if form == "html" else None
        text = printout.page(tenant.name, cards, qr, self.ends) if form == "html" else printout.table(cards, self.ends)
        note = printout.NO_QR if form == "html" and qr is None else ""
        return {"tenant": tenant.id, "format": form, "codes": len(cards), "note": note, "text": text}

    def _cards(self, codes: Iterable[Code]) -> list[printout.Card]:
        good = [code for code in codes if self.state(code) == "good"]
        pairs = ((code, self._desk.tables.line(code.line)) for code in good)
        cards = [printout.Card(code, line) for code, line in pairs if line is not None]
        return sorted(cards, key=lambda card: (card.line.number.zfill(20), card.line.id, card.code.id))


class Locks:
    """``lock.…``: who has dialed wrong codes. A caller of one tenant sees those of its devices."""

    def __init__(self, desk: Desk, office: Office) -> None:
        self._desk = desk
        self._office = office

    def operations(self) -> Sequence[Operation]:
        """What this group offers."""
        return (
            Operation("lock.list", "List wrong codes and locks.", self._list, (Param("kind"), *_LISTING)),
            Operation("lock.lift", "Forget wrong codes, and let in again.", self._lift, (_ID,), Scope.WRITE),
        )

    def visible(self, caller: Caller) -> list[Lock]:
        """The records that exist for this caller."""
        return [lock for lock in self._desk.tables.locks.values() if caller.owns(self._owner(lock))]

    def _owner(self, lock: Lock) -> str | None:
        if lock.kind != "device":
            return None
        device = self._desk.tables.device(Mac(lock.subject))
        return lock.tenant if device is None else device.tenant

    def view(self, lock: Lock) -> views.View:
        """A record."""
        now = self._desk.clock.now()
        wait = lockout.waits(lock, now)
        return {
            "id": lock.id,
            "kind": lock.kind,
            "device": mac_text(lock.subject) if lock.kind == "device" else None,
            "address": lock.subject if lock.kind in {"source", "crowd"} else None,
            "tenant": lock.tenant,
            "wrong": lock.wrong,
            "locked": wait > 0,
            "wait": round(wait),
            "since": views.when(lock.first),
            "last": views.when(lock.last),
            "until": views.when(lock.until) if wait else None,
        }

    async def _list(self, args: Args, caller: Caller) -> object:
        kind = args.text("kind")
        if kind and kind not in {"device", "source", "crowd", "site"}:
            raise UsageError("kind: must be device, source, crowd or site")
        found = (lock for lock in self.visible(caller) if kind in ("", lock.kind))
        return await views.page(found, args, lambda lock: lock.id, self.view)

    async def _lift(self, args: Args, caller: Caller) -> object:
        def plan() -> list[Change]:
            lock = self._desk.tables.lock(args.text("id"))
            if lock is None or not caller.owns(self._owner(lock)):
                raise NotFoundError(f"there is no lock {args.text('id')!r}")
            return [Delete(lock)]

        await self._desk.change("lock.lift", args.text("id"), caller, plan)
        return {"lifted": args.text("id")}
