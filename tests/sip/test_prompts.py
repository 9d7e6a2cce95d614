"""What callers hear: the codec against known answers, and prompts that can be told apart."""

from __future__ import annotations

import itertools

import pytest

from provd.app.dialing import Answer, Outcome
from provd.sip.g711 import a_law, mu_law
from provd.sip.prompts import FRAME, RATE, Prompt, frames, samples
from provd.sip.sdp import PCMA, PCMU
from provd.sip.verdict import verdict_of

KNOWN = [  # sample, mu-law, A-law; from another implementation
    (0, 255, 213), (1, 255, 213), (-1, 126, 85), (4, 254, 213), (-5, 126, 85), (31, 251, 212), (-32, 123, 84),
    (100, 242, 211), (-100, 114, 83), (1000, 206, 250), (-1000, 78, 122), (8000, 160, 138), (-8000, 32, 10),
    (32635, 128, 170), (32767, 128, 170), (-32768, 0, 42),
]  # fmt: skip


@pytest.mark.parametrize(("sample", "mu", "a"), KNOWN)
def test_known_answers(sample: int, mu: int, a: int) -> None:
    assert (mu_law(sample), a_law(sample)) == (mu, a)


def test_the_laws_are_monotonous_and_use_every_octet() -> None:
    # Larger samples have smaller inverted magnitudes; sign and inversion undone, the order is that of the samples.
    mu = [(~mu_law(s) & 0x7F) for s in range(32768)]
    a = [(a_law(s) ^ 0x55) & 0x7F for s in range(32768)]
    assert mu == sorted(mu)
    assert a == sorted(a)
    assert {mu_law(s) for s in range(-32768, 32768, 2)} >= set(range(256)) - {0x7F}
    assert {a_law(s) for s in range(-32768, 32768, 2)} == set(range(256))


def test_every_outcome_of_a_known_device_has_a_prompt_and_only_success_sounds_like_success() -> None:
    heard = {outcome: verdict_of(Answer(outcome=outcome, text="words")).prompt for outcome in Outcome}
    assert [outcome for outcome, prompt in heard.items() if prompt == Prompt.ACCEPTED] == [Outcome.ACCEPTED]
    assert [outcome for outcome, prompt in heard.items() if prompt == Prompt.ERROR] == [Outcome.NOT_STORED]
    assert [outcome for outcome, prompt in heard.items() if not prompt] == [Outcome.NO_DEVICE]
    assert set(heard.values()) - {""} == set(Prompt)


@pytest.mark.parametrize("prompt", list(Prompt))
def test_a_prompt_is_short_soft_and_not_too_loud(prompt: Prompt) -> None:
    played = samples(prompt)
    assert 1.0 <= len(played) / RATE <= 2.5
    assert 4000 < max(map(abs, played)) < 12000
    assert max(map(abs, played[:16])) < 2500, "the first 2 ms are quiet"
    assert max(map(abs, played[-16:])) < 400
    assert max(abs(after - before) for before, after in itertools.pairwise(played)) < 9500, "no click"


@pytest.mark.parametrize("payload_type", [PCMU, PCMA])
def test_frames_are_20_ms_and_told_apart(payload_type: int) -> None:
    every = {prompt: frames(prompt, payload_type) for prompt in Prompt}
    assert {len(frame) for made in every.values() for frame in made} == {FRAME} == {160}
    assert len({made[:8] for made in every.values()}) >= len(every) - 2, "mostly after 160 ms"
    assert len(set(every.values())) == len(every)
    assert frames(Prompt.ACCEPTED, payload_type) is frames(Prompt.ACCEPTED, payload_type), "made once"
