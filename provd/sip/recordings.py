"""Prompts that the operator has recorded: WAV files in a folder, each named like the prompt that it stands for."""

from __future__ import annotations

import array
import io
import sys
import wave
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from provd.base.clock import Clock
from provd.base.errors import ConfigError
from provd.base.facts import FactSink
from provd.base.facts.media import RecordingRefused
from provd.sip.prompts import RATE, Prompt

LONGEST: Final = 10
"""Seconds. Somebody waits in front of a phone that is about to restart."""
_LARGEST = 2 * RATE * LONGEST + 65_536

Recordings = Mapping[Prompt, tuple[int, ...]]
"""Linear samples of 16 bits, 8000 a second."""


def load(folder: Path, sink: FactSink, clock: Clock) -> Recordings:
    """What can be used of the folder, which need not be there; a fact for each file that cannot."""
    found: dict[Prompt, tuple[int, ...]] = {}
    for path in _files(folder):
        try:
            prompt = _prompt(path)
            found[prompt] = samples_of(_octets(path))
        except ConfigError as error:
            sink(RecordingRefused(at=clock.now(), file=str(path), reason=str(error)))
    return found


def samples_of(octets: bytes) -> tuple[int, ...]:
    """The samples of a WAV file. Raises ConfigError for anything but one channel of 16-bit PCM at 8000 Hz."""
    try:
        with wave.open(io.BytesIO(octets)) as file:
            form = (file.getnchannels(), 8 * file.getsampwidth(), file.getframerate())
            if form != (1, 16, RATE):
                channels, bits, rate = form
                raise ConfigError(f"{channels} channels of {bits} bits at {rate} Hz; needed: 1 of 16 bits at {RATE} Hz")
            samples = array.array("h", file.readframes(RATE * LONGEST + 1))
    except (wave.Error, EOFError, ValueError) as error:
        raise ConfigError(f"not a WAV file: {str(error) or 'it ends too early'}") from None
    if sys.byteorder == "big":
        samples.byteswap()
    if not samples:
        raise ConfigError("no sound in it")
    if len(samples) > RATE * LONGEST:
        raise ConfigError(f"longer than {LONGEST} seconds")
    return tuple(samples)


def _files(folder: Path) -> Iterator[Path]:
    try:
        yield from sorted(path for path in folder.iterdir() if path.suffix.lower() == ".wav")
    except OSError:
        return


def _prompt(path: Path) -> Prompt:
    try:
        return Prompt(path.stem.lower())
    except ValueError:
        raise ConfigError(f"no prompt is called {path.stem!r}; there are {', '.join(Prompt)}") from None


def _octets(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            octets = file.read(_LARGEST + 1)
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}") from None
    if len(octets) > _LARGEST:
        raise ConfigError(f"longer than {LONGEST} seconds")
    return octets
