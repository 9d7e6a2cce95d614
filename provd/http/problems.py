"""Errors as problem details (RFC 9457): ``type`` is a stable slug, ``detail`` is for people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from http import HTTPStatus

from aiohttp import web

from provd.base.errors import (
    ConfigError,
    ConflictError,
    FaultsError,
    ForbiddenError,
    NotFoundError,
    PluginError,
    ProvdError,
    StaleError,
    StorageError,
    UsageError,
)

CONTENT_TYPE = "application/problem+json"
_KINDS: tuple[tuple[type[ProvdError], str, HTTPStatus, str], ...] = (
    (NotFoundError, "not-found", HTTPStatus.NOT_FOUND, "No such object"),
    (ConflictError, "conflict", HTTPStatus.CONFLICT, "The change contradicts what is there"),
    (StaleError, "stale", HTTPStatus.PRECONDITION_FAILED, "The object has changed meanwhile"),
    (UsageError, "usage", HTTPStatus.BAD_REQUEST, "The request cannot be carried out as it is"),
    (ForbiddenError, "forbidden", HTTPStatus.FORBIDDEN, "You may not do this"),
    (ConfigError, "config", HTTPStatus.UNPROCESSABLE_ENTITY, "The configuration is not usable"),
    (PluginError, "plugin", HTTPStatus.UNPROCESSABLE_ENTITY, "A vendor plugin is not usable"),
    (StorageError, "storage", HTTPStatus.SERVICE_UNAVAILABLE, "The store did not take the change"),
    (ProvdError, "refused", HTTPStatus.BAD_REQUEST, "The request was refused"),
)


def problem(
    slug: str, status: HTTPStatus, title: str, detail: str = "", *, faults: Sequence[tuple[str, str]] = ()
) -> web.Response:
    """A response that says what is wrong; ``faults`` are names of parameters or fields with what is wrong of each."""
    body: dict[str, object] = {"type": slug, "title": title, "status": int(status)}
    if detail:
        body["detail"] = detail
    if faults:
        body["errors"] = [{"field": name, "detail": text} for name, text in faults]
    return web.Response(status=status, body=json.dumps(body).encode(), content_type=CONTENT_TYPE)


def problem_of(error: ProvdError) -> web.Response:
    """The response for an error that we raised on purpose."""
    slug, status, title = _kind_of(error)
    return problem(slug, status, title, str(error), faults=error.faults if isinstance(error, FaultsError) else ())


def status_of(error: ProvdError) -> HTTPStatus:
    """The status alone, for answers that are written otherwise."""
    return _kind_of(error)[1]


def _kind_of(error: ProvdError) -> tuple[str, HTTPStatus, str]:
    return next((slug, status, title) for kind, slug, status, title in _KINDS if isinstance(error, kind))
