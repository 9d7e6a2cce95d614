"""The settings that a configuration says, or all that is wrong with it.

Every error is collected, so that one look at the output is enough.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from provd.base.errors import ConfigError
from provd.config.documents import Merged, read
from provd.config.settings import Settings


def load(path: Path, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings. Raises ConfigError whose text has one line per error, each with file and line."""
    merged = read(path, environ)
    try:
        return Settings.model_validate(merged.values)
    except ValidationError as error:
        raise ConfigError("\n".join(sorted({_sentence(merged, e) for e in error.errors()}))) from None


def _sentence(merged: Merged, error: Any) -> str:
    steps: tuple[str | int, ...] = error["loc"]
    name = ".".join(str(step) for step in steps)
    origin = merged.origin(steps)
    if error["type"] == "extra_forbidden":
        message = f"unknown key {name}{_did_you_mean(steps)}"
    elif error["type"] == "missing":
        message = f"{name} is missing"
    elif error["type"] == "tuple_type":
        # One pair of brackets too few around the name of a list of tables is the commonest slip in TOML.
        right = f"[[{name}]]" if isinstance(error["input"], dict) else f'{steps[-1]} = ["…"]'
        message = f"{name}: write it as a list: {right}"
    elif error["type"] == "model_type":
        message = f"{name}: write it as a table: [{name}]"
    elif error["type"] == "path_type":
        message = f"{name}: write a path as text"
    else:
        message = f"{name}: {error['msg'].removeprefix('Value error, ')}"
    return f"{origin}: {message}" if origin else message


def _did_you_mean(steps: tuple[str | int, ...]) -> str:
    model: type[BaseModel] = Settings
    for step in steps[:-1]:
        if isinstance(step, str):
            annotation = model.model_fields[step].annotation if step in model.model_fields else None
            model = _model_in(annotation) or model
    close = difflib.get_close_matches(str(steps[-1]), list(model.model_fields), 1)
    return f"; did you mean {close[0]}?" if close else ""


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        if found := _model_in(argument):
            return found
    return None
