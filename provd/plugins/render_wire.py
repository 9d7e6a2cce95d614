"""The messages between the daemon and its renderer process: length-prefixed, one answer to each, in order."""

from __future__ import annotations

import enum
import json
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any

from provd.base.dataclass import dataclass
from provd.base.errors import PeerError

if TYPE_CHECKING:  # the renderer process has no use for it
    from provd.app.ports import RenderJob

HEADER = struct.Struct("!I")
MAX_OUTPUT = 1 << 20
"""Octets that one rendered file may have."""
MAX_ANSWER = 2 * MAX_OUTPUT
REMEMBERED = 64
"""Shared parts of contexts that either side remembers."""


class Answer(enum.IntEnum):
    """The first octet of an answer; the rest is the file or a text for a person."""

    READY = 0
    FILE = 1
    FAILED = 2
    LIMIT = 3
    PATTERN = 4
    """Instead of a file the way to make it, and others like it: JSON of the paths that the template looks at and of
    the parts of the file (see :mod:`provd.plugins.pattern`)."""


@dataclass(frozen=True, slots=True)
class Request:
    """One file to render. ``epoch`` rises when templates may have changed on disk.

    ``shared`` is the part of the context that many requests have in common, ``overlay`` the templates that outrank
    those in the folders. ``wants`` is ``file``, ``digest``, ``check`` (the template is compiled, nothing is rendered)
    or ``warm`` (it is compiled for patterns too).
    """

    folders: Sequence[str]
    template: str
    format: str
    epoch: int
    context: Mapping[str, object]
    shared: Mapping[str, object] = field(default_factory=dict)
    clean: bool = False
    """Known to hold nothing in ``context`` but printable ASCII; the decoder finds out at no cost."""
    overlay: Mapping[str, str] = field(default_factory=dict)
    wants: str = "file"
    needs: Sequence[Sequence[str]] | None = None
    """Set where a pattern is wanted rather than the file: the paths that are known to be looked at."""


def request_of(
    job: RenderJob, folders: Sequence[str], epoch: int, needs: Sequence[Sequence[str]] | None = None
) -> Request:
    """The request for a job."""
    own = dict(job.context)
    shared = {name: own.pop(name) for name in job.context if name in job.shared}
    rule, overlay = job.rule, job.overlay.texts
    return Request(
        folders, rule.template, rule.format, epoch, own, shared, overlay=overlay, wants=job.wants, needs=needs
    )


_encode = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode


class RequestEncoder:
    """Writes requests. The shared parts of contexts are most of a request, and few: each is written out once.

    On the wire it is the fields as JSON, a line feed (of which JSON in this form has none), the shared part, and in a
    third line the overlay.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], tuple[tuple[object, ...], bytes]] = {}

    def encode(self, request: Request) -> bytes:
        """The framed request. Raises TypeError or ValueError when the context is not made of plain values."""
        fields = (
            request.folders, request.template, request.format, request.epoch, request.wants, request.needs,
            request.context,
        )  # fmt: skip
        own = _encode(fields).encode("ascii")
        shared, overlay = self._shared(request.shared), self._shared(request.overlay)
        length = HEADER.pack(len(own) + len(shared) + len(overlay) + 2)
        return b"%b%b\n%b\n%b" % (length, own, shared, overlay)

    def _shared(self, shared: Mapping[str, object]) -> bytes:
        if not shared:
            return b"{}"
        parts = tuple(shared.values())
        # By identity: nobody changes them, and as they are kept here too, no other object can take their place.
        key = (*shared, *map(id, parts))
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            known = self._known[key] = (parts, _encode(shared).encode("ascii"))
        return known[1]


def _numbered(values: Mapping[str, Any]) -> dict[Any, Any]:
    """The same values; keys that are numbers (``keys[5]``) are so again, which JSON writes as texts."""
    return {
        int(key) if key.isdecimal() else key: _numbered(inner) if isinstance(inner, dict) else inner
        for key, inner in values.items()
    }


class RequestDecoder:
    """Reads requests; equal shared parts become the same object."""

    def __init__(self) -> None:
        self._known: dict[bytes, Mapping[str, object]] = {}
        self._overlays: dict[bytes, Mapping[str, str]] = {b"{}": {}}

    def decode(self, body: bytes) -> Request:
        """The request in a message (without its length)."""
        own, octets, overlay = body.split(b"\n")
        shared = self._known.get(octets)
        if shared is None:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            shared = self._known[octets] = _numbered(json.loads(octets))
        folders, template, file_format, epoch, wants, needs, context = json.loads(own)
        # JSON in ASCII writes every other character with a backslash, all but one.
        clean = b"\\" not in own and b"\x7f" not in own
        overlaid = self._overlay(overlay)
        return Request(folders, template, file_format, epoch, context, shared, clean, overlaid, wants, needs)

    def _overlay(self, octets: bytes) -> Mapping[str, str]:
        known = self._overlays.get(octets)
        if known is None:
            if len(self._overlays) >= REMEMBERED:
                self._overlays = {b"{}": {}}
            known = self._overlays[octets] = json.loads(octets)
        return known


def encode_pattern(needs: Iterable[tuple[str, ...]], parts: Sequence[str | int]) -> bytes:
    """The framed answer with a pattern."""
    text = json.dumps((sorted(needs), parts), ensure_ascii=False, separators=(",", ":"))
    return encode_answer(Answer.PATTERN, text.encode("utf-8"))


def decode_pattern(body: bytes) -> tuple[frozenset[tuple[str, ...]], object]:
    """The needs and the parts of a pattern, the latter as they came. Raises PeerError."""
    try:
        needs, parts = json.loads(body)
        return frozenset(tuple(map(str, path)) for path in needs), parts
    except (TypeError, ValueError, RecursionError):  # the last for brackets within brackets
        raise PeerError("the renderer described no pattern") from None


def encode_answer(kind: Answer, body: bytes = b"") -> bytes:
    """The framed answer."""
    return HEADER.pack(len(body) + 1) + bytes((kind,)) + body


class Answers:
    """Cuts a stream of octets into answers."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[Answer, bytes]]:
        """Every answer that is complete now. Raises PeerError when the stream cannot be one of answers."""
        buffer = self._buffer
        buffer += data
        while len(buffer) >= HEADER.size:
            (length,) = HEADER.unpack_from(buffer)
            if not 1 <= length <= MAX_ANSWER:
                raise PeerError(f"the renderer announced an answer of {length} octets")
            end = HEADER.size + length
            if len(buffer) < end:
                return
            try:
                kind = Answer(buffer[HEADER.size])
            except ValueError:
                raise PeerError("the renderer sent an answer of an unknown kind") from None
            body = bytes(buffer[HEADER.size + 1 : end])
            del buffer[:end]
            yield kind, body
