"""Options with an inner form: RFC 3004, 3046, 3442, 3925, 5859."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provd.base.errors import WireError
from provd.dhcp import options


def test_address_lists():
    assert options.addresses([0x0A000001, 0x0A000002]) == bytes((10, 0, 0, 1, 10, 0, 0, 2))
    assert options.address_list(bytes((10, 0, 0, 1, 10, 0, 0, 2))) == (0x0A000001, 0x0A000002)


@pytest.mark.parametrize("value", [b"", b"abc", b"abcde"])
def test_address_lists_are_a_multiple_of_four(value):
    with pytest.raises(WireError):
        options.address_list(value)


def test_classless_routes():
    routes = [(0, 0, 0x0A000001), (0x0A110000, 16, 0x0A000002), (0x0A118081, 32, 0x0A000003)]
    expected = bytes((0, 10, 0, 0, 1, 16, 10, 17, 10, 0, 0, 2, 32, 10, 17, 128, 129, 10, 0, 0, 3))
    assert options.classless_routes(routes) == expected


def test_sub_options():
    assert options.sub_options(b"\1\3abc\2\0") == {1: b"abc", 2: b""}


@pytest.mark.parametrize("value", [b"\1", b"\1\5abc", b"\1\1a\2"])
def test_broken_sub_options(value):
    with pytest.raises(WireError, match="offset"):
        options.sub_options(value)


def test_user_classes_as_text_counted_or_not():
    assert options.user_class_text(b"\3abc\1d") == "abc,d"
    assert options.user_class_text(b"iPXE") == "iPXE", "many clients do not count"
    assert options.user_class_text(b"\4room") == "room"
    assert options.user_class_text(b"") == ""


def test_user_classes():
    assert options.user_classes(b"\3abc\1d") == (b"abc", b"d")


@pytest.mark.parametrize("value", [b"\0", b"\3abc\0", b"\xffabc"])
def test_user_classes_of_no_or_wrong_length_are_refused(value):
    with pytest.raises(WireError, match="length"):
        options.user_classes(value)


def test_enterprises_are_kept_apart():
    value = b"\0\0\0\x09\4\1\2ab" + b"\0\0\1\0\3\5\1x" + b"\0\0\0\x09\3\2\1c"
    assert options.vendor_information(value) == {9: {1: b"ab", 2: b"c"}, 256: {5: b"x"}}
    classes = b"\0\0\0\x09\3\2ab" + b"\0\0\1\0\2\1x"
    assert options.vendor_classes(classes) == {9: (b"ab",), 256: (b"x",)}


@pytest.mark.parametrize("value", [b"\0\0\0", b"\0\0\0\x09\5a", b"\0\0\0\x09\2\1\5"])
def test_broken_enterprises(value):
    with pytest.raises(WireError):
        options.vendor_information(value)


def test_long_values_are_split_in_order():
    value = bytes(range(256)) * 2
    assert options.pieces(66, b"abc") == [b"\x42\3abc"]
    assert options.pieces(66, value) == [b"B\xff" + value[:255], b"B\xff" + value[255:510], b"B\2" + value[510:]]


@pytest.mark.parametrize(
    ("octets", "text"),
    [(b"a\0\0", "a"), (b"a\r\nb", "a??b"), (b"\xe9t\xe9", "été"), (b"\x1b[0m\x9b", "?[0m?"), (b"", "")],
)
def test_text_has_no_control_characters(octets, text):
    assert options.text_of(octets) == text


@given(st.binary(max_size=80))
def test_inner_parsers_raise_nothing_but_wire_errors(value):
    parsers = (options.sub_options, options.user_classes, options.vendor_classes, options.vendor_information)
    for parse in (*parsers, options.address_list):
        with contextlib.suppress(WireError):
            parse(value)
