"""What the clock of an Htek phone shows: a place of its list, and the summer time that it knows of some of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from provd.plugin.wall_clock import in_force, weekday_at

# Hours from UTC of the places whose number is known.
PLACES = {
    105: -11, 2: -10, 3: -9, 6: -8, 9: -7, 10: -7, 14: -6, 18: -5, 19: -4.5, 20: -4, 26: -3.5, 30: -3, 31: -2, 32: -1,
    33: 0, 38: 0, 49: 1, 57: 2, 73: 3, 74: 3.5, 77: 4, 83: 5, 84: 5.5, 85: 6, 88: 7, 89: 8, 93: 9, 94: 9.5, 96: 10,
    100: 10.5, 101: 11, 102: 12, 103: 12.75, 104: 13,
}  # fmt: skip

Change = tuple[int, int, float]
"""Month, week (5 is the last one), hour of its Sunday."""

AMERICA: tuple[Change, Change] = ((3, 2, 2), (11, 1, 2))
AUSTRALIA: tuple[Change, Change] = ((10, 1, 2), (4, 1, 3))
SUMMER: dict[int, tuple[Change, Change]] = {
    **dict.fromkeys((3, 6, 9, 14, 18, 20), AMERICA),
    38: ((3, 5, 1), (10, 5, 2)),
    49: ((3, 5, 2), (10, 5, 3)),
    57: ((3, 5, 3), (10, 5, 4)),
    94: AUSTRALIA,
    96: AUSTRALIA,
    100: ((10, 1, 2), (4, 1, 2)),
    102: ((9, 5, 2), (4, 1, 3)),
    103: ((9, 5, 2.75), (4, 1, 3.75)),
}


def shown(place: str, summer: str, at: datetime) -> datetime | None:
    """The wall clock (naive) at a moment (aware); ``summer`` is 2 where the phone changes it by itself. None while no
    place is set."""
    if not place:
        return None
    standard = at.astimezone(UTC).replace(tzinfo=None) + timedelta(hours=PLACES[int(place)])
    changes = SUMMER.get(int(place)) if summer == "2" else None
    if changes is None:
        return standard
    saved = timedelta(minutes=30 if int(place) == 100 else 60)
    start, end = (_moment(standard.year, change) for change in changes)
    return in_force(standard, saved, start, end)


def _moment(year: int, change: Change) -> datetime:
    month, week, hour = change
    return weekday_at(year, month, week, 7) + timedelta(hours=hour)
