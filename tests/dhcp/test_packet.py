"""RFC 2131 section 2, RFC 3396: the codec against hand-made octets, arbitrary octets and another implementation."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provd.base.errors import WireError
from provd.dhcp.options import MAGIC
from provd.dhcp.packet import FIXED, Message, build, decode, discover, encode, request

MAC = bytes.fromhex("805ec0112233")


def raw(options: bytes, *, sname: bytes = b"", file: bytes = b"", hlen: int = 6) -> bytes:
    head = bytes((1, 1, hlen, 0)) + bytes(40)
    return head + sname.ljust(64, b"\0") + file.ljust(128, b"\0") + MAGIC + options


def test_fields():
    message = decode(
        build(
            1,
            3,
            0xDEADBEEF,
            MAC,
            hops=3,
            secs=9,
            flags=0x8000,
            ciaddr=1,
            yiaddr=2,
            siaddr=3,
            giaddr=4,
            sname=b"server",
            file=b"boot",
        )
    )
    assert (message.op, message.htype, message.hlen, message.hops) == (1, 1, 6, 3)
    assert (message.xid, message.secs, message.flags) == (0xDEADBEEF, 9, 0x8000)
    assert (message.ciaddr, message.yiaddr, message.siaddr, message.giaddr) == (1, 2, 3, 4)
    assert (message.sname, message.file) == (b"server", b"boot")
    assert message.chaddr == MAC + bytes(10)
    assert (message.mac, message.client, message.type_name) == ("805ec0112233", b"\1" + MAC, "REQUEST")


def test_repeated_options_are_joined():
    assert decode(raw(b"\x3d\3abc\x35\1\1\x3d\4defg\xff")).options[61] == b"abcdefg"


def test_overloaded_fields_are_read_in_the_order_options_file_sname():
    message = decode(raw(b"\x34\1\3\x35\1\1\x3d\1a\xff", file=b"\x3d\1b\x3c\5phone\xff", sname=b"\x3d\1c\xff"))
    assert message.options[61] == b"abc"
    assert message.options[60] == b"phone"
    assert (message.file, message.sname) == (b"", b"")


@pytest.mark.parametrize(("overload", "file"), [(b"\1", b"\x3c\5phone\xff"), (b"\2", b"")])
def test_one_overloaded_field(overload, file):
    message = decode(raw(b"\x35\1\1\x34\1" + overload + b"\xff", file=file, sname=b"\x0c\1x\xff"))
    assert message.options.get(60, b"") == file[2:7]
    assert message.options.get(12, b"") == (b"" if file else b"x")


def test_an_overload_without_value_is_none():
    assert decode(raw(b"\x34\0\x35\1\1\xff", file=b"name")).file == b"name"


def test_a_missing_end_and_pads_are_tolerated():
    assert decode(raw(b"\0\0\x35\1\1")).type == 1
    assert decode(raw(b"")).type == 0
    assert decode(raw(b"\x35\1\1\xff\x35\1\2")).type == 1


@pytest.mark.parametrize(
    ("datagram", "words"),
    [
        (b"", "offset 0: 240 octets expected"),
        (raw(b"")[:200], "offset 200"),
        (raw(b"").replace(MAGIC, b"abcd"), "offset 236: magic cookie expected, found 61626364"),
        (raw(b"\x35\1\1\xff", hlen=17), "offset 2: hlen up to 16 expected, found 17"),
        (raw(b"\x35\1\1\x0c\5ab"), "option at offset 243: 250 octets expected, the field ends at 247"),
        (raw(b"\x35\1\1\x0c"), "option at offset 243: length octet expected"),
        (raw(b"\x0c\1a\x0c\5ab"), "option at offset 243"),
        (raw(b"\x35\1\1\x34\1\1\xff", file=b"\x0c\xff"), "option at offset 108"),
    ],
)
def test_what_is_refused_says_where_and_why(datagram, words):
    with pytest.raises(WireError, match=words):
        decode(datagram)


def test_a_message_type_of_another_length_is_none():
    message = decode(raw(b"\x35\2\1\1\xff"))
    assert (message.type, message.type_name) == (0, "BOOTP")
    assert decode(encode(message)) == message


def test_an_empty_client_identifier_is_none():
    assert decode(build(1, 1, 1, MAC, options={61: b""})).client == b"\1" + MAC


def test_messages_compare_by_content():
    message = decode(discover(1, MAC))
    assert message == decode(discover(1, MAC))
    assert message != decode(discover(2, MAC))
    assert message != 1
    assert "DISCOVER" in repr(message)
    with pytest.raises(TypeError):
        hash(message)


codes = st.integers(1, 254).filter(lambda code: code not in {52, 53})
fields = st.integers(0, 0xFFFFFFFF)


@st.composite
def messages(draw: st.DrawFn) -> Message:
    return decode(
        build(
            draw(st.integers(0, 255)),
            draw(st.integers(0, 255)),
            draw(fields),
            draw(st.binary(max_size=16)),
            htype=draw(st.integers(0, 255)),
            hlen=draw(st.integers(0, 16)),
            hops=draw(st.integers(0, 255)),
            secs=draw(st.integers(0, 65535)),
            flags=draw(st.integers(0, 65535)),
            ciaddr=draw(fields),
            yiaddr=draw(fields),
            siaddr=draw(fields),
            giaddr=draw(fields),
            sname=draw(st.binary(max_size=64)),
            file=draw(st.binary(max_size=128)),
            options=draw(st.dictionaries(codes, st.binary(max_size=600), max_size=12)),
        )
    )


@given(messages())
def test_decode_of_encode_is_identity(message):
    assert decode(encode(message)) == message


@given(st.binary(max_size=700))
def test_arbitrary_octets_raise_nothing_but_wire_errors(octets):
    for datagram in (octets, raw(octets), raw(b"\x34\1\3" + octets, file=octets[:128], sname=octets[:64])):
        try:
            message = decode(datagram)
        except WireError:
            continue
        assert decode(encode(message)) == message


@given(messages(), st.data())
def test_mutated_messages_raise_nothing_but_wire_errors(message, data):
    octets = bytearray(message.data)
    for _ in range(data.draw(st.integers(1, 8))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    del octets[data.draw(st.integers(FIXED, len(octets))) :]
    with contextlib.suppress(WireError):
        decode(bytes(octets))


def test_another_implementation_reads_what_we_build():
    from scapy.layers.dhcp import BOOTP, DHCP

    datagram = request(
        7, MAC, {60: b"phone", 61: b"\1" + MAC}, server=0x0A000001, address=0x0A000002, giaddr=0x0A000003
    )
    parsed = BOOTP(datagram)
    options = {option[0]: option[1] for option in parsed[DHCP].options if isinstance(option, tuple)}
    assert (parsed.xid, parsed.giaddr, parsed.chaddr[:6]) == (7, "10.0.0.3", MAC)
    assert options["message-type"] == 3
    assert options["server_id"] == "10.0.0.1"
    assert options["requested_addr"] == "10.0.0.2"
    assert options["vendor_class_id"] == b"phone"
