"""Operations on lines."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from provd.app import ownership
from provd.app.admin import sheet, views
from provd.app.admin.desk import Desk, Operation
from provd.app.admin.params import CHANGES, KEY, LISTING, SETTINGS, Args, Param
from provd.app.caller import Caller, Scope
from provd.app.ownership import MARK, owner_of_key
from provd.app.ports import Change, Put
from provd.base.errors import ConflictError, FaultsError, NotFoundError, UsageError
from provd.base.secrets import Secret
from provd.domain.records import Line

_WRITE = Scope.WRITE
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
_COLUMNS = (KEY, Param("tenant"), *_LINE)
MOST_DEVICES = 100
"""Devices that one line may be on."""
_TRANSPORTS = ("", "udp", "tcp", "tls")


class Lines:
    """``line.…``"""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def operations(self) -> Sequence[Operation]:
        """What this group offers."""
        tenant = Param("tenant", doc="a token of one tenant means its own")
        reveal = Param("reveal", "flag")
        return (
            Operation("line.list", "List lines.", self._list, (Param("tenant"), Param("free", "flag"), *LISTING)),
            Operation("line.show", "Show a line.", self._show, (KEY, reveal)),
            Operation("line.add", "Add a line.", self._add, (KEY, tenant, *_LINE, SETTINGS[0]), _WRITE),
            Operation("line.set", "Change a line.", self._set, (KEY, *_LINE, *CHANGES), _WRITE),
            Operation(
                "line.import",
                "Add or change lines from CSV.",
                self._import,
                (Param("csv", required=True), Param("dry_run", "flag")),
                _WRITE,
            ),
            Operation("line.delete", "Delete a line and take it from its device.", self._delete, (KEY,), _WRITE),
        )

    def _of(self, args: Args, caller: Caller) -> Line:
        return self._desk.line(args.text("id"), caller)

    async def _list(self, args: Args, caller: Caller) -> object:
        tables, tenant = self._desk.tables, args.text("tenant")
        found = (
            line
            for line in tuple(tables.lines.values())
            if caller.owns(line.tenant)
            and (not tenant or line.tenant == tenant.lower())
            and not (args.flag("free") and len(tables.holders(line.id)) >= line.max_devices)
        )
        return await views.page(found, args, lambda line: line.id, lambda line: self._desk.line_view(line, caller))

    async def _show(self, args: Args, caller: Caller) -> object:
        line = self._of(args, caller)
        if not args.flag("reveal"):
            return self._desk.line_view(line, caller)
        await self._desk.audit("line.reveal", line.id, caller, tenant=line.tenant)
        return {**self._desk.line_view(line, caller), "password": line.password.reveal()}

    async def _add(self, args: Args, caller: Caller) -> object:
        await self._desk.change("line.add", args.text("id"), caller, lambda: [Put(self._made(args, caller))])
        return self._desk.line_view(self._of(args, caller), caller)

    async def _set(self, args: Args, caller: Caller) -> object:
        await self._desk.change(
            "line.set", args.text("id"), caller, lambda: [Put(self._with(self._of(args, caller), args))]
        )
        return self._desk.line_view(self._of(args, caller), caller)

    def _made(self, args: Args, caller: Caller) -> Line:
        key, owner = self._new(args, caller)
        if args.text("password") == str(Secret("")):
            raise UsageError("password: *** stands for one that is there already, and there is none")
        # A line without a password of its own gets one that nobody has to think of.
        password = Secret(args.text("password") or secrets.token_urlsafe(18))
        return self._with(Line(id=key, tenant=owner, username=key.rpartition(MARK)[2], password=password), args)

    def _new(self, args: Args, caller: Caller) -> tuple[str, str]:
        """Key and tenant of the line to be made. Raises UsageError."""
        name = args.text("id")
        given = args.text("tenant") or owner_of_key(name) or caller.tenant or ""
        if not given:
            raise UsageError("tenant: is needed")
        owner = self._desk.tenant(given, caller).id
        key = caller.new_name(name)
        if owner_of_key(key) not in (None, owner):
            raise NotFoundError(f"there is no tenant {owner_of_key(key)!r}")
        # What the tenant itself calls so must stay the only thing that it may call so.
        for known in (key, name, f"{owner}{MARK}{name}"):
            line = self._desk.tables.line(known)
            if line is not None and (known == key or line.tenant == owner):
                raise ConflictError(f"line {name!r} is there already")
        return key, owner

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
        given = args.text("password")
        password = Secret(given) if given and given != str(line.password) else line.password
        changed = replace(
            self._bare(line) if args.flag("replace") else line,
            password=password,
            settings=self._desk.settings(line.settings, args, of_line=True),
        )
        fields: dict[str, Any] = {**texts, **numbers}
        return replace(changed, **fields)

    @staticmethod
    def _bare(line: Line) -> Line:
        name = line.id.rpartition(MARK)[2]
        # A password is never given up by leaving it out.
        return Line(id=line.id, tenant=line.tenant, username=name, password=line.password, settings=line.settings)

    async def _import(self, args: Args, caller: Caller) -> object:
        rows = sheet.table(args.text("csv"), _COLUMNS, "id")
        dry, made = args.flag("dry_run"), [0, 0]

        def plan() -> list[Change]:
            changes, made[:] = self._imported(rows, caller)
            return changes

        if dry:
            plan()
        else:
            await self._desk.change("line.import", f"{len(rows)} rows", caller, plan)
        return {"rows": len(rows), "added": made[0], "changed": made[1], "dry_run": dry}

    def _imported(self, rows: Sequence[tuple[int, Args]], caller: Caller) -> tuple[list[Change], list[int]]:
        """What is to be changed, how many lines are new and how many are different. Raises FaultsError."""
        faults: list[tuple[str, str]] = []
        added: list[Line] = []
        changed: list[Line] = []
        for number, row in rows:
            try:
                line = self._from_row(row, caller)
            except UsageError as error:
                faults.append((f"line {number}", str(error)))
                continue
            present = self._desk.tables.line(line.id)
            if present is None:
                added.append(line)
            elif present != line:
                changed.append(line)
        if faults:
            raise FaultsError(faults, "\n")
        return [Put(line) for line in (*added, *changed)], [len(added), len(changed)]

    def _from_row(self, row: Args, caller: Caller) -> Line:
        try:
            present = self._of(row, caller)
        except NotFoundError:
            return self._made(row, caller)
        if row.text("tenant") not in ("", present.tenant):
            raise ConflictError(f"the line belongs to tenant {present.tenant!r}")
        return self._with(present, row)

    async def _delete(self, args: Args, caller: Caller) -> object:
        key = args.text("id")

        def plan() -> list[Change]:
            return ownership.delete_line(self._desk.tables, self._of(args, caller).id)

        await self._desk.change("line.delete", key, caller, plan)
        return {"deleted": key}
