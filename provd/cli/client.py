"""How commands reach the data: the running daemon over its control socket, or the database when none runs."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from provd.base.errors import ConflictError, NotFoundError, ProvdError, UsageError

_ERRORS: Mapping[str, type[ProvdError]] = {"not-found": NotFoundError, "conflict": ConflictError, "usage": UsageError}


class _UnixConnection(http.client.HTTPConnection):
    """HTTP/1.1 over a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=60)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket file."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def call(config: str | None, operation: str, **params: object) -> Any:
    """Carry out an operation and return its result. Raises ProvdError."""
    from provd.config.load import config_path, load

    settings = load(config_path(config))
    given = {name: value for name, value in params.items() if value is not None}
    try:
        return _ask(settings.server.control_path, operation, given)
    except (FileNotFoundError, ConnectionRefusedError):
        from provd.cli.offline import perform

        return perform(settings, operation, given)
    except PermissionError:
        raise ProvdError(
            f"no permission for {settings.server.control_path}: be root or the user of the daemon"
        ) from None


def _ask(path: Path, operation: str, params: Mapping[str, object]) -> Any:
    connection = _UnixConnection(path)
    try:
        body = json.dumps(params)
        connection.request("POST", f"/v1/{operation}", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = json.loads(response.read() or b"null")
    except (http.client.HTTPException, json.JSONDecodeError, TimeoutError) as error:
        raise ProvdError(f"the daemon did not answer: {str(error) or type(error).__name__}") from None
    finally:
        connection.close()
    if response.status >= 400:
        raise _ERRORS.get(str(answer.get("type", "")).rpartition("/")[2], ProvdError)(answer.get("detail") or "refused")
    return answer


def stream(config: str | None, **query: str | None) -> Iterator[Mapping[str, Any]]:
    """Facts of the running daemon as they happen, until the caller stops."""
    from urllib.parse import urlencode

    from provd.config.load import config_path, load

    path = load(config_path(config)).server.control_path
    connection = _UnixConnection(path)
    connection.timeout = None
    wanted = urlencode({name: value for name, value in query.items() if value})
    try:
        connection.request("GET", f"/v1/tail?{wanted}")
        response = connection.getresponse()
        while line := response.readline():
            if line.strip():
                yield json.loads(line)
    except (FileNotFoundError, ConnectionRefusedError):
        raise ProvdError(f"no daemon listens on {path}") from None
    finally:
        connection.close()
