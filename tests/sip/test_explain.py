"""SIP messages in words."""

from __future__ import annotations

import pytest

from provd.base.errors import WireError
from provd.sip.explain import explain, sender
from tests.kit.mutate import Mutator, sip_messages
from tests.sip.stage import Phone, Stage


def test_a_conversation_in_words() -> None:
    stage = Stage()
    phone = stage.phone(1)
    first = phone.register()
    assert explain(first)[:2] == ["REGISTER sip:10.20.0.1 from ap02aaaa000001", "call reg-1@10.20.16.1 cseq 101"]
    assert "user-agent: Acme A1/1.2.3 02aaaa000001" in explain(first)
    assert sender(first) == ("ap02aaaa000001", "Acme A1/1.2.3 02aaaa000001")
    stage(first)
    told = explain(stage.last.octets)
    assert told[0] == "401 Unauthorized to REGISTER of ap02aaaa000001"
    assert told[-2:] == [
        "www-authenticate: Digest realm=provd algorithm=SHA-256",
        "www-authenticate: Digest realm=provd algorithm=MD5",
    ]
    invite = phone.invite("*12#")
    assert explain(invite)[0] == "INVITE sip:*12#@10.20.0.1 from ap02aaaa000001, dialing *12"
    assert explain(invite)[-2:] == [
        "authorization: Digest username=ap02aaaa000001 realm=provd algorithm=SHA-256",
        "body: 131 octets of application/sdp",
    ]
    assert "response=" not in " ".join(explain(invite))


def test_what_is_wrong_is_said() -> None:
    broken = Phone(1).register().replace(b" REGISTER\r\n", b" INVITE\r\n")
    assert explain(broken)[0].endswith("(to be refused: 400 CSeq is of another method)")
    assert explain(b"\r\n\r\n") == ["keep-alive"]
    assert sender(b"\0") == ("", "")
    with pytest.raises(WireError):
        explain(b"rubbish")


def test_whatever_is_captured_is_told_or_a_wire_error_and_never_moves_the_terminal() -> None:
    for octets, _ in zip(Mutator(3, sip_messages()), range(2000), strict=False):
        try:
            lines = explain(octets)
        except WireError:
            continue
        assert all("\x1b" not in line and "\n" not in line for line in lines)
