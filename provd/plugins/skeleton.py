"""A new plugin folder to begin with: it passes the check from the first moment."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from provd.base.errors import ConflictError, NotFoundError, UsageError
from provd.plugins.catalogue import bundled_plugins

SKELETON = "_skeleton"

_ID = re.compile(r"[a-z][a-z0-9_]{1,39}")
_VENDOR = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+-]{0,59}")


def new(folder: Path, plugin: str, vendor: str, *, skeleton: Path | None = None) -> Path:
    """Make ``folder/plugin`` from the skeleton and return it.

    Raises UsageError for an id or vendor that cannot be one, ConflictError when the folder exists already,
    NotFoundError when provd was installed without its skeleton.
    """
    if not _ID.fullmatch(plugin):
        raise UsageError(f"{plugin!r} cannot be a plugin's id: 2 to 40 lower-case letters, digits, underscores")
    if not _VENDOR.fullmatch(vendor):
        raise UsageError(f"{vendor!r} cannot be a vendor's name")
    source = skeleton or bundled_plugins() / SKELETON
    if not source.is_dir():
        raise NotFoundError(f"there is no skeleton at {source}")
    target = folder / plugin
    try:
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
        for path in target.rglob("*"):
            if path.is_file():
                path.write_text(_named(path.read_text(encoding="utf-8"), plugin, vendor), encoding="utf-8")
    except FileExistsError:
        raise ConflictError(f"{target} exists already") from None
    except OSError as error:
        raise UsageError(f"{target} cannot be made: {error.strerror}") from None
    return target


def _named(text: str, plugin: str, vendor: str) -> str:
    """The skeleton's text with its stand-ins replaced: SKELETON_ID, SKELETON_VENDOR, and the vendor in lower case,
    once as it is and once as part of a regular expression."""
    word = vendor.lower()
    return (
        text.replace("SKELETON_ID", plugin)
        .replace("SKELETON_VENDOR", vendor)
        .replace("skeleton_regex", re.escape(word))
        .replace("skeleton_word", word)
    )
