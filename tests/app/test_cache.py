"""The cache of rendered files."""

from __future__ import annotations

from provd.app.cache import Cache, Entry
from provd.app.files import FileReply


def entry(size: int) -> Entry:
    return Entry(FileReply(found=True, body=b"x" * size), (1, 1, 1), (), None)


def test_it_is_bounded_by_octets_and_the_least_used_go_first():
    cache = Cache(10_000)
    for key in "abcd":
        cache.put(key, entry(1000))
    cache.get("a")
    cache.put("e", entry(1000))
    assert (len(cache), cache.octets) == (4, 4 * 2024)
    assert cache.get("b") is None
    assert cache.get("a") is not None


def test_replacing_and_clearing_keep_the_count_right():
    cache = Cache(10_000)
    cache.put("a", entry(1000))
    cache.put("a", entry(2000))
    assert cache.octets == 3024
    cache.put("a", entry(20_000))
    assert (len(cache), cache.octets) == (0, 0)
    cache.put("a", entry(1))
    cache.clear()
    assert (len(cache), cache.octets) == (0, 0)
