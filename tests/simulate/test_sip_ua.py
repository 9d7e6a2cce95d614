"""The SIP side of a simulated phone, in conversation with a server that is written here."""

from __future__ import annotations

import random
import re
from dataclasses import replace

import pytest

from provd.base.secrets import Secret
from provd.plugin.phone import Account, Notify, Reaction
from provd.simulate.sip_message import Credentials, Message, authorization, decode, parameters, proves
from provd.simulate.sip_ua import Effect, News, Send, UserAgent

SERVER = ("10.77.0.1", 5060)
PHONE = ("10.77.128.5", 5060)
ACCOUNT = Account(1, "ap805ec0112233", "secret", "10.77.0.1", display_name='Dial "your" code')
CHALLENGE = 'Digest realm="provd", nonce="n1", qop="auth", algorithm=MD5'


class Talk:
    """A phone's line and the wire: what it sent and learned since it was looked at last."""

    def __init__(self, reaction: Reaction | None = None) -> None:
        self.now = 100.0
        self.notifies: list[Notify] = []
        self.reaction = reaction or Reaction(200, obeys=True)
        self.agent = UserAgent(
            ACCOUNT, local=PHONE, server=SERVER, user_agent="Acme 1.0", rng=random.Random(1), react=self.react
        )
        self.sent: list[Message] = []
        self.last = Message("")
        self.news: list[News] = []

    def react(self, notify: Notify) -> Reaction:
        self.notifies.append(notify)
        return Reaction(200, obeys=True) if notify.authenticated else self.reaction

    def does(self, effects: list[Effect]) -> Talk:
        for effect in effects:
            if isinstance(effect, Send):
                assert effect.to == SERVER
                message = decode(effect.octets)
                assert message is not None
                self.sent.append(message)
            else:
                self.news.append(effect)
        return self

    def out(self) -> list[str]:
        """First lines of what was sent; the last message stays in ``last``."""
        self.last = self.sent[-1] if self.sent else self.last
        lines, self.sent = [message.start for message in self.sent], []
        return lines

    def heard(self) -> list[tuple[str, int]]:
        lines, self.news = [(news.kind, news.status) for news in self.news], []
        return lines

    def gets(self, octets: bytes) -> Talk:
        return self.does(self.agent.receive(octets, SERVER, self.now))

    def is_answered(self, request: Message, status: str, *headers: tuple[str, str], body: bytes = b"") -> Talk:
        kept = [(name, request.get(name)) for name in ("Via", "From", "Call-ID", "CSeq")]
        to = request.get("To")
        kept.append(("To", to if ";tag=" in to else f"{to};tag=server"))
        return self.gets(Message(f"SIP/2.0 {status}", [*kept, *headers], body).encode())

    def waits(self, seconds: float) -> Talk:
        end = self.now + seconds
        while self.agent.deadline <= end:
            self.now = max(self.now, self.agent.deadline)
            self.does(self.agent.expire(self.now))
        self.now = end
        return self

    def registers(self) -> Talk:
        self.does(self.agent.register(self.now))
        self.is_answered(self.sent[-1], "401 Unauthorized", ("WWW-Authenticate", CHALLENGE))
        self.is_answered(self.sent[-1], "200 OK", ("Contact", f"<sip:x@{PHONE[0]}>;expires=120"))
        self.sent, self.news = [], []
        return self

    def calls(self) -> Message:
        self.does(self.agent.invite("*1234", b"v=0\r\n", self.now))
        return self.sent[-1]


def request(
    method: str, *headers: tuple[str, str], call_id: str = "c1", cseq: int = 1, branch: str = "z9hG4bKx"
) -> bytes:
    fixed = [
        ("Via", f"SIP/2.0/UDP 10.77.0.1:5060;branch={branch}"),
        ("f", "<sip:provd@10.77.0.1>;tag=s"),
        ("To", f"<sip:{ACCOUNT.username}@10.77.0.1>"),
        ("i", call_id),
        ("CSeq", f"{cseq} {method}"),
    ]
    return Message(f"{method} sip:{ACCOUNT.username}@{PHONE[0]} SIP/2.0", [*fixed, *headers]).encode()


def test_it_registers_with_its_credentials_and_again_in_time() -> None:
    talk = Talk()
    first = talk.does(talk.agent.register(talk.now)).sent[-1]
    assert talk.out() == ["REGISTER sip:10.77.0.1 SIP/2.0"]
    assert first.get("From").startswith('"Dial your code" <sip:ap805ec0112233@10.77.0.1>;tag=')
    assert first.get("Authorization") == ""
    again = talk.is_answered(first, "401 Unauthorized", ("WWW-Authenticate", CHALLENGE)).sent[-1]
    who = Credentials(ACCOUNT.username, Secret(ACCOUNT.password))
    assert proves(again.get("Authorization"), who, "REGISTER", realm="provd", nonce="n1")
    assert again.get("Call-ID") == first.get("Call-ID")
    assert int(again.get("CSeq").split()[0]) == int(first.get("CSeq").split()[0]) + 1
    talk.is_answered(again, "200 OK", ("Contact", f"<sip:x@{PHONE[0]}>;expires=120"))
    assert talk.heard() == [("registered", 200)]
    assert talk.agent.registered
    talk.out()
    refresh = talk.waits(59.9).waits(0.2).sent[-1]
    assert talk.out() == ["REGISTER sip:10.77.0.1 SIP/2.0"], "after half of the time"
    assert parameters(refresh.get("Authorization"))["nc"] == "00000002", "the nonce is used on"
    stale = CHALLENGE.replace("n1", "n2") + ", stale=true"
    talk.is_answered(refresh, "401 Unauthorized", ("WWW-Authenticate", stale))
    assert parameters(talk.sent[-1].get("Authorization"))["nonce"] == "n2"


def test_a_wrong_password_is_shown_once_and_tried_again_later() -> None:
    talk = Talk()
    talk.does(talk.agent.register(talk.now))
    for _ in range(2):
        talk.is_answered(talk.sent[-1], "401 Unauthorized", ("WWW-Authenticate", CHALLENGE))
    assert len(talk.out()) == 2
    assert talk.heard() == [("unregistered", 401)]
    assert talk.waits(29).out() == []
    assert talk.waits(2).out() == ["REGISTER sip:10.77.0.1 SIP/2.0"] * 2, "and repeated after T1"


def test_the_answer_says_when_to_try_again() -> None:
    talk = Talk()
    talk.does(talk.agent.register(talk.now))
    talk.is_answered(talk.sent[-1], "503 Service Unavailable", ("Retry-After", "5 (soon)")).out()
    assert talk.waits(4.9).out() == []
    assert len(talk.waits(0.2).out()) == 1


def test_a_nat_is_kept_open_while_it_is_registered() -> None:
    talk = Talk()
    talk.agent.account = replace(ACCOUNT, keep_alive=30)
    talk.registers()
    sent: list[bytes] = []
    talk.does = lambda effects: sent.extend(e.octets for e in effects if isinstance(e, Send)) or talk  # type: ignore[method-assign]
    talk.waits(59)
    assert sent == [b"\r\n\r\n"]
    talk.waits(100)
    assert sent.count(b"\r\n\r\n") == 3, "its refresh got no answer until 92 s: from then on there is nothing to keep"


def test_silence_is_asked_again_as_the_rfc_says() -> None:
    talk = Talk()
    talk.does(talk.agent.register(talk.now)).waits(31)
    assert len(talk.out()) == 1 + 9, "at 0.5, 1.5, 3.5, 7.5, 11.5 … 27.5 seconds after the first"
    talk.waits(2)
    assert talk.heard() == [("unregistered", 408)]


def test_a_call_is_challenged_answered_and_ended_by_the_other_side() -> None:
    talk = Talk().registers()
    first = talk.calls()
    assert talk.out() == ["INVITE sip:*1234@10.77.0.1 SIP/2.0"]
    talk.is_answered(first, "407 Proxy Authentication Required", ("Proxy-Authenticate", CHALLENGE.replace("n1", "n5")))
    refusal, invite = talk.sent
    assert (refusal.method, refusal.get("Via"), refusal.get("CSeq")) == (
        "ACK", first.get("Via"), first.get("CSeq").replace("INVITE", "ACK"),
    )  # fmt: skip
    assert invite.body == b"v=0\r\n"
    assert parameters(invite.get("Proxy-Authorization"))["nonce"] == "n5"
    talk.out()
    talk.is_answered(invite, "100 Trying").waits(20)
    assert talk.out() == [], "nothing is repeated after a provisional answer"
    route = ("Record-Route", "<sip:edge.example;lr>, <sip:core.example;lr>")
    contact = ("Contact", "<sip:provd@10.77.0.1:5060>")
    talk.is_answered(invite, "200 OK", route, contact, body=b"v=0 theirs")
    assert talk.heard() == [("progress", 100), ("answered", 200)]
    assert talk.out() == ["ACK sip:provd@10.77.0.1:5060 SIP/2.0"]
    ack = talk.last
    assert ack.get("CSeq") == invite.get("CSeq").replace("INVITE", "ACK")
    assert ack.every("Route") == ["<sip:core.example;lr>", "<sip:edge.example;lr>"]
    assert ack.get("To").endswith(";tag=server")
    talk.is_answered(invite, "200 OK", route, contact, body=b"v=0 theirs")
    assert talk.out() == ["ACK sip:provd@10.77.0.1:5060 SIP/2.0"], "the first one was lost"
    assert talk.heard() == []
    talk.gets(request("BYE", call_id=invite.get("Call-ID")))
    assert talk.out() == ["SIP/2.0 200 OK"]
    assert talk.heard() == [("ended", 0)]
    assert not talk.agent.in_call
    talk.gets(request("BYE", call_id=invite.get("Call-ID")))
    assert talk.out() == ["SIP/2.0 200 OK"], "the same answer to the same request"
    assert talk.heard() == []


def test_a_refused_call_is_over() -> None:
    talk = Talk().registers()
    invite = talk.calls()
    talk.out()
    talk.is_answered(invite, "404 No such code")
    assert talk.out() == ["ACK sip:*1234@10.77.0.1 SIP/2.0"]
    assert (talk.news[-1].text, talk.heard()) == ("No such code", [("refused", 404)])
    assert talk.agent.hang_up(talk.now) == []


def test_a_call_that_nobody_answers_ends_after_32_seconds() -> None:
    talk = Talk().registers()
    talk.calls()
    talk.waits(33)
    assert talk.out().count("INVITE sip:*1234@10.77.0.1 SIP/2.0") == 7
    assert ("refused", 408) in talk.heard()


def test_it_hangs_up_itself() -> None:
    talk = Talk().registers()
    invite = talk.calls()
    talk.is_answered(invite, "200 OK", ("Contact", "<sip:provd@10.77.0.1>")).out()
    talk.does(talk.agent.hang_up(talk.now))
    assert talk.out() == ["BYE sip:provd@10.77.0.1 SIP/2.0"]
    assert int(talk.last.get("CSeq").split()[0]) > int(invite.get("CSeq").split()[0])
    assert talk.last.get("Call-ID") == invite.get("Call-ID")


def test_a_notify_is_answered_once_and_obeyed_once() -> None:
    talk = Talk().registers()
    for _ in range(2):
        talk.gets(request("NOTIFY", ("o", "check-sync;reboot=false")))
    assert talk.out() == ["SIP/2.0 200 OK"] * 2
    assert talk.heard() == [("notified", 200)]
    assert talk.notifies == [Notify(1, "check-sync;reboot=false", SERVER[0], SERVER[0])]
    assert ";tag=" in talk.last.get("To")
    assert talk.last.get("Via") == "SIP/2.0/UDP 10.77.0.1:5060;branch=z9hG4bKx"


def test_who_must_show_credentials_first() -> None:
    talk = Talk(Reaction(401)).registers()
    talk.gets(request("NOTIFY", ("Event", "check-sync")))
    assert talk.out() == ["SIP/2.0 401 Unauthorized"]
    assert talk.heard() == []
    challenge = talk.last.get("WWW-Authenticate")
    for password, expected in (("wrong", []), ("secret", [("notified", 200)])):
        who = Credentials(ACCOUNT.username, Secret(password))
        shown = authorization(challenge, who, "NOTIFY", "sip:x@y", cnonce="c", count=1) or ""
        headers = [("Event", "check-sync"), ("Authorization", shown)]
        talk.gets(request("NOTIFY", *headers, branch=f"z9hG4bK{password}"))
        assert talk.heard() == expected
        challenge = talk.sent[-1].get("WWW-Authenticate") or challenge
    assert talk.out() == ["SIP/2.0 401 Unauthorized", "SIP/2.0 200 OK"]


@pytest.mark.parametrize(("status", "line"), [(0, []), (489, ["SIP/2.0 489 Bad Event"])])
def test_a_notify_that_is_ignored_or_not_understood(status: int, line: list[str]) -> None:
    talk = Talk(Reaction(status)).registers()
    talk.gets(request("NOTIFY", ("Event", "message-summary")))
    assert (talk.out(), talk.heard()) == (line, [])


def test_a_notify_for_somebody_else() -> None:
    talk = Talk().registers()
    talk.gets(request("NOTIFY", ("Event", "check-sync")).replace(b"NOTIFY sip:ap805ec0112233", b"NOTIFY sip:someone"))
    assert (talk.out(), talk.notifies) == (["SIP/2.0 404 Not Found"], [])


@pytest.mark.parametrize(
    ("method", "line"),
    [
        ("OPTIONS", ["SIP/2.0 200 OK"]),
        ("INVITE", ["SIP/2.0 486 Busy Here"]),
        ("BYE", ["SIP/2.0 481 Call/Transaction Does Not Exist"]),
        ("CANCEL", ["SIP/2.0 481 Call/Transaction Does Not Exist"]),
        ("MESSAGE", ["SIP/2.0 501 Not Implemented"]),
        ("ACK", []),
    ],
)
def test_what_else_it_is_asked(method: str, line: list[str]) -> None:
    talk = Talk().registers()
    assert talk.gets(request(method)).out() == line


@pytest.mark.parametrize("octets", [b"", b"\r\n\r\n", b"hello", b"SIP/2.0 200 OK\r\n\r\n", b"A B SIP/2.0\r\nx\r\n\r\n"])
def test_noise_is_passed_over(octets: bytes) -> None:
    assert Talk().registers().gets(octets).out() == []


def test_the_digest_of_rfc_7616() -> None:
    """The example of its section 3.9.1."""
    who = Credentials("Mufasa", Secret("Circle of Life"))
    said = (
        'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={}, '
        'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
    )
    cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    for algorithm, expected in (
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ):
        made = authorization(said.format(algorithm), who, "GET", "/dir/index.html", cnonce=cnonce, count=1)
        assert re.search(r'response="(\w+)"', made or "")[1] == expected  # type: ignore[index]
    assert authorization(said.format("SHA-512-256"), who, "GET", "/", cnonce="", count=1) is None
    assert authorization("Basic realm=x", who, "GET", "/", cnonce="", count=1) is None


def test_the_first_algorithm_that_it_has_is_taken() -> None:
    talk = Talk()
    talk.does(talk.agent.register(talk.now))
    offered = [("WWW-Authenticate", CHALLENGE.replace("MD5", name)) for name in ("SHA-512-256", "SHA-256", "MD5")]
    talk.is_answered(talk.sent[-1], "401 Unauthorized", *offered)
    assert parameters(talk.sent[-1].get("Authorization"))["algorithm"] == "SHA-256"
