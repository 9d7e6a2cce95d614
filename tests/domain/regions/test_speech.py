"""What instances say to each other, octet by octet, and how it is signed."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provd.base.errors import WireError
from provd.base.secrets import Secret
from provd.domain.regions import speech
from provd.domain.regions.home import Home, Kind
from provd.domain.regions.speech import Heard, Said

WORDS = st.text(st.characters(categories=("L", "N", "P")), max_size=40)


@given(st.sampled_from(Kind), WORDS, WORDS.filter(bool), st.integers(0, 1 << 52), WORDS)
def test_what_is_said_is_heard(kind: Kind, transfer: str, device: str, epoch: int, region: str) -> None:
    said = Said(kind=kind, transfer=transfer, device_id=device, epoch=epoch, region=region, device={"vin": "x"})
    assert speech.said_of(speech.said_octets(said)) == said


@given(WORDS, st.integers(0, 99999), WORDS)
def test_and_so_is_the_answer(result: str, error: int, reason: str) -> None:
    heard = Heard(result=result, error=error, reason=reason)
    assert speech.heard_of(speech.heard_octets(heard)) == heard


@given(st.binary(max_size=200))
def test_nonsense_is_refused(octets: bytes) -> None:
    for read in (speech.said_of, speech.heard_of):
        try:
            read(octets)
        except WireError:
            continue
        assert isinstance(json.loads(octets), dict)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "steal"},
        {"kind": 1},
        {"epoch": -1},
        {"epoch": 1.5},
        {"epoch": True},
        {"epoch": 1 << 60},
        {"device_id": ""},
        {"device_id": "a\nb"},
        {"transfer": "x" * 300},
        {"device": []},
    ],
)
def test_every_member_is_looked_at(change: dict[str, object]) -> None:
    good = json.loads(speech.said_octets(Said(kind=Kind.MOVE, transfer="", device_id="d", epoch=1)))
    with pytest.raises(WireError):
        speech.said_of(json.dumps(good | change).encode())


def test_a_device_arrives_as_it_left() -> None:
    home = Home(device_id="d", vin="W" * 17, primary=False, attributes={"mac": "x", "n": 1}, key_hash="k", tenant="t")
    said = Said(kind=Kind.REGISTER, transfer="t", device_id="d", epoch=1, device=speech.facts_of(home))
    assert speech.home_of(speech.said_of(speech.said_octets(said))) == home


def test_signatures_are_of_everything_and_of_one_direction() -> None:
    secret = Secret("s" * 32)
    mine = speech.request_signature(secret, "eu", "n", "/p", b"body")
    assert mine == speech.request_signature(Secret("s" * 32), "eu", "n", "/p", b"body")
    others = {
        speech.request_signature(Secret("t" * 32), "eu", "n", "/p", b"body"),
        speech.request_signature(secret, "us", "n", "/p", b"body"),
        speech.request_signature(secret, "eu", "m", "/p", b"body"),
        speech.request_signature(secret, "eu", "n", "/q", b"body"),
        speech.request_signature(secret, "eu", "n", "/p", b"bodx"),
        speech.request_signature(secret, "eu", "n", "", b"/p\nbody"),
        speech.answer_signature(secret, "eu", "n", 200, b"body"),
        speech.answer_signature(secret, "eu", "n", 201, b"body"),
    }
    assert mine not in others
    assert len(others) == 8
