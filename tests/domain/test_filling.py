"""Places for values in texts, and JSON pointers by the examples of RFC 6901 section 5."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from provd.base.errors import UsageError
from provd.domain.filling import filled, places, pointed, text_of

VALUES = {"device": {"mac": "02:aa", "n": 7, "none": None, "yes": True}, "crm": {"a.b": "x"}}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{device.mac}", "02:aa"),
        ("{device.n}", 7),
        ("{device.none}", None),
        ("{device.yes}", True),
        ("no {device.n}, {device.yes}{device.none}.", "no 7, true."),
        ("{crm.a.b}", "x"),
        ("plain {} {x} {device}", "plain {} {x} {device}"),
    ],
)
def test_a_text_is_filled(text, value):
    assert filled(text, VALUES) == value


def test_a_value_cannot_bring_a_place_of_its_own_or_leave_its_part_of_a_path():
    assert text_of("{device.mac}", {"device": {"mac": "{crm.a.b}"}}) == "{crm.a.b}"
    assert text_of("/x/{a.b}", {"a": {"b": "../../?q=1#"}}, lambda text: quote(text, safe="")) == (
        "/x/..%2F..%2F%3Fq%3D1%23"
    )


def test_a_value_that_is_not_there_is_named():
    with pytest.raises(UsageError, match=r"there is no crm\.x; in crm there is a\.b"):
        filled("{crm.x}", VALUES)
    with pytest.raises(UsageError, match=r"in other there is nothing"):
        filled("{other.x}", VALUES)
    assert list(places("{a.b} and {c.d.e}")) == [("a", "b"), ("c", "d.e")]


DOCUMENT = {"foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "e^f": 3, "g|h": 4, "i\\j": 5, 'k"l': 6, " ": 7, "m~n": 8}


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("", DOCUMENT),
        ("/foo", ["bar", "baz"]),
        ("/foo/0", "bar"),
        ("/", 0),
        ("/a~1b", 1),
        ("/c%d", 2),
        ("/e^f", 3),
        ("/g|h", 4),
        ("/i\\j", 5),
        ('/k"l', 6),
        ("/ ", 7),
        ("/m~0n", 8),
    ],
)
def test_pointers(pointer, value):
    assert pointed(DOCUMENT, pointer) == value


@pytest.mark.parametrize("pointer", ["/x", "/foo/2", "/foo/-", "/foo/01", "/foo/-1", "/foo/0/x", "foo"])
def test_pointers_to_nothing(pointer):
    with pytest.raises(LookupError):
        pointed(DOCUMENT, pointer)
