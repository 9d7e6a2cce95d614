"""``provd render``: files as devices would get them."""

from __future__ import annotations

import click

from provd.cli.commands import Command, parsed, run, settings_option


@click.command(cls=Command)
@click.argument("mac", required=False)
@click.argument("name", required=False, metavar="[FILE]")
@click.option("--local", metavar="IP", help="Our address that the device talks to, for its URLs.")
@click.option("--reveal", is_flag=True, help="Show secrets; this is written to the audit trail.")
@click.option("--diff", is_flag=True, help="Only what is other than in the file that was served last; shows secrets.")
@click.option("--as-model", metavar="MODEL", help="For a device that there is not: MAC is left out.")
@click.option("--firmware", metavar="VERSION", help="Of that device.")
@click.option("--line", "lines", multiple=True, metavar="ID", help="A line on it; repeatable. Default: one made up.")
@click.option("--tenant", help="Whose it is; default: its line's.")
@click.option("--profile", help="Its group profile.")
@settings_option
@click.pass_context
def render(
    ctx: click.Context,
    /,
    mac: str | None,
    name: str | None,
    settings: tuple[str, ...],
    lines: tuple[str, ...],
    as_model: str | None,
    local: str | None,
    *,
    reveal: bool,
    diff: bool,
    **of_model: str | None,
) -> None:
    """Print a file as a device would get it: its own file unless FILE is given. Passwords are ***.

    Example: provd render 805ec0112233 --diff

    Example: provd render --as-model A1 --firmware 35.83.0.10 --set keys.2.type=dnd
    """
    if as_model is None:
        if mac is None or settings or lines or any(of_model.values()):
            raise click.UsageError("name a MAC; --firmware, --line, --tenant, --profile and --set go with --as-model")
        shown = reveal or diff or None
        result = run(ctx, "device.render", mac=mac, name=name, local=local, reveal=shown, diff=diff or None)
        click.echo(result["diff"] if diff else result["text"], nl=False)
        return
    if reveal or diff or name:
        raise click.UsageError("--as-model has nothing to reveal or to compare with, and its MAC is left out")
    made = {key: value for key, value in of_model.items() if value is not None}
    result = run(
        ctx,
        "device.render_as",
        model=as_model,
        name=mac,
        local=local,
        line=list(lines) or None,
        settings=parsed(settings),
        **made,
    )
    click.echo(result["text"], nl=False)
