"""Where in a TOML file a key stands, so that an error can name file and line."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

_TABLE = re.compile(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?")
_KEY = re.compile(r"""\s*([A-Za-z0-9_-]+|"[^"]*"|'[^']*')\s*(?:\.[^=]*)?=""")

Path = tuple[str | int, ...]
"""A place in the parsed document: keys, and indexes of arrays of tables."""


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))


def lines_by_key(text: str) -> dict[Path, int]:
    """Line number (from 1) of every table header and key that is written out.

    Multi-line strings that look like keys may be counted in; such an error message is then a few lines off.
    """
    found: dict[Path, int] = {}
    tables: Counter[tuple[str, ...]] = Counter()
    current: Path = ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := _TABLE.fullmatch(line):
            names = _parts(header[2])
            if header[1] == "[[":
                current = (*names, tables[names])
                tables[names] += 1
            else:
                current = names
            found.setdefault(current, number)
        elif key := _KEY.match(line):
            found.setdefault((*current, key[1].strip("\"'")), number)
    return found


def line_of(lines: dict[Path, int], path: Sequence[str | int]) -> int:
    """Line of the most exact place known for that path, 0 for none."""
    for length in range(len(path), 0, -1):
        if number := lines.get(tuple(path[:length])):
            return number
    return 0
