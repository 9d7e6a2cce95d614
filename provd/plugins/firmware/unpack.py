"""Files out of a vendor's zip archive. No name of a member ever becomes a path: only its last segment counts."""

from __future__ import annotations

import re
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path

from provd.base.errors import PluginError
from provd.plugin.firmware import FILE

LARGEST = 1 << 30
"""Octets of all files of a package together."""
MOST_FILES = 200

_BLOCK = 1 << 20
_FILE = re.compile(FILE)


def is_zip(path: Path) -> bool:
    """Whether a file is a zip archive."""
    return zipfile.is_zipfile(path)


def unpack(archive: Path, folder: Path, wanted: tuple[str, ...]) -> Iterator[int]:
    """Write the wanted files of an archive (none: all of them) into a folder; yields the octets written so far.

    Raises PluginError for what is no such archive, lacks a file, leads out of the folder, or is too large; OSError.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            members = dict(_members(opened, wanted))
            missing = [name for name in wanted if name not in members]
            if missing:
                raise PluginError(f"the archive has no {missing[0]}")
            if not members:
                raise PluginError("the archive has no file in it")
            before = 0
            for name, info in members.items():
                yield from _written(opened, info, folder / name, before)
                before = sum(path.stat().st_size for path in folder.iterdir())
    except (zipfile.BadZipFile, EOFError, ValueError, RuntimeError) as error:
        raise PluginError(f"this is no zip archive, or a broken one: {error}") from None


def _members(opened: zipfile.ZipFile, wanted: tuple[str, ...]) -> Iterator[tuple[str, zipfile.ZipInfo]]:
    named = {name.lower(): name for name in wanted}
    seen: set[str] = set()
    for info in opened.infolist():
        whole = info.orig_filename.replace("\\", "/")
        if whole.startswith("/") or ".." in whole.split("/") or "\0" in whole:
            raise PluginError(f"the archive has a file that leads out of it: {whole[:80]!r}")
        if info.is_dir():
            continue
        name = whole.rpartition("/")[2]
        if wanted and name.lower() not in named:
            continue
        _check(info, name)
        if name.lower() in seen:
            raise PluginError(f"the archive has {name!r} twice")
        seen.add(name.lower())
        if len(seen) > MOST_FILES:
            raise PluginError(f"the archive has more than {MOST_FILES} files")
        yield named.get(name.lower(), name), info


def _check(info: zipfile.ZipInfo, name: str) -> None:
    if not _FILE.fullmatch(name):
        raise PluginError(f"the archive has a file with a name that cannot be served: {name[:80]!r}")
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
        raise PluginError(f"{name!r} in the archive is not a plain file")
    if info.flag_bits & 0x1:
        raise PluginError(f"{name!r} in the archive is encrypted")


def _written(opened: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path, before: int) -> Iterator[int]:
    with opened.open(info) as source, target.open("xb") as file:
        while block := source.read(_BLOCK):
            before += len(block)
            # Counted as it swells: what the archive says of its sizes is its own word.
            if before > LARGEST:
                raise PluginError(f"the archive holds more than {LARGEST >> 20} MiB")
            file.write(block)
            yield before
