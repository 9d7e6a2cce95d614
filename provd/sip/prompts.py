"""What a caller hears: short tone sequences, made here from sines, so that there is no recording to license.

The good ones rise, the others fall or repeat; each is told apart from every other by melody and rhythm. All are 1 to
2.5 seconds long, with a soft attack and release, and well below full scale.
"""

from __future__ import annotations

import enum
import functools
import math
from collections.abc import Mapping, Sequence
from typing import Final

from provd.base.dataclass import dataclass
from provd.sip.g711 import a_law, encode, mu_law
from provd.sip.sdp import PCMU, PTIME

RATE: Final = 8000
"""Samples per second."""
FRAME: Final = RATE * PTIME // 1000
"""Samples, and with G.711 octets, of one packet."""

_PEAK = 9000
"""Loudness of a tone: about 11 dB below full scale."""
_OVERTONES = ((1, 0.75), (2, 0.18), (3, 0.07))
"""A pure sine is harsh on a handset: two weak overtones make it a bell."""
_ATTACK = 0.012
_RELEASE = 0.06
"""Seconds."""

# Pitches in hertz (equal temperament). A telephone passes 300 to 3400.
_E4, _G4, _A4, _C5, _D5, _E5, _F5, _G5, _C6 = 329.6, 392.0, 440.0, 523.3, 587.3, 659.3, 698.5, 784.0, 1046.5


class Prompt(enum.StrEnum):
    """What is to be said."""

    ACCEPTED = "accepted"
    """The device has its line: rises."""
    RESET = "reset"
    """The device is nobody's again: down and back up."""
    WRONG = "wrong"
    """No such code: falls twice."""
    SPENT = "spent"
    """The code was right once (expired, used up, revoked): falls slowly."""
    TAKEN = "taken"
    """The line or the device is somebody else's: four short notes, as a busy line."""
    FULL = "full"
    """The device holds no further line: three equal notes."""
    LOCKED = "locked"
    """Too many wrong codes: low, long, slow."""
    ERROR = "error"
    """It is our fault; try again: alternates."""


@dataclass(frozen=True, slots=True)
class _Note:
    """A pitch (0: silence) for so many seconds."""

    pitch: float
    seconds: float


def _notes(*pairs: tuple[float, float]) -> tuple[_Note, ...]:
    return tuple(_Note(pitch, seconds) for pitch, seconds in pairs)


_MELODIES: Final[Mapping[Prompt, tuple[_Note, ...]]] = {
    Prompt.ACCEPTED: _notes((_C5, 0.16), (_E5, 0.16), (_G5, 0.16), (_C6, 0.6)),
    Prompt.RESET: _notes((_G5, 0.2), (_C5, 0.2), (0, 0.1), (_C5, 0.2), (_G5, 0.5)),
    Prompt.WRONG: _notes((_E5, 0.22), (_A4, 0.34), (0, 0.16), (_E5, 0.22), (_A4, 0.34)),
    Prompt.SPENT: _notes((_G5, 0.35), (_E5, 0.35), (_C5, 0.35), (_G4, 0.6)),
    Prompt.TAKEN: _notes(*((_A4, 0.2), (0, 0.2)) * 4),
    Prompt.FULL: _notes(*((_D5, 0.3), (0, 0.1)) * 3),
    Prompt.LOCKED: _notes((_E4, 0.6), (0, 0.2), (_E4, 0.6), (0, 0.2), (_E4, 0.6)),
    Prompt.ERROR: _notes(*((_C5, 0.15), (_F5, 0.15)) * 5),
}


@functools.cache
def samples(prompt: Prompt) -> tuple[int, ...]:
    """The prompt as linear samples of 16 bits, 8000 a second."""
    return tuple(sample for note in _MELODIES[prompt] for sample in _played(note))


@functools.cache
def frames(prompt: Prompt, payload_type: int) -> tuple[bytes, ...]:
    """The prompt in packets of 20 ms, as PCMU (0) or PCMA (8) payload; the last one is filled up with silence."""
    return framed(samples(prompt), payload_type)


def framed(heard: Sequence[int], payload_type: int) -> tuple[bytes, ...]:
    """The same for any samples."""
    law = mu_law if payload_type == PCMU else a_law
    octets = encode(heard, law)
    octets += bytes((law(0),)) * (-len(octets) % FRAME)
    return tuple(octets[start : start + FRAME] for start in range(0, len(octets), FRAME))


def _played(note: _Note) -> list[int]:
    count = round(note.seconds * RATE)
    if not note.pitch:
        return [0] * count
    attack, release = _ATTACK * RATE, _RELEASE * RATE
    turn = 2 * math.pi * note.pitch / RATE
    heard = []
    for i in range(count):
        # A struck bell: at once loud, then dying away; no edge that clicks at either end.
        loudness = min(1.0, i / attack, (count - i) / release) * math.exp(-1.2 * i / count)
        wave = sum(part * math.sin(number * turn * i) for number, part in _OVERTONES)
        heard.append(round(_PEAK * loudness * wave))
    return heard
