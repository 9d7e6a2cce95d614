"""The messages between the daemon and its renderer process: length-prefixed, one answer to each, in order."""

from __future__ import annotations

import enum
import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from provd.base.errors import PeerError

HEADER = struct.Struct("!I")
MAX_OUTPUT = 1 << 20
"""Octets that one rendered file may have."""
MAX_ANSWER = MAX_OUTPUT + 1


class Answer(enum.IntEnum):
    """The first octet of an answer; the rest is the file or a text for a person."""

    READY = 0
    FILE = 1
    FAILED = 2
    LIMIT = 3


@dataclass(frozen=True, slots=True)
class Request:
    """One file to render. ``epoch`` rises when templates may have changed on disk."""

    folders: Sequence[str]
    template: str
    format: str
    epoch: int
    context: Mapping[str, object]


def encode_request(request: Request) -> bytes:
    """The framed request. Raises TypeError or ValueError when the context is not made of plain values."""
    fields = (request.folders, request.template, request.format, request.epoch, request.context)
    body = json.dumps(fields, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode("ascii")
    return HEADER.pack(len(body)) + body


def decode_request(body: bytes) -> Request:
    """The request in a message (without its length)."""
    return Request(*json.loads(body))


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
