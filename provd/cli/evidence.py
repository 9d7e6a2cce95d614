"""``provd identify|tail|explain|explain-pcap``: what provd makes of what it sees."""

from __future__ import annotations

import contextlib
import inspect
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from provd.base.errors import UsageError
from provd.cli.client import stream
from provd.cli.commands import Command, as_json
from provd.cli.output import Exit, errors_to_exit, local, show_json, show_one, show_rows

_FIELDS = ("user_agent", "path", "option60", "option77", "mac", "event", "over")
_ALSO = {"kind": "over", "filename": "path"}


@click.command(cls=Command)
@click.option("--user-agent", metavar="UA", help="Of an HTTP request.")
@click.option("--path", metavar="NAME", help="A file name or path as asked for; over pnp the Request-URI.")
@click.option("--option60", metavar="TEXT", help="DHCP vendor class.")
@click.option("--option77", metavar="TEXT", help="DHCP user classes, with commas between them.")
@click.option("--mac", metavar="MAC")
@click.option("--event", metavar="TEXT", help="Event header of a multicast SUBSCRIBE: ua-profile;vendor=…;model=…")
@click.option("--over", type=click.Choice(["http", "tftp", "dhcp", "pnp"]), help="Default: what the evidence suggests.")
@click.option("--batch", is_flag=True, help="Read JSON lines with these keys (user_agent …), write JSON lines.")
@as_json
@click.pass_context
def identify(ctx: click.Context, /, *, batch: bool, as_json: bool, **evidence: str | None) -> None:
    """Say which device some evidence belongs to, and why. Needs no daemon and no configuration.

    Example: provd identify --path spa504G.cfg --over tftp
    """
    with errors_to_exit():
        # Identification needs the plugins only: done here, without the daemon, also before there is a configuration.
        from provd.cli.offline import identifier

        identified = identifier(ctx.find_root().obj)
        if batch:
            sys.exit(_batch(identified))
        known = {name: value for name, value in evidence.items() if value}
        if not set(known) - {"over"}:
            raise UsageError("give at least one of --user-agent, --path, --option60, --option77, --mac, --event")
        result = identified(known)
    show_one(result, as_json=as_json)
    if not result["vendor"]:
        sys.exit(Exit.NOTHING)


def _batch(identified: Any) -> Exit:
    """A line of output for every line of input that is not blank, ``{"error": …}`` for one that is no evidence."""
    code = Exit.OK
    for line in sys.stdin:
        if not line.strip():
            continue
        answer: Mapping[str, Any]
        try:
            answer = identified(_evidence(line))
        except UsageError as error:
            answer, code = {"error": str(error)}, Exit.USAGE
        click.echo(json.dumps(answer, ensure_ascii=False))
    return code


def _evidence(line: str) -> dict[str, str]:
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        raise UsageError(f"not JSON: {line.strip()[:60]!r}") from None
    if not isinstance(document, dict):
        raise UsageError("each line is one JSON object")
    for name, meant in _ALSO.items():
        document.setdefault(meant, document.get(name))
    return {name: str(document[name]) for name in _FIELDS if document.get(name) is not None}


@click.command(cls=Command)
@click.argument("mac", required=False)
@as_json
@click.pass_context
def tail(ctx: click.Context, mac: str | None, *, as_json: bool) -> None:
    """Show facts as they happen, of one device or all. End with Ctrl-C.

    With MAC it begins with the last steps of that device since the daemon's start (`"past": true` with --json).
    `provd explain ID` says what a word in capitals means.
    """
    with errors_to_exit(), contextlib.suppress(KeyboardInterrupt):
        for fact in stream(ctx.find_root().obj, mac=mac):
            click.echo(json.dumps(fact, ensure_ascii=False) if as_json else _told(fact))
        click.echo("the daemon has stopped", err=True)
        sys.exit(Exit.FAILURE)


def _told(fact: Mapping[str, Any]) -> str:
    at = local(datetime.fromisoformat(fact["time"]).timestamp(), seconds=True)
    return f"{at} {str(fact.get('level', '')).upper():<7} {fact['text']}"


@click.command()
@click.argument("fact_id", required=False, metavar="[ID]")
@as_json
def explain(fact_id: str | None, *, as_json: bool) -> None:
    """Say what a fact (a word in capitals in the log) means and what to do about it; without ID list them all.

    Example: provd explain FILE-REFUSED
    """
    from provd.base.facts.catalogue import catalogue

    facts = catalogue()
    every = [
        {"id": name, "level": facts[name].LEVEL.name.lower(), "meaning": " ".join(_text(facts[name]).split())}
        for name in sorted(facts)
    ]
    if fact_id is None:
        brief = [{**fact, "meaning": _sentence(fact["meaning"])} for fact in every]
        show_rows(every if as_json else brief, ("id", "level", "meaning"), as_json=as_json)
        return
    chosen = next((fact for fact in every if fact["id"] == fact_id.upper()), None)
    if chosen is None:
        click.echo(_not_found(fact_id, list(facts)), err=True)
        sys.exit(Exit.NOTHING)
    if as_json:
        show_json(chosen)
    else:
        click.echo(f"{chosen['id']} ({chosen['level']})\n\n{_text(facts[chosen['id']])}")


def _not_found(wanted: str, names: Sequence[str]) -> str:
    """With those that may have been meant: of the same beginning, or almost the same."""
    import difflib

    alike = [name for name in names if name.startswith(f"{wanted.upper()}-")]
    alike = alike or difflib.get_close_matches(wanted.upper(), names, 3)
    meant = f"; there are {', '.join(sorted(alike))}" if alike else ""
    return f"there is no fact {wanted!r}{meant}; `provd explain` lists them all"


def _text(fact: type[object]) -> str:
    return (inspect.getdoc(fact) or "").replace("``", "`")


def _sentence(text: str) -> str:
    end = min((found + 1 for mark in (". ", "; ", ": ") if (found := text.find(mark)) > 0), default=len(text))
    return text[:end].rstrip(".;:")


@click.command("explain-pcap", cls=Command)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_context
def explain_pcap(ctx: click.Context, file: Path) -> None:
    """Tell what the devices in a capture asked and what provd knows about them.

    Make one with: tcpdump -i eth1 -w boot.pcap port 67 or port 68 or port 69 or port 5060
    """
    with errors_to_exit():
        from provd.cli.offline import explain_capture

        told = explain_capture(ctx.find_root().obj, file, click.echo)
    if not told:
        click.echo("no DHCP, no TFTP and no SIP in this capture", err=True)
        sys.exit(Exit.NOTHING)
