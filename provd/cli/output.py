"""How results are shown: tables for people, JSON for programs; and the exit codes."""

from __future__ import annotations

import enum
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import click

from provd.base.errors import ConfigError, NotFoundError, ProvdError, UsageError


class Exit(enum.IntEnum):
    """The exit codes of every command."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    CONFIG = 3
    NOTHING = 4
    REFUSED = 5


@contextmanager
def errors_to_exit() -> Iterator[None]:
    """One sentence on standard error and the fitting exit code, instead of a traceback."""
    try:
        yield
    except ConfigError as error:
        code = Exit.CONFIG
        message = str(error)
    except NotFoundError as error:
        code, message = Exit.NOTHING, str(error)
    except UsageError as error:
        code, message = Exit.USAGE, str(error)
    except ProvdError as error:
        code, message = Exit.FAILURE, str(error)
    else:
        return
    click.echo(message, err=True)
    sys.exit(code)


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
    cells = [[_cell(row.get(column)) for column in columns] for row in rows]
    widths = [max(len(line[i]) for line in [list(columns), *cells]) for i in range(len(columns))]
    click.secho("  ".join(c.upper().ljust(w) for c, w in zip(columns, widths, strict=True)).rstrip(), bold=True)
    for line in cells:
        click.echo("  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip())


def show_one(record: Mapping[str, object], *, as_json: bool) -> None:
    """One object, a line per field."""
    if as_json:
        show_json(record)
        return
    width = max((len(key) for key in record), default=0)
    for key, value in record.items():
        click.echo(f"{key.ljust(width)}  {_cell(value)}")


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
