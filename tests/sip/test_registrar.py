"""Registrations: one account is one device; bindings end as they should, and their way stays open."""

from __future__ import annotations

import pytest

from provd.base.facts.sip import AutoprovRegistered, RegistrationEnded
from provd.sip.endpoint import SipSettings
from provd.sip.registrar import Terms
from tests.sip.stage import Phone, Stage

USER = "ap02aaaa000001"


def code(stage: Stage, octets: bytes, phone: Phone | None = None) -> int:
    stage(octets, phone)
    return stage.last.code


def test_a_first_registration() -> None:
    stage = Stage()
    phone = stage.phone(1)
    assert stage(phone.register()) == ["<< 401 Unauthorized"]
    assert stage(phone.register()) == ["<< 200 OK", "!! AUTOPROV-REGISTERED", f"** registered {USER}"]
    assert stage.last.get("contact") == f"<sip:{USER}@10.20.16.1:5060>;expires=3600"
    fact = stage.facts[-1]
    assert isinstance(fact, AutoprovRegistered)
    assert (fact.account, fact.mac, fact.seconds, fact.nat) == (USER, "02aaaa000001", 3600, False)
    assert fact.user_agent == "Acme A1/1.2.3 02aaaa000001"
    assert stage.endpoint.registrations == 1


def test_refreshing_is_not_told_but_counts_as_a_sign_of_life() -> None:
    stage = Stage()
    phone = stage.registered()
    stage.wait(1800)
    stage(phone.register())
    assert stage(phone.register()) == ["<< 200 OK", f"** registered {USER}"]
    assert stage.wait(3599) == []
    assert stage.wait(2) == ["!! SIP-REGISTRATION-ENDED"]


def test_a_phone_that_comes_back_with_other_firmware_is_told() -> None:
    stage = Stage()
    phone = stage.registered()
    stage(phone.register())
    assert stage(phone.register().replace(b"Acme A1/1.2.3", b"Acme A1/2.0.0")) == [
        "<< 200 OK", "!! AUTOPROV-REGISTERED", f"** registered {USER}",
    ]  # fmt: skip
    fact = stage.facts[-1]
    assert isinstance(fact, AutoprovRegistered)
    assert fact.user_agent == "Acme A1/2.0.0 02aaaa000001"
    stage.wait(100)
    assert stage(phone.register().replace(b"Acme A1/1.2.3", b"Acme A1/2.0.0")) == ["<< 200 OK", f"** registered {USER}"]


def test_it_expires() -> None:
    stage = Stage()
    phone = stage.registered()
    assert stage.endpoint.flow_of(USER, stage.now) is not None
    assert stage.wait(3601) == ["!! SIP-REGISTRATION-ENDED"]
    fact = stage.facts[-1]
    assert isinstance(fact, RegistrationEnded)
    assert fact.reason == "expired"
    assert stage.endpoint.flow_of(USER, stage.now) is None
    del phone


@pytest.mark.parametrize("contact", ["*", f"<sip:{USER}@10.20.16.1:5060>", f"<sip:{USER}@10.20.16.1>;expires=0;q=1"])
def test_it_is_removed_by_the_phone(contact: str) -> None:
    stage = Stage()
    phone = stage.registered()
    assert stage(phone.register(0, contact=contact)) == ["<< 200 OK", "!! SIP-REGISTRATION-ENDED"]
    assert stage.last.get("contact") == ""
    assert stage.endpoint.flow_of(USER, stage.now) is None
    assert code(stage, phone.register(0, contact=contact)) == 200
    stage.wait(40)
    assert stage.wait(7200) == []


def test_removing_what_another_contact_registered_changes_nothing() -> None:
    stage = Stage()
    phone = stage.registered()
    assert stage(phone.register(0, contact="<sip:other@10.9.9.9>")) == ["<< 200 OK"]
    assert "10.20.16.1" in stage.last.get("contact")


def test_a_query_lists() -> None:
    stage = Stage()
    phone = stage.registered()
    stage.wait(100)
    assert code(stage, phone.register(None, contact="")) == 200
    assert stage.last.get("contact") == f"<sip:{USER}@10.20.16.1:5060>;expires=3500"


def test_a_phone_that_starts_again_elsewhere_takes_its_place() -> None:
    stage = Stage()
    stage.registered()
    moved = stage.phone(1, host="10.20.16.99")
    stage(moved.register(), moved)
    lines = stage(moved.register(call="reg2"), moved)
    assert lines == ["<< 200 OK", "!! AUTOPROV-REGISTERED", f"** registered {USER}"]
    assert stage.last.headers["contact"] == [f"<sip:{USER}@10.20.16.99:5060>;expires=3600"]
    assert stage.endpoint.registrations == 1
    assert stage.endpoint.flow_of(USER, stage.now).host == "10.20.16.99"


def test_the_instance_is_remembered_and_echoed() -> None:
    stage = Stage()
    phone = stage.registered()
    contact = f'<sip:{USER}@10.20.16.1>;+sip.instance="<urn:uuid:1>"'
    stage(phone.register(contact=contact))
    assert '+sip.instance="<urn:uuid:1>"' in stage.last.get("contact")
    other = f'<sip:{USER}@10.7.7.7>;+sip.instance="<urn:uuid:1>"'
    assert stage(phone.register(0, contact=other)) == ["<< 200 OK", "!! SIP-REGISTRATION-ENDED"]


def test_shorter_than_the_shortest() -> None:
    stage = Stage()
    phone = stage.registered()
    assert code(stage, phone.register(10)) == 423
    assert stage.last.get("min-expires") == "60"


@pytest.mark.parametrize(
    ("expires", "contact", "granted"),
    [
        (100_000, "", 3600),
        (99_999_999_999_999_999_999, "", 3600),
        (600, "", 600),
        (None, "", 3600),
        (600, f"<sip:{USER}@10.20.16.1>;expires=90", 90),
        (600, f"<sip:{USER}@10.20.16.1>;expires=soon", 3600),
    ],
)
def test_how_long(expires: int | None, contact: str, granted: int) -> None:
    stage = Stage()
    phone = stage.registered()
    assert code(stage, phone.register(expires, **({"contact": contact} if contact else {}))) == 200
    assert stage.last.get("expires") == str(granted)


def test_behind_a_nat_it_is_short_and_kept_open() -> None:
    stage = Stage()
    phone = stage.registered(host="192.0.2.1", port=40001, contact="192.168.1.20:5060")
    assert stage.last.get("expires") == "120"
    assert stage.last.get("contact") == f"<sip:{USER}@192.168.1.20:5060>;expires=120"
    assert stage.wait(99) == ["<< b'\\r\\n\\r\\n'"] * 3
    assert {flow.source for flow, octets in stage.octets if octets == b"\r\n\r\n"} == {("192.0.2.1", 40001)}
    stage(phone.register())
    assert stage.wait(119) == ["<< b'\\r\\n\\r\\n'"] * 4
    assert stage.wait(600) == ["!! SIP-REGISTRATION-ENDED"]
    assert stage.facts[0].nat


def test_a_clock_that_is_set_forward_ends_no_registration_and_no_call() -> None:
    stage = Stage()
    stage.registered(host="192.0.2.1", port=40001, contact="192.168.1.20:5060")
    phone = stage.registered(2)
    assert "** redeem 1234" in stage(phone.invite(), phone)
    stage.wait(10)
    day = 86400.0
    stage.now += day
    assert stage.lines(stage.endpoint.leapt(day, stage.now)) == []
    assert stage.wait(9) == []
    assert (stage.endpoint.calls, stage.endpoint.registrations) == (1, 2)
    assert stage.wait(2)[0] == "<< 504 No answer in time, try again"
    assert "<< b'\\r\\n\\r\\n'" in (lines := stage.wait(98)), "the way through the NAT is kept open"
    assert "!! SIP-REGISTRATION-ENDED" not in lines
    assert stage.wait(2)[-1] == "!! SIP-REGISTRATION-ENDED", "that behind the NAT, two minutes after it was made"
    assert stage.wait(3478) == []
    assert stage.wait(2) == ["!! SIP-REGISTRATION-ENDED"]


def test_keep_alives_can_be_turned_off() -> None:
    stage = Stage(SipSettings(keepalive=0))
    stage.registered(host="192.0.2.1", port=40001, contact="192.168.1.20:5060")
    assert stage.wait(100) == []


def test_a_phone_that_sends_from_another_port_than_it_hears_on() -> None:
    stage = Stage()
    stage.registered(port=33333, contact="10.20.16.1:5062", rport=False)
    flow, _ = stage.sent[-1]
    assert flow.port == 5062  # the answer follows the Via
    assert stage.endpoint.flow_of(USER, stage.now).source == ("10.20.16.1", 5062)


def test_an_older_request_does_not_undo_a_newer_one() -> None:
    stage = Stage()
    phone = stage.registered()
    newer, older = phone.register(cseq=500), phone.register(0, cseq=499)
    assert code(stage, newer) == 200
    assert code(stage, older) == 500
    assert stage.endpoint.registrations == 1


@pytest.mark.parametrize(
    ("expires", "contact"),
    [
        (3600, "*"),
        (0, f"*, <sip:{USER}@10.20.16.1>"),
        (60, "<tel:123>"),
        (60, "<>"),
        (60, "<http://x>"),
        (60, "rubbish"),
        (60, "<sip:" + "a" * 300 + "@h>"),
    ],
)
def test_contacts_that_make_no_sense(expires: int, contact: str) -> None:
    stage = Stage()
    phone = stage.registered()
    assert code(stage, phone.register(expires, contact=contact)) == 400
    assert stage.endpoint.registrations == 1


def test_another_accounts_registration() -> None:
    stage = Stage()
    phone = stage.registered()
    assert code(stage, phone.register(to="<sip:ap02aaaa000002@10.20.0.1>")) == 403
    assert code(stage, phone.register(to="<sip:nobody@10.20.0.1>")) == 403
    assert stage.endpoint.registrations == 1
    assert [fact.ID for fact in stage.facts[-1:]] == ["SIP-REFUSED"]


def test_a_full_table_refuses_new_ones_and_keeps_the_old() -> None:
    stage = Stage(SipSettings(terms=Terms(most=2)))
    one = stage.registered(1)
    stage.registered(2)
    three = stage.phone(3)
    stage(three.register(), three)
    assert code(stage, three.register(), three) == 503
    assert stage.last.get("retry-after") == "60"
    assert code(stage, one.register(), one) == 200
    assert stage.endpoint.registrations == 2


def test_a_closed_connection_ends_its_registrations() -> None:
    stage = Stage()
    stage.registered(1, transport="tcp", port=50001, connection=7)
    stage.registered(2)
    assert stage.lines(stage.endpoint.disconnected(7, stage.now)) == ["!! SIP-REGISTRATION-ENDED"]
    assert stage.facts[-1].reason == "disconnected"
    assert stage.endpoint.registrations == 1


def test_a_connection_that_a_phone_has_left_ends_nothing() -> None:
    stage = Stage()
    stage.registered(1, transport="tcp", port=50001, connection=7)
    stage.registered(2, transport="tcp", port=50001, connection=7)
    stage.registered(1, transport="tcp", port=50002, connection=8, cseq=200)
    assert stage.lines(stage.endpoint.disconnected(7, stage.now)) == ["!! SIP-REGISTRATION-ENDED"]
    assert stage.endpoint.flow_of(USER, stage.now) is not None
    assert stage.lines(stage.endpoint.disconnected(7, stage.now)) == []
    assert stage.lines(stage.endpoint.disconnected(8, stage.now)) == ["!! SIP-REGISTRATION-ENDED"]
    assert stage.endpoint.registrations == 0


def test_extensions_that_we_do_not_have() -> None:
    stage = Stage()
    phone = stage.registered()
    phone.extra += "Require: path, x-magic\r\n"
    assert code(stage, phone.register()) == 420
    assert stage.last.get("unsupported") == "path, x-magic"


def test_a_repeated_register_is_answered_the_same_and_done_once() -> None:
    stage = Stage()
    phone = stage.phone(1)
    stage(phone.register())
    octets = phone.register()
    first = stage(octets)
    answer = stage.last.octets
    assert first[0] == "<< 200 OK"
    assert stage(octets) == ["<< 200 OK"]
    assert stage.last.octets == answer
    assert stage.endpoint.stats.repeated == 1
    stage.wait(33)
    assert stage(octets) == ["<< 401 Unauthorized"]


def test_a_thousand_refreshes_leave_no_heap_of_timers() -> None:
    stage = Stage()
    phone = stage.registered()
    for _ in range(3000):
        stage(phone.register())
        stage.wait(0.05)
    assert len(stage.endpoint._wire.timers) < 3000
    assert stage.endpoint.registrations == 1


def test_settings_change_while_it_runs() -> None:
    stage = Stage()
    phone = stage.registered()
    stage.endpoint.reconfigure(SipSettings(algorithms=("MD5",), terms=Terms(longest=120)))
    assert code(stage, phone.register().replace(b"=SHA-256", b"=MD5")) == 403
    phone.nonce, phone.algorithm = "", "MD5"
    stage(phone.register())
    assert code(stage, phone.register()) == 200
    assert stage.last.get("expires") == "120"
