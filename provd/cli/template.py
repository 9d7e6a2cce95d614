"""``provd template``: templates in place of a plugin's."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from provd.cli.commands import Group, as_json, run
from provd.cli.output import Exit, errors_to_exit, show_json, show_one, show_rows

F = TypeVar("F", bound=Callable[..., object])
Row = Mapping[str, Any]
_COLUMNS = ("plugin", "template", "place", "applies_to", "devices", "state", "changed", "by")


@click.group(cls=Group)
def template() -> None:
    """Templates of your own in place of a plugin's: for a model, the site, a tenant or one device.

    The strongest that there is counts: device, tenant, site, model, and last the plugin's own.
    """


def _meant(command: F) -> F:
    """The arguments that say which template, and whose."""
    for option in (
        as_json,
        click.option("--device", metavar="MAC", help="The one for this device: without a MODEL, just TEMPLATE."),
        click.option("--tenant", metavar="ID", help="The one for this tenant's devices."),
        click.option("--site", is_flag=True, help="The one for all devices of the plugin."),
        click.argument("name", metavar="MODEL/TEMPLATE"),
    ):
        command = option(command)
    return command


def _where(name: str, site: bool, tenant: str | None, device: str | None) -> dict[str, object]:
    """``T27P/device.cfg.j2``, or a plugin's id in front; of a device the template alone."""
    whose = {"site": site or None, "tenant": tenant, "device": device}
    if device:
        return {"name": name, **whose}
    model, slash, template = name.partition("/")
    if not slash:
        raise click.UsageError(f"{name!r} is not MODEL/TEMPLATE, such as T27P/device.cfg.j2")
    return {"name": template, "model": model, **whose}


@template.command("list")
@click.argument("model", metavar="[MODEL]", default="")
@as_json
@click.pass_context
def template_list(ctx: click.Context, model: str, *, as_json: bool) -> None:
    """List what is overridden; with MODEL (or a plugin) also the templates that could be."""
    found = run(ctx, "template.list", model=model or None)
    rows = found["items"]
    if not as_json and model:
        overridden = {row["template"] for row in rows}
        bare = [name for name in found["templates"] if name not in overridden]
        rows = [*rows, *({"plugin": found["plugin"], "template": name, "state": "default"} for name in bare)]
    show_rows(rows, _COLUMNS, as_json=as_json)


@template.command("show")
@_meant
@click.option("--default", is_flag=True, help="The default, also where it is overridden.")
@click.pass_context
def template_show(
    ctx: click.Context, name: str, site: bool, tenant: str | None, device: str | None, *,
    default: bool, as_json: bool,
) -> None:  # fmt: skip
    """Print a template. Example: provd template show T27P/device.cfg.j2 > mine.j2"""
    shown = run(ctx, "template.show", **_where(name, site, tenant, device))
    if as_json:
        show_json(shown)
    else:
        click.echo(shown["default" if default else "text"], nl=False)


_expecting = click.option(
    "--expect", metavar="SHA256",
    help="Only if yours is still this text (sha256 of `show --json`; `default`: if there is none of yours).",
)  # fmt: skip


@template.command("set")
@_meant
@click.argument("file", type=click.File("r", encoding="utf-8"))
@_expecting
@click.pass_context
def template_set(
    ctx: click.Context, name: str, site: bool, tenant: str | None, device: str | None, *,
    file: Any, expect: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Put FILE (- for standard input) in place of TEMPLATE. What does not work is refused, with the line."""
    kept = run(ctx, "template.set", text=file.read(), expect=expect, **_where(name, site, tenant, device))
    _told(kept, f"{kept['id']} is in force", as_json=as_json)


@template.command("edit")
@_meant
@click.option("--merge", is_flag=True, help="Begin with what has changed in the default merged into yours.")
@click.pass_context
def template_edit(
    ctx: click.Context, name: str, site: bool, tenant: str | None, device: str | None, *,
    merge: bool, as_json: bool,
) -> None:  # fmt: skip
    """Open a template in $EDITOR, show what it changes, and put it in force when you agree."""
    where = _where(name, site, tenant, device)
    shown = run(ctx, "template.show", **where)
    begin = shown["text"]
    if merge:
        begin = run(ctx, "template.diff", **where)["merged"] or begin
    text = click.edit(begin, extension=Path(name).suffix or ".j2")
    if text is None:
        click.echo("nothing was changed", err=True)
        sys.exit(Exit.NOTHING)
    _show_preview(run(ctx, "template.preview", text=text, **where), ctx)
    click.confirm("Put it in force?", abort=True)
    # Who edits for an hour does not undo what somebody else has written meanwhile.
    kept = run(ctx, "template.set", text=text, expect=shown.get("sha256", "default"), **where)
    _told(kept, f"{kept['id']} is in force", as_json=as_json)


@template.command("preview")
@_meant
@click.argument("file", type=click.File("r", encoding="utf-8"), required=False)
@click.option("--restored", is_flag=True, help="As if the override were taken away.")
@click.option("--on", metavar="MAC", help="The device whose files are shown; else one that it is for.")
@click.option("--reveal", is_flag=True, help="Show passwords; this is written to the audit trail.")
@click.pass_context
def template_preview(
    ctx: click.Context, name: str, site: bool, tenant: str | None, device: str | None, *,
    file: Any, restored: bool, on: str | None, reveal: bool, as_json: bool,
) -> None:  # fmt: skip
    """Show what FILE would change in the files of a device, and what a simulated phone would not understand in them."""
    shown = run(
        ctx, "template.preview", text=None if file is None else file.read(), restored=restored or None,
        on=on, reveal=reveal or None, **_where(name, site, tenant, device),
    )  # fmt: skip
    if as_json:
        show_json({**shown, "complaints": _complaints(ctx, shown)})
    else:
        _show_preview(shown, ctx)


@template.command("diff")
@_meant
@click.pass_context
def template_diff(
    ctx: click.Context, name: str, site: bool, tenant: str | None, device: str | None, *,
    as_json: bool,
) -> None:  # fmt: skip
    """Show how yours differs from the default; where the default has changed since, all three ways."""
    found = run(ctx, "template.diff", **_where(name, site, tenant, device))
    if as_json:
        show_json(found)
        return
    if found["state"] != "default changed":
        click.echo(found["diff"], nl=False)
        if not found["diff"]:
            click.echo("yours is the same as the default", err=True)
        return
    click.echo(f"# what has changed in the default\n{found['default']}\n# what you have changed\n{found['mine']}")
    told = f"{found['conflicts']} conflicts" if found["conflicts"] else "no conflicts: both fit together"
    click.echo(f"# {told}; `provd template edit --merge` begins with both", err=True)


@template.command("restore")
@_meant
@_expecting
@click.pass_context
def template_restore(
    ctx: click.Context, name: str, site: bool, tenant: str | None, device: str | None, *,
    expect: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Take an override away: what is weaker applies again, at last the plugin's own."""
    gone = run(ctx, "template.restore", expect=expect, **_where(name, site, tenant, device))
    _told(gone, f"{gone['restored']} is gone", as_json=as_json)


def _told(result: Row, sentence: str, *, as_json: bool) -> None:
    if as_json:
        show_one(result, as_json=True)
        return
    whom = f" ({', '.join(result['some'][:3])}{' …' if result['devices'] > 3 else ''})" if result["some"] else ""
    click.echo(f"{sentence}: for {result['devices']} devices{whom}")
    if result["devices"]:
        click.echo("they get it when they next ask; `provd device sync` tells them at once")


def _show_preview(shown: Row, ctx: click.Context) -> None:
    changed = [file for file in shown["files"] if file["diff"]]
    for file in changed:
        click.echo(file["diff"], nl=False)
    if not changed:
        click.echo("no file changes")
    for complaint in _complaints(ctx, shown):
        click.echo(f"the simulated phone: {complaint}", err=True)
    click.echo(f"for {shown['devices']} devices")


def _complaints(ctx: click.Context, shown: Row) -> list[str]:
    """What a simulated phone says of the new files and did not say of the old ones. Nothing where there is none."""
    with errors_to_exit():
        from provd.base.errors import PluginError
        from provd.base.types import Mac
        from provd.cli.offline import catalogue
        from provd.plugins.loader import load
        from provd.simulate.load import phone_class
        from provd.simulate.reading import complaints

        files = shown["files"]
        try:
            folder = catalogue(ctx.find_root().obj).folder(files[0]["plugin"])
        except (PluginError, IndexError):
            return []
        kind = phone_class(folder)
        if kind is None:
            return []
        model, mac = load(folder, files[0]["plugin"]).assumed(shown["model"]), Mac(shown["device"])
        before, after = ({file["name"]: file[which].encode() for file in files} for which in ("before", "text"))
        known = set(complaints(kind, model, mac, before))
        return [each for each in complaints(kind, model, mac, after) if each not in known]
    raise AssertionError  # errors_to_exit ends the process on every error
