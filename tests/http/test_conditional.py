import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from provd.http.conditional import Selection, select

WHOLE = Selection(200, 0, 1000)


def choose(*lines: tuple[str, str], method="GET", etag="v1", size=1000, ranges=True):
    return select(method, CIMultiDictProxy(CIMultiDict(lines)), etag=etag, size=size, ranges=ranges)


@pytest.mark.parametrize(
    ("text", "selection"),
    [
        ("bytes=0-99", Selection(206, 0, 100)),
        ("bytes=100-", Selection(206, 100, 1000)),
        ("bytes=-5", Selection(206, 995, 1000)),
        ("bytes=-5000", Selection(206, 0, 1000)),
        ("bytes=990-5000", Selection(206, 990, 1000)),
        ("Bytes=0-0", Selection(206, 0, 1)),
        ("bytes=1000-", Selection(416)),
        ("bytes=99999999-", Selection(416)),
        ("bytes=-0", Selection(416)),
        ("bytes=9-5", WHOLE),
        ("bytes=-", WHOLE),
        ("bytes=a-b", WHOLE),
        ("items=0-5", WHOLE),
        ("bytes=0-99,200-299", WHOLE),
        ("bytes=" + ",".join(["0-"] * 500), WHOLE),
        ("bytes=" + "9" * 30 + "-", WHOLE),
    ],
)
def test_one_range_is_served_and_several_are_not(text, selection):
    assert choose(("Range", text)) == selection


def test_a_range_is_for_get_and_for_large_content_only():
    assert choose(("Range", "bytes=0-9"), method="HEAD") == WHOLE
    assert choose(("Range", "bytes=0-9"), ranges=False) == WHOLE
    assert choose(("Range", "bytes=0-9"), size=0) == Selection(416)


@pytest.mark.parametrize(
    ("if_range", "status"),
    [('"v1"', 206), ('"v0"', 200), ('W/"v1"', 200), ("Wed, 21 Oct 2015 07:28:00 GMT", 200), ("v1", 200)],
)
def test_if_range_needs_the_strong_validator(if_range, status):
    assert choose(("Range", "bytes=0-9"), ("If-Range", if_range)).status == status


@pytest.mark.parametrize(
    ("value", "status"),
    [('"v1"', 304), ('W/"v1"', 304), ('"v0", "v1"', 304), ("*", 304), ('"v0"', 200), ("v1", 200), ("", 200)],
)
def test_if_none_match_compares_weakly(value, status):
    assert choose(("If-None-Match", value)).status == status


def test_if_none_match_may_be_spread_over_lines():
    assert choose(("If-None-Match", '"a"'), ("If-None-Match", '"v1"')).status == 304


def test_if_none_match_without_a_tag_of_ours_gets_the_content():
    assert choose(("If-None-Match", '""'), etag="").status == 200


def test_if_none_match_is_weighed_before_the_range():
    assert choose(("If-None-Match", '"v1"'), ("Range", "bytes=0-9")).status == 304


@pytest.mark.parametrize(("value", "status"), [('"v1"', 200), ("*", 200), ('W/"v1"', 412), ('"v0"', 412)])
def test_if_match_compares_strongly(value, status):
    assert choose(("If-Match", value)).status == status
