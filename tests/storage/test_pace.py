from provd.storage.pace import LONGEST_REST, MUCH_TOO_SLOW, SHORTEST_REST, SLOW, Pace


def test_quick_commits_stay_on_the_loop() -> None:
    pace = Pace()
    for now in range(1000):
        assert pace.quick(now)
        pace.took(SLOW / 10, now)


def test_a_slow_one_now_and_then_is_forgiven() -> None:
    pace = Pace()
    for now in range(300):
        pace.took(SLOW * 2 if now % 100 == 0 else SLOW / 10, now)
        assert pace.quick(now)


def test_a_slow_disk_gives_the_commits_to_the_thread_for_a_while() -> None:
    pace = Pace()
    for now in (1.0, 2.0):
        pace.took(SLOW * 2, now)
        assert pace.quick(now)
    pace.took(SLOW * 2, 3.0)
    assert not pace.quick(3.0 + SHORTEST_REST / 2)
    assert pace.quick(3.0 + SHORTEST_REST)


def _rest(pace: Pace, now: float) -> float:
    """Seconds that the thread has the commits after a disk that hangs at that time."""
    pace.took(MUCH_TOO_SLOW * 2, now)
    seconds = 0.0
    while not pace.quick(now + seconds):
        seconds += SHORTEST_REST
    return seconds


def test_a_disk_that_stays_slow_is_tried_ever_more_rarely() -> None:
    pace, now, rests = Pace(), 1000.0, list[float]()
    for _ in range(7):
        rests.append(_rest(pace, now))
        now += rests[-1] + 1
    assert rests[:4] == [SHORTEST_REST * factor for factor in (1, 2, 4, 8)]
    assert rests[-1] == LONGEST_REST


def test_a_disk_that_has_been_quick_for_long_begins_anew() -> None:
    pace = Pace()
    assert _rest(pace, 1000.0) < _rest(pace, 1005.0)
    assert _rest(pace, 1010.0 + LONGEST_REST) == SHORTEST_REST


def test_one_commit_that_hangs_is_enough() -> None:
    pace = Pace()
    pace.took(MUCH_TOO_SLOW * 2, 1.0)
    assert not pace.quick(1.1)
