"""The manager interface's messages, in any pieces and of any origin."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provd.base.errors import UsageError, WireError
from provd.base.secrets import Secret
from provd.outbound import ami_wire
from provd.outbound.ami_wire import Reader, action, response_to, variable, version_of

GREETING = b"Asterisk Call Manager/5.0.1\r\n"
ANSWER = b"Response: Success\r\nActionID: 7\r\nMessage: NOTIFY sent\r\n\r\n"
EVENT = b"Event: PeerStatus\r\nPrivilege: system,all\r\nChanVariable: a=1\r\nChanVariable: b=2\r\n\r\n"


def test_an_action_is_a_block_of_lines():
    assert action("PJSIPNotify", [("Endpoint", "101"), variable("Event", "check-sync;reboot=false")]) == (
        b"Action: PJSIPNotify\r\nEndpoint: 101\r\nVariable: Event=check-sync;reboot=false\r\n\r\n"
    )


@pytest.mark.parametrize(
    "value", ["101\r\nAction: Originate", "101\n\nAction: Command", "a\rb", "a\0b", "x" * 501, "\x85"]
)
def test_no_value_becomes_a_second_line(value):
    with pytest.raises(UsageError):
        action("PJSIPNotify", [("Endpoint", value)])


@pytest.mark.parametrize("key", ["", "Var: x", "End\r\npoint", "1st"])
def test_no_key_becomes_a_second_line(key):
    with pytest.raises(UsageError):
        action("PJSIPNotify", [(key, "x")])


def test_a_variable_stays_one():
    with pytest.raises(UsageError):
        variable("Event", "check-sync,Content=reboot")
    with pytest.raises(UsageError):
        variable("Event=x", "y")


@given(st.lists(st.integers(1, 200)))
def test_the_pieces_do_not_matter(cuts):
    stream, reader, messages, start = GREETING + EVENT + ANSWER + EVENT, Reader(), [], 0
    for size in [*cuts, len(stream)]:
        messages += reader.feed(stream[start : start + size])
        start += size
    assert reader.banner is not None
    assert version_of(reader.banner) == "5.0.1"
    assert [message.is_response for message in messages] == [False, True, False]
    assert messages[1].good
    assert messages[1].get("actionid") == "7"
    assert messages[0].get("chanvariable") == "a=1"


@given(st.binary(max_size=400))
def test_no_octets_do_harm(octets):
    reader = Reader()
    for message in reader.feed(GREETING + octets):
        assert isinstance(message.get("response"), str)


@pytest.mark.parametrize("flood", [b"x" * 9000, b"A: " + b"x" * 9000 + b"\r\n", b"Key: value of a line\r\n" * 4000])
def test_what_has_no_end_is_cut_off(flood):
    with pytest.raises(WireError):
        Reader().feed(GREETING + flood)


def test_an_answer_without_colons_is_an_empty_one():
    (message,) = Reader().feed(GREETING + b"nonsense\r\n\r\n")
    assert not message.is_response
    assert not message.good


@pytest.mark.parametrize("banner", ["", "220 mail ESMTP", "SSH-2.0-x", "Asterisk Call Manager/" + "9" * 99])
def test_another_protocol_is_noticed(banner):
    with pytest.raises(WireError):
        version_of(banner)


def test_the_proof_of_a_login():
    assert response_to("166987655", Secret("x")) == hashlib.md5(b"166987655x").hexdigest()
    assert ami_wire.LONGEST_LINE < ami_wire.LONGEST_MESSAGE
