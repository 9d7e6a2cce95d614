"""Rendered files on disk, so that a fleet that boots after a power cut is not rendered anew.

Only a cache: nothing is synced, anything may be missing, and what is damaged is left out. Every entry is sealed
(AES-GCM) with a key of its own purpose, for the files hold passwords; its name is a keyed hash of everything that the
file was made from, so that an entry can be of no use, but never be wrong.

Two files: entries are appended to one until it is full, then it takes the place of the other one. Each entry is
``length (4 octets) | name (16) | nonce (12) | sealed body``.
"""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Iterable
from pathlib import Path
from secrets import token_bytes

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from provd.base.clock import Clock
from provd.base.facts import FactSink
from provd.base.facts.render import RenderedFilesDamaged

MOST_OCTETS = 32 << 20
"""Of each of the two files: ten thousand phones' files."""
NAME_OCTETS = 16
_NONCE_OCTETS = 12
_HEAD = struct.Struct(f"!I{NAME_OCTETS}s{_NONCE_OCTETS}s")
_TAG_OCTETS = 16
_LONGEST = (1 << 20) + _TAG_OCTETS
_OLD, _NEW = "rendered.old", "rendered.new"

_Place = tuple[int, int, int]
"""Descriptor, offset and length of an entry."""


class RenderedFiles:
    """Sealed files by name. ``folder`` is the state folder, ``key`` 32 octets."""

    def __init__(
        self, folder: Path, key: bytes, clock: Clock, facts: FactSink, *, most_octets: int = MOST_OCTETS
    ) -> None:
        self._folder = folder
        self._cipher = AESGCM(key)
        self._clock = clock
        self._facts = facts
        self._most = most_octets
        self._places: dict[bytes, _Place] = {}
        self._descriptors: list[int] = []
        self._damaged = 0

    def __len__(self) -> int:
        return len(self._places)

    def load(self) -> None:
        """Find out what there is; to be called once, before anything is written. May run in a thread.

        Reads the files from end to end, so that :meth:`find` does not have to wait for the disk.
        """
        places: dict[bytes, _Place] = {}
        descriptors: list[int] = []
        for name in (_OLD, _NEW):
            with contextlib.suppress(OSError):
                descriptor = os.open(self._folder / name, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
                descriptors.append(descriptor)
                end = _entries(descriptor, places)
                if end < os.fstat(descriptor).st_size:
                    # Cut short by a power cut; what comes behind it from now on would not be found.
                    os.truncate(self._folder / name, end)
        self._descriptors, self._places = descriptors, places

    def find(self, name: bytes) -> bytes | None:
        """The file of that name, once: whoever asks keeps it."""
        place = self._places.pop(name, None)
        if place is None:
            return None
        descriptor, offset, length = place
        try:
            octets = os.pread(descriptor, length, offset)
            return self._cipher.decrypt(octets[:_NONCE_OCTETS], octets[_NONCE_OCTETS:], name)
        except (OSError, InvalidTag, ValueError):
            self._tell_damage()
            return None

    def _tell_damage(self) -> None:
        self._damaged += 1
        if self._damaged == 1:
            self._facts(RenderedFilesDamaged(at=self._clock.now(), folder=str(self._folder)))

    def forget(self) -> None:
        """The fleet has booted: give memory and descriptors back. What is written from now on is for the next start."""
        self._places = {}
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._descriptors = []

    def seal(self, name: bytes, body: bytes) -> bytes:
        """An entry for :meth:`write`."""
        nonce = token_bytes(_NONCE_OCTETS)
        sealed = self._cipher.encrypt(nonce, body, name)
        return _HEAD.pack(_NONCE_OCTETS + len(sealed), name, nonce) + sealed

    def write(self, entries: Iterable[bytes]) -> None:
        """Append entries. Meant for a thread; a disk that is full or gone costs nothing but the cache."""
        octets = b"".join(entries)
        path = self._folder / _NEW
        with contextlib.suppress(OSError):
            if path.exists() and path.stat().st_size + len(octets) > self._most:
                path.replace(self._folder / _OLD)
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            descriptor = os.open(path, flags, 0o600)
            try:
                end = os.lseek(descriptor, 0, os.SEEK_END)
                if os.write(descriptor, octets) != len(octets):
                    # Half an entry would hide those behind it.
                    os.ftruncate(descriptor, end)
            finally:
                os.close(descriptor)


def _entries(descriptor: int, places: dict[bytes, _Place]) -> int:
    """Note the entries of a file up to the first that is not whole; gives where that begins. Raises OSError."""
    offset = 0
    with os.fdopen(os.dup(descriptor), "rb") as file:
        while len(head := file.read(_HEAD.size)) == _HEAD.size:
            length, name, _ = _HEAD.unpack(head)
            rest = length - _NONCE_OCTETS
            if not _TAG_OCTETS <= rest <= _LONGEST or len(file.read(rest)) != rest:
                break
            places[name] = (descriptor, offset + _HEAD.size - _NONCE_OCTETS, length)
            offset += _HEAD.size + rest
    return offset
