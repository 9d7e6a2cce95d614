"""What is told seldom."""

from provd.dhcp.tally import Tally


def test_once_per_period_with_the_number():
    tally = Tally(60.0)
    assert [tally.told("a", float(second)) for second in (0, 1, 59, 60, 61, 119, 121)] == [1, 0, 0, 3, 0, 0, 3]
    assert tally.told("b", 61.0) == 1


def test_it_remembers_a_bounded_number_of_keys():
    tally = Tally(60.0, keys=2)
    for key in "abc":
        tally.told(key, 0.0)
    assert tally.told("c", 1.0) == 0
    assert tally.told("a", 1.0) == 1
