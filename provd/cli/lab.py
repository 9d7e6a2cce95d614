"""``provd simulate|demo``: virtual phones."""

from __future__ import annotations

import json
import sys
from typing import Any, TextIO

import click

from provd.cli.commands import Command
from provd.cli.output import Exit, errors_to_exit, show_json


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
@click.option("--timeout", default=120.0, show_default=True, metavar="SECONDS")
@click.option("--tick", default=1.0, show_default=True, help="How long a second of a phone's waiting takes.")
@click.option("--sip", is_flag=True, help="The phones register their accounts (UDP, servers named by address).")
@click.option(
    "--dial",
    type=click.File(),
    metavar="CODES_FILE",
    help="One line for each phone: the codes that its user dials, one after another until one is accepted.",
)
@click.option("--blksize", default=0, help="TFTP block size to ask for.")
@click.option("--seed", default=1, show_default=True, help="Another one makes other phones.")
@click.option("--events", is_flag=True, help="Write every event as a line of JSON.")
@click.option("--json", "as_json", is_flag=True, help="The summary as JSON.")
@click.pass_context
def simulate(ctx: click.Context, /, *, events: bool, as_json: bool, dial: TextIO | None, **options: Any) -> None:
    """Boot virtual phones against any server and say what became of them.

    One crowd boots, the other one dials:

    provd simulate --vendor acme --count 20 --spread 10 --interface eth1

    provd simulate --vendor acme --dial codes.txt --claimed --interface eth1
    """
    import asyncio

    with errors_to_exit():
        from provd.cli.offline import catalogue
        from provd.simulate.crowd import CrowdOptions, read_codes, run
        from provd.simulate.load import phone_class
        from provd.simulate.session import PhoneEvent

        def hear(event: PhoneEvent) -> None:
            if events:
                accounts = [account.username for account in event.accounts]
                line = {"at": event.at, "mac": event.mac, "kind": event.kind, "text": event.text, "accounts": accounts}
                click.echo(json.dumps(line))
                sys.stdout.flush()

        plugins = catalogue(ctx.find_root().obj)
        classes = {m.id: found for m in plugins.manifests if (found := phone_class(plugins.folder(m.id)))}
        chosen = CrowdOptions(codes=read_codes(dial.read()) if dial else (), **options)
        report = asyncio.run(run(chosen, plugins.manifests, classes, hear))
    if as_json:
        show_json(report.as_dict())
    elif not events:
        click.echo("\n".join(report.lines()))
    if not report.ok:
        sys.exit(Exit.FAILURE)


@click.command()
@click.option("--once", is_flag=True, help="End when every phone is provisioned.")
@click.option("--phones", default=12, type=click.IntRange(1, 200), show_default=True, help="How many phones.")
@click.option("--page-port", default=8666, show_default=True, help="Where the web page is, on 127.0.0.1.")
@click.option("--loopback", is_flag=True, help="No namespaces: addresses of the loopback network (needs no root).")
def demo(*, once: bool, phones: int, page_port: int, loopback: bool) -> None:
    """A private LAN with the real daemon and simulated phones that boot, are claimed and come back as yours."""
    with errors_to_exit():
        from provd.cli.demonstration import Demonstration

        code = Demonstration(phones=phones, page_port=page_port, once=once, loopback=loopback).run()
    sys.exit(code)
