"""Sockets that listen before there is somebody to answer: who connects meanwhile waits in the kernel's queue."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

from provd.base.errors import ConfigError

_BACKLOG = 128


def page_socket(host: str, port: int) -> socket.socket:
    """The socket of one address of ``[api]``. Raises ConfigError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        # The other family is somebody else's, as everywhere in provd.
        listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise ConfigError(f"cannot listen on {host}:{port}: {os.strerror(error.errno or 0)}") from error
    listener.settimeout(0)  # what asyncio needs
    return listener


def control_socket(path: Path) -> socket.socket:
    """The socket of the command line, for its owner alone. Raises ConfigError when somebody else listens there."""
    _remove_stale(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        listener.bind(str(path))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise ConfigError(f"control socket {path}: {error.strerror or error}") from error
    finally:
        os.umask(mask)
    listener.settimeout(0)  # what asyncio needs
    return listener


def _remove_stale(path: Path) -> None:
    """Remove the socket of a daemon that is gone. Raises ConfigError when it is alive, or no socket at all."""
    try:
        mode = path.lstat().st_mode
    except OSError:
        return
    if not stat.S_ISSOCK(mode):
        raise ConfigError(f"control socket {path}: there is something else at that path")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except TimeoutError:
            pass  # somebody listens, and has no time
        except OSError:
            path.unlink(missing_ok=True)
            return
    raise ConfigError(f"control socket {path}: another daemon listens there")
