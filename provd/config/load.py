"""Reading the configuration: the file, ``conf.d/*.toml`` beside it, then ``PROVD_*`` environment variables.

Every error is collected, so that one look at the output is enough.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from provd.base.errors import ConfigError
from provd.config.origin import line_of, lines_by_key
from provd.config.settings import Settings

DEFAULT_PATH = Path("/etc/provd/provd.toml")
ENVIRONMENT = "PROVD_"
_TOML_LINE = re.compile(r"\(at line (\d+),")
_LONGEST = 300
_RESERVED = {"PROVD_CONFIG", "PROVD_SHARED", "PROVD_UPDATE_GOLDEN"}


@dataclass
class _Merged:
    """The merged document and, for every leaf or table, the file and line it came from."""

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[tuple[str | int, ...], str] = field(default_factory=dict)

    def origin(self, path: Iterable[str | int]) -> str:
        steps = tuple(path)
        for length in range(len(steps), 0, -1):
            if found := self.origins.get(steps[:length]):
                return found
        return ""


def config_path(given: str | None = None, environ: Mapping[str, str] | None = None) -> Path:
    """The file to read: as given, else ``$PROVD_CONFIG``, else ``/etc/provd/provd.toml``."""
    environ = os.environ if environ is None else environ
    return Path(given or environ.get("PROVD_CONFIG") or DEFAULT_PATH)


def load(path: Path, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings. Raises ConfigError whose text has one line per error, each with file and line."""
    merged = _Merged()
    # The file first: who may not read it hears that, and not what is wrong with the folder beside it.
    _merge_file(merged, path)
    for file in _beside(path.parent / "conf.d"):
        _merge_file(merged, file)
    _merge_environment(merged, os.environ if environ is None else environ)
    try:
        return Settings.model_validate(merged.values)
    except ValidationError as error:
        raise ConfigError("\n".join(sorted({_sentence(merged, e) for e in error.errors()}))) from None


def _beside(folder: Path) -> list[Path]:
    try:
        return sorted(folder.glob("*.toml"))
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", str(folder)) from None


def _merge_file(merged: _Merged, file: Path) -> None:
    try:
        text = file.read_text(encoding="utf-8")
        document = tomllib.loads(text)
    except FileNotFoundError:
        raise ConfigError("there is no such file", str(file)) from None
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror or error}", str(file)) from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"cannot be read: {error}", str(file)) from None
    except tomllib.TOMLDecodeError as error:
        place = _TOML_LINE.search(str(error))
        line = int(place[1]) if place else text.count("\n") + 1
        raise ConfigError(f"not TOML: {str(error)[:_LONGEST]}", f"{file}:{line}") from None
    except RecursionError:
        raise ConfigError("not TOML: brackets inside brackets without end", str(file)) from None
    lines = lines_by_key(text)
    _deep(merged, merged.values, document, (), lambda steps: f"{file}:{line_of(lines, steps)}")


def _deep(
    merged: _Merged, into: dict[str, Any], new: Mapping[str, Any], at: tuple[str | int, ...], origin: Any
) -> None:
    """Tables merge, arrays of tables are appended, everything else replaces what an earlier file said."""
    for key, value in new.items():
        steps = (*at, key)
        if isinstance(value, dict) and isinstance(into.get(key, {}), dict):
            merged.origins.setdefault(steps, origin(steps))
            _deep(merged, into.setdefault(key, {}), value, steps, origin)
            continue
        if isinstance(value, list) and value and isinstance(value[0], dict) and isinstance(into.get(key, []), list):
            base = len(into.setdefault(key, []))
            for i, item in enumerate(value):
                merged.origins[(*steps, base + i)] = origin((*steps, i))
                merged.origins.update({(*steps, base + i, leaf): origin((*steps, i, leaf)) for leaf in item})
            into[key] = [*into[key], *value]
            continue
        into[key] = value
        merged.origins[steps] = origin(steps)


def _merge_environment(merged: _Merged, environ: Mapping[str, str]) -> None:
    """``PROVD_DHCP__MODE=full`` sets ``dhcp.mode``; a value that is TOML is read as TOML, else as text."""
    for name, text in sorted(environ.items()):
        if not name.startswith(ENVIRONMENT) or name in _RESERVED or "__" not in name:
            continue
        steps = tuple(part.lower() for part in name.removeprefix(ENVIRONMENT).split("__"))
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            value = text
        table = merged.values
        for step in steps[:-1]:
            table = table.setdefault(step, {})
            if not isinstance(table, dict):
                raise ConfigError(f"{'.'.join(steps)} is not inside a table", f"environment {name}")
        table[steps[-1]] = value
        merged.origins[steps] = f"environment {name}"


def _sentence(merged: _Merged, error: Any) -> str:
    steps: tuple[str | int, ...] = error["loc"]
    name = ".".join(str(step) for step in steps)
    origin = merged.origin(steps)
    if error["type"] == "extra_forbidden":
        message = f"unknown key {name}{_did_you_mean(steps)}"
    elif error["type"] == "missing":
        message = f"{name} is missing"
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
