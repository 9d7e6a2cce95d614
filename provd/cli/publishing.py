"""``provd plugin key|build|sign|index``: what the publisher of plugins does. Needs no daemon and no configuration."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from provd.cli.commands import as_json
from provd.cli.output import errors_to_exit, show_one

if TYPE_CHECKING:
    from provd.plugins.package.minisign import SecretKey

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

_password = click.option(
    "--password",
    type=click.File("rb"),
    metavar="FILE",
    help="Password of a key that minisign closed with one: its first line (- reads it from standard input).",
)


def _opened(path: Path, password: BinaryIO | None) -> SecretKey:
    from provd.base.secrets import Secret
    from provd.plugins.package.publish import open_key

    line = None if password is None else password.readline(4096).decode("utf-8", "replace").rstrip("\r\n")
    return open_key(path, None if line is None else Secret(line))


def examination(folder: Path, neighbours: Mapping[str, str]) -> Mapping[str, Any]:
    """What is to be said of a plugin's folder, under the limits of where it will be installed. Raises PluginError."""
    import asyncio

    from provd.plugins.package.examined import examined

    return asyncio.run(examined(folder.resolve(), neighbours))


@click.command("key")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@as_json
def plugin_key(file: Path, *, as_json: bool) -> None:
    """Make a key that signs packages: the secret one in FILE, the public one in FILE.pub.

    Sites name the public one in `plugins.keys`. minisign's own keys do as well.
    """
    with errors_to_exit():
        from provd.plugins.package.publish import PUBLIC, make_key

        key = make_key(file)
    show_one({"secret": str(file), "public": f"{file}{PUBLIC}", "key": str(key.public)}, as_json=as_json)


@click.command("build")
@click.argument("folder", type=_FOLDER)
@click.option("-o", "--output", type=click.Path(file_okay=False, path_type=Path), default=Path(), help="Where to.")
@click.option("--key", type=_FILE, metavar="FILE", help="Sign it with this secret key.")
@_password
@as_json
def plugin_build(folder: Path, output: Path, key: Path | None, password: BinaryIO | None, *, as_json: bool) -> None:
    """Make a package of the plugin in FOLDER, which has to pass `provd plugin check`: the same octets everywhere.

    Example: provd plugin build plugins/acme -o public --key ~/provd.key
    """
    with errors_to_exit():
        from provd.base.errors import PluginError
        from provd.plugins.package.publish import build

        problems = examination(folder, {})["problems"]
        if problems:
            raise PluginError("\n".join(problems))
        built = build(folder, output, None if key is None else _opened(key, password))
    show_one(
        {
            "plugin": built.plugin,
            "version": built.version,
            "package": str(built.path),
            "size": built.size,
            "sha256": built.sha256,
            "signature": None if built.signature is None else str(built.signature),
        },
        as_json=as_json,
    )


@click.command("sign")
@click.argument("file", type=_FILE)
@click.option("--key", type=_FILE, required=True, metavar="FILE", help="The secret key.")
@_password
def plugin_sign(file: Path, key: Path, password: BinaryIO | None) -> None:
    """Sign a package: the signature is FILE.minisig."""
    with errors_to_exit():
        from provd.plugins.package.publish import sign

        signature = sign(file, _opened(key, password))
    click.echo(signature)


@click.command("index")
@click.argument("folder", type=_FOLDER)
@click.option("--key", type=_FILE, required=True, metavar="FILE", help="The secret key.")
@click.option("--days", type=click.IntRange(1, 3650), default=90, show_default=True, help="How long the list counts.")
@_password
@as_json
def plugin_index(folder: Path, key: Path, days: int, password: BinaryIO | None, *, as_json: bool) -> None:
    """List the signed packages in FOLDER in a signed index.json. Put the folder behind any web server.

    Do it again before the days are over, with or without new packages: sites refuse a list that ran out.
    """
    with errors_to_exit():
        from provd.base.clock import SystemClock
        from provd.plugins.package.publish import make_index

        now = SystemClock().now()
        listed = make_index(folder, _opened(key, password), now=now, seconds=days * 86400.0)
    for reason in listed.passed_over:
        click.echo(f"passed over: {reason}", err=True)
    show_one({"index": str(listed.path), "serial": listed.serial, "packages": listed.packages}, as_json=as_json)
