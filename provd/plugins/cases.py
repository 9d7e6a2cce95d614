"""A plugin's own cases: evidence in, identity and DHCP answer out. A TOML file per kind of evidence, a row per case."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field, TypeAdapter, ValidationError

from provd.base.dataclass import dataclass
from provd.base.errors import PluginError
from provd.base.types import parse_mac
from provd.domain.evidence import Evidence, Identity, Via
from provd.domain.identify import Index
from provd.domain.route import advice_for
from provd.plugin import Manifest
from provd.plugins.schema import Strict
from provd.plugins.step_cases import StepCase
from provd.sip.pnp import device_words


class CaseRow(Strict):
    """``[[case]]``: the evidence (``name``, ``user_agent``, ``option60``, ``option77``, ``chaddr``, ``event``), then
    what must come out.

    A name without ``via`` is tried over HTTP and TFTP. What is left out must come out empty, but for the vendor, which
    is the plugin's unless ``nothing`` is to be recognised.
    """

    via: Literal["", "dhcp", "http", "tftp", "pnp"] = ""
    name: str = ""
    user_agent: str = ""
    option60: str = ""
    option77: str = ""
    chaddr: str = ""
    event: str = ""
    nothing: bool = False
    model: str = ""
    any_of: list[str] = Field(default_factory=list)
    version: str = ""
    mac: str = ""
    serial: str = ""
    option66: str = ""
    url: str = ""


class CaseFile(Strict):
    """The whole of one file below ``cases/``."""

    case: list[CaseRow] = Field(default_factory=list)
    step: list[StepCase] = Field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Case:
    """One row and where it stands."""

    origin: str
    row: CaseRow

    def evidence(self) -> Iterator[Evidence]:
        """The evidence once for each channel on which it may come."""
        row = self.row
        channels: tuple[Via, ...]
        if row.via:
            channels = (row.via,)
        elif row.event:
            channels = ("pnp",)
        elif row.option60 or row.option77 or not (row.name or row.user_agent):
            channels = ("dhcp",)
        else:
            channels = ("http",) if row.user_agent else ("http", "tftp")
        words = device_words(row.event)
        for via in channels:
            yield Evidence(
                via=via,
                mac=parse_mac(row.chaddr) if row.chaddr else None,
                option60=row.option60,
                option77=row.option77,
                user_agent=row.user_agent,
                name=row.name,
                vendor=words.vendor,
                model=words.model,
                version=words.version,
            )


_FILE = TypeAdapter(CaseFile)


def load_cases(folder: Path) -> tuple[Case, ...]:
    """Every case below ``cases/`` of a plugin folder. Raises PluginError for a file that cannot be used."""
    return tuple(case for name, file in _files(folder) for case in _cases(name, file))


def load_step_cases(folder: Path) -> tuple[tuple[str, StepCase], ...]:
    """The cases of steps, each with where it stands. Raises PluginError."""
    return tuple(
        (f"{name} step {number}", row) for name, file in _files(folder) for number, row in enumerate(file.step, 1)
    )


def _cases(name: str, file: CaseFile) -> Iterator[Case]:
    yield from (Case(f"{name} case {number}", row) for number, row in enumerate(file.case, 1))


def _files(folder: Path) -> Iterator[tuple[str, CaseFile]]:
    for path in sorted((folder / "cases").glob("*.toml")):
        try:
            content = _FILE.validate_python(tomllib.loads(path.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise PluginError(f"{path}: {error}") from None
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            place = ".".join(str(part) for part in fault["loc"])
            raise PluginError(f"{path}: {place}: {fault['msg']}") from None
        yield path.name, content


def failures(cases: Iterable[Case], index: Index, manifest: Manifest) -> Iterator[str]:
    """A sentence for every difference between what a case expects and what the index says."""
    for case in cases:
        for evidence in case.evidence():
            identity = index.identify(evidence)
            for fault in _differences(case.row, identity, manifest):
                yield f"{case.origin} over {evidence.via}: {fault}"


def _differences(row: CaseRow, identity: Identity, manifest: Manifest) -> Iterator[str]:
    wanted = {
        "vendor": "" if row.nothing else manifest.vendor,
        "plugin": "" if row.nothing else manifest.id,
        "version": row.version,
        "mac": parse_mac(row.mac or row.chaddr) if row.mac or row.chaddr else None,
        "serial": row.serial,
    }
    for field, value in wanted.items():
        if getattr(identity, field) != value:
            yield f"{field} is {getattr(identity, field)!r}, not {value!r}"
    models = row.any_of or [row.model]
    if identity.model not in models:
        yield f"model is {identity.model!r}, not {' or '.join(map(repr, models))}"
    if row.url and row.url != (manifest.pnp.url if manifest.pnp else ""):
        yield f"the URL over PnP is {manifest.pnp.url if manifest.pnp else ''!r}, not {row.url!r}"
    if row.option66:
        advice = advice_for(manifest, identity.model, identity.mac)
        option = advice.options.get(66) if advice else None
        text = option.text if option else ""
        if text != row.option66:
            yield f"option 66 is {text!r}, not {row.option66!r}"
