"""What ``provd device sync`` shows."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import click

from provd.cli.commands import run
from provd.cli.output import show_json

_EVERY = 1.0
"""Seconds between two looks at how far it is."""


def show_told(result: Mapping[str, Any], *, as_json: bool) -> None:
    """One line for each way, and when the device comes; exit code 1 when no way led to it."""
    if as_json:
        show_json(result)
    else:
        for told in result["told"]:
            click.echo(f"{told['way'] or '-':<5} {told['heard']:<10} {told['detail']}".rstrip())
        click.echo(_outlook(result))
    if not result["fetched"] and not any(told["heard"] in {"accepted", "passed-on"} for told in result["told"]):
        sys.exit(1)


def _outlook(result: Mapping[str, Any]) -> str:
    if result["fetched"]:
        return "it has its files"
    if any(told["heard"] in {"accepted", "passed-on"} for told in result["told"]):
        return f"it was told; without that it comes {result['comes']}"
    return f"it could not be told: it comes {result['comes']}"


def follow(
    ctx: click.Context,
    started: Mapping[str, Any],
    *,
    wait: bool,
    as_json: bool,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Show how far telling many devices is, until all were told."""
    state = started
    while wait and state["told"] < state["devices"]:
        if sys.stderr.isatty():
            click.echo(f"\r{_sentence(state)}", nl=False, err=True)
        pause(_EVERY)
        state = run(ctx, "device.sync_progress", campaign=started["campaign"])
    if sys.stderr.isatty() and wait:
        click.echo(err=True)
    if as_json:
        show_json(state)
    else:
        click.echo(_sentence(state))


def _sentence(state: Mapping[str, Any]) -> str:
    return (
        f"{state['told']} of {state['devices']} told ({state['per_second']:g} in a second), "
        f"{state['fetched']} have fetched, {state['unanswered']} could not be reached"
    )
