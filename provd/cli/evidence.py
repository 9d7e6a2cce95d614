"""``provd identify|tail|explain|explain-pcap``: what provd makes of what it sees."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import Any

import click

from provd.cli.client import stream
from provd.cli.objects import as_json
from provd.cli.output import Exit, errors_to_exit, show_one

_FIELDS = ("user_agent", "path", "option60", "mac", "over")


@click.command()
@click.option("--user-agent", metavar="UA")
@click.option("--path", metavar="NAME", help="A file name or path as asked for.")
@click.option("--option60", metavar="TEXT", help="DHCP vendor class.")
@click.option("--mac", metavar="MAC")
@click.option("--over", type=click.Choice(["http", "tftp", "dhcp", "pnp"]))
@click.option("--batch", is_flag=True, help="Read JSON lines with these keys, write JSON lines.")
@as_json
@click.pass_context
def identify(ctx: click.Context, /, *, batch: bool, as_json: bool, **evidence: str | None) -> None:
    """Say which device some evidence belongs to, and why."""
    with errors_to_exit():
        identifier = _identifier(ctx)
        if batch:
            for line in sys.stdin:
                if line.strip():
                    click.echo(json.dumps(identifier(_evidence(line)), ensure_ascii=False))
            return
        given = {name: value for name, value in evidence.items() if value is not None}
        if not set(given) - {"over"}:
            raise click.UsageError("give at least one of --user-agent, --path, --option60, --mac")
        result = identifier(given)
    show_one(result, as_json=as_json)
    if not result["vendor"]:
        sys.exit(Exit.NOTHING)


def _evidence(line: str) -> dict[str, str]:
    from provd.base.errors import UsageError

    try:
        document = json.loads(line)
    except json.JSONDecodeError as error:
        raise UsageError(f"not JSON: {error}") from None
    if not isinstance(document, dict):
        raise UsageError("each line is one JSON object")
    document.setdefault("over", document.pop("kind", None))
    document.setdefault("path", document.pop("filename", None))
    return {name: str(document[name]) for name in _FIELDS if document.get(name) is not None}


def _identifier(ctx: click.Context) -> Any:
    """Identification needs the plugins only: done here, without the daemon, also before there is a configuration."""
    from provd.cli.offline import identifier

    return identifier(ctx.find_root().obj)


@click.command()
@click.argument("mac", required=False)
@as_json
@click.pass_context
def tail(ctx: click.Context, mac: str | None, *, as_json: bool) -> None:
    """Show facts as they happen, of one device or all. End with Ctrl-C."""
    with errors_to_exit(), contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        for fact in stream(ctx.find_root().obj, mac=mac):
            click.echo(json.dumps(fact, ensure_ascii=False) if as_json else f"{fact['time']} {fact['text']}")


@click.command()
@click.argument("fact_id", metavar="ID")
def explain(fact_id: str) -> None:
    """Say what a fact (a word in capitals in the log) means and what to do about it."""
    import inspect

    from provd.base.facts.catalogue import catalogue

    facts = catalogue()
    if fact_id.upper() not in facts:
        click.echo(f"no such fact; there are: {', '.join(sorted(facts))}", err=True)
        sys.exit(Exit.NOTHING)
    click.echo(inspect.getdoc(facts[fact_id.upper()]))


@click.command("explain-pcap")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_context
def explain_pcap(ctx: click.Context, file: Path) -> None:
    """Tell what the devices in a capture asked and what provd knows about them."""
    with errors_to_exit():
        from provd.cli.offline import explain_capture

        lines = 0
        for line in explain_capture(ctx.find_root().obj, file):
            click.echo(line)
            lines += 1
    if not lines:
        click.echo("no DHCP and no TFTP in this capture", err=True)
        sys.exit(Exit.NOTHING)
