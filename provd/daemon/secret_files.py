"""Secrets of the configuration that stand in files of their own."""

from __future__ import annotations

from pathlib import Path

from provd.base.errors import ConfigError
from provd.base.secrets import Secret

_LARGEST = 4096


def secret_in(file: str, where: str) -> Secret:
    """The secret of one line in a file, an empty one without a file. Raises ConfigError."""
    if not file:
        return Secret("")
    try:
        with Path(file).open(encoding="utf-8") as opened:
            text = opened.read(_LARGEST).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{where}: {file} cannot be read: {error}") from None
    if not text or not text.isprintable():
        raise ConfigError(f"{where}: {file} holds no secret of one line")
    return Secret(text)
