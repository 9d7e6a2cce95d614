"""Keys of devices: MACs, and vendor, model and serial where there is no MAC."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provd.base.types import is_thing, mac_text, parse_device, parse_mac, thing_key, thing_names

PARTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)


@pytest.mark.parametrize(
    ("names", "key", "text"),
    [
        (("acme", "sensor-2", "S0001"), "acme~sensor-2~S0001", "acme/sensor-2/S0001"),
        (("acme", "m", "01:02:03:04:05:0F"), "acme~m~01:02:03:04:05:0F", "acme/m/01:02:03:04:05:0F"),
        (("A/S", "m~1", "a b=é"), "A=2FS~m=7E1~a=20b=3D=C3=A9", "A=2FS/m=7E1/a=20b=3D=C3=A9"),
    ],
)
def test_a_key_needs_no_escape_in_a_url_and_is_read_as_people_write_it(
    names: tuple[str, str, str], key: str, text: str
) -> None:
    assert thing_key(*names) == key
    assert thing_names(thing_key(*names)) == names
    assert mac_text(key) == text
    assert parse_device(text) == parse_device(key) == key


@given(PARTS, PARTS, PARTS)
def test_three_names_have_one_key_and_no_two_threes_the_same(vendor: str, model: str, sn: str) -> None:
    key = thing_key(vendor, model, sn)
    assert thing_names(key) == (vendor, model, sn)
    assert is_thing(key)
    assert set(key) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-=~")


def test_what_a_person_types_need_not_be_escaped() -> None:
    assert parse_device("acme/sensor 2/é") == thing_key("acme", "sensor 2", "é")
    assert parse_device(" 80:5E:C0:11:22:33 ") == parse_mac("805ec0112233")
    assert not is_thing(parse_device("805ec0112233"))


@pytest.mark.parametrize("text", ["", "acme/m", "acme/m/s/t", "acme//s", "~~", "805ec011223"])
def test_what_is_neither_a_mac_nor_three_names_is_no_device(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a MAC|neither a MAC"):
        parse_device(text)
