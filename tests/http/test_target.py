import pytest
from hypothesis import given
from hypothesis import strategies as st

from provd.http.target import as_one_name, requested_path


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/y000000000028.cfg", "/y000000000028.cfg"),
        ("/provision/80:5e:c0:11:22:33.cfg", "/provision/80:5e:c0:11:22:33.cfg"),
        ("//provision///a.cfg", "/provision/a.cfg"),
        ("/a.cfg?mac=1&x=/../..", "/a.cfg"),
        ("/a.cfg#top", "/a.cfg"),
        ("/%38%30.cfg", "/80.cfg"),
        ("/spa$PSN.cfg", "/spa$PSN.cfg"),
        ("/b%C3%BCro.cfg", "/büro.cfg"),
        ("/.well-known", "/.well-known"),
        ("/dir/", "/dir/"),
        ("/", "/"),
        ("//", "/"),
        ("http://other.example:80/a.cfg", "/a.cfg"),
        ("HTTPS://u:p@[::1]/x//a.cfg?q", "/x/a.cfg"),
        ("http://other.example", "/"),
        ("http://other.example?x=1", "/"),
        ("/100%.cfg", "/100%.cfg"),
        ("/%252e%252e/a", "/%2e%2e/a"),
    ],
)
def test_a_target_has_one_path(target, path):
    assert requested_path(target) == path


@pytest.mark.parametrize(
    "target",
    [
        "/../a.cfg",
        "/x/../a.cfg",
        "/x/./a.cfg",
        "/x/%2e%2e/a.cfg",
        "/x/.%2E/a.cfg",
        "/x%2fa.cfg",
        "/x%2Fa.cfg",
        "/x%5ca.cfg",
        "/x\\a.cfg",
        "/a.cfg%00.txt",
        "/a.cfg%0d%0aX: y",
        "/a%7f.cfg",
        "/a%ff.cfg",
        "/a\udcff.cfg",
        "*",
        "a.cfg",
        "",
        "http:/a.cfg/..",
        "/..",
        "/.",
    ],
)
def test_what_can_be_read_in_two_ways_has_no_path(target):
    assert requested_path(target) is None


@given(st.text(st.characters(max_codepoint=0xDCFF, exclude_categories=()), max_size=60))
def test_any_text_gives_a_clean_path_or_none(target):
    path = requested_path(target)
    if path is not None:
        assert path.startswith("/")
        assert "//" not in path
        assert not {".", ".."} & set(path.split("/"))
        assert path.isprintable() or all(ord(c) > 0x7F or c.isprintable() for c in path)
    name = as_one_name(target)
    assert name.isascii()
    assert name.count("/") == 1
