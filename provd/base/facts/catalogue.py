"""All facts at once, for those who explain or list them."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping

from provd.base import facts
from provd.base.facts.base import CATALOGUE, Fact


def catalogue() -> Mapping[str, type[Fact]]:
    """Every fact class by its id, after importing every module that defines some."""
    for module in pkgutil.iter_modules(facts.__path__):
        importlib.import_module(f"{facts.__name__}.{module.name}")
    return CATALOGUE
