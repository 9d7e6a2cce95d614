"""``provd doctor``: is everything around the daemon as it should be?"""

from __future__ import annotations

import sys
from dataclasses import asdict

import click

from provd.cli.client import settings_of
from provd.cli.commands import Command, as_json
from provd.cli.output import Exit, errors_to_exit, show_json

LISTENING = 5.0
"""Seconds. Servers that ping an address before they offer it take up to three for that."""


@click.command(cls=Command)
@click.option("--seconds", default=LISTENING, show_default=True, help="How long to listen for other DHCP servers.")
@click.option("--no-probe", is_flag=True, help="Send nothing: do not look for other DHCP servers.")
@as_json
@click.pass_context
def doctor(ctx: click.Context, *, seconds: float, no_probe: bool, as_json: bool) -> None:
    """Look at interfaces, ports, clock, certificates, rights, database, plugins, and for other DHCP servers.

    Changes nothing. To find other servers it sends a DISCOVER of a client that does not exist, and takes no offer. Exit
    code 1 when there is a problem, 0 otherwise.
    """
    with errors_to_exit():
        from provd.cli.examine import findings

        settings = settings_of(ctx.find_root().obj)
        found = []
        for finding in findings(settings, probe=0.0 if no_probe else seconds):
            found.append(finding)
            if not as_json:
                click.echo(f"{finding.level:<8} {finding.check:<13} {finding.text}")
    troubled = any(finding.level == "problem" for finding in found)
    if as_json:
        show_json({"ok": not troubled, "findings": [asdict(finding) for finding in found]})
    if troubled:
        sys.exit(Exit.FAILURE)
