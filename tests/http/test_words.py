import math

import pytest

from provd.http.words import ago, iso, size, span

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 ms"), (0.0084, "8 ms"), (2.44, "2.4 s"), (59, "59 s"), (185, "3 min"), (7300, "2 h"), (9 * 86400, "9 d")],
)
def test_spans(seconds, text):
    assert span(seconds) == text


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (NOW - 185, "3 min ago"),
        (NOW + 7300, "in 2 h"),
        (NOW - 0.5, "just now"),
        (NOW + 0.5, "just now"),
        (0.0, "never"),
        (math.inf, "for ever"),
    ],
)
def test_times_as_people_say_them(at, text):
    assert ago(at, NOW) == text


def test_times_as_machines_say_them():
    assert iso(NOW + 0.9) == "2027-01-15T08:00:00Z"
    assert [iso(0.0), iso(-1.0), iso(math.inf), iso(math.nan), iso(1e300)] == [""] * 5


@pytest.mark.parametrize(("octets", "text"), [(0, "0 B"), (999, "999 B"), (4200, "4.2 kB"), (31_000_000, "31 MB")])
def test_sizes(octets, text):
    assert size(octets) == text
