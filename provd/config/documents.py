"""The configuration as it is written: the file, ``conf.d/*.toml`` beside it, then ``PROVD_*`` environment variables.

Nothing here knows what the keys mean, so that a command which only looks for the daemon's socket starts at once.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from provd.base.dataclass import dataclass
from provd.base.errors import ConfigError
from provd.config.origin import line_of, lines_by_key

DEFAULT_PATH = Path("/etc/provd/provd.toml")
DEFAULT_STATE = Path("/var/lib/provd")
CONTROL = "control.sock"
ENVIRONMENT = "PROVD_"
_TOML_LINE = re.compile(r"\(at line (\d+),")
_LONGEST = 300
_RESERVED = {"PROVD_CONFIG", "PROVD_SHARED", "PROVD_UPDATE_GOLDEN"}


@dataclass
class Merged:
    """The merged document and, for every leaf or table, the file and line it came from."""

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[tuple[str | int, ...], str] = field(default_factory=dict)

    def origin(self, path: Iterable[str | int]) -> str:
        """File and line of a place, else of the table around it; empty when nobody said anything there."""
        steps = tuple(path)
        for length in range(len(steps), 0, -1):
            if found := self.origins.get(steps[:length]):
                return found
        return ""


def config_path(given: str | None = None, environ: Mapping[str, str] | None = None) -> Path:
    """The file to read: as given, else ``$PROVD_CONFIG``, else ``/etc/provd/provd.toml``."""
    environ = os.environ if environ is None else environ
    return Path(given or environ.get("PROVD_CONFIG") or DEFAULT_PATH)


def read(path: Path, environ: Mapping[str, str] | None = None) -> Merged:
    """What is said where. Raises ConfigError when a file cannot be read or is not TOML."""
    merged = Merged()
    # The file first: who may not read it hears that, and not what is wrong with the folder beside it.
    _merge_file(merged, path)
    for file in _beside(path.parent / "conf.d"):
        _merge_file(merged, file)
    _merge_environment(merged, os.environ if environ is None else environ)
    return merged


def control_socket(path: Path, environ: Mapping[str, str] | None = None) -> Path:
    """Where the daemon with this configuration listens for commands. Raises ConfigError like :func:`read`."""
    server = read(path, environ).values.get("server")
    told = server if isinstance(server, dict) else {}
    control = told.get("control")
    return Path(str(control)) if control else Path(str(told.get("state_dir", DEFAULT_STATE))) / CONTROL


def _beside(folder: Path) -> list[Path]:
    try:
        return sorted(folder.glob("*.toml"))
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", str(folder)) from None


def _merge_file(merged: Merged, file: Path) -> None:
    try:
        # With or without the mark that editors of other systems begin a file with.
        text = file.read_text(encoding="utf-8-sig")
        document = tomllib.loads(text)
    except FileNotFoundError:
        raise ConfigError("there is no such file", str(file)) from None
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror or error}", str(file)) from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError("not UTF-8, which TOML is written in", f"{file}:{line}") from None
    except tomllib.TOMLDecodeError as error:
        place = _TOML_LINE.search(str(error))
        line = int(place[1]) if place else text.count("\n") + 1
        raise ConfigError(f"not TOML: {str(error)[:_LONGEST]}", f"{file}:{line}") from None
    except RecursionError:
        raise ConfigError("not TOML: brackets inside brackets without end", str(file)) from None
    lines = lines_by_key(text)
    _deep(merged, merged.values, document, (), lambda steps: f"{file}:{line_of(lines, steps)}")


def _deep(merged: Merged, into: dict[str, Any], new: Mapping[str, Any], at: tuple[str | int, ...], origin: Any) -> None:
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


def _merge_environment(merged: Merged, environ: Mapping[str, str]) -> None:
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
