"""How results are shown: tables for people, JSON for programs; and the exit codes."""

from __future__ import annotations

import enum
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

import click

from provd.base.clock import SystemClock
from provd.base.errors import (
    ConfigError,
    ConflictError,
    ForbiddenError,
    NotFoundError,
    ProvdError,
    StaleError,
    UsageError,
)

_TIMES = frozenset(
    {
        "first_seen",
        "last_seen",
        "last_boot",
        "starts",
        "expires",
        "started",
        "created",
        "last_used",
        "revoked",
        "since",
        "last",
        "until",
    }
)
"""Fields of results that hold a time in ISO 8601."""
_DAY = 86400


class Exit(enum.IntEnum):
    """The exit codes of every command."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    CONFIG = 3
    NOTHING = 4
    REFUSED = 5


_CODES: tuple[tuple[type[ProvdError], Exit], ...] = (
    (ConfigError, Exit.CONFIG),
    (NotFoundError, Exit.NOTHING),
    (ConflictError, Exit.REFUSED),
    (StaleError, Exit.REFUSED),
    (ForbiddenError, Exit.REFUSED),
    (UsageError, Exit.USAGE),
    (ProvdError, Exit.FAILURE),
)


@contextmanager
def errors_to_exit() -> Iterator[None]:
    """One sentence on standard error and the fitting exit code, instead of a traceback."""
    try:
        yield
    except ProvdError as error:
        click.echo(str(error), err=True)
        sys.exit(next(code for kind, code in _CODES if isinstance(error, kind)))


def show_json(value: object) -> None:
    """Two-space JSON with stable key order of the producer."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def show_rows(rows: Sequence[Mapping[str, object]], columns: Sequence[str], *, as_json: bool) -> None:
    """A listing. Without rows a table says so on standard error and exits with 4."""
    if as_json:
        show_json(list(rows))
        return
    if not rows:
        click.echo("nothing to list", err=True)
        sys.exit(Exit.NOTHING)
    now = SystemClock().now()
    cells = [[_cell(_timed(column, row.get(column), now)) for column in columns] for row in rows]
    heads = [column.replace("_", " ").upper() for column in columns]
    widths = [max(len(line[i]) for line in [heads, *cells]) for i in range(len(columns))]
    click.secho("  ".join(c.ljust(w) for c, w in zip(heads, widths, strict=True)).rstrip(), bold=True)
    for line in cells:
        click.echo("  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip())


def show_one(record: Mapping[str, object], *, as_json: bool) -> None:
    """One object, a line per field; a list of sentences has a line for each."""
    if as_json:
        show_json(record)
        return
    now = SystemClock().now()
    width = max((len(key) for key in record), default=0)
    for key, value in record.items():
        head = key.replace("_", " ").ljust(width)
        if isinstance(value, list) and any(" " in str(item) for item in value):
            for i, item in enumerate(value):
                click.echo(f"{head if i == 0 else ' ' * width}  {_cell(item)}")
        else:
            click.echo(f"{head}  {_cell(_timed(key, value, now, both=True))}")


def ago(at: float, now: float) -> str:
    """A time near now as people say it (``3 min ago``, ``in 52 min``), any other as local date and time."""
    distance = abs(now - at)
    if distance >= 2 * _DAY:
        return local(at)
    if distance < 1:
        return "now"
    for unit, seconds in (("h", 3600), ("min", 60), ("s", 1)):
        if distance >= seconds:
            text = f"{int(distance // seconds)} {unit}"
            break
    return f"{text} ago" if at <= now else f"in {text}"


def local(at: float, *, seconds: bool = False) -> str:
    """A time in the zone of this machine."""
    return datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M")


def _timed(key: str, value: object, now: float, *, both: bool = False) -> object:
    if key not in _TIMES or not isinstance(value, str):
        return value
    try:
        at = datetime.fromisoformat(value).timestamp()
    except ValueError:
        return value
    near = ago(at, now)
    if not both:
        return near
    exact = local(at, seconds=True)
    return exact if exact.startswith(near) else f"{exact} ({near})"


def _cell(value: object) -> str:
    if value is None or value in ("", [], {}, ()):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={_cell(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_cell(item) for item in value)
    # Names come from the network too; they must not drive the terminal.
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(value))
