"""How commands reach the data: the running daemon over its control socket, or the database when none runs."""

from __future__ import annotations

import http.client
import json
import socket
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provd.base.errors import (
    ConfigError,
    ConflictError,
    ForbiddenError,
    NotFoundError,
    ProvdError,
    StaleError,
    StorageError,
    UsageError,
)

if TYPE_CHECKING:
    from provd.config.settings import Settings


class NotRunningError(ProvdError):
    """No daemon listens on the control socket."""


class RefusedError(ForbiddenError):
    """The daemon does not work for this user."""


class OtherVersionError(ProvdError):
    """The daemon does not know an operation that this command needs: it was not restarted with this version."""


_ERRORS: Mapping[str, type[ProvdError]] = {
    "not-found": NotFoundError,
    "conflict": ConflictError,
    "stale": StaleError,
    "usage": UsageError,
    "config": ConfigError,
    "storage": StorageError,
    "forbidden": RefusedError,
    "unknown-operation": OtherVersionError,
}


_LONGEST = 600.0
"""Seconds for the daemon's answer: an import of many thousands takes its time on a small machine."""


_PAGE, _LARGEST_PAGE = 1000, 10_000


class _UnixConnection(http.client.HTTPConnection):
    """HTTP/1.1 over a unix socket."""

    def __init__(self, path: Path, timeout: float | None = _LONGEST) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket file. Raises NotRunningError, RefusedError."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(str(self._path))
        except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
            raise NotRunningError(f"no daemon listens on {self._path}: start it (systemctl start provd)") from None
        except PermissionError:
            raise RefusedError(f"no permission for {self._path}: be root or the user of the daemon") from None


def settings_of(config: str | None) -> Settings:
    """The configuration that a command was told to use. Raises ConfigError."""
    from provd.config.load import load

    return load(config_file(config))


def config_file(config: str | None) -> Path:
    """Its file. Raises ConfigError when there is none."""
    from provd.config.documents import config_path

    path = config_path(config)
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        reason = "there is no such file; --config FILE or $PROVD_CONFIG names another one"
        raise ConfigError(reason, str(path)) from None
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", str(path)) from None
    return path


def call(config: str | None, operation: str, **params: object) -> Any:
    """Carry out an operation and return its result. Raises ProvdError."""
    needed = {name: value for name, value in params.items() if value is not None}
    try:
        return ask(_socket(config), operation, needed)
    except NotRunningError:
        from provd.cli.offline import perform

        if sys.stderr.isatty():
            sys.stderr.write("no daemon runs: working on the database\n")
        return perform(settings_of(config), operation, needed)


def of_daemon(config: str | None, operation: str, **params: object) -> Any:
    """The same from the running daemon and nobody else. Raises NotRunningError when there is none, else ProvdError."""
    return ask(_socket(config), operation, params)


def page_size(config: str | None) -> int:
    """How many items of a list to ask for at a time: few of a daemon, which has phones to serve meanwhile, as many as
    there may be of the database, which each question opens anew. Raises ConfigError."""
    try:
        there = _socket(config).exists()
    except PermissionError:
        there = True  # the question itself will say so
    return _PAGE if there else _LARGEST_PAGE


def _socket(config: str | None) -> Path:
    """Where the daemon would listen. Raises ConfigError."""
    from provd.config.documents import control_socket

    return control_socket(config_file(config))


def ask(control: Path, operation: str, params: Mapping[str, object]) -> Any:
    """Let the daemon that listens there do it. Raises NotRunningError when there is none, else ProvdError."""
    connection = _UnixConnection(control)
    try:
        connection.request("POST", f"/v1/{operation}", json.dumps(params), {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = _answer(response)
    except (http.client.HTTPException, ValueError, OSError) as error:
        reason = getattr(error, "strerror", "") or str(error) or type(error).__name__
        raise ProvdError(f"the daemon did not answer: {reason}") from None
    finally:
        connection.close()
    return answer


def stream(config: str | None, **query: str | None) -> Iterator[Mapping[str, Any]]:
    """Facts of the running daemon as they happen, until it stops or the caller does. Raises ProvdError."""
    from urllib.parse import urlencode

    connection = _UnixConnection(_socket(config), None)
    wanted = urlencode({name: value for name, value in query.items() if value})
    try:
        connection.request("GET", f"/v1/tail?{wanted}")
        response = connection.getresponse()
        if response.status >= 400:
            _answer(response)
        while line := response.readline():
            if line.strip():
                yield json.loads(line)
    except (http.client.HTTPException, ConnectionError):
        return
    finally:
        connection.close()


def _answer(response: http.client.HTTPResponse) -> Any:
    answer = json.loads(response.read() or b"null")
    if response.status < 400:
        return answer
    kind = _ERRORS.get(str(answer.get("type", "")), ProvdError)
    if kind is OtherVersionError:
        raise OtherVersionError("the daemon that runs is of another version and does not know this: restart it")
    raise kind(answer.get("detail") or answer.get("title") or "the daemon refused")
