"""Finds the ``phone.py`` of a vendor's folder. Only simulation runs it; the daemon never does."""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import sys
from pathlib import Path

from provd.base.errors import PluginError
from provd.plugin.phone import PhoneClass


def phone_class(folder: Path) -> PhoneClass | None:
    """The simulated phone of the plugin in ``folder``, or None when it has none. Raises PluginError."""
    if not (folder / "phone.py").is_file():
        return None
    # The folder becomes a package of its own name, so that phone.py may have siblings (`from .phone_rules import …`).
    package = f"_simulated_{folder.name}"
    spec = importlib.machinery.ModuleSpec(package, None, is_package=True)
    spec.submodule_search_locations = [str(folder)]
    sys.modules[package] = importlib.util.module_from_spec(spec)
    sys.modules.pop(f"{package}.phone", None)
    try:
        found = importlib.import_module(f"{package}.phone").Phone
    except Exception as error:
        raise PluginError(f"{folder / 'phone.py'}: {type(error).__name__}: {error}") from error
    if not callable(found):
        raise PluginError(f"{folder / 'phone.py'}: Phone is not a class")
    return found  # type: ignore[no-any-return]  # what a file on disk holds cannot be known here
