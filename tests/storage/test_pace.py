from provd.storage.pace import MUCH_TOO_SLOW, REST, SLOW, Pace


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
    assert not pace.quick(3.0 + REST - 1)
    assert pace.quick(3.0 + REST)


def test_one_commit_that_hangs_is_enough() -> None:
    pace = Pace()
    pace.took(MUCH_TOO_SLOW * 2, 1.0)
    assert not pace.quick(1.1)
