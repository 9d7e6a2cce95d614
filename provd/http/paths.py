"""Paths on the phones' listeners that lead to no file: who answers which."""

from __future__ import annotations

from collections.abc import AsyncIterable
from typing import Protocol

from provd.http.activation.wire import Reply, ThingRequest


class Paths(Protocol):
    """Answers the paths that it knows."""

    def knows(self, path: str) -> bool:
        """Whether the path is one of its own."""
        ...

    def most_octets(self, path: str) -> int:
        """How large a body may be."""
        ...

    def too_large(self, request: ThingRequest) -> Reply:
        """The answer to a larger one."""
        ...

    async def answer(self, request: ThingRequest) -> Reply:
        """The reply to a request on one of its paths."""
        ...


class UploadPaths(Paths, Protocol):
    """One that also takes contents while they come."""

    def uploads(self, method: str, path: str) -> bool:
        """Whether the body of such a request is a content, to be given to :meth:`upload` while it comes."""
        ...

    async def upload(self, request: ThingRequest, octets: AsyncIterable[bytes]) -> Reply:
        """The reply to a content. Raises what ``octets`` raises; then nothing has changed."""
        ...


class AllPaths:
    """Several of them: each of the ``others`` has its own paths, ``first`` all that are left."""

    def __init__(self, first: UploadPaths, *others: Paths) -> None:
        self._first = first
        self._others = others

    def _for(self, path: str) -> Paths:
        return next((each for each in self._others if each.knows(path)), self._first)

    def knows(self, path: str) -> bool:
        """Whether anybody knows the path."""
        return self._first.knows(path) or any(each.knows(path) for each in self._others)

    def most_octets(self, path: str) -> int:
        """How large a body may be."""
        return self._for(path).most_octets(path)

    def too_large(self, request: ThingRequest) -> Reply:
        """The answer to a larger one."""
        return self._for(request.path).too_large(request)

    async def answer(self, request: ThingRequest) -> Reply:
        """The reply of whoever knows the path."""
        return await self._for(request.path).answer(request)

    def uploads(self, method: str, path: str) -> bool:
        """Whether the body of such a request is a content."""
        return self._for(path) is self._first and self._first.uploads(method, path)

    async def upload(self, request: ThingRequest, octets: AsyncIterable[bytes]) -> Reply:
        """The reply to a content."""
        return await self._first.upload(request, octets)
