"""What a simulated thing says, and what it makes of replies."""

from __future__ import annotations

import json
import re

import pytest

from provd.base.errors import UsageError
from provd.simulate.thing import Ask, Dialect, Label, Pause, Result, Step, Tell, Thing, judged, key_in, read
from provd.simulate.thing_home import heard

KEY = "0123456789abcdef0123456789abcdef01234567"
LABEL = Label("acme", "m1", "S1")


def reply(status: str, body: str, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", body]
    return "\r\n".join(lines).encode()


GOOD = reply("200 OK", KEY)
CONFLICT = reply("409 Conflict", "HTTP/1.1 409 Conflict\r\n")
MISSING = reply("404 Not Found", "HTTP/1.1 404 Not Found\r\n")
ENDED = reply("401 Unauthorized", "HTTP/1.1 401 Unauthorized\r\n")
LISTED = reply("200 OK", "")


def played(thing: Thing, *answers: Result) -> list[str]:
    """Boot the thing and give it these answers: what it told, and how long it paused."""
    script, told, left = thing.boot(), [], list(answers)
    step: Step = next(script)
    while True:
        result: Result = None
        match step:
            case Ask():
                result = left.pop(0)
            case Pause(seconds):
                told.append(f"waits {seconds:.0f} s")
            case Tell(kind, text):
                told.append(f"{kind} {text}".strip())
        try:
            step = script.send(result)
        except StopIteration:
            assert not left
            return told


def test_it_asks_until_somebody_has_enabled_it_and_then_shows_its_key() -> None:
    thing = Thing(LABEL, "h")
    told = played(thing, (MISSING,), (CONFLICT,), "no reply within 3 s", (GOOD,), (LISTED,))
    assert told == [
        "start acme/m1/S1",
        *("refused 404", "waits 10 s", "refused 409", "waits 10 s", "failed no reply within 3 s", "waits 10 s"),
        *("activated", "recognised", "done"),
    ]
    assert thing.key == KEY


def test_a_409_at_a_later_start_is_nothing_wrong() -> None:
    thing = Thing(LABEL, "h")
    played(thing, (GOOD,), (LISTED,))
    assert played(thing, (CONFLICT,), (LISTED,))[1:] == ["known 409, and it has its key", "recognised", "done"]


def test_a_key_that_has_ended_is_forgotten_and_another_one_fetched() -> None:
    thing = Thing(LABEL, "h")
    other = KEY[::-1]
    told = played(thing, (GOOD,), (ENDED,), (reply("200 OK", other),), ("closed"), (LISTED,))
    assert told[1:] == [
        *("activated", "forgotten its key has ended", "activated"),
        *("failed closed", "waits 10 s", "recognised", "done"),
    ]
    assert thing.key == other


def padded(octets: int) -> bytes:
    name = "X-Padding: "
    return reply("200 OK", KEY, name + "7" * (octets - len(GOOD) - len(name) - 2))


def complaints_of(segments: tuple[bytes, ...]) -> list[str]:
    found = read(segments)
    return [*found.complaints, *judged(segments, found).complaints]


@pytest.mark.parametrize(
    ("segments", "complaint"),
    [
        ((padded(199),), "the reply has 199 octets, and there is room for 198"),
        ((GOOD[:40], GOOD[40:]), "the reply came in 2 segments"),
        ((GOOD.replace(b"Content-Length", b"content-length"),), "no header spelt Content-Length"),
        ((GOOD.replace(b": 40", b": 41"),), "Content-Length is 41, the body has 40 octets"),
        ((reply("200 OK", KEY, "Transfer-Encoding: chunked"),), "Transfer-Encoding is nothing that it understands"),
        ((reply("200 OK", KEY, "content-encoding: gzip"),), "Content-Encoding is nothing that it understands"),
        ((b"HTTP/1.0" + GOOD[8:],), "no reply of HTTP/1.1"),
        ((reply("409 Conflict", "Conflict"),), "the body of 409 does not begin with its status line"),
    ],
)
def test_what_firmware_would_not_understand(segments: tuple[bytes, ...], complaint: str) -> None:
    assert [text for text in complaints_of(segments) if text.startswith(complaint)]


def test_a_reply_that_just_fits_is_not_complained_of() -> None:
    assert complaints_of((padded(198),)) == []


@pytest.mark.parametrize("body", [KEY.upper(), KEY + "\r\n", KEY[:-1], "", "g" * 40])
def test_a_body_that_is_no_key_is_complained_of_and_not_stored(body: str) -> None:
    assert key_in(read((reply("200 OK", body),))) == ""
    thing = Thing(LABEL, "h")
    told = played(thing, (reply("200 OK", body),), (GOOD,), (LISTED,))
    assert told[1].startswith("complaint no key of 40 digits")
    assert told[2:4] == ["failed no key that it can read", "waits 10 s"]


def test_each_dialect_is_the_one_of_its_firmware() -> None:
    def asked(dialect: Dialect) -> tuple[bytes, ...]:
        script = Thing(LABEL, "h:80", dialect).boot()
        next(script)
        step = next(script)
        assert isinstance(step, Ask)
        return step.writes

    (sketch,), (library,), script = asked("sketch"), asked("library"), asked("script")
    assert sketch.endswith(b"Content-Length: 26\r\n\r\nvendor=acme&model=m1&sn=S1\r\n")
    assert library.endswith(b"Content-Length: 26\r\n\r\nvendor=acme&model=m1&sn=S1")
    assert script[0] == b"POST /provision/activate HTTP/1.1\r\n"
    assert script[-3:] == (b"content-length:26\r\n", b"\r\n", b"vendor=acme&model=m1&sn=S1")


@pytest.mark.parametrize(
    "wrong", [("", "m", "s"), ("v" * 21, "m", "s"), ("v", "m", "s" * 41), ("v", "m", "a&b"), ("v", "m", "é")]
)
def test_a_label_that_firmware_has_no_room_for_is_refused(wrong: tuple[str, str, str]) -> None:
    with pytest.raises(UsageError):
        Label(*wrong)


def answered(status: str, **body: object) -> tuple[bytes]:
    return (reply(status, json.dumps({"status": 1200, "body": json.dumps(body)})),)


def test_a_thing_that_travels_asks_for_its_home_goes_there_and_asks_once_more() -> None:
    thing = Thing(LABEL, "h", travels=True)
    there = "http://eu:8667/"
    told = played(
        thing,
        *((GOOD,), (LISTED,)),
        answered("202 Accepted", response=1),
        "no reply within 3 s",
        answered("200 OK", lifecycle_state="REGIONAL", region="eu", endpoint=there, epoch=1),
        answered("200 OK", lifecycle_state="PROVISIONED"),
        answered("200 OK", lifecycle_state="REGIONAL", region="eu", endpoint=there),
        answered("200 OK", lifecycle_state="GONE", region="eu", endpoint=there),
        (LISTED,),
    )
    assert told[3:] == [
        *("pending", "waits 10 s", "failed no reply within 3 s", "waits 10 s", "directed REGIONAL eu http://eu:8667/"),
        *("arrived PROVISIONED", "pending REGIONAL", "waits 10 s", "remembered GONE eu http://eu:8667/"),
        *("recognised", "done"),
    ]
    assert thing.home == "http://eu:8667"
    assert played(thing, (CONFLICT,), (LISTED,))[-1] == "done", "from now on it deals with its home alone"


def test_what_is_sent_again_is_the_same_message_and_goes_where_it_should() -> None:
    thing = Thing(LABEL, "h", travels=True)
    asked: list[tuple[str, str]] = []
    answers = [
        (GOOD,),
        (LISTED,),
        answered("202 Accepted", response=1),
        answered("200 OK", lifecycle_state="REGIONAL", endpoint="http://eu:1"),
        answered("404 Not Found", error=13123, reason="no"),
        answered("200 OK", lifecycle_state="PROVISIONED"),
        answered("200 OK", lifecycle_state="GONE", endpoint="http://us:1"),
        (LISTED,),
    ]
    script, told = thing.boot(), []
    result: Result = None
    try:
        while True:
            step, result = script.send(result), None
            if isinstance(step, Ask):
                found = re.search(rb'"message_id": "([^"]+)"', b"".join(step.writes))
                asked.append((found[1].decode() if found else "", step.to))
                result = answers.pop(0)
            elif isinstance(step, Tell):
                told.append(f"{step.kind} {step.text}".strip())
    except StopIteration:
        pass
    name = "acme/m1/S1"
    assert asked[2:] == [
        *[(f"{name}-PROVISION_QUERY-1", "")] * 2,
        *[(f"{name}-DEVICE_PROVISION-2", "http://eu:1")] * 2,
        (f"{name}-PROVISION_QUERY-3", ""),
        ("", "http://eu:1"),
    ]
    assert "refused 404 13123 no" in told
    assert "complaint its home is http://eu:1, and it is told 'http://us:1'" in told


def test_an_answer_that_is_no_message_is_not_one() -> None:
    assert [heard(text) for text in (b"", b"[]", b'{"body": "x"}')] == [None, None, None]
