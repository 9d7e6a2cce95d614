"""A plugin folder as one file, the same octets wherever it is built, and back again.

The file is a zip archive that holds the plugin as ``ID/plugin.toml``, ``ID/templates/…``. Its members are sorted, dated
1980-01-01 and *stored*: a compressor's output differs between its versions, and what is not compressed cannot swell
when it is read. Only plain files with plain names are taken, so that unpacking can lead nowhere else.
"""

from __future__ import annotations

import io
import re
import stat
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from provd.base.dataclass import dataclass
from provd.base.errors import PluginError
from provd.plugins.loader import MANIFEST

LARGEST = 64 << 20
"""Octets of an archive; firmware is never in it."""
MOST_FILES = 4000

_DATE = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
_MODE = (stat.S_IFREG | 0o644) << 16
_SEGMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,99}")
_DEEPEST = 8
_LEFT_OUT = re.compile(r"\..*|__pycache__|.*\.pyc|.*~")
_ID = re.compile(r"[a-z][a-z0-9_]{1,39}")


class ArchiveError(PluginError):
    """A folder that cannot become an archive, or a file that is no archive of a plugin. Nothing was written."""


@dataclass(frozen=True, slots=True)
class Package:
    """What an archive holds: ``files`` maps paths below the plugin's folder (``templates/device.cfg.j2``) to octets."""

    plugin: str
    files: Mapping[str, bytes]


def build(folder: Path) -> bytes:
    """The archive of a plugin folder. Hidden files, editors' copies and compiled Python are left out.

    Raises ArchiveError for symbolic links, strange names, and what is too large.
    """
    plugin = folder.name
    if not _ID.fullmatch(plugin) or not (folder / MANIFEST).is_file():
        raise ArchiveError(f"{folder} is no plugin: its name is the plugin's id, and it has a {MANIFEST}")
    output = io.BytesIO()
    try:
        with zipfile.ZipFile(output, "w", zipfile.ZIP_STORED) as archive:
            for path in sorted(_members(folder), key=lambda path: path.relative_to(folder).as_posix()):
                name = f"{plugin}/{path.relative_to(folder).as_posix()}"
                info = zipfile.ZipInfo(name, _DATE)
                info.create_system = _UNIX
                info.external_attr = _MODE
                archive.writestr(info, path.read_bytes())
                if output.tell() > LARGEST:
                    raise ArchiveError(f"{folder} is larger than {LARGEST >> 20} MiB; firmware does not belong in it")
    except OSError as error:
        raise ArchiveError(f"{error.filename or folder}: {error.strerror}") from None
    content = output.getvalue()
    read(content)  # Whatever would be refused at the other end is refused here.
    return content


def read(content: bytes) -> Package:
    """The plugin in an archive. Raises ArchiveError that says what is wrong with it."""
    if len(content) > LARGEST:
        raise ArchiveError(f"the archive is larger than {LARGEST >> 20} MiB")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return _package(archive)
    except (zipfile.BadZipFile, EOFError, ValueError, RuntimeError, OSError) as error:
        raise ArchiveError(f"this is no plugin package (a zip archive): {error}") from None


def _package(archive: zipfile.ZipFile) -> Package:
    members = archive.infolist()
    if len(members) > MOST_FILES:
        raise ArchiveError(f"the archive has more than {MOST_FILES} files")
    plugin = members[0].filename.partition("/")[0] if members else ""
    if not _ID.fullmatch(plugin):
        raise ArchiveError("the archive does not hold one folder with the name of a plugin")
    seen: set[str] = set()
    for info in members:
        _check(info, plugin)
        # Two names that differ by case only would be one file on some systems, and one file name to a phone.
        if info.filename.lower() in seen:
            raise ArchiveError(f"the archive has {info.filename!r} twice")
        seen.add(info.filename.lower())
    _no_file_below_a_file(seen)
    if f"{plugin}/{MANIFEST}" not in seen:
        raise ArchiveError(f"the archive has no {plugin}/{MANIFEST}")
    return Package(plugin, {info.filename.partition("/")[2]: archive.read(info) for info in members})


def _check(info: zipfile.ZipInfo, plugin: str) -> None:
    name = info.orig_filename
    segments = name.split("/")
    if len(segments) < 2 or segments[0] != plugin:
        raise ArchiveError(f"{name!r} lies outside of the folder {plugin}/")
    if {".", ".."} & set(segments):
        raise ArchiveError(f"{name!r} would lead out of the plugin's folder: nobody who means well packs such a name")
    if len(segments) > _DEEPEST or not all(_SEGMENT.fullmatch(segment) for segment in segments):
        raise ArchiveError(f"{name!r} is not a name that a plugin may use")
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG) or info.is_dir():
        raise ArchiveError(f"{name!r} is not a plain file")
    if info.flag_bits & 0x1:
        raise ArchiveError(f"{name!r} is encrypted")
    if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
        raise ArchiveError(f"{name!r} is compressed: packages are made by `provd plugin build`")


def _no_file_below_a_file(names: set[str]) -> None:
    for name in names:
        folder = name.rpartition("/")[0]
        while folder:
            if folder in names:
                raise ArchiveError(f"{folder!r} is a file and a folder")
            folder = folder.rpartition("/")[0]


def _members(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if _LEFT_OUT.fullmatch(path.name):
            continue
        if path.is_symlink():
            raise ArchiveError(f"{path} is a symbolic link: a package holds files")
        if path.is_dir():
            yield from _members(path)
        elif path.is_file():
            yield path
        else:
            raise ArchiveError(f"{path} is not a plain file")
