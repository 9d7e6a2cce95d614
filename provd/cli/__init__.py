"""The command line. Imports happen inside the commands, so that `provd --version` stays light."""

from __future__ import annotations


def main() -> None:
    """Run the ``provd`` command."""
    from provd.cli.root import cli

    cli()
