"""Devices as CSV: ``mac`` and any of ``vendor model tenant profile description lines`` (lines separated by ``;``)."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from provd.app.admin.params import Args, Param, check
from provd.app.cells import quoted, unquoted
from provd.app.ownership import line_of
from provd.app.tables import Tables
from provd.base.dataclass import dataclass
from provd.base.errors import ConflictError, FaultsError, UsageError
from provd.base.types import Mac, mac_text
from provd.domain.lifecycle import Event, after
from provd.domain.records import MASTER_TENANT, Device

COLUMNS = ("mac", "vendor", "model", "tenant", "profile", "description", "lines")

_PARAMS = (
    Param("mac", "mac", required=True),
    *(Param(name) for name in ("vendor", "model", "tenant", "profile", "description")),
    Param("lines", "texts"),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One row, its number in the file and its non-empty cells."""

    number: int
    mac: Mac
    args: Args


def read(text: str) -> list[Row]:
    """The rows of a CSV text with a header line. Raises FaultsError that names every line that is wrong."""
    return [Row(number, args.mac(), args) for number, args in table(text, _PARAMS, "mac")]


def table(text: str, params: Sequence[Param], key: str) -> list[tuple[int, Args]]:
    """The rows of a CSV text whose header names parameters, ``key`` among them, with their numbers in the file.

    An empty cell is one that is not given; several texts have ``;`` between them; no two rows have the same key.
    Raises UsageError for the whole, FaultsError that names every line that is wrong.
    """
    columns = [param.name for param in params]
    header, lines = _cells(text)
    unknown = [name for name in header if name not in columns]
    if unknown or key not in header or len(set(header)) < len(header):
        others = ", ".join(name for name in columns if name != key)
        raise UsageError(f"the header must name {key} and any of {others}, not {','.join(header)[:80]!r}")
    rows: list[tuple[int, Args]] = []
    faults: list[tuple[str, str]] = []
    seen: set[str] = set()
    for number, cells in lines:
        try:
            args = _row(params, header, cells)
        except UsageError as error:
            faults.append((f"line {number}", str(error)))
            continue
        if args.text(key) in seen:
            faults.append((f"line {number}", f"{_named(args.text(key), key)} occurs twice"))
        seen.add(args.text(key))
        rows.append((number, args))
    if faults:
        raise FaultsError(faults, "\n")
    return rows


def _cells(text: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff")))
    try:
        lines = [(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        raise UsageError(f"line {reader.line_num}: {error}") from None
    if not lines:
        raise UsageError("the file is empty")
    return [cell.strip().lower() for cell in lines[0][1]], lines[1:]


def _named(text: str, key: str) -> str:
    return mac_text(text) if key == "mac" else text


def _row(params: Sequence[Param], header: list[str], cells: list[str]) -> Args:
    if len(cells) > len(header):
        raise UsageError('more cells than the header has names (a text with a comma in it stands in "quotes")')
    values: dict[str, object] = {
        name: unquoted(cell) for name, cell in zip(header, cells, strict=False) if cell.strip()
    }
    for param in params:
        text = values.get(param.name)
        if param.kind == "texts" and isinstance(text, str):
            values[param.name] = [part.strip() for part in text.split(";") if part.strip()]
    return check(params, values)


def with_lines(tables: Tables, device: Device, lines: tuple[str, ...]) -> Device:
    """The device with exactly these lines, if any are named; an unclaimed one moves to their tenant."""
    if not lines or lines == device.lines:
        return device
    owners = {line_of(tables, key).tenant for key in lines}
    if len(owners) != 1:
        raise ConflictError("the lines belong to several tenants")
    owner = owners.pop()
    if device.tenant not in (MASTER_TENANT, owner):
        raise ConflictError(f"the device belongs to tenant {device.tenant!r}")
    ports = tuple(range(1, len(lines) + 1)) if device.ports else ()
    return replace(device, tenant=owner, lines=lines, ports=ports, state=after(device.state, Event.ASSIGN))


def write(devices: Iterable[Device], shown: Callable[[str], str] = str) -> str:
    """All devices in the form that :func:`read` takes."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for device in sorted(devices, key=lambda device: device.mac):
        texts = (device.vendor, device.model, device.tenant, shown(device.profile), device.description)
        writer.writerow(
            [mac_text(device.mac), *(quoted(text) for text in texts), ";".join(shown(key) for key in device.lines)]
        )
    return out.getvalue()
