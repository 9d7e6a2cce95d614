"""NOTIFYs: over the registration's flow, repeated, challenged, and what comes of them."""

from __future__ import annotations

import re

import pytest

from provd.sip.digest import credentials, digest_response
from provd.sip.effects import Flow
from tests.sip.stage import SERVER, Phone, Stage

USER = "ap02aaaa000001"
NATTED = {"host": "192.0.2.1", "contact": "192.168.1.20:5060"}


def test_a_well_formed_notify_and_a_yes() -> None:
    stage = Stage()
    phone = stage.registered()
    assert stage.notify(USER, "check-sync;reboot=false") == ["<< NOTIFY"]
    flow, sent = stage.sent[-1]
    assert flow == stage.endpoint.flow_of(USER, stage.now)
    assert sent.start == f"NOTIFY sip:{USER}@10.20.16.1:5060 SIP/2.0"
    assert re.fullmatch(r"SIP/2.0/UDP 10.20.0.1:5060;branch=z9hG4bK[0-9a-f]{16};rport", sent.get("via"))
    assert sent.get("event") == "check-sync;reboot=false"
    assert sent.get("subscription-state") == "terminated"
    assert (sent.get("max-forwards"), sent.get("cseq"), sent.get("content-length")) == ("70", "1 NOTIFY", "0")
    assert sent.get("contact") == "<sip:provd@10.20.0.1:5060>"
    assert sent.tag("from")
    assert not sent.tag("to")
    assert stage(phone.answer(sent)) == ["** report accepted 200 OK"]
    assert stage(phone.answer(sent)) == []
    assert stage.endpoint.stats.notify_accepted == 1


def test_some_devices_want_an_order_in_the_body() -> None:
    stage = Stage()
    phone = stage.registered()
    body = ("action=restart", "RegisterCallId={}")
    sent = stage.lines(stage.endpoint.notify(1, USER, "service-control", stage.now, body=body))
    assert sent == ["<< NOTIFY"]
    _, heard = stage.sent[-1]
    assert (heard.get("event"), heard.get("content-type")) == ("service-control", "text/plain")
    assert heard.body == b"action=restart\r\nRegisterCallId={}\r\n"
    assert heard.get("content-length") == str(len(heard.body))
    # The challenged one has it again.
    challenge = 'WWW-Authenticate: Digest realm="phone", nonce="n", qop="auth", algorithm=MD5\r\n'
    assert stage(phone.answer(heard, 401, "Who?", challenge)) == ["<< NOTIFY"]
    assert (stage.last.get("cseq"), stage.last.body) == ("2 NOTIFY", heard.body)


def test_repeated_by_the_timers_and_given_up() -> None:
    """SP-02: after 0.5, 1, 2, 4, 4 … seconds; F ends it after 32."""
    stage = Stage()
    stage.registered()
    stage.notify(USER)
    assert stage.wait(31.9) == ["<< NOTIFY"] * 10
    assert stage.sent_at[-10:] == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert stage.wait(0.2) == ["!! SIP-REGISTRATION-ENDED", "** report silent no answer from 10.20.16.1:5060"]
    assert stage.reports[0].told == "silent"
    assert len({message.octets for _, message in stage.sent if message.method == "NOTIFY"}) == 1
    assert stage.wait(100) == []


def test_it_stops_at_the_answer_to_a_repetition() -> None:
    stage = Stage()
    phone = stage.registered()
    stage.notify(USER)
    stage.wait(2)
    assert stage(phone.answer(stage.last)) == ["** report accepted 200 OK"]
    assert stage.wait(100) == []


def test_a_provisional_answer_slows_it_down() -> None:
    stage = Stage()
    phone = stage.registered()
    stage.notify(USER)
    assert stage(phone.answer(stage.last, 100, "Trying")) == []
    assert stage.wait(12) == ["<< NOTIFY"] * 3  # at 0.5, 4.5 and 8.5: T2 from then on


@pytest.mark.parametrize("code", [302, 404, 481, 489, 500, 603])
def test_a_no(code: int) -> None:
    stage = Stage()
    phone = stage.registered()
    stage.notify(USER)
    lines = stage(phone.answer(stage.last, code, "No"))
    assert lines[-1] == f"** report refused {code} No"
    # A phone that does not know the account any more cannot be told by it.
    assert (stage.endpoint.flow_of(USER, stage.now) is None) is (code == 404)
    stage.wait(10)
    stage.registered()
    assert stage.wait(100) == []


def test_the_words_of_a_no_are_fit_for_people() -> None:
    stage = Stage()
    phone = stage.registered()
    stage.notify(USER)
    assert stage(phone.answer(stage.last, 489, "Bad Event")) == ["** report refused 489 Bad Event"]


@pytest.mark.parametrize(
    ("code", "asks", "answers"),
    [(401, "WWW-Authenticate", "authorization"), (407, "Proxy-Authenticate", "proxy-authorization")],
)
@pytest.mark.parametrize("algorithm", ["SHA-256", "MD5"])
def test_a_challenge_is_met_with_the_devices_own_credentials(
    code: int, asks: str, answers: str, algorithm: str
) -> None:
    stage = Stage()
    phone = stage.registered()
    stage.notify(USER)
    first = stage.last
    challenge = f'{asks}: Digest realm="phone", nonce="n", qop="auth", algorithm={algorithm}\r\n'
    assert stage(phone.answer(first, code, "Who?", challenge)) == ["<< NOTIFY"]
    flow, second = stage.sent[-1]
    assert flow == stage.endpoint.flow_of(USER, stage.now)
    assert (second.get("call-id"), second.get("from")) == (first.get("call-id"), first.get("from"))
    assert second.get("cseq") == "2 NOTIFY"
    assert second.get("via") != first.get("via")
    given = credentials(second.get(answers))
    assert given["username"] == USER
    assert given["response"] == digest_response(algorithm, given, "secret-1", "NOTIFY")
    assert stage(phone.answer(second)) == ["** report accepted 200 OK"]


def test_credentials_are_given_once() -> None:
    stage = Stage()
    phone = stage.registered()
    stage.notify(USER)
    challenge = 'WWW-Authenticate: Digest realm="phone", nonce="n"\r\n'
    stage(phone.answer(stage.last, 401, "Who?", challenge))
    assert stage(phone.answer(stage.last, 401, "Who?", challenge)) == ["** report refused 401 Who?"]


def test_a_stale_nonce_is_another_chance_and_only_one() -> None:
    stage = Stage()
    phone = stage.registered()
    stage.notify(USER)
    challenge = 'WWW-Authenticate: Digest realm="phone", nonce="n", stale=true\r\n'
    assert stage(phone.answer(stage.last, 401, "Who?", challenge)) == ["<< NOTIFY"]
    assert stage(phone.answer(stage.last, 401, "Who?", challenge)) == ["<< NOTIFY"]
    assert stage(phone.answer(stage.last, 401, "Who?", challenge)) == ["** report refused 401 Who?"]


def test_a_challenge_that_cannot_be_met() -> None:
    stage = Stage()
    phone = stage.registered()
    stage.notify(USER)
    assert stage(phone.answer(stage.last, 401, "Who?")) == ["** report refused 401 Who?"]


def test_an_answer_from_elsewhere_is_none() -> None:
    """SP-03: credentials are never sent because of, nor to, an address that is not the registered one."""
    stage = Stage()
    phone = stage.registered()
    stage.notify(USER)
    stranger = Phone(9)
    challenge = 'WWW-Authenticate: Digest realm="phone", nonce="n"\r\n'
    assert stage(phone.answer(stage.last, 401, "Who?", challenge), stranger) == []
    assert stage(phone.answer(stage.last), stranger) == []
    assert stage.endpoint.stats.strays == 2


def test_who_is_not_registered() -> None:
    stage = Stage()
    assert stage.notify(USER) == ["** report no-way not registered"]
    assert stage.notify("nobody") == ["** report no-way not registered"]
    stage.registered()
    stage.wait(4000)
    assert stage.notify(USER) == ["** report no-way not registered"]


def test_a_remembered_flow_serves_until_the_phone_registers_again() -> None:
    before = Stage()
    before.registered(1, port=40001, **NATTED)
    flow = before.endpoint.flow_of(USER, before.now)
    remembered = Flow(flow.transport, flow.host, flow.port, flow.local, flow.local_port, contact=flow.contact)
    after = Stage()
    phone = after.phone(1, port=40001, **NATTED)
    assert after.notify(USER, flow=remembered) == ["<< NOTIFY"]
    assert after.sent[-1][0].source == ("192.0.2.1", 40001)
    assert after.last.start == f"NOTIFY sip:{USER}@192.168.1.20:5060 SIP/2.0"
    assert after(phone.answer(after.last)) == ["** report accepted 200 OK"]
    after.registered(1, host="192.0.2.1", port=40777, contact="192.168.1.20:5060")
    after.notify(USER, flow=remembered)
    assert after.sent[-1][0].source == ("192.0.2.1", 40777)


def test_two_phones_behind_one_address_get_each_their_own() -> None:
    stage = Stage()
    phones = [stage.registered(number, port=40000 + number, **NATTED) for number in (1, 2)]
    for phone in phones:
        stage.notify(phone.user)
        flow, sent = stage.sent[-1]
        assert flow.source == ("192.0.2.1", 40000 + phone.number)
        assert phone.user in sent.start
        assert stage(phone.answer(sent), phone)[0].startswith("** report accepted")


def test_over_tcp() -> None:
    stage = Stage()
    phone = stage.registered(1, transport="tcp", port=50001, connection=4)
    stage.notify(USER)
    flow, sent = stage.sent[-1]
    assert (flow.connection, sent.get("via").split()[0]) == (4, "SIP/2.0/TCP")
    assert stage.wait(31) == []
    assert stage(phone.answer(sent)) == ["** report accepted 200 OK"]


def test_the_connection_is_lost_before_the_answer() -> None:
    stage = Stage()
    stage.registered(1, transport="tcp", port=50001, connection=4)
    stage.notify(USER)
    lines = stage.lines(stage.endpoint.disconnected(4, stage.now))
    assert lines[-1].startswith("** report silent")


def test_an_event_cannot_bring_headers_in() -> None:
    stage = Stage()
    stage.registered()
    stage.notify(USER, "check-sync\r\nX-Evil: 1\r\n\r\nbody")
    assert "x-evil" not in stage.last.headers
    assert SERVER in stage.last.get("via")
