"""``provd setup``: the first configuration."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict, replace
from pathlib import Path

import click

from provd.base.errors import ConfigError, ConflictError, NotFoundError, UsageError
from provd.cli.commands import Command, as_json
from provd.cli.first_config import MODES, Choices, default_router, name_servers, proposal, text_of, usable
from provd.cli.output import errors_to_exit, show_json

_QUESTIONS = (
    ("network", "Network of the phones"),
    ("pool", "Addresses to give out"),
    ("router", "Router they use"),
    ("mode", f"Mode ({', '.join(MODES)})"),
)


@click.command(cls=Command)
@click.option("--interface", help="Where the phones are; default: the one interface that fits.")
@click.option("--mode", type=click.Choice(MODES), default="observe", show_default=True)
@click.option("--network", help="Default: the interface's own.")
@click.option("--pool", metavar="FIRST-LAST", help="Default: most of the network.")
@click.option("--router", metavar="IP", help="Default: this machine's own, or itself.")
@click.option("--dns", metavar="IP", multiple=True, help="Default: this machine's own.")
@click.option("--lease", default="1h", show_default=True)
@click.option("--state-dir", type=click.Path(path_type=Path), default=Path("/var/lib/provd"), show_default=True)
@click.option("--yes", is_flag=True, help="Ask nothing.")
@click.option(
    "--replace", "overwrite", is_flag=True, help="Write over a configuration that is there; it is kept as .old."
)
@as_json
@click.pass_context
def setup(
    ctx: click.Context,
    /,
    *,
    interface: str | None,
    mode: str,
    network: str | None,
    pool: str | None,
    router: str | None,
    dns: tuple[str, ...],
    lease: str,
    state_dir: Path,
    yes: bool,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Write a first configuration from what this machine's network looks like.

    It asks when it has a terminal, and takes its own proposals with --yes. Nothing is started, and in the mode
    "observe" nobody will be answered.

    Example: provd setup --interface eth1 --mode phones-only --yes
    """
    with errors_to_exit():
        from provd.config.documents import config_path

        path = config_path(ctx.find_root().obj)
        if path.exists() and not overwrite:
            raise ConflictError(f"{path} exists; --replace keeps it as {path.name}.old and writes a new one")
        choices = _proposed(interface, mode, router or "", dns, whole=bool(network and pool))
        choices = replace(
            choices,
            network=network or choices.network,
            pool=pool or choices.pool,
            router=router or choices.router,
            lease=lease,
        )
        if not yes and sys.stdin.isatty():
            choices = _asked(choices)
        _write(path, text_of(choices, state_dir))
    if as_json:
        show_json({"file": str(path), **asdict(choices)})
        return
    click.echo(f"{path} is written; next: provd check-config --deep, then provd doctor")


def _proposed(name: str | None, mode: str, router: str, dns: tuple[str, ...], *, whole: bool) -> Choices:
    from provd.net.netlink import interfaces

    fitting = usable(interfaces())
    names = ", ".join(one.name for one in fitting)
    if name is None and len(fitting) != 1:
        if not fitting:
            raise NotFoundError("no interface is up and has an IPv4 address; give it one first")
        raise UsageError(f"there are several interfaces: say --interface with one of {names}")
    chosen = next((one for one in fitting if name in {None, one.name}), None)
    if chosen is None:
        raise NotFoundError(
            f"{name}: no such interface that is up and has an IPv4 address; there are {names or 'none'}"
        )
    router = router or default_router(chosen.name)
    servers = dns or name_servers()
    if whole:
        return Choices(mode, chosen.name, "", "", router, tuple(servers))
    return proposal(chosen, mode, router=router, dns=servers)


def _asked(choices: Choices) -> Choices:
    for name, question in _QUESTIONS:
        kind = click.Choice(MODES) if name == "mode" else None
        answer: str = click.prompt(question, default=getattr(choices, name), type=kind)
        choices = _with(choices, name, answer)
    servers = click.prompt("Name servers", default=" ".join(choices.dns))
    return replace(choices, dns=tuple(servers.replace(",", " ").split()))


def _with(choices: Choices, name: str, value: str) -> Choices:
    return Choices(**{**asdict(choices), name: value})


def _write(path: Path, text: str) -> None:
    """Write it if it is valid; nothing is there in between. Raises ConfigError."""
    from provd.config.load import load
    from provd.daemon.translate import dhcp_of

    fresh = path.with_name(f"{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o640), "w") as file:
            file.write(text)
        dhcp_of(load(fresh, {}).dhcp)
        if path.exists():
            path.replace(path.with_name(f"{path.name}.old"))
        elif (group := path.parent.stat().st_gid) != os.getegid() and os.geteuid() == 0:
            # The folder is the daemon's group's to read, and so must be what stands in it.
            os.chown(fresh, -1, group)
        fresh.replace(path)
    except OSError as error:
        raise ConfigError(f"cannot be written: {error.strerror}", str(error.filename or path)) from error
    finally:
        fresh.unlink(missing_ok=True)
