"""Facts about what callers hear."""

from __future__ import annotations

from typing import ClassVar

from provd.base.dataclass import dataclass
from provd.base.facts.base import Fact, Level


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaExhausted(Fact):
    """A call could not be given a port for its audio; the code was or will be redeemed all the same, in silence.
    Told at most once a minute, with the number of calls since the last time.

    Do: widen ``sip.rtp_ports`` when so many people dial at once; otherwise look for what else uses these ports
    (``reason``), or for who calls again and again.
    """

    ID: ClassVar[str] = "MEDIA-EXHAUSTED"
    LEVEL: ClassVar[Level] = Level.WARNING

    ports: str
    reason: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingRefused(Fact):
    """A recording of yours in ``prompts/`` of the state folder cannot be played; callers hear our own melody
    in its place.

    Do: make it one channel of 16-bit PCM at 8000 Hz, ten seconds at most
    (``sox in.wav -r 8000 -c 1 -b 16 accepted.wav``), named like the prompt, and reload.
    """

    ID: ClassVar[str] = "MEDIA-RECORDING"
    LEVEL: ClassVar[Level] = Level.WARNING

    file: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaLatched(Fact):
    """A caller's audio came from another address than the call had said, as behind a NAT; ours goes there now.

    Do: nothing.
    """

    ID: ClassVar[str] = "MEDIA-LATCHED"
    LEVEL: ClassVar[Level] = Level.DEBUG

    said: str
    heard: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaRefused(Fact):
    """Nothing was played, because the address in the call is not that of one host (a broadcast, multicast or loopback
    address, or none). Told at most once a minute for each.

    Do: nothing for one; many are an attempt to use this server against somebody else.
    """

    ID: ClassVar[str] = "MEDIA-REFUSED"
    LEVEL: ClassVar[Level] = Level.WARNING

    address: str
    peer: str
    count: int
