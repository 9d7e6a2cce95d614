"""ITU-T G.711: 16-bit samples to mu-law and A-law octets."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Final

_BIAS: Final = 33
_CLIP: Final = 8158
"""The largest 14-bit magnitude that still fits after the bias has been added."""


def mu_law(sample: int) -> int:
    """The mu-law octet of a sample of -32768 to 32767; the wire form has all bits inverted."""
    sign = 0x80 if sample < 0 else 0
    magnitude = min(abs(sample >> 2), _CLIP) + _BIAS
    segment = magnitude.bit_length() - 6
    return ~(sign | segment << 4 | magnitude >> segment + 1 & 0x0F) & 0xFF


def a_law(sample: int) -> int:
    """The A-law octet of a sample of -32768 to 32767; the wire form has every second bit inverted."""
    sign = 0x80 if sample >= 0 else 0
    magnitude = (sample if sample >= 0 else ~sample) >> 3
    segment = max(0, magnitude.bit_length() - 5)
    return (sign | segment << 4 | magnitude >> max(1, segment) & 0x0F) ^ 0x55


def encode(samples: Sequence[int], law: Callable[[int], int]) -> bytes:
    """Each sample as one octet."""
    cached = functools.cache(law)
    return bytes(cached(sample) for sample in samples)
