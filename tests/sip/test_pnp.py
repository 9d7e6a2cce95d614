"""Phones that ask by multicast: who is answered, how, and how often."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import pytest

from provd.base.types import Mac
from provd.simulate.sip_message import Message
from provd.sip.message import Request, parse
from provd.sip.pnp import Advice, Arrival, Asked, Emit, Responder, Send, Words, device_words, mac_in
from tests.kit.mutate import Mutator

HERE = "192.168.50.1"
URL = "http://192.168.50.1:8667/"


@dataclass
class Shape:
    """How one kind of phone writes its question."""

    user: str
    host: str = "224.0.1.75"
    port: int = 5060
    words: str = ""
    agent: str = ""
    address: str = "192.168.50.20"
    branch: str = ";branch=z9hG4bKone"

    def octets(self, call: str = "call-1") -> bytes:
        uri = f"sip:{self.user}@{self.host}"
        headers = [
            ("Via", f"SIP/2.0/UDP {self.address}:{self.port}{self.branch}"),
            ("From", f"<{uri}>;tag=1000"),
            ("To", f"<{uri}>"),
            ("Call-ID", f"{call}@{self.address}"),
            ("CSeq", "1 SUBSCRIBE"),
            ("Contact", f"<sip:{self.user}@{self.address}:{self.port}>"),
            ("Max-Forwards", "70"),
            ("Expires", "0"),
            ("Event", f"ua-profile{self.words}"),
            ("Accept", "application/url"),
        ]
        headers += [("User-Agent", self.agent)] if self.agent else []
        return Message(f"SUBSCRIBE {uri} SIP/2.0", headers).encode()

    @property
    def arrival(self) -> Arrival:
        return Arrival((self.address, self.port), "eth1", 3, HERE)


DECT = Shape("MAC001565f4f9e1", port=5059, words=';profile-type="device";vendor="yealink";model="W52P";version="25.81"')
OLD = Shape("MAC001565f4f9e1", port=5059, words=';profile-type="device";vendor="Yealink";model="T21D";version="34.72"')
ESCAPED = Shape(
    "MAC%3a001565f4f9e2", words=';vendor="yealink";model="SIP-T53W";version="95.85"', address="192.168.50.21"
)
NO_BRANCH = Shape(
    "MAC%3a00135E874B49",
    "intern.example",
    words=';vendor="acme";model="a120"',
    address="192.168.50.22",
    branch=";rport",
)
UPPER = Shape("MAC%3A000B8201FC42", port=5080, words=';vendor="G";model="G1"', address="192.168.50.23")
EQUALS = Shape("MAC=00:09:45:01:02:03", words=";vendor=p", address="192.168.50.24")
APPLICATION = Shape("gateway", words=';profile-type="application"', address="192.168.50.25")


@dataclass
class Desk:
    """Tells everybody the same."""

    advice: Advice = field(default_factory=lambda: Advice(url=URL, plugin="acme", model="A1", boot="b1"))
    questions: list[Asked] = field(default_factory=list)
    told_to: list[Mac] = field(default_factory=list)

    def asked(self, asked: Asked, _now: float) -> Advice:
        self.questions.append(asked)
        return self.advice

    def told(self, asked: Asked, _now: float) -> None:
        self.told_to.append(asked.mac)


class Table:
    def __init__(self, *, speak: bool = True) -> None:
        numbers = itertools.count(1)
        self.desk = Desk()
        self.now = 1000.0
        self.machine = Responder(self.desk, speak, lambda: f"t{next(numbers)}")
        self.sent: list[Send] = []
        self.told: list[str] = []

    def gets(self, shape: Shape, call: str = "call-1") -> Table:
        return self.takes(self.machine.handle(shape.octets(call), shape.arrival, self.now))

    def takes(self, effects: list[Send | Emit]) -> Table:
        for effect in effects:
            if isinstance(effect, Send):
                self.sent.append(effect)
            else:
                fact = effect.fact
                self.told.append(f"{fact.ID} {getattr(fact, 'reason', '')}".rstrip())
        return self

    def waits(self, seconds: float) -> Table:
        end = self.now + seconds
        while self.machine.deadline <= end:
            self.now = self.machine.deadline
            self.takes(self.machine.expire(self.now))
        self.now = end
        return self

    def confirm(self, status: str = "200 OK", source: str = "192.168.50.20") -> bool:
        notify = parse(self.sent[-1].octets)
        headers = [("Via", notify.headers.get("via")), ("From", notify.headers.get("from"))]
        headers += [("To", notify.headers.get("to")), ("Call-ID", notify.call_id), ("CSeq", "1 NOTIFY")]
        effects = self.machine.confirmed(Message(f"SIP/2.0 {status}", headers).encode(), (source, 5059), self.now)
        self.takes(effects or [])
        return effects is not None


def test_the_answer_goes_to_the_source_and_the_url_to_the_contact() -> None:
    table = Table().gets(DECT)
    ok, notify = table.sent
    assert (ok.to, ok.index, ok.local) == (("192.168.50.20", 5059), 3, HERE)
    assert ok.octets.decode().split("\r\n") == [
        "SIP/2.0 200 OK",
        "Via: SIP/2.0/UDP 192.168.50.20:5059;branch=z9hG4bKone",
        "From: <sip:MAC001565f4f9e1@224.0.1.75>;tag=1000",
        "To: <sip:MAC001565f4f9e1@224.0.1.75>;tag=t1",
        "Call-ID: call-1@192.168.50.20",
        "CSeq: 1 SUBSCRIBE",
        "Expires: 0",
        "Contact: <sip:192.168.50.1:5060>",
        "Content-Length: 0",
        "",
        "",
    ]
    message = parse(notify.octets)
    assert isinstance(message, Request)
    assert (message.method, message.uri, notify.to) == (
        "NOTIFY", "sip:MAC001565f4f9e1@192.168.50.20:5059", ("192.168.50.20", 5059),
    )  # fmt: skip
    get = message.headers.get
    assert get("from") == "<sip:MAC001565f4f9e1@224.0.1.75>;tag=t1", "From and To have changed places"
    assert get("to") == "<sip:MAC001565f4f9e1@224.0.1.75>;tag=1000"
    assert (get("event"), get("subscription-state")) == ("ua-profile", "terminated;reason=timeout")
    assert (get("content-type"), message.body) == ("application/url", URL.encode())
    assert message.call_id == "call-1@192.168.50.20"
    assert table.told == ["PNP-ANSWERED"]
    (question,) = table.desk.questions
    assert (question.mac, question.words.vendor, question.words.model) == (Mac("001565f4f9e1"), "yealink", "W52P")
    assert table.desk.told_to == [Mac("001565f4f9e1")]


@pytest.mark.parametrize(
    ("shape", "mac"),
    [
        (DECT, "001565f4f9e1"),
        (OLD, "001565f4f9e1"),
        (ESCAPED, "001565f4f9e2"),
        (NO_BRANCH, "00135e874b49"),
        (UPPER, "000b8201fc42"),
        (EQUALS, "000945010203"),
    ],
)
def test_every_shape_is_understood(shape: Shape, mac: str) -> None:
    table = Table().gets(shape)
    assert [question.mac for question in table.desk.questions] == [mac]
    assert [send.to for send in table.sent] == [(shape.address, shape.port)] * 2


def test_an_answer_finds_its_way_without_a_branch() -> None:
    ok = parse(Table().gets(NO_BRANCH).sent[0].octets)
    assert ok.headers.get("via") == "SIP/2.0/UDP 192.168.50.22:5060;rport=5060;received=192.168.50.22"


def test_a_call_id_is_answered_once() -> None:
    table = Table().gets(DECT).gets(DECT).gets(OLD)
    assert len(table.sent) == 2
    assert table.machine.stats.repeated == 2
    table.confirm()
    table.waits(599).gets(DECT)
    assert len(table.sent) == 2
    table.waits(2).gets(DECT)
    assert len(table.sent) == 4, "ten minutes later it is another question"


def test_a_notify_is_repeated_until_it_is_confirmed() -> None:
    table = Table().gets(DECT).waits(0.6)
    assert len(table.sent) == 3
    assert table.sent[2] == table.sent[1]
    assert not table.confirm(source="192.168.50.99"), "another host cannot confirm it"
    assert table.confirm("100 Trying")
    assert table.confirm()
    assert not table.confirm(), "it was confirmed already"
    table.waits(60)
    assert len(table.sent) == 3
    assert table.told == ["PNP-ANSWERED"]
    assert table.machine.stats.confirmed == 1


def test_silence_and_refusal_are_told() -> None:
    silent = Table().gets(DECT).waits(60)
    assert len(silent.sent) == 1 + 5
    assert silent.told == ["PNP-ANSWERED", "PNP-UNHEARD"]
    refused = Table().gets(DECT)
    assert refused.confirm("481 Subscription does not exist")
    assert refused.told == ["PNP-ANSWERED", "PNP-UNHEARD"]
    assert refused.machine.deadline == float("inf")


def test_a_flood_of_questions_leaves_no_pile_of_answers_that_nobody_confirms() -> None:
    table = Table()
    for number in range(1100):
        address = f"10.1.{number // 250}.{number % 250 + 1}"
        table.gets(Shape(f"MAC001565{number:06x}", address=address), f"call-{number}")
    assert len(table.sent) == 2 * 1100, "everybody is answered"
    table.sent.clear()
    table.waits(60)
    assert len(table.sent) == 4 * 1000, "as many as may wait are asked again"
    assert table.machine.deadline == float("inf")


def test_answers_are_asked_to_the_port_where_they_are_heard() -> None:
    table = Table()
    table.machine.port = 5066
    message = parse(table.gets(DECT).sent[1].octets)
    assert message.headers.get("via") == f"SIP/2.0/UDP {HERE}:5066;branch=z9hG4bKt2"
    assert message.headers.get("contact") == f"<sip:{HERE}:5066>"
    assert parse(Table().gets(DECT).sent[1].octets).headers.get("via").endswith(";rport")


def test_where_no_answer_can_be_heard_none_is_waited_for() -> None:
    table = Table()
    table.machine.port = 0
    table.gets(DECT).waits(60)
    assert len(table.sent) == 2
    assert table.told == ["PNP-ANSWERED"]
    assert b";rport" in table.sent[1].octets


def test_an_observer_tells_and_sends_nothing() -> None:
    table = Table(speak=False).gets(DECT)
    assert (table.sent, table.told, table.desk.told_to) == ([], ["PNP-WOULD-ANSWER"], [])


def test_who_gets_nothing_is_told_once_a_minute() -> None:
    table = Table()
    table.desk.advice = Advice(reason="no plugin recognises it")
    table.gets(NO_BRANCH).gets(NO_BRANCH, "call-2").gets(APPLICATION)
    assert table.sent == []
    assert table.told == ["PNP-IGNORED no plugin recognises it", "PNP-IGNORED it names no MAC"]


def test_too_many_questions_are_not_considered() -> None:
    table = Table()
    for number in range(5):
        table.gets(DECT, f"call-{number}")
    assert len(table.desk.questions) == 3, "of one device"
    assert table.told[-1] == "PNP-IGNORED too many requests of this device"
    table = Table()
    for number in range(30):
        table.gets(Shape(f"MAC0015650000{number:02d}"), f"call-{number}")
    assert len(table.desk.questions) == 10, "of one address"
    assert table.told[-1] == "PNP-IGNORED too many requests of this address"


@pytest.mark.parametrize(
    ("address", "port"), [("239.1.1.1", 5060), ("255.255.255.255", 5060), (HERE, 5060), ("10.0.0.9", 53)]
)
def test_nothing_is_sent_where_no_device_is(address: str, port: int) -> None:
    table = Table().gets(Shape("MAC001565f4f9e1", address=address, port=port))
    assert (table.sent, table.told) == ([], ["PNP-IGNORED no device sends from there"])


def test_the_url_never_goes_to_another_host_than_the_one_that_asked() -> None:
    octets = DECT.octets().replace(b"@192.168.50.20:5059>", b"@192.168.50.99:9>")
    table = Table()
    table.takes(table.machine.handle(octets, DECT.arrival, table.now))
    assert [send.to for send in table.sent] == [("192.168.50.20", 5059)] * 2


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\r\n\r\n",
        b"SUBSCRIBE",
        DECT.octets().replace(b"SUBSCRIBE", b"OPTIONS"),
        DECT.octets().replace(b"ua-profile", b"message-summary"),
        DECT.octets().replace(b"Call-ID", b"X-Call"),
        DECT.octets().replace(b"1 SUBSCRIBE", b"1 NOTIFY"),
        b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP x\r\nFrom: a\r\nTo: b\r\nCall-ID: c\r\nCSeq: 1 SUBSCRIBE\r\n\r\n",
    ],
)
def test_everything_else_on_the_group_is_nobody_s_concern(octets: bytes) -> None:
    table = Table()
    assert table.machine.handle(octets, DECT.arrival, table.now) == []
    assert table.desk.questions == []
    assert table.machine.confirmed(octets, ("192.168.50.20", 5059), table.now) is None


def test_words() -> None:
    assert device_words('ua-profile;profile-type="device";vendor="Acme; Ltd";model="A 1";version="1"') == Words(
        "ua-profile", "Acme; Ltd", "A 1", "1"
    )
    assert device_words(" UA-Profile ; Vendor=acme ;model=") == Words("ua-profile", "acme", "", "")
    assert device_words("") == Words()


@pytest.mark.parametrize("user", ["MAC", "alice", "MAC00156", "MAC001565f4f9e1f", "MACzz1565f4f9e1", "", "MAC%00"])
def test_what_names_no_mac(user: str) -> None:
    assert mac_in(f"sip:{user}@224.0.1.75") is None
    assert mac_in(user) is None


def test_no_mutation_of_a_question_harms_the_machine_or_draws_an_answer_elsewhere() -> None:
    table = Table()
    shapes = [shape.octets(f"call-{number}") for number, shape in enumerate((DECT, ESCAPED, NO_BRANCH, UPPER, EQUALS))]
    for octets in itertools.islice(Mutator(7, shapes), 4000):
        table.now += 20
        for effect in table.machine.handle(octets, DECT.arrival, table.now):
            if isinstance(effect, Send):
                assert effect.to[0] == DECT.address
                assert b"\r\n\r\n" in effect.octets
                parse(effect.octets)
        assert table.machine.confirmed(octets, DECT.arrival.source, table.now) is None
        table.machine.expire(table.now)
    assert table.machine.stats.answered > 100
    assert table.machine.stats.malformed > 100
