"""What the commands on objects are made of: their common options, and the commands that all kinds of objects have."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from provd.base.errors import UsageError
from provd.cli.client import call, page_size
from provd.cli.output import errors_to_exit, show_one, show_rows

_YES = {"yes": True, "true": True, "no": False, "false": False}
Row = Mapping[str, Any]


def _choose_config(ctx: click.Context, _parameter: click.Parameter, value: str | None) -> None:
    if value is not None:
        ctx.find_root().obj = value


class Command(click.Command):
    """A command that reads the configuration: ``--config`` may stand behind it, too."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(
            click.Option(
                ["--config"],
                metavar="FILE",
                help="Configuration file ($PROVD_CONFIG, /etc/provd/provd.toml).",
                expose_value=False,
                callback=_choose_config,
                is_eager=True,
            )
        )


class Group(click.Group):
    """A group of such commands."""

    command_class = Command


as_json = click.option("--json", "as_json", is_flag=True, help="JSON instead of a table.")
settings_option = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="A setting, such as locale.language=es; repeatable. Without a value it removes what a weaker level set.",
)
unset_option = click.option(
    "--unset", multiple=True, metavar="NAME", help="Forget a setting of this object; repeatable."
)


def parsed(settings: Sequence[str]) -> dict[str, object] | None:
    """``name=value`` pairs; an empty value means "remove what a weaker level had set". None when there are none."""
    if not settings:
        return None
    pairs: dict[str, object] = {}
    for item in settings:
        name, equals, value = item.partition("=")
        if not equals or not name.strip():
            raise click.BadParameter(f"{item!r} is not NAME=VALUE")
        pairs[name.strip()] = value or None
    return pairs


def filters_of(texts: Sequence[str], known: Sequence[str], flags: Sequence[str] = ()) -> dict[str, object]:
    """Filters of a listing. Nothing that is misspelt or empty is left out: it would mean "everything"."""
    names = (*known, *flags)
    found: dict[str, object] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not names:
            raise UsageError(f"{text}: this list has no filters")
        if not equals or not value:
            raise UsageError(f"{text!r} is not FILTER=VALUE; filters are {', '.join(names)}")
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"
            raise UsageError(f"{name}: no such filter; {hint}")
        if name in flags and value not in _YES:
            raise UsageError(f"{name}: must be yes or no, not {value!r}")
        found[name] = _YES[value] if name in flags else value
    return found


def given(**values: object) -> dict[str, object]:
    """Those options that were given."""
    return {name: value for name, value in values.items() if value is not None}


def run(ctx: click.Context, /, operation: str, **params: object) -> Any:
    """Carry out an operation; an error ends the process with its exit code."""
    with errors_to_exit():
        return call(ctx.find_root().obj, operation, **params)
    raise AssertionError  # errors_to_exit ends the process on every error


def rows(ctx: click.Context, operation: str, filters: Mapping[str, object], limit: int | None) -> list[dict[str, Any]]:
    """The items of a listing, page by page until there are no more or ``limit`` is reached."""
    found: list[dict[str, Any]] = []
    after = None
    with errors_to_exit():
        size = page_size(ctx.find_root().obj)
    while limit is None or len(found) < limit:
        wanted = size if limit is None else min(size, limit - len(found))
        page = run(ctx, operation, **filters, limit=wanted, after=after)
        found += page["items"]
        after = page.get("next")
        if not after:
            break
    return found


def listing(
    operation: str,
    columns: Sequence[str],
    *,
    filters: Sequence[str] = (),
    flags: Sequence[str] = (),
    example: str = "",
    view: Callable[[Row], Row] = dict,
) -> click.Command:
    """A ``list`` command over an operation whose result has ``items``; ``view`` makes a row of the table of one."""
    text = "List them."
    if filters or flags:
        words = ", ".join([*filters, *(f"{flag}=yes" for flag in flags)])
        text += f"\n\nFilters are {words}; all that are given must fit."
    if example:
        text += f"\n\nExample: provd {operation.replace('.', ' ')} {example}"

    @click.command("list", help=text, cls=Command)
    @click.argument("wanted", nargs=-1, metavar="[FILTER=VALUE]...")
    @click.option("--limit", type=click.IntRange(min=1), help="At most so many.")
    @as_json
    @click.pass_context
    def command(ctx: click.Context, wanted: tuple[str, ...], limit: int | None, *, as_json: bool) -> None:
        with errors_to_exit():
            chosen = filters_of(wanted, filters, flags)
        found = rows(ctx, operation, chosen, limit)
        show_rows(found if as_json else [view(row) for row in found], columns, as_json=as_json)

    return command


def by_id(
    name: str, operation: str, key: str, text: str, *, gone: Callable[[Mapping[str, Any]], str] | None = None
) -> click.Command:
    """A command over an operation that takes one object by its id; ``gone`` puts the result into a sentence."""

    @click.command(name, help=text, cls=Command)
    @click.argument("identifier", metavar=key.upper())
    @as_json
    @click.pass_context
    def command(ctx: click.Context, identifier: str, *, as_json: bool) -> None:
        result = run(ctx, operation, **{key: identifier})
        if gone and not as_json:
            click.echo(gone(result))
        else:
            show_one(result, as_json=as_json)

    return command


def show_import(result: Mapping[str, Any], *, changed: int, as_json: bool) -> None:
    """How many rows of a file were new, different, or as they are already."""
    if as_json:
        show_one(result, as_json=True)
        return
    would = "would be " if result["dry_run"] else ""
    unchanged = result["rows"] - result["added"] - changed
    click.echo(f"{result['added']} {would}added, {changed} {would}changed, {unchanged} unchanged")


def deleted(result: Mapping[str, Any]) -> str:
    """The sentence about an object that is no more."""
    return f"{result['deleted']} is deleted"
