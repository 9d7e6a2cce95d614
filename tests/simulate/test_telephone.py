"""What a simulated phone hears, and on which addresses it can play."""

from __future__ import annotations

import itertools
import random

import pytest

from provd.plugin.phone import Account
from provd.simulate.telephone import reachable, recognised
from provd.sip.prompts import Prompt, frames
from provd.sip.rtp import RtpPacket
from provd.sip.sdp import PCMA, PCMU


def packets(payloads: list[bytes], kind: int) -> list[RtpPacket]:
    return [RtpPacket(kind, number, 0, 1, payload) for number, payload in enumerate(payloads)]


@pytest.mark.parametrize("kind", [PCMU, PCMA])
@pytest.mark.parametrize("prompt", list(Prompt))
def test_a_prompt_is_recognised_also_with_losses_and_out_of_order(prompt: Prompt, kind: int) -> None:
    payloads = list(frames(prompt, kind))
    random.Random(1).shuffle(payloads)
    assert recognised(packets(payloads, kind)) == prompt
    assert recognised(packets(payloads[len(payloads) // 10 :], kind)) == prompt


def test_something_else_is_not() -> None:
    every = list(itertools.chain.from_iterable(frames(prompt, PCMU) for prompt in Prompt))
    assert recognised([]) == ""
    assert recognised(packets(every, PCMU)) == ""
    assert recognised(packets(list(frames(Prompt.WRONG, PCMU))[:20], PCMU)) == ""
    assert recognised(packets(list(frames(Prompt.WRONG, PCMU)), 9)) == ""


def test_where_a_phone_can_play() -> None:
    told: list[str] = []
    accounts = [
        Account(1, "a", "", "10.0.0.1"),
        Account(1, "b", "", "pbx.example"),
        Account(1, "c", "", "10.0.0.1", transport="tcp"),
    ]
    assert [reachable(account, lambda _kind, text: told.append(text)) for account in accounts] == [True, False, False]
    assert told == ["b: udp to pbx.example is not simulated", "c: tcp to 10.0.0.1 is not simulated"]
