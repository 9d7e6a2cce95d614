"""Token buckets on a simulated clock."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from provd.guard.bucket import KeyedBuckets, TokenBucket


def test_a_burst_and_then_the_rate() -> None:
    bucket = TokenBucket(rate=2, burst=3, now=10.0)
    assert [bucket.allow(10.0) for _ in range(4)] == [True, True, True, False]
    assert [bucket.allow(10.4), bucket.allow(10.5), bucket.allow(10.5)] == [False, True, False]
    assert [bucket.allow(99.0) for _ in range(4)] == [True, True, True, False]


def test_a_clock_that_stands_or_steps_back_gives_nothing() -> None:
    bucket = TokenBucket(rate=1, burst=1, now=10.0)
    assert bucket.allow(10.0)
    assert not bucket.allow(5.0)
    assert not bucket.allow(10.9)
    assert bucket.allow(11.0)


@given(st.lists(st.floats(0, 3), max_size=60))
def test_never_more_than_burst_plus_rate_times_time(pauses: list[float]) -> None:
    bucket = TokenBucket(rate=1.5, burst=4, now=0.0)
    now, given_out = 0.0, 0
    for pause in pauses:
        now += pause
        given_out += bucket.allow(now)
    assert given_out <= 4 + 1.5 * now + 1e-6


def test_keys_do_not_share() -> None:
    buckets: KeyedBuckets[str] = KeyedBuckets(rate=1, burst=1)
    assert buckets.allow("a", 0.0)
    assert not buckets.allow("a", 0.0)
    assert buckets.allow("b", 0.0)


def test_asking_takes_nothing() -> None:
    buckets: KeyedBuckets[str] = KeyedBuckets(rate=1, burst=2)
    assert buckets.left("a", 0.0) == 2
    assert len(buckets) == 0
    assert buckets.allow("a", 0.0)
    assert buckets.left("a", 0.5) == 1.5
    assert buckets.left("a", 9.0) == 2


def test_memory_is_bounded_and_the_longest_unused_key_goes() -> None:
    buckets: KeyedBuckets[int] = KeyedBuckets(rate=0, burst=1, capacity=3)
    for key in (1, 2, 3, 1, 4):
        buckets.allow(key, 0.0)
    assert len(buckets) == 3
    assert not buckets.allow(1, 0.0)
    assert buckets.allow(2, 0.0)  # forgotten, so new


def test_several_tokens_at_once_or_none() -> None:
    bucket = TokenBucket(rate=10, burst=100, now=0.0)
    assert bucket.allow(0.0, 60)
    assert not bucket.allow(0.0, 41)
    assert bucket.allow(0.0, 40)
    buckets: KeyedBuckets[str] = KeyedBuckets(rate=10, burst=100)
    assert buckets.allow("a", 0.0, 100)
    assert not buckets.allow("a", 0.0)
    assert buckets.allow("b", 0.0, 100)
    assert buckets.allow("a", 2.0, 20)
