"""``provd plugin available|install|upgrade|rollback|remove|link``: which version of a plugin is in force."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from provd.cli.commands import Command, as_json, run
from provd.cli.operation import worked
from provd.cli.output import Exit, errors_to_exit, show_json, show_one, show_rows

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)

Params = Mapping[str, object]
F = TypeVar("F", bound=Callable[..., object])


def _changing(command: F) -> F:
    """The options of whatever tries a change before it makes it."""
    for option in (
        as_json,
        click.option("--force", is_flag=True, help="Also when some device would be worse off."),
        click.option("--yes", is_flag=True, help="Do not ask when files change."),
        click.option("--diff", is_flag=True, help="Show what changes in the files (20 of them at most)."),
        click.option("--keep-templates", is_flag=True, help="Leave your own templates exactly as they are."),
        click.option("--dry-run", is_flag=True, help="Only say what would change."),
    ):
        command = option(command)
    return command


@click.command("available", cls=Command)
@as_json
@click.pass_context
def plugin_available(ctx: click.Context, *, as_json: bool) -> None:
    """List what the publishers in `plugins.sources` offer, beside what is in force."""
    columns = ("plugin", "version", "in_force", "vendor", "size", "fits", "source")
    show_rows(_offered(ctx), columns, as_json=as_json)


def _offered(ctx: click.Context) -> list[dict[str, Any]]:
    """What is offered; who could not be asked is told."""
    found = run(ctx, "plugin.available")
    for reason in found["failed"]:
        click.echo(reason, err=True)
    items: list[dict[str, Any]] = found["items"]
    return items


@click.command("install", cls=Command)
@click.argument("source")
@click.option("--version", help="This version instead of the newest (of a plugin that a publisher offers).")
@_changing
@click.pass_context
def plugin_install(ctx: click.Context, /, source: str, version: str | None, **how: bool) -> None:
    """Install SOURCE: a package, a plugin's folder, or the id of a plugin that a publisher offers.

    It is checked, its files for every device are rendered and compared with those of now, and only then it is put in
    force, at once and without a restart. Example: provd plugin install acme-1.2.0.zip --diff
    """
    with errors_to_exit():
        from provd.cli.package_files import brought

        path = Path(source)
        if path.exists() or "/" in source:
            given: dict[str, object] = {"package": brought(ctx.find_root().obj, path)}
        else:
            given = {"plugin": source, "version": version}
    _changed(ctx, "plugin.prepare", given, how)


@click.command("upgrade", cls=Command)
@click.argument("name", metavar="[ID]", required=False)
@click.option("--version", help="This version instead of the newest.")
@_changing
@click.pass_context
def plugin_upgrade(ctx: click.Context, /, name: str | None, version: str | None, **how: bool) -> None:
    """Put a newer version of a plugin in force; without ID, of every plugin for which there is one."""
    if name:
        _changed(ctx, "plugin.prepare", {"plugin": name, "version": version}, how)
        return
    with errors_to_exit():
        from provd.cli.package_files import newer

        wanted = newer(_offered(ctx), run(ctx, "plugin.list", limit=10_000)["items"])
    if not wanted:
        click.echo("nothing newer is offered", err=True)
        sys.exit(Exit.NOTHING)
    for plugin, newest in wanted:
        _changed(ctx, "plugin.prepare", {"plugin": plugin, "version": newest}, how)


@click.command("rollback", cls=Command)
@click.argument("name", metavar="ID")
@_changing
@click.pass_context
def plugin_rollback(ctx: click.Context, /, name: str, **how: bool) -> None:
    """Put in force again what was before the last change."""
    _changed(ctx, "plugin.try", {"id": name, "previous": True}, how, "plugin.rollback")


@click.command("remove", cls=Command)
@click.argument("name", metavar="ID")
@click.option("--version", help="Only this version, which is not in force.")
@click.option("--to", metavar="PLUGIN", help="Where its devices go, if nothing else offers them files; or `none`.")
@as_json
@click.pass_context
def plugin_remove(ctx: click.Context, /, name: str, version: str | None, to: str | None, *, as_json: bool) -> None:
    """Take every package of a plugin away. What came with provd is in force again, if it has one of that id.

    A folder of your own (`provd plugin new`) stays: move it away, and reload.
    """
    removed = run(ctx, "plugin.remove", id=name, version=version, to=to)
    show_one(removed, as_json=as_json)


@click.command("link", cls=Command)
@click.argument("folder", type=_FOLDER)
@as_json
@click.pass_context
def plugin_link(ctx: click.Context, folder: Path, *, as_json: bool) -> None:
    """Put the plugin in FOLDER in force as it lies there, for who writes one; reload after each change.

    The daemon has to be able to read it. `provd plugin rollback` or `remove` ends it.
    """
    folder = folder.resolve()
    show_one(run(ctx, "plugin.link", id=folder.name, folder=str(folder)), as_json=as_json)


def _changed(
    ctx: click.Context,
    operation: str,
    given: Params,
    how: Mapping[str, bool],
    by: str = "plugin.switch",
) -> None:
    """Try it, tell, ask, do it."""
    keep = {"keep_templates": True} if how["keep_templates"] else {}
    work = worked(ctx, run(ctx, operation, **given, **keep), quiet=how["as_json"])
    tried: Mapping[str, Any] = work["result"]
    outcome = tried["outcome"]
    if not how["as_json"]:
        _tell(tried, diff=how["diff"])
    refused = outcome["harmful"] and not how["force"]
    done: Mapping[str, Any] = {}
    if not (how["dry_run"] or refused):
        if (outcome["changed"] or outcome["templates"]) and not how["yes"] and not how["as_json"]:
            click.confirm("Put it in force?", abort=True)
        choice = {"version": tried["choice"], "expect": tried["expect"]} if by == "plugin.switch" else {}
        done = run(ctx, by, id=tried["plugin"], **choice, **keep)
    if how["as_json"]:
        show_json({**tried, "in_force": done or None})
    elif done:
        click.echo(f"{done['id']} {done['version']} is in force")
    if refused:
        click.echo("nothing was changed: some device would be worse off (--force does it all the same)", err=True)
        sys.exit(Exit.REFUSED)


def _tell(tried: Mapping[str, Any], *, diff: bool) -> None:
    outcome, staged = tried["outcome"], tried.get("staged")
    if staged:
        signed = f"signed ({staged['signed']})" if staged["signed"] else "not signed"
        click.echo(f"{staged['plugin']} {staged['version']}: {staged['level']}, {signed}")
        for note in staged["notes"]:
            click.echo(f"note: {note}")
    before, after = outcome["before"] or "nothing", outcome["after"] or "nothing"
    click.echo(f"{before} -> {after}: {outcome['devices']} devices, {outcome['files']} files: {_counts(outcome)}")
    for model, devices in outcome["unknown"].items():
        click.echo(f"  {devices} of {model}: the model is not known any more", err=True)
    for reason in outcome["reasons"]:
        click.echo(f"  {reason}", err=True)
    if outcome.get("untold"):  # What an older provd has tried does not say.
        click.echo(f"  and {outcome['untold']} more", err=True)
    for each in outcome["templates"]:
        _tell_template(each, diff=diff)
    for each in outcome["diffs"] if diff else ():
        click.echo(f"--- {each['device']} {each['name']}\n{each['diff']}")


_BECOMES = {
    "merges": "the default has changed, and what is new fits into yours",
    "conflicts": "the default has changed where yours differs: yours stays; see `provd template edit --merge`",
    "gone": "the new version has no such template: yours does nothing",
}


def _tell_template(each: Mapping[str, Any], *, diff: bool) -> None:
    whom = f"{each['place']} {each['applies_to']}".rstrip()
    click.echo(f"your {each['template']} for {whom}: {_BECOMES[each['state']]}")
    if diff and each["default"]:
        click.echo(
            f"--- what is new in the default\n{each['default']}--- what you have changed\n{each['mine']}", nl=False
        )


def _counts(outcome: Mapping[str, Any]) -> str:
    words = {
        "same": "the same",
        "changed": "changed",
        "appear": "new",
        "vanish": "not offered any more",
        "failed": "cannot be rendered",
    }
    return ", ".join(f"{outcome[name]} {word}" for name, word in words.items() if outcome[name]) or "none"
