"""Large files cut into datagrams once for all clients: block n of a file is the same octets in every transfer.

A window of 16 blocks is then one slice for the kernel instead of 32 pieces put together for every window of every
client. Only files that are no device's own are kept like this.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from typing import Final

_CHUNK: Final = 64
"""Blocks that are cut at a time."""
_MOST_OCTETS: Final = 32 << 20
_NUMBER: Final = struct.Struct("!HH").pack
_DATA: Final = 3

Octets = bytes | memoryview


class Frames:
    """One file in blocks of one size."""

    __slots__ = ("_chunks", "_content", "blksize", "body")

    def __init__(self, body: Octets, blksize: int) -> None:
        self.body = body
        self.blksize = blksize
        self._content = memoryview(body)
        self._chunks: dict[int, memoryview] = {}

    @property
    def octets(self) -> int:
        """What it may come to take."""
        return len(self._content) + (len(self._content) // self.blksize + 1) * 4

    def pieces(self, blocks: range) -> list[Octets]:
        """DATA datagrams of successive blocks, one behind the other; where they are cut does not matter."""
        first, stop = blocks.start - 1, blocks.stop - 1
        pieces: list[Octets] = []
        size = self.blksize + 4
        while first < stop:
            chunk, start = divmod(first, _CHUNK)
            end = min(stop - chunk * _CHUNK, _CHUNK)
            pieces.append(self._chunk(chunk)[start * size : end * size])
            first = chunk * _CHUNK + end
        return pieces

    def _chunk(self, chunk: int) -> memoryview:
        found = self._chunks.get(chunk)
        if found is None:
            content, size = self._content, self.blksize
            parts: list[Octets] = []
            first = chunk * _CHUNK
            for index in range(first, min(first + _CHUNK, len(content) // size + 1)):
                parts.append(_NUMBER(_DATA, (index + 1) & 0xFFFF))
                parts.append(content[index * size : (index + 1) * size])
            found = self._chunks[chunk] = memoryview(b"".join(parts))
        return found


class FrameShelf:
    """The files that were cut lately, the least recently asked for forgotten first."""

    def __init__(self, most: int = _MOST_OCTETS) -> None:
        self._most = most
        self._octets = 0
        self._kept: OrderedDict[tuple[int, int], Frames] = OrderedDict()

    def cut(self, body: Octets, blksize: int) -> Frames | None:
        """The file in blocks of that size; None when it is larger than the shelf."""
        # By identity: the same file is the same object as long as it is served, and kept here as long as its key is.
        key = (id(body), blksize)
        frames = self._kept.get(key)
        if frames is not None:
            self._kept.move_to_end(key)
            return frames
        frames = Frames(body, blksize)
        if frames.octets > self._most:
            return None
        self._kept[key] = frames
        self._octets += frames.octets
        while self._octets > self._most:
            _, oldest = self._kept.popitem(last=False)
            self._octets -= oldest.octets
        return frames
