"""``provd simulate|demo``: virtual phones and things."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any, Protocol, TextIO

import click

from provd.cli.commands import Command
from provd.cli.output import Exit, errors_to_exit, show_json

_OF_THINGS = frozenset(
    {
        "thing",
        "serial",
        "restarts",
        "travels",
        "vendor",
        "model",
        "count",
        "spread",
        "timeout",
        "tick",
        "seed",
        "events",
        "as_json",
    }
)
"""Parameters of ``simulate`` that mean something to devices that are not phones."""


class _Report(Protocol):
    """What became of a crowd."""

    @property
    def ok(self) -> bool: ...

    def as_dict(self) -> dict[str, object]: ...

    def lines(self) -> list[str]: ...


@click.command(cls=Command)
@click.option("--vendor", required=True, help="Vendor or plugin id.")
@click.option("--model", default="", metavar="A[,B…]", help="Default: each model of the vendor in turn.")
@click.option("--firmware", default="", metavar="VERSION")
@click.option("--count", default=1, type=click.IntRange(min=1), show_default=True, help="How many phones.")
@click.option("--interface", default="", help="Where the phones are plugged in; needs root.")
@click.option("--relay", default="", metavar="IP", help="Or: our address as their DHCP relay.")
@click.option("--server", default="", metavar="IP", help="The DHCP server behind the relay.")
@click.option("--server-port", default=67, show_default=True)
@click.option("--client-port", default=68, show_default=True)
@click.option("--spread", default=0.0, metavar="SECONDS", help="Power-on within so many seconds.")
@click.option("--claimed", is_flag=True, help="Go on until each phone has its user's account.")
@click.option("--runs", default="", metavar="VERSION", help="Go on until each phone has installed this firmware.")
@click.option("--stubborn", default=0, type=click.IntRange(min=0), help="So many of them take no other firmware.")
@click.option("--timeout", default=120.0, show_default=True, metavar="SECONDS")
@click.option("--tick", default=1.0, show_default=True, help="How long a second of a phone's waiting takes.")
@click.option("--sip", is_flag=True, help="The phones register their accounts (UDP, servers named by address).")
@click.option(
    "--dial",
    type=click.File(),
    metavar="CODES_FILE",
    help="One line for each phone: the codes that its user dials, one after another until one is accepted.",
)
@click.option("--show-screen", is_flag=True, help="In the end, what stands beside the keys of each phone.")
@click.option("--blksize", default=0, help="TFTP block size to ask for.")
@click.option("--thing", default="", metavar="URL", help="Devices that are not phones, against the server there.")
@click.option("--serial", default="", metavar="SN", help="With --thing: the first serial; its last number counts on.")
@click.option("--restarts", default=0, type=click.IntRange(min=0), help="With --thing: how often each starts again.")
@click.option("--travels", is_flag=True, help="With --thing: they ask where their home is, and go there.")
@click.option("--seed", default=1, show_default=True, help="Another one makes other phones.")
@click.option("--events", is_flag=True, help="Write every event as a line of JSON.")
@click.option("--json", "as_json", is_flag=True, help="The summary as JSON.")
@click.pass_context
def simulate(
    ctx: click.Context,
    /,
    *,
    events: bool,
    as_json: bool,
    dial: TextIO | None,
    thing: str,
    serial: str,
    restarts: int,
    travels: bool,
    **options: Any,
) -> None:
    """Boot virtual phones against any server and say what became of them; or devices that are not phones.

    One crowd boots, the other one dials:

    provd simulate --vendor acme --count 20 --spread 10 --interface eth1

    provd simulate --vendor acme --dial codes.txt --claimed --interface eth1

    provd simulate --thing http://10.20.0.1:8667 --vendor acme --model sensor-2 --serial S0001 --count 20
    """
    import asyncio

    with errors_to_exit():
        if thing or serial or restarts or travels:
            _only_of_things(ctx)
            own = {"url": thing, "serial": serial, "restarts": restarts, "travels": travels}
            report = _things(events=events, **own, **options)
            _show(report, quiet=events, as_json=as_json)
            return
        from provd.cli.offline import catalogue
        from provd.simulate.crowd import CrowdOptions, read_codes, run
        from provd.simulate.load import phone_class
        from provd.simulate.session import PhoneEvent

        def hear(event: PhoneEvent) -> None:
            if events:
                accounts = [account.username for account in event.accounts]
                _write({"at": event.at, "mac": event.mac, "kind": event.kind, "text": event.text, "accounts": accounts})

        plugins = catalogue(ctx.find_root().obj)
        classes = {m.id: found for m in plugins.manifests if (found := phone_class(plugins.folder(m.id)))}
        chosen = CrowdOptions(codes=read_codes(dial.read()) if dial else (), **options)
        report = asyncio.run(run(chosen, plugins.manifests, classes, hear))
        _show(report, quiet=events, as_json=as_json)


def _only_of_things(ctx: click.Context) -> None:
    """Raises UsageError for what means something to phones only."""
    from provd.base.errors import UsageError

    if not (ctx.params["thing"] and ctx.params["serial"]):
        raise UsageError("a thing needs both --thing URL and --serial SN")
    for name in ctx.params:
        if name not in _OF_THINGS and ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            raise UsageError(f"--{name.replace('_', '-')} is for phones, and --thing makes none")


def _things(*, events: bool, **options: Any) -> _Report:
    import asyncio
    import dataclasses

    from provd.simulate.thing_crowd import ThingEvent, ThingOptions, run

    def hear(event: ThingEvent) -> None:
        if events:
            _write({"at": event.at, "thing": str(event.label), "kind": event.kind, "text": event.text})

    kept = {field.name: options[field.name] for field in dataclasses.fields(ThingOptions)}
    return asyncio.run(run(ThingOptions(**kept), hear))


def _write(line: Mapping[str, object]) -> None:
    click.echo(json.dumps(line))
    sys.stdout.flush()


def _show(report: _Report, *, quiet: bool, as_json: bool) -> None:
    if as_json:
        show_json(report.as_dict())
    elif not quiet:
        click.echo("\n".join(report.lines()))
    if not report.ok:
        sys.exit(Exit.FAILURE)


@click.command()
@click.option("--once", is_flag=True, help="End when every phone is provisioned, or the device has arrived.")
@click.option("--iot", is_flag=True, help="Devices that are not phones: activation, tasks, regions; on loopback ports.")
@click.option("--phones", default=12, type=click.IntRange(1, 200), show_default=True, help="How many phones.")
@click.option("--page-port", default=8666, show_default=True, help="Where the web page is, on 127.0.0.1.")
@click.option("--loopback", is_flag=True, help="No namespaces: addresses of the loopback network (needs no root).")
def demo(*, once: bool, iot: bool, phones: int, page_port: int, loopback: bool) -> None:
    """A private LAN with the real daemon and simulated phones that boot, are claimed and come back as yours."""
    with errors_to_exit():
        if iot:
            from provd.cli.iot import IotDemonstration

            code = IotDemonstration(page_port=page_port, once=once).run()
        else:
            from provd.cli.demonstration import Demonstration

            code = Demonstration(phones=phones, page_port=page_port, once=once, loopback=loopback).run()
    sys.exit(code)
