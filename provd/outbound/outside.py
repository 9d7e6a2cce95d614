"""What tasks ask of the world outside: databases, servers and tables in files."""

from __future__ import annotations

import asyncio
import csv
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from provd.app.tasks.ports import CsvCall, HttpCall, Outward, SqlCall
from provd.base.errors import UsageError
from provd.domain.tasks import Done, Failed, NotYet, Outcome, Retry
from provd.outbound.sql import Database
from provd.outbound.web import Server, Web

LARGEST_TABLE = 32 << 20
"""Octets of a table in a file."""


class World:
    """What the configuration names."""

    def __init__(self, databases: Iterable[Database], servers: Iterable[Server], web: Web) -> None:
        self._databases = {database.name: database for database in databases}
        self._servers = {server.name: server for server in servers}
        self._web = web

    async def perform(self, call: Outward) -> Outcome:
        """Do it and say what came of it."""
        match call:
            case SqlCall():
                database = self._databases.get(call.database)
                return (
                    Failed(f"there is no database {call.database!r}") if database is None else await database.do(call)
                )
            case HttpCall():
                server = self._servers.get(call.server)
                return (
                    Failed(f"there is no server {call.server!r}")
                    if server is None
                    else await self._web.do(server, call)
                )
            case CsvCall():
                return await asyncio.to_thread(row_of, call)

    async def close(self) -> None:
        """Let go of connections."""
        await self._web.close()
        for database in self._databases.values():
            database.close()


def row_of(call: CsvCall) -> Outcome:
    """The one row of a table in which the named columns have these values, without regard to case. Blocks."""
    try:
        found = _rows(call)
    except OSError as error:
        return Retry(f"{call.file}: {error.strerror}")
    except (csv.Error, UnicodeDecodeError) as error:
        return Retry(f"{call.file}: {error}")
    except UsageError as error:
        return Failed(f"{call.file} {error}")
    if len(found) > 1:
        return Failed(f"{call.file} has {len(found)} rows that fit")
    return NotYet(call.what) if not found else Done(found[0])


def _rows(call: CsvCall) -> list[dict[str, str | None]]:
    """The rows that fit. Raises UsageError, OSError, csv.Error and UnicodeDecodeError."""
    with Path(call.file).open(newline="", encoding="utf-8-sig") as file:
        if os.fstat(file.fileno()).st_size > LARGEST_TABLE:
            raise UsageError(f"is larger than {LARGEST_TABLE >> 20} MiB")
        reader = csv.DictReader(file)
        missing = set(call.match) - set(reader.fieldnames or ())
        if missing:
            raise UsageError(f"has no column {min(missing)!r}")
        # A row that is longer than the head has the rest under no name.
        fitting = (row for row in reader if _fits(row, call.match))
        return [{name: row[name] for name in reader.fieldnames or ()} for row in fitting]


def _fits(row: Mapping[str, str | None], wanted: Mapping[str, str]) -> bool:
    return all((row[name] or "").strip().lower() == value.strip().lower() for name, value in wanted.items())
