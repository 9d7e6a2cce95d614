"""Packages on their way from somebody's folder to the daemon, and what is newer than what is in force."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from provd.base.errors import NotFoundError, PluginError, UsageError


def brought(config: str | None, path: Path) -> str:
    """Lay a package (or the plugin in a folder, packed) where the daemon takes it from; gives its name there.

    The caller may read what the daemon may not. Raises ProvdError.
    """
    from provd.cli.client import settings_of
    from provd.cli.offline import as_owner
    from provd.plugins.package import archive
    from provd.plugins.package.index import SIGNATURE
    from provd.plugins.package.manager import ENTRY

    state = settings_of(config).server.state_dir
    signature = None
    try:
        if path.is_dir():
            content = archive.build(path.resolve())
        elif path.is_file():
            if path.stat().st_size > archive.LARGEST:
                raise PluginError(f"{path} is larger than {archive.LARGEST >> 20} MiB")
            content = path.read_bytes()
            beside = path.with_name(path.name + SIGNATURE)
            signature = beside.read_bytes() if beside.is_file() else None
        else:
            raise NotFoundError(f"there is no {path}")
    except OSError as error:
        raise PluginError(f"{path} cannot be read: {error.strerror}") from None
    name = f"{secrets.token_hex(8)}.zip"
    entry = state / "packages" / ENTRY
    parts = {f"{name}{SIGNATURE}": signature, name: content}
    try:
        with as_owner(state):
            entry.mkdir(parents=True, exist_ok=True)
            for called, octets in parts.items():
                if octets is not None:
                    (entry / called).write_bytes(octets)
    except PermissionError as error:
        raise UsageError(f"{entry} cannot be written: {error.strerror}; be root or the user of the daemon") from None
    except OSError as error:
        for called in parts:
            _removed(entry / called)
        raise PluginError(f"{entry} cannot be written: {error.strerror}; nothing was changed") from None
    return name


def _removed(path: Path) -> None:
    with contextlib.suppress(OSError):  # Why nothing can be written there is being told already.
        path.unlink()


def laid(config: str | None, path: Path, *, room: Callable[[Path], int] | None = None) -> str:
    """Lay a firmware image where the daemon takes it from; gives its name there. Raises ProvdError.

    ``room`` tells the octets that are free on the disk of a folder (none: the disk does).
    """
    from provd.cli.client import settings_of
    from provd.cli.offline import as_owner
    from provd.plugins.firmware.stock import ENTRY
    from provd.plugins.firmware.supply import check_room, free_octets

    entry = settings_of(config).server.state_dir / "firmware" / ENTRY
    target = entry / f"{secrets.token_hex(8)}.sent"
    try:
        with path.open("rb") as source, as_owner(entry.parent.parent):
            entry.mkdir(parents=True, exist_ok=True)
            check_room(entry, os.fstat(source.fileno()).st_size, room or free_octets)
            with target.open("xb") as file:
                shutil.copyfileobj(source, file, 1 << 20)
    except OSError as error:
        _removed(target)
        raise UsageError(f"{error.filename or entry}: {error.strerror}; nothing was kept") from None
    return target.name


def newer(offers: Sequence[Mapping[str, Any]], present: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Plugins in force with the newest release that is offered, where that is newer."""
    from provd.plugins.package.version import Version

    best: dict[str, str] = {row["id"]: row["version"] for row in present if row["origin"] != "linked"}
    found: dict[str, str] = {}
    for offer in offers:
        plugin, version = offer["plugin"], offer["version"]
        if plugin in best and offer["fits"] and "-" not in version and Version(best[plugin]) < Version(version):
            best[plugin] = found[plugin] = version
    return sorted(found.items())
