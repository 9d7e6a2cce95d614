"""Messages in words."""

from hypothesis import given
from hypothesis import strategies as st

from provd.dhcp.explain import explain
from provd.dhcp.packet import build, decode

MAC = bytes.fromhex("805ec0112233")


def test_a_discover():
    options = {
        55: bytes((1, 3, 66)),
        60: b"phone 1.0\0",
        12: b"desk\x1b",
        82: b"\1\4eth3\x63\1\7",
        77: b"\3abc",
        124: b"\0\0\0\x09\3\2ab",
        125: b"\0\0\0\x09\4\1\2ab",
        57: b"\5\xdc",
        3: b"abc",
        200: b"\1",
        201: b"",
        202: b"text",
        61: b"\1" + MAC,
    }
    assert explain(decode(build(1, 1, 7, MAC, flags=0x8000, hops=1, giaddr=0x0A000001, options=options))) == [
        "DISCOVER (client to server) xid 00000007 from 80:5e:c0:11:22:33",
        "flags: broadcast",
        "hops: 1",
        "giaddr: 10.0.0.1",
        "option 53 message-type: DISCOVER",
        "option 55 parameter-request: 1, 3, 66",
        "option 60 vendor-class: 'phone 1.0'",
        "option 12 host-name: 'desk?'",
        "option 77 user-class: 'abc'",
        "option 124 vendor-classes: enterprise 9: 6162",
        "option 125 vendor-information: enterprise 9: 1=6162",
        "option 57 max-size: 1500",
        "option 3 routers: 616263 (malformed: address list: length is no positive multiple of 4 but 3)",
        "option 200: 01",
        "option 201: empty",
        "option 202: 'text'",
        "option 61 client-id: 01805ec0112233",
        "option 82 relay-agent: circuit-id='eth3' 99=07",
    ]


def test_a_reply():
    lines = explain(decode(build(2, 5, 7, MAC, yiaddr=0x0A000009, sname=b"srv", file=b"f", options={1: b"\xff\0\0\0"})))
    assert lines == [
        "ACK (server to client) xid 00000007 from 80:5e:c0:11:22:33",
        "yiaddr: 10.0.0.9",
        "sname: 'srv'",
        "file: 'f'",
        "option 53 message-type: ACK",
        "option 1 subnet-mask: 255.0.0.0",
    ]


@given(st.dictionaries(st.integers(1, 254), st.binary(max_size=300), max_size=20))
def test_everything_can_be_explained_on_printable_lines(options):
    options.pop(52, None)
    for line in explain(decode(build(1, 0, 7, MAC, options=options))):
        assert line.isprintable()
