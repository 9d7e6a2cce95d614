"""How findings about a device are shown: what is so, and below it what to do."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Mapping
from typing import Any

import click

_COLOURS = {"problem": "red", "waiting": "yellow", "note": "cyan", "good": "green"}
_WIDTH = 9
_NARROWEST = 40
_WIDEST = 120


def show_findings(found: Mapping[str, Any], *, beside: bool = False) -> None:
    """Each with its level in front, wrapped to the terminal; ``beside`` other output only what keeps it from working,
    or what it waits for."""
    width = min(_WIDEST, max(_NARROWEST, shutil.get_terminal_size().columns))
    told = [each for each in found["findings"] if not beside or each["level"] in {"problem", "waiting"}]
    if beside and told:
        click.echo()
    for each in told:
        first, *more = textwrap.wrap(each["what"], width - _WIDTH)
        click.echo(click.style(f"{each['level']:<{_WIDTH}}", fg=_COLOURS[each["level"]]) + first)
        for line in [*more, *_steps(each["do"], width)]:
            click.echo(" " * _WIDTH + line)
    if not found["findings"]:
        key = "it fetches a key: provd activation show says how that stands"
        click.echo(key if "/" in found["mac"] else "nothing is known to be wrong with it")


def _steps(do: str, width: int) -> list[str]:
    return textwrap.wrap(f"→ {do}", width - _WIDTH, subsequent_indent="  ", break_on_hyphens=False) if do else []
