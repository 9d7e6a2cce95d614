"""What the plugins in force offer of firmware and languages, and what the operator may add to it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from provd.app.firmware.ports import Held, Wanted
from provd.base.dataclass import dataclass
from provd.base.errors import ConflictError, NotFoundError, UsageError
from provd.plugin import Manifest
from provd.plugin.firmware import FILE, NAME, VERSION, Package, Release

KINDS = ("firmware", "handset", "language")


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody says of a package. Everything but the name may be empty."""

    name: str
    version: str = ""
    plugin: str = ""
    models: tuple[str, ...] = ()
    kind: str = ""
    sha256: str = ""
    called: str = ""
    unpack: bool = False
    origin: str = ""
    by: str = ""


_WHENCE = "; `provd firmware available` says where it is to be had"


def find(manifests: Iterable[Manifest], name: str, plugin: str) -> tuple[Manifest, Package] | None:
    """The package of that name and its plugin. Raises UsageError when several plugins have one."""
    found = [
        (manifest, package)
        for manifest in manifests
        if plugin in ("", manifest.id) and (package := manifest.package(name)) is not None
    ]
    if len(found) > 1:
        raise UsageError(f"plugin: {name} is of {' and of '.join(manifest.id for manifest, _ in found)}; say which")
    return found[0] if found else None


def present(held: Sequence[Held], asked: Asked) -> Held:
    """The package that is here. Raises NotFoundError, UsageError when it is not clear which one is meant."""
    named = [each for each in held if each.name.lower() == asked.name.lower() and asked.plugin in ("", each.plugin)]
    found = [each for each in named if asked.version in ("", each.version)]
    if len(found) > 1:
        reason = "plugin" if len({each.plugin for each in found}) > 1 else "version"
        raise UsageError(f"{reason}: there is more than one of {asked.name}; say which")
    if not found:
        beside = f"; there is {', '.join(each.version for each in named)}" if named else _WHENCE
        raise NotFoundError(f"there is no {asked.name} {asked.version}".rstrip() + f" here{beside}")
    return found[0]


def wanted(manifests: Sequence[Manifest], asked: Asked) -> tuple[Wanted, Release | None]:
    """What is to come, and its row in the catalogue if it has one.

    A version that the catalogue does not have is taken like the others of its name; a name that it does not have needs
    plugin and models. Raises UsageError, NotFoundError, ConflictError.
    """
    if not asked.name:
        asked = _by_file(manifests, asked)
    for place, pattern in (("name", NAME), ("version", VERSION), ("called", FILE)):
        text = getattr(asked, place)
        if text and not re.fullmatch(pattern, text):
            raise UsageError(f"{place}: {text[:80]!r} cannot be used as a name")
    known = find(manifests, asked.name, asked.plugin)
    manifest, package = (_plugin(manifests, asked), None) if known is None else known
    release = _release(package, asked)
    if release is not None and asked.sha256 and release.sha256 not in ("", asked.sha256):
        raise ConflictError(f"sha256: the catalogue says {release.sha256} of {asked.name} {release.version}")
    bare = release or Release(asked.version)
    if not bare.version:
        raise UsageError("version: is needed")
    kind = package.kind if package is not None else next((each for each in KINDS if each == asked.kind), "firmware")
    made = Wanted(
        plugin=manifest.id,
        name=asked.name if package is None else package.name,
        version=bare.version,
        kind=kind,  # type: ignore[arg-type]  # one of KINDS
        models=_models(manifest, asked) if package is None else package.models,
        files=bare.files,
        step="" if package is None else package.step,
        size=bare.size,
        sha256=asked.sha256 or bare.sha256,
        unpack=asked.unpack or bare.unpack or (release is None and package is not None and _zipped(package)),
        called=asked.called,
        origin=asked.origin,
        by=asked.by,
        xml="" if package is None else package.xml,
    )
    return made, release


def _by_file(manifests: Iterable[Manifest], asked: Asked) -> Asked:
    """The package that has a file of the name that was brought."""
    for manifest in manifests:
        for package in manifest.packages if asked.plugin in ("", manifest.id) else ():
            for release in package.releases:
                fits = asked.version in ("", release.version)
                if fits and asked.called.lower() in (file.lower() for file in release.files):
                    return replace(asked, name=package.name, version=release.version, plugin=manifest.id)
    raise UsageError(f"name: no catalogue has a file {asked.called[:80]!r}; which package is it of?")


def _plugin(manifests: Sequence[Manifest], asked: Asked) -> Manifest:
    """The plugin of a package of the operator's own."""
    manifest = next((each for each in manifests if each.id == asked.plugin), None)
    if manifest is None:
        raise NotFoundError(
            f"no plugin has a package {asked.name} (provd firmware available); one of your own needs plugin and models"
        )
    return manifest


def _models(manifest: Manifest, asked: Asked) -> tuple[str, ...]:
    if not asked.models:
        raise UsageError(f"models: {manifest.id} has no package {asked.name}; which models is it for?")
    found = [manifest.model(name) for name in asked.models]
    missing = [name for name, model in zip(asked.models, found, strict=True) if model is None]
    if missing:
        raise UsageError(f"models: {manifest.id} has no model {missing[0]!r}")
    return tuple(model.name for model in found if model is not None)


def _zipped(package: Package) -> bool:
    return any(release.unpack for release in package.releases)


def _release(package: Package | None, asked: Asked) -> Release | None:
    if package is None:
        return None
    if asked.models or asked.kind:
        raise UsageError(f"models: the catalogue says which ones {package.name} is for")
    if asked.version:
        return package.release(asked.version)
    if len(package.releases) > 1:
        raise UsageError(f"version: there are {', '.join(each.version for each in package.releases)}; say which")
    return package.releases[0]
