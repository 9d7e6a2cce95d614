"""Reading and writing SIP messages: lenient where phones are, strict where somebody could be harmed."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provd.base.errors import WireError
from provd.sip.address import dialed, name_address, split_list, uri_parts
from provd.sip.build import clean, request, response
from provd.sip.message import LARGEST, MOST_HEADERS, Request, Response, parse, shown

PLAIN = (
    "REGISTER sip:10.20.0.1 SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 10.20.16.1:5060;branch=z9hG4bKabc;rport\r\n"
    'From: "Anna" <sip:ap02@10.20.0.1>;tag=77\r\n'
    "To: <sip:ap02@10.20.0.1>\r\n"
    "Call-ID: 1@10.20.16.1\r\n"
    "CSeq: 1 REGISTER\r\n"
    "Content-Length: 0\r\n\r\n"
)


def read(text: str | bytes, **changes: str) -> Request:
    if isinstance(text, str):
        for old, new in changes.items():
            text = text.replace(old, new)
        text = text.encode()
    message = parse(text)
    assert isinstance(message, Request)
    return message


def with_line(line: str) -> str:
    return PLAIN.replace("Content-Length", f"{line}\r\nContent-Length")


def test_a_plain_request() -> None:
    message = read(PLAIN)
    assert (message.method, message.uri, message.cseq, message.call_id) == (
        "REGISTER",
        "sip:10.20.0.1",
        1,
        "1@10.20.16.1",
    )
    assert (message.via.transport, message.via.host, message.via.port) == ("UDP", "10.20.16.1", 5060)
    assert (message.via.branch, message.via.rport) == ("z9hG4bKabc", True)
    assert (message.from_.tag, message.to.tag, message.from_.uri) == ("77", "", "sip:ap02@10.20.0.1")
    assert message.defect is None
    assert message.octets == len(PLAIN)


def test_a_response() -> None:
    message = parse(PLAIN.replace("REGISTER sip:10.20.0.1 SIP/2.0", "SIP/2.0 200 Fine, thanks").encode())
    assert isinstance(message, Response)
    assert (message.code, message.phrase, message.cseq_method) == (200, "Fine, thanks", "REGISTER")


def test_a_response_without_a_reason_phrase() -> None:
    assert parse(PLAIN.replace("REGISTER sip:10.20.0.1 SIP/2.0", "SIP/2.0 180").encode()).phrase == ""


@pytest.mark.parametrize(
    "text",
    [
        PLAIN.replace("\r\n", "\n"),
        "\r\n\r\n" + PLAIN,
        PLAIN.replace("Via:", "v:").replace("From:", "f :").replace("To:", "t:").replace("Call-ID:", "i:"),
        PLAIN.replace("Via: ", "VIA   :\t ").replace("CSeq: 1 ", "cSEQ: 0001    "),
        PLAIN.replace(";branch", "\r\n   ;branch").replace("CSeq: 1 ", "CSeq: 1\r\n\t"),
        PLAIN.replace("SIP/2.0/UDP", "SIP / 2.0 / UDP"),
        PLAIN.replace("Content-Length: 0\r\n", ""),
        PLAIN.replace('"Anna"', '"Anna \\"<sip:x@y>\\" B."'),
        PLAIN.replace('"Anna" <', "Anna B. <"),
        PLAIN.replace("sip:10.20.0.1 SIP/2.0", "sip:10.20.0.1 sip/2.0"),
        PLAIN.replace(";rport", ";rport;x=y;LR"),
        PLAIN.replace(";rport", " ;  rport"),
        PLAIN.replace("10.20.16.1:5060;", "10.20.16.1 : 5060 ;"),
    ],
)
def test_what_phones_and_proxies_do_with_the_same_message(text: str) -> None:
    message = read(text)
    assert message.defect is None
    assert (message.method, message.cseq, message.call_id) == ("REGISTER", 1, "1@10.20.16.1")
    assert (message.via.host, message.via.port, message.via.branch) == ("10.20.16.1", 5060, "z9hG4bKabc")
    assert message.via.rport
    assert (message.from_.uri, message.from_.tag) == ("sip:ap02@10.20.0.1", "77")


def test_names_in_any_encoding_are_echoed_octet_by_octet() -> None:
    octets = PLAIN.encode().replace(b"Anna", b"J\xfcrgen \xc3\xa9")
    message = read(octets)
    assert b'From: "J\xfcrgen \xc3\xa9" <sip:ap02@10.20.0.1>;tag=77\r\n' in response(
        message, 200, "OK", source=("10.20.16.1", 1)
    )
    assert shown(message.headers.get("from")).startswith('"J\ufffdrgen é"')


def test_host_names_with_underscores_in_via() -> None:
    assert read(PLAIN.replace("10.20.16.1:5060;", "my_phone:5062;")).via.host == "my_phone"


def test_a_via_without_branch_as_in_rfc_2543() -> None:
    assert read(PLAIN.replace(";branch=z9hG4bKabc;rport", "")).via.branch == ""


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no empty line"),
        (PLAIN[:-2], "no empty line"),
        (PLAIN.replace("Via: ", "Vie: "), "no via"),
        (PLAIN.replace("Call-ID: ", "Call-ID-X: "), "no call-id"),
        (PLAIN.replace("To: <sip:ap02@10.20.0.1>", "To:"), "no to"),
        (PLAIN.replace("SIP/2.0/UDP", "HTTP/1.1"), "Via cannot be read"),
        (PLAIN.replace("10.20.16.1:5060", "10.20.16.1:99999"), "port 99999"),
        (PLAIN.replace("REGISTER sip:10.20.0.1 SIP/2.0", "GET / HTTP/1.1"), "neither"),
        (PLAIN.replace("REGISTER sip:10.20.0.1 SIP/2.0", "SIP/2.0 999 No"), "neither"),
        (PLAIN.replace("Anna", "An\0na"), "control character 0"),
        (PLAIN.replace("Anna", "An\rna"), "control character 13"),
        (PLAIN.replace("Anna", "An\x1b[2Jna"), "control character 27"),
        (with_line("no colon here"), "not a header"),
        (with_line(": no name"), "not a header"),
        (with_line("X: " + "y" * 3000), "a line of more than"),
        (with_line("X: y" + "\r\n z" * 2000), "lines"),
        (with_line("\r\n".join(f"X-{n}: y" for n in range(MOST_HEADERS))), "headers"),
        (with_line("\r\n".join(["Via: SIP/2.0/UDP h"] * 30)), "Via headers"),
        (PLAIN.replace("\r\nFrom", "\r\n" + "Y: z\r\n" * 3000 + "From"), "no empty line within"),
        (PLAIN.replace("CSeq: 1", "CSeq: one").replace("REGISTER sip:10.20.0.1 SIP/2.0", "SIP/2.0 200 OK"), "Bad CSeq"),
    ],
)
def test_what_cannot_be_answered(text: str, why: str) -> None:
    with pytest.raises(WireError, match=why):
        parse(text.encode())


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (PLAIN.replace("CSeq: 1 REGISTER", "CSeq: 1 INVITE"), 400),
        (PLAIN.replace("CSeq: 1 ", "CSeq: 99999999999 "), 400),
        (PLAIN.replace("CSeq: 1 ", "CSeq: -1 "), 400),
        (PLAIN.replace("CSeq: 1 ", "CSeq: \u0661 "), 400),
        (PLAIN.replace("Content-Length: 0", "Content-Length: 5"), 400),
        (PLAIN.replace("Content-Length: 0", "Content-Length: -5"), 400),
        (PLAIN.replace("Content-Length: 0", "Content-Length: 99999999999999999999"), 400),
        (with_line("To: <sip:other@10.20.0.1>"), 400),
        (with_line("Call-ID: 2"), 400),
        (with_line("Max-Forwards: many"), 400),
        (PLAIN.replace("REGISTER sip:10.20.0.1 SIP/2.0", "REGISTER sip:10.20.0.1;a b SIP/2.0"), 400),
        (PLAIN.replace("REGISTER sip:10.20.0.1 SIP/2.0", "REGISTER <sip:10.20.0.1> SIP/2.0"), 400),
        (PLAIN.replace("To: <sip:ap02@10.20.0.1>", "To: <>"), 400),
        (PLAIN.replace('From: "Anna" <', "From: Anna <<"), 400),
        (PLAIN.replace("REGISTER sip:10.20.0.1 SIP/2.0", "REGISTER sip:10.20.0.1 SIP/7.0"), 505),
        (PLAIN + "x" * LARGEST, 513),
    ],
)
def test_what_can_only_be_refused(text: str, code: int) -> None:
    defect = read(text).defect
    assert defect is not None
    assert defect[0] == code


def test_octets_beyond_content_length_are_no_body() -> None:
    assert read(with_line("X: y") + "rubbish").body == b""
    assert read(PLAIN.replace("Content-Length: 0", "Content-Length: 3") + "abcdef").body == b"abc"
    assert read(PLAIN.replace("Content-Length: 0\r\n", "") + "abcdef").body == b"abcdef"


def test_a_stream_has_no_body_without_content_length() -> None:
    text = PLAIN.replace("Content-Length: 0\r\n", "") + "abcdef"
    assert parse(text.encode(), stream=True).body == b""


@given(st.binary(max_size=600))
def test_whatever_the_octets_it_is_a_message_or_a_wire_error(octets: bytes) -> None:
    for candidate in (octets, PLAIN.encode()[:200] + octets, PLAIN.encode().replace(b"Anna", octets)):
        try:
            message = parse(candidate)
        except WireError:
            continue
        assert message.via.host


# --- addresses


@pytest.mark.parametrize(
    ("uri", "number"),
    [
        ("sip:1234@10.20.0.1", "1234"),
        ("sip:*1234@10.20.0.1;user=phone", "*1234"),
        ("sip:%2A1234@10.20.0.1", "*1234"),
        ("sip:%2a12%2334%23@h", "*12#34"),
        ("sip:*12#@10.20.0.1", "*12"),
        ("sip:#@h", "#"),
        ("SIP:1-2.3(4)@h:5060;transport=udp", "1234"),
        ("sip:1234;phone-context=x@h", "1234"),
        ("sip:1234:password@h", "1234"),
        ("sips:1234@h?Subject=x", "1234"),
        ("tel:12-34", "1234"),
        ("tel:+3491234;phone-context=x", "+3491234"),
        ("sip:alice@h", ""),
        ("sip:@h", ""),
        ("sip:h", ""),
        ("sip:12%0d%0a34@h", ""),
        ("sip:%D9%A1@h", ""),
        ("sip:" + "1" * 65 + "@h", ""),
        ("http://1234@h", ""),
        ("sip:1234@", ""),
        ("sip:1234@h:99999", ""),
        ("1234", ""),
        ("", ""),
    ],
)
def test_the_number_that_was_dialed(uri: str, number: str) -> None:
    assert dialed(uri) == number


def test_lists_are_split_outside_of_quotes_and_brackets() -> None:
    assert split_list('"a,b" <sip:x,y@h>;q=1 , <sip:z>,,c') == ['"a,b" <sip:x,y@h>;q=1', "<sip:z>", "c"]
    assert split_list("") == []


def test_without_brackets_parameters_are_of_the_header() -> None:
    address = name_address("sip:a@h;tag=1;expires=5")
    assert (address.uri, address.tag, address.parameters["expires"]) == ("sip:a@h", "1", "5")
    assert name_address('<sip:a@h;lr>;TAG=2;+sip.instance="<urn:x>"').parameters["+sip.instance"] == "<urn:x>"


@given(st.text(alphabet=string.printable, max_size=80))
def test_nothing_raises_for_any_text(text: str) -> None:
    dialed(text)
    name_address(text)
    split_list(text)
    uri_parts("sip:" + text)


# --- building


def test_a_response_echoes_and_stamps_the_via() -> None:
    message = read(
        PLAIN.replace("From", "Via: SIP/2.0/UDP a:1;branch=z9hG4bKx, SIP/2.0/UDP b;branch=z9hG4bKy\r\nFrom", 1)
    )  # fmt: skip
    octets = response(message, 401, "Unauthorized", source=("192.0.2.7", 4711), tag="ours", fields=[("Expires", "5")])
    assert octets == (
        b"SIP/2.0 401 Unauthorized\r\n"
        b"Via: SIP/2.0/UDP 10.20.16.1:5060;branch=z9hG4bKabc;rport=4711;received=192.0.2.7\r\n"
        b"Via: SIP/2.0/UDP a:1;branch=z9hG4bKx\r\n"
        b"Via: SIP/2.0/UDP b;branch=z9hG4bKy\r\n"
        b'From: "Anna" <sip:ap02@10.20.0.1>;tag=77\r\n'
        b"To: <sip:ap02@10.20.0.1>;tag=ours\r\n"
        b"Call-ID: 1@10.20.16.1\r\n"
        b"CSeq: 1 REGISTER\r\n"
        b"Expires: 5\r\n"
        b"Content-Length: 0\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("via", "stamped"),
    [
        ("h;branch=z9hG4bKa", "h;branch=z9hG4bKa;received=192.0.2.7"),
        ("192.0.2.7;branch=z9hG4bKa", "192.0.2.7;branch=z9hG4bKa"),
        ("192.0.2.7;rport;branch=z9hG4bKa", "192.0.2.7;rport=9;branch=z9hG4bKa;received=192.0.2.7"),
        ("192.0.2.7;branch=z9hG4bKa;rport=7;received=10.9.9.9", "192.0.2.7;branch=z9hG4bKa;rport=9;received=192.0.2.7"),
        ("h;received=10.9.9.9;branch=z9hG4bKa", "h;branch=z9hG4bKa;received=192.0.2.7"),
    ],
)
def test_received_and_rport(via: str, stamped: str) -> None:
    message = read(PLAIN.replace("10.20.16.1:5060;branch=z9hG4bKabc;rport", via))
    assert f"Via: SIP/2.0/UDP {stamped}\r\n".encode() in response(message, 200, "OK", source=("192.0.2.7", 9))


def test_a_to_tag_is_kept() -> None:
    message = read(PLAIN.replace("To: <sip:ap02@10.20.0.1>", "To: <sip:ap02@10.20.0.1>;tag=theirs"))
    assert b"To: <sip:ap02@10.20.0.1>;tag=theirs\r\n" in response(message, 200, "OK", source=("h", 1), tag="ours")


HOSTILE = st.text(alphabet=st.sampled_from('ab\r\n\0\x1b:;"<> '), max_size=20)


@given(HOSTILE, HOSTILE, HOSTILE)
def test_nothing_that_is_put_in_can_end_a_line(phrase: str, value: str, uri: str) -> None:
    for octets in (
        response(read(PLAIN), 200, phrase, source=("h", 1), fields=[("X", value)]),
        request("NOTIFY", uri, [("X", value)]),
    ):
        lines = octets.decode().split("\r\n")
        assert lines[-2:] == ["", ""]
        assert sum(line.startswith("X: ") for line in lines) == 1
        assert not any("\r" in line or "\n" in line or "\0" in line for line in lines)
        assert len(lines) in {10, 6}


def test_clean() -> None:
    assert clean("a\r\nb\0c\x7f") == "a  b c "
