"""Answers that end a request early, beside the errors of the operations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus

from aiohttp import web

from provd.http.problems import problem


class Refusal(Exception):  # noqa: N818 - it is an answer, not a failure
    """A problem (RFC 9457) and the headers that go with its status."""

    def __init__(
        self,
        slug: str,
        status: HTTPStatus,
        title: str,
        detail: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        faults: Sequence[tuple[str, str]] = (),
    ) -> None:
        super().__init__(detail or title)
        self.slug = slug
        self.status = status
        self.title = title
        self.detail = detail
        self.headers = dict(headers or {})
        self.faults = tuple(faults)

    def response(self) -> web.Response:
        """The answer itself."""
        answer = problem(self.slug, self.status, self.title, self.detail, faults=self.faults)
        answer.headers.update(self.headers)
        return answer
