"""Calls: a number is dialed, redeemed once, answered with a prompt, and ended; whatever the other side does."""

from __future__ import annotations

import pytest

from provd.base.facts.sip import CallEnded, CallHeard
from provd.sip.call import LATE, LONGEST
from provd.sip.effects import Verdict
from provd.sip.endpoint import SipSettings
from tests.sip.stage import GOOD, SDP, WRONG, Heard, Phone, Stage

MEDIA = "** media 10.20.0.1"
OK = "<< 200 OK"


def ended(stage: Stage) -> str:
    fact = stage.facts[-1]
    assert isinstance(fact, CallEnded)
    return fact.reason


def answered(stage: Stage, phone: Phone, verdict: Verdict = GOOD, **more: object) -> tuple[bytes, Heard]:
    """The INVITE and our 200."""
    invite = phone.invite(**more)
    assert stage(invite, phone)[1:] == ["<< 100 Trying", "** redeem 1234"]
    assert stage.redeem(verdict) == [MEDIA, OK]
    return invite, stage.last


def test_a_whole_call() -> None:
    stage = Stage()
    phone = stage.registered()
    invite = phone.invite("*1234#")
    assert stage(invite) == ["!! SIP-CALL", "<< 100 Trying", "** redeem *1234"]
    dialed = stage.redeems[0].dialed
    assert (dialed.account.username, dialed.contact, dialed.flow.host) == (phone.user, "10.20.16.1", "10.20.16.1")
    assert dialed.user_agent == "Acme A1/1.2.3 02aaaa000001"
    assert dialed.flow.contact == f"sip:{phone.user}@10.20.16.1:5060"
    assert stage.redeem(GOOD) == [MEDIA, OK]
    answer = stage.last
    assert answer.get("contact") == "<sip:provd@10.20.0.1:5060>"
    assert b"m=audio 40000 RTP/AVP 0 101\r\n" in answer.body
    assert b"c=IN IP4 10.20.0.1\r\n" in answer.body
    assert stage(phone.ack(invite, answer)) == ["** play accepted to 10.20.16.1:11800"]
    assert stage.played() == ["** stop", "<< BYE"]
    bye = stage.last
    assert bye.start == f"BYE sip:{phone.user}@10.20.16.1:5060 SIP/2.0"
    assert bye.get("reason") == 'SIP ;cause=200 ;text="Line 101 is yours"'
    assert (bye.get("from"), bye.get("to")) == (answer.get("to"), answer.get("from"))
    assert stage(phone.answer(bye)) == ["!! SIP-CALL-ENDED"]
    assert ended(stage) == "played"
    assert stage.endpoint.calls == 0
    assert stage.endpoint.idle


def test_the_dialed_number_is_in_no_fact() -> None:
    stage = Stage()
    phone = stage.registered()
    stage(phone.invite("864209"))
    stage.redeem(WRONG)
    heard = [fact for fact in stage.facts if isinstance(fact, CallHeard)]
    assert [fact.digits for fact in heard] == [6]
    assert "864209" not in repr(stage.facts)


def test_an_unproved_caller_is_challenged_and_nothing_is_redeemed() -> None:
    stage = Stage()
    phone = stage.phone(1)
    invite = phone.invite()
    assert stage(invite) == ["<< 401 Unauthorized"]
    refusal = stage.last
    assert stage.wait(60) == []  # nothing is repeated to whom may not be there
    assert stage(phone.ack_refusal(invite, refusal)) == []
    assert stage(phone.invite()) == ["!! SIP-CALL", "<< 100 Trying", "** redeem 1234"]


def test_registered_or_not_an_invite_has_to_prove_itself() -> None:
    stage = Stage()
    phone = stage.registered()
    assert stage(phone.request("INVITE", "sip:1234@h", call="c", body=SDP, authorize=False)) == ["<< 401 Unauthorized"]
    assert stage.redeems == []


def test_however_often_an_invite_comes_it_is_redeemed_once() -> None:
    stage = Stage()
    phone = stage.registered()
    invite = phone.invite()
    stage(invite)
    for _ in range(5):
        assert stage(invite) == ["<< 100 Trying"]
    stage.redeem(GOOD)
    answer = stage.last
    assert stage(invite) == []  # our 200 is repeated by its own clock
    stage(phone.ack(invite, answer))
    stage.played()
    stage(phone.answer(stage.last))
    assert stage(invite) == []
    assert stage(phone.invite(call="call1")) == ["<< 482 Merged Request"]
    assert len(stage.redeems) == 1


def test_the_same_call_by_another_branch() -> None:
    stage = Stage()
    phone = stage.registered()
    stage(phone.invite(call="same"))
    assert stage(phone.invite(call="same")) == ["<< 482 Merged Request"]
    assert len(stage.redeems) == 1


@pytest.mark.parametrize(
    ("uri", "answer"),
    [
        ("sip:alice@10.20.0.1", "<< 404 Dial your code"),
        ("sip:12ab@10.20.0.1", "<< 404 Dial your code"),
        ("sip:10.20.0.1", "<< 484 Address Incomplete"),
        ("http://x/1234", "<< 416 Unsupported URI Scheme"),
    ],
)
def test_what_is_no_number(uri: str, answer: str) -> None:
    stage = Stage()
    phone = stage.registered()
    invite = phone.invite(uri=uri)
    assert stage(invite) == [answer]
    assert stage.redeems == []
    assert stage(phone.ack_refusal(invite, stage.last)) == []
    assert stage.wait(100) == []


def test_a_wrong_code_is_answered_and_said() -> None:
    stage = Stage()
    phone = stage.registered()
    invite, answer = answered(stage, phone, WRONG)
    assert stage(phone.ack(invite, answer)) == ["** play wrong to 10.20.16.1:11800"]
    stage.played()
    assert stage.last.get("reason") == 'SIP ;cause=404 ;text="No such code"'


def test_a_refusal_by_verdict() -> None:
    stage = Stage()
    phone = stage.registered()
    invite = phone.invite()
    stage(invite)
    lines = stage.redeem(Verdict(500, "Not stored\r\nX: y", wait=4.2))
    assert lines == ["<< 500 Not stored  X: y", "** stop", "!! SIP-CALL-ENDED"]
    assert stage.last.get("retry-after") == "5"
    assert ended(stage) == "refused"
    # G: repeated until its ACK comes
    assert stage.wait(3.6) == ["<< 500 Not stored  X: y"] * 3
    assert stage(phone.ack_refusal(invite, stage.last)) == []
    assert stage.wait(100) == []


def test_a_lost_ack() -> None:
    """Our 200 is repeated after 0.5, 1, 2, 4, 4 … seconds, and after 32 the call is ended."""
    stage = Stage()
    phone = stage.registered()
    answered(stage, phone)
    assert set(stage.wait(31.9)) == {OK}
    assert stage.sent_at[-10:] == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert stage.wait(0.2) == ["** stop", "<< BYE"]
    assert stage(phone.answer(stage.last, 481, "No")) == ["!! SIP-CALL-ENDED"]
    assert ended(stage) == "no-ack"


def test_an_ack_that_comes_again_and_late_is_nothing_new() -> None:
    stage = Stage()
    phone = stage.registered()
    invite, answer = answered(stage, phone)
    ack = phone.ack(invite, answer)
    assert stage(ack) == ["** play accepted to 10.20.16.1:11800"]
    assert stage(ack) == []
    stage.played()
    assert stage(ack) == []


def test_a_lost_bye_is_repeated_and_the_call_ends_anyway() -> None:
    stage = Stage()
    phone = stage.registered()
    invite, answer = answered(stage, phone)
    stage(phone.ack(invite, answer))
    stage.played()
    lines = stage.wait(33)
    assert lines == ["<< BYE"] * 10 + ["!! SIP-CALL-ENDED"]
    assert ended(stage) == "silent"


def test_hung_up_during_the_prompt() -> None:
    stage = Stage()
    phone = stage.registered()
    invite, answer = answered(stage, phone)
    stage(phone.ack(invite, answer))
    bye = phone.within("BYE", invite, answer)
    assert stage(bye) == ["** stop", "!! SIP-CALL-ENDED", OK]
    assert stage(bye) == [OK]
    assert stage.played() == []
    assert ended(stage) == "hung-up"
    assert stage(phone.within("BYE", invite, answer)) == [OK]
    assert stage(phone.within("INFO", invite, answer)) == ["<< 481 Call/Transaction Does Not Exist"]


def test_hung_up_before_the_ack() -> None:
    stage = Stage()
    phone = stage.registered()
    invite, answer = answered(stage, phone)
    assert stage(phone.within("BYE", invite, answer)) == ["** stop", "!! SIP-CALL-ENDED", OK]
    assert stage.wait(31) == []
    assert stage(phone.ack(invite, answer)) == []


def test_both_hang_up_at_once() -> None:
    stage = Stage()
    phone = stage.registered()
    invite, answer = answered(stage, phone)
    stage(phone.ack(invite, answer))
    stage.played()
    ours = stage.last
    assert stage(phone.within("BYE", invite, answer)) == ["!! SIP-CALL-ENDED", OK]
    assert stage(phone.answer(ours, 481, "Gone")) == []
    assert stage.endpoint.calls == 0


def test_cancelled_while_it_is_redeemed() -> None:
    stage = Stage()
    phone = stage.registered()
    invite = phone.invite()
    stage(invite)
    lines = stage(phone.cancel(invite))
    assert lines == [OK, "<< 487 Request Terminated", "** stop", "!! SIP-CALL-ENDED"]
    assert ended(stage) == "cancelled"
    assert stage(phone.ack_refusal(invite, stage.last)) == []
    assert stage.redeem(GOOD) == []
    assert stage.wait(200) == []


def test_cancelled_too_late() -> None:
    stage = Stage()
    phone = stage.registered()
    invite, answer = answered(stage, phone)
    assert stage(phone.cancel(invite)) == [OK]
    assert stage(phone.ack(invite, answer)) == ["** play accepted to 10.20.16.1:11800"]


def test_cancelling_what_is_not_there_or_somebody_elses() -> None:
    stage = Stage()
    phone, other = stage.registered(1), stage.registered(2)
    invite = phone.invite()
    assert stage(phone.cancel(invite), phone) == ["<< 481 Call/Transaction Does Not Exist"]
    stage(invite, phone)
    assert stage(phone.cancel(invite), other) == ["<< 481 Call/Transaction Does Not Exist"]
    assert stage.endpoint.calls == 1


def test_redeeming_takes_too_long() -> None:
    stage = Stage()
    phone = stage.registered()
    invite = phone.invite()
    stage(invite)
    assert stage.wait(LATE - 1) == []
    assert stage.wait(2)[:3] == ["<< 504 No answer in time, try again", "** stop", "!! SIP-CALL-ENDED"]
    assert ended(stage) == "late"
    assert stage.redeem(GOOD) == []


def test_a_prompt_that_never_ends() -> None:
    stage = Stage()
    phone = stage.registered()
    invite, answer = answered(stage, phone)
    stage(phone.ack(invite, answer))
    assert stage.wait(LONGEST - 1) == []
    assert stage.wait(2) == ["** stop", "<< BYE", "<< BYE"]


def test_without_a_port_for_audio_the_call_is_silent_but_answered() -> None:
    stage = Stage()
    stage.media = 0
    phone = stage.registered()
    invite, answer = answered(stage, phone)
    assert b"m=audio 9 " in answer.body
    assert stage(phone.ack(invite, answer)) == ["** stop", "<< BYE"]


def test_an_invite_without_a_session_description_gets_ours_and_the_ack_has_theirs() -> None:
    stage = Stage()
    phone = stage.registered()
    invite, answer = answered(stage, phone, body=b"")
    assert b"m=audio 40000 RTP/AVP 0 8\r\n" in answer.body
    ack = (
        phone.ack(invite, answer).replace(b"Content-Length: 0\r\n\r\n", b"Content-Length: %d\r\n\r\n" % len(SDP)) + SDP
    )
    assert stage(ack) == ["** play accepted to 10.20.16.1:11800"]


@pytest.mark.parametrize("body", [b"", b"v=0\r\nrubbish"])
def test_an_ack_without_a_usable_session_description(body: bytes) -> None:
    stage = Stage()
    phone = stage.registered()
    invite, answer = answered(stage, phone, body=b"")
    ack = (
        phone.ack(invite, answer).replace(b"Content-Length: 0\r\n\r\n", b"Content-Length: %d\r\n\r\n" % len(body))
        + body
    )
    assert stage(ack) == ["** stop", "<< BYE"]


def test_a_phone_that_does_not_want_to_hear() -> None:
    stage = Stage()
    phone = stage.registered()
    invite, answer = answered(stage, phone, body=SDP + b"a=inactive\r\n")
    assert stage(phone.ack(invite, answer)) == ["** stop", "<< BYE"]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (SDP.replace(b"0 8 101", b"9 101"), "application/sdp"),
        (SDP.replace(b"v=0", b"v=1"), "application/sdp"),
        (SDP.replace(b"IN IP4 10.20.16.1\r\nt", b"IN IP6 ::1\r\nt"), "application/sdp"),
        (SDP, "text/plain"),
    ],
)
def test_no_audio_in_common(body: bytes, kind: str) -> None:
    stage = Stage()
    phone = stage.registered()
    assert stage(phone.invite(body=body).replace(b"application/sdp", kind.encode())) == ["<< 488 Not Acceptable Here"]
    assert stage.last.get("warning")
    assert stage.redeems == []


def test_one_account_is_one_device() -> None:
    stage = Stage()
    phone = stage.registered()
    for call in ("a", "b"):
        assert stage(phone.invite(call=call))[1] == "<< 100 Trying"
    assert stage(phone.invite(call="c")) == ["<< 486 Busy Here"]


def test_too_many_calls() -> None:
    stage = Stage(SipSettings(calls=2))
    for number in (1, 2):
        phone = stage.registered(number)
        stage(phone.invite(), phone)
    third = stage.registered(3)
    assert stage(third.invite(), third) == ["<< 503 Too many calls"]


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("INVITE", "<< 488 Not Acceptable Here"),
        ("OPTIONS", OK),
        ("UPDATE", "<< 405 Method Not Allowed"),
        ("INFO", "<< 405 Method Not Allowed"),
        ("REFER", "<< 405 Method Not Allowed"),
        ("MESSAGE", "<< 405 Method Not Allowed"),
        ("FOO", "<< 405 Method Not Allowed"),
    ],
)
def test_requests_within_the_call(method: str, answer: str) -> None:
    stage = Stage()
    phone = stage.registered()
    invite, ours = answered(stage, phone)
    stage(phone.ack(invite, ours))
    request = phone.within(method, invite, ours)
    assert stage(request) == [answer]
    if "405" in answer:
        assert "BYE" in stage.last.get("allow")
    assert stage(request) == [answer]
    assert stage.endpoint.calls == 1


def test_requests_within_the_call_in_the_wrong_order() -> None:
    stage = Stage()
    phone = stage.registered()
    invite, ours = answered(stage, phone)
    assert stage(phone.within("BYE", invite, ours, cseq=5)) == ["<< 500 CSeq is not higher"]
    assert stage.endpoint.calls == 1


@pytest.mark.parametrize("method", ["BYE", "INVITE", "INFO", "UPDATE", "REGISTER", "OPTIONS"])
def test_requests_within_a_dialog_that_does_not_exist(method: str) -> None:
    stage = Stage()
    phone = stage.registered()
    request = phone.request(method, "sip:x@h", to="<sip:x@h>;tag=nothing")
    assert stage(request) == ["<< 481 Call/Transaction Does Not Exist"]


def test_a_dialog_is_not_found_by_its_tag_alone() -> None:
    stage = Stage()
    phone = stage.registered()
    invite, ours = answered(stage, phone)
    stranger = phone.within("BYE", invite, ours).replace(b";tag=t1\r\n", b";tag=guessed\r\n")
    assert stage(stranger) == ["<< 481 Call/Transaction Does Not Exist"]
    assert stage.endpoint.calls == 1


def test_an_extension_that_the_caller_insists_on() -> None:
    stage = Stage()
    phone = stage.registered()
    assert stage(phone.invite(fields="Require: 100rel\r\n")) == ["<< 420 Bad Extension"]
    assert stage.last.get("unsupported") == "100rel"
    assert stage.redeems == []


def test_through_a_proxy() -> None:
    """Record-Route comes back in the 200 and becomes the Route of our BYE; the flow stays the proxy's."""
    stage = Stage()
    phone = stage.registered()
    invite, answer = answered(
        stage, phone, fields="Record-Route: <sip:p1;lr>, <sip:p2;lr>\r\nRecord-Route: <sip:p3;lr>\r\n"
    )
    assert answer.headers["record-route"] == ["<sip:p1;lr>, <sip:p2;lr>", "<sip:p3;lr>"]
    stage(phone.ack(invite, answer))
    stage.played()
    assert stage.last.headers["route"] == ["<sip:p1;lr>", "<sip:p2;lr>", "<sip:p3;lr>"]


def test_a_call_over_tcp() -> None:
    stage = Stage()
    phone = stage.registered(1, transport="tcp", port=50001, connection=3)
    invite, answer = answered(stage, phone)
    assert answer.get("contact") == "<sip:provd@10.20.0.1:5060;transport=tcp>"
    stage(phone.ack(invite, answer))
    stage.played()
    assert stage.sent[-1][0].connection == 3
    assert stage.wait(20) == []  # TCP repeats by itself
    assert stage(phone.answer(stage.last)) == ["!! SIP-CALL-ENDED"]


def test_the_connection_is_lost_during_the_call() -> None:
    stage = Stage()
    phone = stage.registered(1, transport="tcp", port=50001, connection=3)
    invite, answer = answered(stage, phone)
    stage(phone.ack(invite, answer))
    lines = stage.lines(stage.endpoint.disconnected(3, stage.now))
    assert lines == ["!! SIP-REGISTRATION-ENDED", "** stop", "!! SIP-CALL-ENDED"]
    assert stage.played() == []


def test_a_call_from_behind_a_nat() -> None:
    stage = Stage()
    phone = stage.registered(host="192.0.2.1", port=40001, contact="192.168.1.20:5060")
    invite, answer = answered(stage, phone)
    stage(phone.ack(invite, answer))
    stage.played()
    flow, bye = stage.sent[-1]
    assert flow.source == ("192.0.2.1", 40001)
    assert bye.start == f"BYE sip:{phone.user}@192.168.1.20:5060 SIP/2.0"


def test_provd_ends() -> None:
    stage = Stage()
    one, two = stage.registered(1), stage.registered(2)
    invite, answer = answered(stage, one)
    stage(one.ack(invite, answer), one)
    stage(two.invite(), two)
    lines = stage.lines(stage.endpoint.stop(stage.now))
    assert lines == ["** stop", "<< BYE", "<< 503 Service Unavailable", "** stop", "!! SIP-CALL-ENDED"]
    assert stage(one.within("BYE", invite, answer), one) == ["!! SIP-CALL-ENDED", OK]
    assert stage(two.register(), two) == ["<< 503 Service Unavailable"]
    assert stage.endpoint.registrations == 2
