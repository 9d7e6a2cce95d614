from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provd.base.errors import UsageError
from provd.domain.activation.serials import CASINGS, FORMATS, SerialRange, range_of
from provd.domain.activation.thing import in_ranges

MACS = SerialRange("mac:48", 0x010203040500, 0x0102030405FF, 12, "upper")


@pytest.mark.parametrize(
    ("serials", "inside", "outside"),
    [
        (
            SerialRange("base10", 1, 500, 10),
            ["0000000001", "0000000500"],
            [
                "0000000000",
                "0000000501",
                "1",
                "000000100",
                "00000000001",
                "\u0660" * 7 + "\u0661\u0660\u0660",
                "000000001a",
                "",
            ],
        ),
        (SerialRange("base10", 7, 12), ["7", "12"], ["07", "6", "13", "+7", " 7"]),
        (SerialRange("base16", 0xA0, 0x1FF, 4, "lower"), ["00a0", "01ff"], ["00A0", "a0", "0200", "0xa0"]),
        (MACS, ["01:02:03:04:05:A0"], ["01:02:03:04:05:a0", "01:02:03:04:06:00", "0102030405A0", "01-02-03-04-05-A0"]),
        (SerialRange("mac-48", 1, 2, 12, "lower"), ["00-00-00-00-00-01"], ["00:00:00:00:00:01"]),
        (SerialRange("mac.48", 1, 0xABCD, 12, "lower"), ["0000.0000.abcd"], ["0000.0000.ABCD", "0000.0000abcd"]),
    ],
)
def test_a_range_has_one_text_for_each_number(serials: SerialRange, inside: list[str], outside: list[str]) -> None:
    assert [sn for sn in inside + outside if serials.holds(sn)] == inside


@given(st.sampled_from(FORMATS), st.sampled_from(CASINGS), st.integers(0, (1 << 48) - 1), st.integers(0, 20))
def test_what_a_range_writes_it_has(form: str, casing: str, number: int, length: int) -> None:
    found = SerialRange(form, number, number, length, casing)
    assert found.holds(found.text(number))
    assert found.size == 1


@given(st.text())
def test_no_text_upsets_a_range(sn: str) -> None:
    for form in FORMATS:
        serials = SerialRange(form, 0, (1 << 63) - 1, 0, "upper")
        assert not serials.holds(sn) or sn.isascii()


def test_ranges_as_they_travel() -> None:
    sent = {"format": "mac:48", "length": None, "casing": "upper", "first": 1108152157440, "last": 1108152157695}
    assert range_of(sent) == MACS
    assert MACS.size == 256
    assert in_ranges("01:02:03:04:05:A0", (SerialRange("base10", 1, 2), MACS))
    assert not in_ranges("01:02:03:04:05:A0", ())


@pytest.mark.parametrize(
    "wrong",
    [
        {"format": "base64"},
        {"format": ["base10"]},
        {"first": 2, "last": 1},
        {"first": -1},
        {"first": True},
        {"first": "1"},
        {"length": 2, "last": 100},
        {"length": 65},
        {"last": 1 << 63},
        {"format": "base16"},
        {"format": "mac:48", "casing": "upper", "last": 1 << 48},
    ],
)
def test_a_range_that_makes_no_sense(wrong: Mapping[str, object]) -> None:
    with pytest.raises(UsageError):
        range_of({"format": "base10", "length": 10, "casing": None, "first": 1, "last": 9} | dict(wrong))
