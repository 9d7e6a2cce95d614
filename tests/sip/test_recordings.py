"""Recordings of the operator in the place of our melodies."""

from __future__ import annotations

import array
import asyncio
import io
import math
import socket
import sys
import wave
from pathlib import Path

import pytest

from provd.base.errors import ConfigError
from provd.base.facts import Fact
from provd.sip.g711 import a_law
from provd.sip.player import Player
from provd.sip.prompts import FRAME, RATE, Prompt
from provd.sip.recordings import load, samples_of
from provd.sip.rtp import decode
from provd.sip.sdp import PCMA
from tests.kit.clock import FakeClock
from tests.kit.loop import VirtualLoop, in_virtual_time

TONE = [round(5000 * math.sin(i / 3)) for i in range(RATE // 2)]


def wav(samples: list[int], *, channels: int = 1, width: int = 2, rate: int = RATE) -> bytes:
    values = array.array("h", samples)
    if sys.byteorder == "big":
        values.byteswap()
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(values.tobytes())
    return made.getvalue()


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"", "not a WAV file"),
        (b"RIFF", "not a WAV file"),
        (b"ID3 and so on, an MP3", "not a WAV file"),
        (wav(TONE)[:30], "not a WAV file"),
        (wav(TONE, channels=2), "2 channels of 16 bits at 8000 Hz; needed: 1 of 16 bits at 8000 Hz"),
        (wav(TONE, rate=44100), "at 44100 Hz"),
        (wav(TONE, width=1), "of 8 bits"),
        (wav([]), "no sound in it"),
        (wav([1] * (RATE * 10 + 1)), "longer than 10 seconds"),
    ],
)
def test_what_cannot_be_played_is_said(octets: bytes, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        samples_of(octets)


def test_a_folder_of_recordings(tmp_path: Path) -> None:
    facts: list[Fact] = []
    assert load(tmp_path / "none", facts.append, FakeClock()) == {}
    (tmp_path / "Accepted.WAV").write_bytes(wav(TONE))
    (tmp_path / "welcome.wav").write_bytes(wav(TONE))
    (tmp_path / "wrong.wav").write_bytes(b"no sound")
    (tmp_path / "locked.wav").mkdir()
    (tmp_path / "notes.txt").write_text("who spoke")
    assert load(tmp_path, facts.append, FakeClock()) == {Prompt.ACCEPTED: tuple(TONE)}
    reasons = sorted(str(getattr(fact, "reason", "")) for fact in facts)
    assert [fact.ID for fact in facts] == ["MEDIA-RECORDING"] * 3
    assert reasons[0].startswith("cannot be read")
    assert reasons[1].startswith("no prompt is called 'welcome'; there are accepted, reset, wrong")
    assert reasons[2].startswith("not a WAV file")


def test_it_is_what_the_caller_hears() -> None:
    async def call(_loop: VirtualLoop) -> bytes:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller:
            caller.bind(("127.0.0.1", 0))
            caller.settimeout(0)
            player = Player(
                range(43200, 43400), lambda _fact: None, FakeClock(), recordings={Prompt.WRONG: tuple(TONE)}
            )
            session = player.open("127.0.0.1")
            assert session is not None
            done = asyncio.Event()
            session.play(Prompt.WRONG, PCMA, caller.getsockname(), done.set, peer="127.0.0.1")
            await done.wait()
            player.close()
            return b"".join(decode(caller.recv(2048)).payload for _ in range(len(TONE) // FRAME))

    assert in_virtual_time(call) == bytes(map(a_law, TONE))
