"""``provd model``: models of any vendor without a plugin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from provd.cli.commands import Command, Group, as_json, by_id, deleted, listing, run
from provd.cli.output import show_one

F = TypeVar("F", bound=Callable[..., object])
_COLUMNS = ("id", "vendor", "model", "lines", "generic", "specific", "devices")
_FILE = click.File("r", encoding="utf-8")


@click.group(cls=Group)
def model() -> None:
    """Models of any vendor without a plugin: two templates, and the names that their files are asked by.

    A *generic* name is that of the file that every device of the model asks for; a *specific* one that of a device's
    own file, with {mac} in it. No regard is paid to case and to the folders in front of a name.
    """


def _brief(row: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: value for name, value in row.items() if not name.endswith("_template")}


model.add_command(listing("site_model.list", _COLUMNS, view=_brief))
model.add_command(by_id("show", "site_model.show", "id", "One of them with its templates."))
model.add_command(by_id("delete", "site_model.delete", "id", "Delete it; no device may be of it.", gone=deleted))


def _described(command: F) -> F:
    for option in (
        as_json,
        click.option("--dhcp", multiple=True, metavar="CODE=TEXT", help="DHCP options; 66={base}/ unless said."),
        click.option("--oui", "ouis", multiple=True, metavar="PREFIX", help="A MAC prefix that tells of it."),
        click.option("--user-agent", "user_agents", multiple=True, metavar="TEXT", help="How its User-Agent begins."),
        click.option("--specific-template", type=_FILE, metavar="FILE"),
        click.option("--generic-template", type=_FILE, metavar="FILE"),
        click.option("--content-type", help="Default: text/plain; charset=utf-8."),
        click.option("--format", type=click.Choice(["text", "keyvalue", "xml"]), help="How values are written."),
        click.option("--specific", multiple=True, metavar="NAME", help="Name of its own file: {mac}.cfg."),
        click.option("--generic", multiple=True, metavar="NAME", help="Name of the file that all of them ask for."),
        click.option("--lines", type=click.IntRange(1, 100), help="How many accounts it holds; 1 unless said."),
        click.option("--model", "model_name", metavar="NAME"),
        click.option("--vendor"),
    ):
        command = option(command)
    return command


@model.command("add", cls=Command)
@click.argument("identifier", metavar="ID")
@_described
@click.pass_context
def model_add(ctx: click.Context, /, identifier: str, *, as_json: bool, **fields: Any) -> None:
    """Describe a model. What anything else claims as well is refused.

    Example: provd model add x1 --vendor Acme --model X1 --generic acme-x1.cfg --specific '{mac}.cfg'
    --generic-template x1.j2 --specific-template x1-mac.j2 --oui 02:aa:bb
    """
    _done(run(ctx, "site_model.add", id=identifier, **_given(fields)), as_json=as_json)


@model.command("set", cls=Command)
@click.argument("identifier", metavar="ID")
@_described
@click.pass_context
def model_set(ctx: click.Context, /, identifier: str, *, as_json: bool, **fields: Any) -> None:
    """Change a model; its devices fetch their new files when they next ask."""
    _done(run(ctx, "site_model.set", id=identifier, **_given(fields)), as_json=as_json)


def _given(fields: Mapping[str, Any]) -> dict[str, object]:
    """Those options that were given; a template as the text in its file."""
    named = {"model": fields["model_name"], **{key: value for key, value in fields.items() if key != "model_name"}}
    found = {key: value.read() if hasattr(value, "read") else value for key, value in named.items()}
    return {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in found.items()
        if value not in ((), None)
    }


def _done(result: Mapping[str, Any], *, as_json: bool) -> None:
    show_one(result if as_json else _brief(result), as_json=as_json)
