"""``provd device|tenant|line|profile``: the objects an administrator works with."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, TextIO

import click

from provd.cli.client import call
from provd.cli.output import Exit, errors_to_exit, show_json, show_one, show_rows

_PAGE = 1000

as_json = click.option("--json", "as_json", is_flag=True, help="JSON instead of a table.")
settings_option = click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE", help="A setting, such as locale.language=es; repeatable."
)


unset_option = click.option(
    "--unset", multiple=True, metavar="NAME", help="Take a setting of its own away; repeatable."
)


def parsed(settings: tuple[str, ...]) -> dict[str, object] | None:
    """``name=value`` pairs; an empty value means "remove what a parent had set" (null). None when there are none."""
    if not settings:
        return None
    pairs: dict[str, object] = {}
    for item in settings:
        name, equals, value = item.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{item!r} is not NAME=VALUE")
        pairs[name.strip()] = value or None
    return pairs


def _fields(**values: object) -> dict[str, object]:
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
    while limit is None or len(found) < limit:
        wanted = _PAGE if limit is None else min(_PAGE, limit - len(found))
        page = run(ctx, operation, **filters, limit=wanted, after=after)
        found += page["items"]
        after = page.get("next")
        if not after:
            break
    return found


def listing(operation: str, columns: tuple[str, ...]) -> click.Command:
    """A ``list`` command over an operation whose result has ``items``."""

    @click.command("list", help="List them, with filters such as tenant=acme.")
    @click.argument("filters", nargs=-1, metavar="[FIELD=VALUE]...")
    @click.option("--limit", type=int, help="At most so many.")
    @as_json
    @click.pass_context
    def command(ctx: click.Context, filters: tuple[str, ...], limit: int | None, *, as_json: bool) -> None:
        show_rows(rows(ctx, operation, parsed(filters) or {}, limit), columns, as_json=as_json)

    return command


def by_id(
    name: str, operation: str, key: str, text: str, show: Callable[[Mapping[str, Any]], None] | None = None
) -> click.Command:
    """A command over an operation that takes one object by its id."""

    @click.command(name, help=text)
    @click.argument("identifier", metavar=key.upper())
    @as_json
    @click.pass_context
    def command(ctx: click.Context, identifier: str, *, as_json: bool) -> None:
        result = run(ctx, operation, **{key: identifier})
        if show and not as_json:
            show(result)
        else:
            show_one(result, as_json=as_json)

    return command


@click.group()
def device() -> None:
    """Phones: list, add, assign to a line, reset."""


DEVICE_COLUMNS = ("mac", "vendor", "model", "version", "state", "tenant", "ip", "lines", "last_seen")
device.add_command(listing("device.list", DEVICE_COLUMNS))
device.add_command(by_id("unassign", "device.unassign", "mac", "Take its lines away; it stays with its tenant."))
device.add_command(by_id("reset", "device.reset", "mac", "Back to unclaimed; the tenant stays."))
device.add_command(by_id("delete", "device.delete", "mac", "Forget the device."))


local_option = click.option("--local", metavar="IP", help="Our address that the device talks to, for its URLs.")
reveal_option = click.option("--reveal", is_flag=True, help="Show secrets; this is written to the audit trail.")


@device.command("show")
@click.argument("mac")
@local_option
@reveal_option
@as_json
@click.pass_context
def device_show(ctx: click.Context, mac: str, local: str | None, *, reveal: bool, as_json: bool) -> None:
    """Everything known about one device; with --reveal also its token URL."""
    show_one(run(ctx, "device.show", mac=mac, local=local, reveal=reveal or None), as_json=as_json)


@device.command("add")
@click.argument("mac")
@click.option("--vendor")
@click.option("--model")
@click.option("--tenant")
@click.option("--profile", help="Group profile.")
@click.option("--description")
@settings_option
@as_json
@click.pass_context
def device_add(
    ctx: click.Context, /, mac: str, settings: tuple[str, ...], *, as_json: bool, **fields: str | None
) -> None:
    """Announce a device before it is plugged in."""
    show_one(run(ctx, "device.add", mac=mac, settings=parsed(settings), **fields), as_json=as_json)


@device.command("set")
@click.argument("device")
@click.option("--model")
@click.option("--vendor")
@click.option("--profile")
@click.option("--description")
@settings_option
@unset_option
@as_json
@click.pass_context
def device_set(
    ctx: click.Context,
    /,
    device: str,
    settings: tuple[str, ...],
    unset: tuple[str, ...],
    *,
    as_json: bool,
    **fields: str | None,
) -> None:
    """Change a device's own settings or description."""
    show_one(
        run(ctx, "device.set", mac=device, settings=parsed(settings), unset=list(unset) or None, **fields),
        as_json=as_json,
    )


@device.command("assign")
@click.argument("device")
@click.argument("lines", nargs=-1, required=True, metavar="LINE...")
@as_json
@click.pass_context
def device_assign(ctx: click.Context, device: str, lines: tuple[str, ...], *, as_json: bool) -> None:
    """Give a device to the tenant of these lines; the first line becomes account 1."""
    show_one(run(ctx, "device.assign", mac=device, line=list(lines)), as_json=as_json)


@device.command("transfer")
@click.argument("device")
@click.argument("tenant")
@as_json
@click.pass_context
def device_transfer(ctx: click.Context, device: str, tenant: str, *, as_json: bool) -> None:
    """Move a device to another tenant; what the old one had set on it is reset."""
    show_one(run(ctx, "device.transfer", mac=device, tenant=tenant), as_json=as_json)


@device.command("render")
@click.argument("device")
@click.argument("name", required=False)
@local_option
@reveal_option
@click.pass_context
def device_render(ctx: click.Context, device: str, name: str | None, local: str | None, *, reveal: bool) -> None:
    """Print the file a device would get (its own file unless NAME is given)."""
    result = run(ctx, "device.render", mac=device, name=name, local=local, reveal=reveal or None)
    sys.stdout.write(result["text"])


@device.command("settings")
@click.argument("device")
@click.option("--origin", is_flag=True, help="Also where each value comes from.")
@as_json
@click.pass_context
def device_settings(ctx: click.Context, device: str, *, origin: bool, as_json: bool) -> None:
    """The settings in force for a device."""
    result = run(ctx, "device.settings", mac=device)
    columns = ("name", "value", "origin") if origin else ("name", "value")
    show_rows(result["items"], columns, as_json=as_json)


@device.command("import")
@click.argument("file", type=click.File("r", encoding="utf-8"))
@click.option("--dry-run", is_flag=True, help="Only say what would happen.")
@as_json
@click.pass_context
def device_import(ctx: click.Context, file: TextIO, *, dry_run: bool, as_json: bool) -> None:
    """Add or change devices from CSV (columns mac, model, tenant, line, description)."""
    result = run(ctx, "device.import", csv=file.read(), dry_run=dry_run)
    if as_json:
        show_json(result)
    else:
        for problem in result["errors"]:
            click.echo(problem, err=True)
        click.echo(f"{result['added']} added, {result['changed']} changed, {result['unchanged']} unchanged")
    if result["errors"]:
        sys.exit(Exit.FAILURE)


@device.command("export")
@click.pass_context
def device_export(ctx: click.Context) -> None:
    """All devices as CSV, as `import` reads it."""
    sys.stdout.write(run(ctx, "device.export")["text"])


@click.group()
def tenant() -> None:
    """Owners of devices and lines."""


tenant.add_command(listing("tenant.list", ("id", "name", "enabled", "devices", "lines")))
tenant.add_command(by_id("show", "tenant.show", "id", "One tenant with its settings."))
tenant.add_command(by_id("delete", "tenant.delete", "id", "Remove it; its devices go back to the master tenant."))


@tenant.command("add")
@click.argument("identifier", metavar="ID")
@click.option("--name")
@settings_option
@as_json
@click.pass_context
def tenant_add(
    ctx: click.Context, identifier: str, name: str | None, settings: tuple[str, ...], *, as_json: bool
) -> None:
    """Add a tenant."""
    show_one(run(ctx, "tenant.add", id=identifier, name=name, settings=parsed(settings)), as_json=as_json)


@tenant.command("set")
@click.argument("identifier", metavar="ID")
@click.option("--name")
@click.option("--enabled/--disabled", default=None)
@settings_option
@unset_option
@as_json
@click.pass_context
def tenant_set(
    ctx: click.Context,
    /,
    identifier: str,
    settings: tuple[str, ...],
    unset: tuple[str, ...],
    *,
    as_json: bool,
    **fields: str | bool | None,
) -> None:
    """Change a tenant."""
    show_one(
        run(ctx, "tenant.set", id=identifier, settings=parsed(settings), unset=list(unset) or None, **fields),
        as_json=as_json,
    )


@click.group()
def line() -> None:
    """SIP accounts that devices can be given."""


line.add_command(listing("line.list", ("id", "tenant", "number", "username", "display_name", "server", "device")))
line.add_command(by_id("show", "line.show", "id", "One line; its password stays hidden."))
line.add_command(by_id("delete", "line.delete", "id", "Remove it, also from the device that has it."))

_LINE_OPTIONS = (
    click.option("--number"),
    click.option("--username"),
    click.option("--auth-username"),
    click.option("--password", help="Default on add: a random one. '-' reads it from standard input."),
    click.option("--display-name"),
    click.option("--server", help="Default: the setting sip.server."),
    click.option("--port", type=int),
    click.option("--transport", type=click.Choice(["udp", "tcp", "tls"])),
    click.option("--backup-server"),
    click.option("--backup-port", type=int),
    click.option("--outbound-proxy"),
    click.option("--outbound-port", type=int),
    click.option("--voicemail"),
)


def _line_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_LINE_OPTIONS):
        command = option(command)
    return command


def _password(fields: dict[str, Any]) -> dict[str, Any]:
    if fields.get("password") == "-":
        fields["password"] = sys.stdin.readline().rstrip("\n")
    return fields


@line.command("add")
@click.argument("identifier", metavar="ID")
@click.option("--tenant", required=True)
@_line_options
@as_json
@click.pass_context
def line_add(ctx: click.Context, /, identifier: str, tenant: str, *, as_json: bool, **fields: Any) -> None:
    """Add a line to a tenant."""
    show_one(run(ctx, "line.add", id=identifier, tenant=tenant, **_fields(**_password(fields))), as_json=as_json)


@line.command("set")
@click.argument("identifier", metavar="ID")
@_line_options
@as_json
@click.pass_context
def line_set(ctx: click.Context, /, identifier: str, *, as_json: bool, **fields: Any) -> None:
    """Change a line."""
    show_one(run(ctx, "line.set", id=identifier, **_fields(**_password(fields))), as_json=as_json)


@click.group()
def profile() -> None:
    """Settings for many devices: by vendor, model, site, tenant or group."""


profile.add_command(listing("profile.list", ("id", "name", "level", "applies_to", "parents", "devices")))
profile.add_command(by_id("show", "profile.show", "id", "One profile with its settings."))
profile.add_command(by_id("delete", "profile.delete", "id", "Remove a profile that nothing uses."))


@profile.command("add")
@click.argument("identifier", metavar="ID")
@click.option("--name")
@click.option("--level", type=click.Choice(["vendor", "model", "site", "tenant", "group"]), default="group")
@click.option("--applies-to", help="The vendor, Vendor/Model or tenant; nothing for site and group.")
@click.option("--parent", "parents", multiple=True)
@settings_option
@as_json
@click.pass_context
def profile_add(
    ctx: click.Context,
    /,
    identifier: str,
    settings: tuple[str, ...],
    parents: tuple[str, ...],
    *,
    as_json: bool,
    **fields: Any,
) -> None:
    """Add a profile."""
    result = run(ctx, "profile.add", id=identifier, parents=list(parents), settings=parsed(settings), **fields)
    show_one(result, as_json=as_json)


@profile.command("set")
@click.argument("identifier", metavar="ID")
@click.option("--name")
@click.option("--parent", "parents", multiple=True)
@settings_option
@unset_option
@as_json
@click.pass_context
def profile_set(
    ctx: click.Context,
    /,
    identifier: str,
    settings: tuple[str, ...],
    unset: tuple[str, ...],
    parents: tuple[str, ...],
    *,
    as_json: bool,
    **fields: Any,
) -> None:
    """Change a profile; devices fetch their new files when they next ask."""
    result = run(
        ctx,
        "profile.set",
        id=identifier,
        parents=list(parents) or None,
        settings=parsed(settings),
        unset=list(unset) or None,
        **fields,
    )
    show_one(result, as_json=as_json)
