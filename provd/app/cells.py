"""Cells of CSV files that people open in a spreadsheet, which would carry out what looks like a formula."""

from __future__ import annotations

_FORMULA = ("=", "+", "-", "@")


def quoted(text: str) -> str:
    """The text as a cell: with an apostrophe in front of what would be a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def unquoted(cell: str) -> str:
    """The text in a cell, without blanks around it."""
    cell = cell.strip()
    return cell[1:] if cell[:1] == "'" and cell[1:].startswith(_FORMULA) else cell
