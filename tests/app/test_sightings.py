"""The table of what was seen lately."""

from __future__ import annotations

from provd.app.sightings import SILENCE, Sightings
from provd.base.types import Mac

ME = Mac("02aaaa000001")


def macs(count: int) -> list[Mac]:
    return [Mac(f"{number:012x}") for number in range(count)]


def test_boot_ids_are_short_and_never_the_same():
    sightings = Sightings("x7-", capacity=100)
    ids = [sightings.touch(mac, 1.0)[0].boot for mac in macs(50)]
    assert len(set(ids)) == 50
    assert (ids[0], ids[34], ids[35], ids[49]) == ("x7-1", "x7-z", "x7-10", "x7-1e")


def test_a_word_after_a_silence_begins_a_boot():
    sightings = Sightings("")
    assert sightings.touch(ME, 0.0)[1]
    assert not sightings.touch(ME, SILENCE - 1)[1]
    # A phone that polls every minute does not boot every minute.
    assert not sightings.touch(ME, SILENCE + 59)[1]
    assert sightings.touch(ME, SILENCE * 2 + 60)[1]


def test_the_table_is_bounded_and_forgets_the_longest_silent():
    sightings = Sightings("", capacity=3)
    first, *rest = macs(4)
    sightings.touch(first, 0.0)
    for mac in rest[:2]:
        sightings.touch(mac, 1.0)
    sightings.touch(first, 2.0)
    sightings.touch(rest[2], 3.0)
    assert len(sightings) == 3
    assert sightings.find(rest[0]) is None
    assert sightings.find(first) is not None
