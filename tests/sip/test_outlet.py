"""Nobody uses us to hit somebody else, and nobody keeps us busy alone: sizes, buckets, and what is dropped."""

from __future__ import annotations

import pytest

from provd.sip.outlet import BURST, RATE
from tests.sip.stage import NOW, Phone, Stage

TERSE = (
    "OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/UDP 10.20.16.1:5060;branch=z9hG4bK{n};rport\r\nFrom: <sip:a@h>;tag=1\r\n"
    "To: <sip:b@h>\r\nCall-ID: {n}\r\nCSeq: 1 OPTIONS\r\n\r\n"
)


def terse(method: str, n: int, more: str = "") -> bytes:
    return TERSE.format(n=n).replace("OPTIONS", method).replace("\r\n\r\n", f"\r\n{more}\r\n").encode()


def octets_out(stage: Stage) -> int:
    return sum(len(octets) for _, octets in stage.octets)


@pytest.mark.parametrize(
    "method", ["OPTIONS", "SUBSCRIBE", "NOTIFY", "MESSAGE", "REFER", "BYE", "FOO", "INFO", "CANCEL", "PUBLISH"]
)
@pytest.mark.parametrize("more", ["", "X: " + "y" * 400 + "\r\n"])
def test_an_unproved_source_never_gets_more_than_it_sent(method: str, more: str) -> None:
    stage = Stage()
    phone = stage.phone(1)
    for number in range(50):
        request = terse(method, number, more)
        before = octets_out(stage)
        stage(request, phone)
        assert octets_out(stage) - before <= len(request)
    assert stage.wait(100) == []


def test_the_surplus_of_challenges_is_bounded_for_each_source() -> None:
    stage = Stage()
    phone = stage.phone(1)
    surplus = 0
    for number in range(190):
        request, before = terse("REGISTER", number), octets_out(stage)
        if stage(request, phone) == ["<< 401 Unauthorized"]:
            surplus += octets_out(stage) - before - len(request)
    assert BURST - 300 < surplus <= BURST
    assert stage.endpoint.stats.throttled > 100
    assert "SIP-THROTTLED" in [fact.ID for fact in stage.facts]
    before = octets_out(stage)
    stage.wait(3600)
    stage(terse("REGISTER", 999), phone)
    assert octets_out(stage) > before  # it fills again: RATE octets a second
    assert RATE * 3600 > BURST


def test_a_forged_source_cannot_use_up_another_ones_allowance() -> None:
    stage = Stage()
    for number in range(150):
        stage(terse("REGISTER", number), Phone(1))
    honest = Phone(2)
    assert stage(terse("REGISTER", 1), honest) == ["<< 401 Unauthorized"]


def test_forty_phones_behind_one_address_that_start_at_once_are_all_challenged() -> None:
    """Once one of them has answered, the address is proved and the others are not counted any more."""
    stage = Stage()
    phones = [stage.phone(number, host="192.0.2.1", port=1000 + number) for number in range(1, 41)]
    for phone in phones:
        assert stage(phone.register(), phone) == ["<< 401 Unauthorized"]
        assert len(stage.last.octets) < 1.3 * len(phone.register(authorize=False))
    assert stage(phones[0].register(), phones[0])[0] == "<< 200 OK"
    for _ in range(100):
        assert stage(phones[1].register(authorize=False), phones[1]) == ["<< 401 Unauthorized"]


def test_optional_headers_are_for_proved_sources() -> None:
    stage = Stage()
    phone = stage.phone(1)
    stage(phone.request("OPTIONS", "sip:h"))
    assert (stage.last.code, stage.last.get("allow")) == (200, "")
    phone = stage.registered(2)
    stage(phone.request("OPTIONS", "sip:h"), phone)
    assert "INVITE" in stage.last.get("allow")
    assert stage.last.get("accept") == "application/sdp"


def test_tcp_is_proved_by_its_handshake() -> None:
    stage = Stage()
    phone = stage.phone(1, transport="tcp", connection=1)
    stage(phone.request("OPTIONS", "sip:h"), phone)
    assert "INVITE" in stage.last.get("allow")


def test_unproved_requests_keep_nothing() -> None:
    stage = Stage()
    for number in range(500):
        phone = Phone(number % 250 + 1)
        stage(phone.register(authorize=False), phone)
        stage(phone.invite(), phone)
    assert len(stage.endpoint._transactions) == 0
    assert len(stage.endpoint._wire.timers) == 0


def test_a_flood_of_one_source_is_dropped_and_told_once() -> None:
    stage = Stage()
    phone = stage.phone(1)
    for _ in range(1000):
        stage(phone.register(authorize=False))
    assert stage.endpoint.stats.challenged < 300
    assert [(fact.ID, fact.reason) for fact in stage.facts] == [("SIP-THROTTLED", "requests")]
    other = stage.registered(2)
    assert other.nonce


def test_a_wrong_password_again_and_again_is_met_with_silence_but_its_neighbours_are_served() -> None:
    stage = Stage()
    bad = stage.phone(1, host="192.0.2.1", port=1001, password="wrong")
    stage(bad.register(), bad)
    answers = [stage(bad.register(), bad)[-1:] for _ in range(40)]
    assert answers.count(["<< 403 Forbidden"]) == 20
    assert answers[-1] == []
    assert stage.endpoint.stats.wrong_passwords == 40
    stage.registered(2, host="192.0.2.1", port=1002)


def test_too_many_transactions() -> None:
    from provd.sip.endpoint import SipSettings

    stage = Stage(SipSettings(transactions=3))
    phone = stage.registered()
    for _ in range(2):
        assert stage(phone.register())[:1] == ["<< 200 OK"]
    assert stage(phone.register()) == ["!! SIP-THROTTLED"]
    stage.wait(40)
    assert stage(phone.register())[:1] == ["<< 200 OK"]


@pytest.mark.parametrize("noise", [b"\r\n\r\n", b"\r\n", b"\0\0\0\0", b"\0", b"  \r\n"])
def test_keep_alives_over_udp_are_counted_and_not_answered(noise: bytes) -> None:
    stage = Stage()
    assert stage(noise, stage.phone(1)) == []
    assert stage.endpoint.stats.keepalives == 1


def test_a_ping_over_tcp_gets_its_pong() -> None:
    stage = Stage()
    phone = stage.phone(1, transport="tcp", connection=1)
    assert stage(b"\r\n\r\n", phone) == ["<< b'\\r\\n'"]
    assert stage(b"\r\n", phone) == []


def test_a_notify_that_keeps_a_nat_open() -> None:
    stage = Stage()
    phone = stage.phone(1)
    assert stage(phone.request("NOTIFY", "sip:h", fields="Event: keep-alive\r\n")) == ["<< 200 OK"]
    assert stage(phone.request("NOTIFY", "sip:h", fields="Event: presence\r\n")) == ["<< 489 Bad Event"]


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("SUBSCRIBE", "489 Bad Event"),
        ("PUBLISH", "489 Bad Event"),
        ("MESSAGE", "405 Method Not Allowed"),
        ("REFER", "405 Method Not Allowed"),
        ("INFO", "481 Call/Transaction Does Not Exist"),
        ("UPDATE", "481 Call/Transaction Does Not Exist"),
        ("PRACK", "481 Call/Transaction Does Not Exist"),
        ("FOO", "501 Not Implemented"),
        ("foo", "501 Not Implemented"),
    ],
)
def test_what_is_not_for_us(method: str, answer: str) -> None:
    stage = Stage()
    phone = stage.phone(1)
    assert stage(phone.request(method, "sip:someone@elsewhere.example")) == [f"<< {answer}"]
    assert [flow.host for flow, _ in stage.sent] == [phone.host]  # never relayed
    if "405" in answer:
        assert "REGISTER" in stage.last.get("allow")


def test_options_with_an_extension() -> None:
    stage = Stage()
    phone = stage.phone(1)
    assert stage(phone.request("OPTIONS", "sip:h", fields="Require: x\r\n")) == ["<< 420 Bad Extension"]


def test_defects_are_refused_once_and_noise_is_dropped() -> None:
    stage = Stage()
    phone = stage.phone(1)
    assert stage(phone.register().replace(b" REGISTER\r\n", b" INVITE\r\n")) == [
        "!! SIP-MALFORMED",
        "<< 400 CSeq is of another method",
    ]
    assert stage(b"GET / HTTP/1.1\r\n\r\n") == []
    assert stage.endpoint.stats.malformed == 2
    assert len(stage.facts) == 1


def test_a_stream_that_makes_no_sense_is_closed() -> None:
    stage = Stage()
    phone = stage.phone(1, transport="tcp", connection=1)
    assert stage(b"GET / HTTP/1.1\r\n\r\n", phone) == ["!! SIP-MALFORMED", "** close"]


def test_answers_and_acks_of_nobody_are_dropped() -> None:
    stage = Stage()
    phone = stage.phone(1)
    assert stage(phone.request("ACK", "sip:h")) == []
    assert stage(phone.register().replace(b"REGISTER sip:10.20.0.1 SIP/2.0", b"SIP/2.0 200 OK")) == []
    assert stage.endpoint.stats.strays == 2


def test_a_maddr_does_not_send_our_answer_to_somebody_else() -> None:
    stage = Stage()
    phone = stage.phone(1)
    octets = phone.register().replace(b";rport", b";maddr=203.0.113.9;received=203.0.113.9")
    stage(octets)
    assert stage.sent[-1][0].source == ("10.20.16.1", 5060)


def test_the_answer_to_a_repetition_has_the_same_tag() -> None:
    """RFC 3261 section 8.2.7: without remembering the request."""
    stage = Stage()
    phone = stage.phone(1)
    octets = phone.register()
    tags = set()
    for _ in range(3):
        stage(octets)
        tags.add(stage.last.tag("to"))
    assert len(tags) == 1
    stage(phone.register(branch="z9hG4bKother", authorize=False))
    assert stage.last.tag("to") not in tags


def test_nothing_is_due_in_an_idle_endpoint() -> None:
    stage = Stage()
    assert stage.endpoint.deadline == float("inf")
    assert stage.lines(stage.endpoint.expire(NOW + 1e9)) == []
