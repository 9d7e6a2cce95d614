"""From steps, whose texts have places for values, to what is asked of the world."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import quote

from provd.app.tasks.ports import Call, CsvCall, HttpCall, PluginCall, SqlCall
from provd.base.types import is_thing, mac_text
from provd.domain.filling import Values, filled, text_of
from provd.domain.records import Device, TaskRun
from provd.domain.tasks import CsvStep, HttpStep, PluginStep, SqlStep

DEVICE_VALUES = frozenset(
    {"id", "name", "mac", "vendor", "model", "version", "serial", "tenant", "ip", "state", "description", "profile"}
    | {"first_seen", "last_seen", "last_boot"}
)
RUN_VALUES = frozenset({"id", "at", "generation"})


def device_values(device: Device) -> dict[str, object]:
    """What a step may know of the device: nothing secret. Times are UTC in ISO 8601, empty for never.

    ``name`` is what people call it: its MAC, or ``vendor/model/serial`` where it has none (``mac`` is empty then).
    """
    return {
        "id": device.mac,
        "name": mac_text(device.mac),
        "mac": "" if is_thing(device.mac) else mac_text(device.mac),
        "vendor": device.vendor,
        "model": device.model,
        "version": device.version,
        "serial": device.serial,
        "tenant": device.tenant,
        "ip": device.ip,
        "state": device.state.value,
        "description": device.description,
        "profile": device.profile,
        "first_seen": _iso(device.first_seen),
        "last_seen": _iso(device.last_seen),
        "last_boot": _iso(device.last_boot),
    }


def run_values(run: TaskRun) -> dict[str, object]:
    """What a step may know of its run."""
    return {"id": run.id, "at": _iso(run.began), "generation": run.generation}


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds") if at else ""


def call_of(run: TaskRun, device: Device, step: SqlStep | HttpStep | CsvStep | PluginStep, values: Values) -> Call:
    """What a step asks of the world. Raises UsageError where a value is not there."""
    what = text_of(step.waiting_for, values) or f"{step.id} record"
    match step:
        case SqlStep():
            params = {name: filled(text, values) for name, text in step.params.items()}
            return SqlCall(database=step.database, statement=step.statement, params=params, write=step.write, what=what)
        case CsvStep():
            match = {name: text_of(text, values) for name, text in step.match.items()}
            return CsvCall(file=step.file, match=match, what=what)
        case PluginStep():
            given = {name: filled(text, values) for name, text in step.given.items()}
            return PluginCall(
                plugin=step.plugin or device.plugin,
                step=step.step,
                server=step.server,
                key=f"{run.id}:{step.id}",
                context={**{group: values[group] for group in ("device", "run", "meta")}, "given": given},
                what=what,
            )
        case HttpStep():
            body = None if step.body is None else {name: filled(text, values) for name, text in step.body.items()}
            return HttpCall(
                server=step.server,
                method=step.method,
                # A value must not become a path or a query of its own.
                path=text_of(step.path, values, lambda value: quote(value, safe="")),
                key=f"{run.id}:{step.id}",
                body=body,
                take=step.take,
                what=what,
            )
