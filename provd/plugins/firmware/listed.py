"""From ``firmware.toml`` to :class:`~provd.plugin.firmware.Package`, or every error in it at once."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from provd.domain.firmware import rank
from provd.plugin.firmware import FILE, NAME, VERSION, Package, Release

FIRMWARE = "firmware.toml"
_LARGEST = 1 << 20
_Name = Annotated[str, StringConstraints(pattern=rf"^{NAME}$")]
_Version = Annotated[str, StringConstraints(pattern=rf"^{VERSION}$")]
_File = Annotated[str, StringConstraints(pattern=rf"^{FILE}$")]
_Source = Annotated[str, StringConstraints(max_length=400, pattern=r"^(?:https?://[^\s/?#@]+/[^\s#]+)?$")]
_Digest = Annotated[str, StringConstraints(pattern=r"^(?:[0-9a-f]{64})?$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _ReleaseRow(_Strict):
    version: _Version
    files: list[_File] = []
    source: _Source = ""
    size: int = Field(default=0, ge=0, le=1 << 30)
    sha256: _Digest = ""
    unpack: bool = False


class _PackageRow(_Strict):
    name: _Name
    kind: Literal["firmware", "handset", "language"] = "firmware"
    models: list[str] = Field(min_length=1)
    step: _Version | Literal[""] = ""
    obtain: Annotated[str, StringConstraints(max_length=200)] = ""
    xml: Annotated[str, StringConstraints(max_length=60, pattern=r"^(?:[A-Za-z_][A-Za-z0-9._-]*)?$")] = ""
    release: list[_ReleaseRow] = Field(min_length=1)


class _Listing(_Strict):
    obtain: Annotated[str, StringConstraints(max_length=200)] = ""
    package: list[_PackageRow] = []


def packages(folder: Path, models: AbstractSet[str]) -> tuple[tuple[Package, ...], list[str]]:
    """The packages of the plugin in that folder, and what is wrong with the file; nothing of either without one."""
    try:
        text = (folder / FIRMWARE).read_bytes()
    except FileNotFoundError:
        return (), []
    except OSError as error:
        return (), [f"{FIRMWARE}: cannot be read: {error.strerror}"]
    try:
        if len(text) > _LARGEST:
            return (), [f"{FIRMWARE}: larger than 1 MiB"]
        file = _Listing.model_validate(tomllib.loads(text.decode()))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        return (), [f"{FIRMWARE}: is not TOML: {error}"]
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False)
        return (), [f"{FIRMWARE}: {'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults]
    problems = [f"{FIRMWARE}: {problem}" for problem in _problems(file, models)]
    return (() if problems else tuple(_package(row, file.obtain) for row in file.package)), problems


def _problems(file: _Listing, models: AbstractSet[str]) -> Iterator[str]:
    names: set[str] = set()
    owners: dict[str, str] = {}
    for row in file.package:
        if row.name.lower() in names:
            yield f"package {row.name}: is there twice"
        names.add(row.name.lower())
        for model in row.models:
            if model not in models:
                yield f"package {row.name}: no model {model!r}"
        versions = [release.version for release in row.release]
        if len(set(versions)) < len(versions):
            yield f"package {row.name}: a version is there twice"
        if row.step and row.step not in versions:
            yield f"package {row.name}.step: there is no release {row.step}"
        for release in row.release:
            yield from (f"package {row.name} {release.version}: {fault}" for fault in _faults(row, release, file))
            for name in release.files:
                owner = owners.setdefault(name.lower(), f"{row.name} {release.version}")
                if owner != f"{row.name} {release.version}":
                    yield f"package {row.name} {release.version}: {name!r} is a file of {owner}"


def _faults(row: _PackageRow, release: _ReleaseRow, file: _Listing) -> Iterator[str]:
    if not release.files and not release.unpack:
        yield "files: which name devices ask for"
    if len(release.files) > 1 and not release.unpack:
        yield "unpack: several files come in an archive"
    if row.kind != "language" and len(release.files) != 1:
        yield "files: firmware is one file"
    if not (release.source or row.obtain or file.obtain):
        yield "source or obtain: where is it to be had?"


def _package(row: _PackageRow, obtain: str) -> Package:
    releases = sorted(row.release, key=lambda each: rank(each.version))
    return Package(
        name=row.name,
        kind=row.kind,
        models=tuple(row.models),
        releases=tuple(
            Release(each.version, tuple(each.files), each.source, each.size, each.sha256, each.unpack)
            for each in releases
        ),
        step=row.step,
        obtain=row.obtain or obtain,
        xml=row.xml,
    )
