"""The ``provd`` command and its lazily imported sub-commands."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Final

import click

from provd import __version__

COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "serve": ("provd.cli.service:serve", "run the daemon"),
    "check-config": ("provd.cli.service:check_config", "check the configuration file"),
    "setup": ("provd.cli.setup:setup", "write a first configuration"),
    "doctor": ("provd.cli.doctor:doctor", "is everything around the daemon as it should be?"),
    "demo": ("provd.cli.lab:demo", "a private LAN with the real daemon and simulated phones"),
    "simulate": ("provd.cli.lab:simulate", "virtual phones against any server"),
    "device": ("provd.cli.device:device", "phones: list, add, assign, reset, import …"),
    "render": ("provd.cli.render:render", "a device's file as it would be served, or its difference"),
    "tenant": ("provd.cli.objects:tenant", "owners of devices and lines"),
    "line": ("provd.cli.objects:line", "SIP accounts"),
    "code": ("provd.cli.code:code", "provisioning codes: what is dialed on a new phone"),
    "lock": ("provd.cli.code:lock", "who dialed wrong codes"),
    "activation": ("provd.cli.activation:activation", "devices that are not phones: models, serials, keys"),
    "profile": ("provd.cli.objects:profile", "settings for many devices"),
    "type": ("provd.cli.types:type_", "types of devices: settings, tasks and constraints of a model"),
    "constraint": ("provd.cli.types:constraint", "what the metadata of devices is to be like"),
    "task": ("provd.cli.task:task", "what is done for devices by itself: runs, retry, cancel"),
    "webhook": ("provd.cli.webhook:webhook", "servers that hear of facts: list, dead letters, replay"),
    "region": ("provd.cli.region:region", "which instance is the home of which device"),
    "token": ("provd.cli.token:token", "bearer tokens of the REST interface"),
    "lease": ("provd.cli.network:lease", "DHCP leases"),
    "reservation": ("provd.cli.network:reservation", "addresses kept for a client"),
    "db": ("provd.cli.db:db", "the database: upgrade, backup, restore, verify"),
    "plugin": ("provd.cli.plugin:plugin", "vendor plugins: list, install, upgrade, rollback; check, build, sign …"),
    "model": ("provd.cli.model:model", "models of any vendor without a plugin: two templates and their names"),
    "template": ("provd.cli.template:template", "templates in place of a plugin's: edit, preview, diff, restore"),
    "firmware": ("provd.cli.firmware:firmware", "firmware and languages of phones: available, fetch, upload, remove"),
    "rollout": ("provd.cli.rollout:rollout", "give a version of firmware to many phones, ring by ring"),
    "operation": ("provd.cli.operation:operation", "what takes its time: list, wait, cancel"),
    "import": ("provd.cli.importing:importing", "take over what another provisioning server knows"),
    "identify": ("provd.cli.evidence:identify", "what provd makes of some evidence, and why"),
    "tail": ("provd.cli.evidence:tail", "what happens, as it happens"),
    "explain": ("provd.cli.evidence:explain", "what a fact means and what to do"),
    "explain-pcap": ("provd.cli.evidence:explain_pcap", "what the phones in a capture said"),
    "status": ("provd.cli.service:status", "how the daemon is, and how much there is of what"),
    "version": ("provd.cli.service:version", "the version"),
}


class LazyGroup(click.Group):
    """A group that imports a command's module only when that command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the table."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), name)
        return command if isinstance(command, click.Command) else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command, or an error that says which one may have been meant."""
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            meant = f" Did you mean {near[0]!r}?" if near else ""
            ctx.fail(f"No such command {args[0]!r}.{meant}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The help page, without importing anything."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="provd")
@click.option("--config", "config", metavar="FILE", help="Configuration file ($PROVD_CONFIG, /etc/provd/provd.toml).")
@click.pass_context
def cli(ctx: click.Context, config: str | None) -> None:
    """Phone and device provisioning: DHCP, TFTP, HTTP and vendor plugins in one process."""
    ctx.obj = config
