"""Wrong codes: how long somebody has to wait after one. Pure: records and times in, records out.

The rule, in full. Four things are counted, each in a record of its own, and a good code is looked at only when none of
them says no:

* **The device** (``device:<MAC>``), when it is known which one dialed. After its n-th wrong code it waits
  ``delay * 2^(n-1)``; the ``tries``-th locks it for ``lock``, and from then on it has one try per ``lock`` until it has
  made no mistake for ``CALM``. Fewer mistakes than ``tries`` are forgotten after ``lock`` without a further one. So no
  hour sees more than ``tries`` guesses of a device. A code that it redeems clears its own record.
* **The source** (``source:<address>``), for dials of which nobody knows the device: every one counts, right or wrong,
  and ``source_tries`` of them close the address for ``lock``, to such dials only. A known phone behind the same NAT
  never feels it.
* **The crowd** behind one address (``crowd:<address>``), for devices that are known, or pretend to be: a device that
  gets locked counts once, and when it made its mistakes again and again it still counts once, until it was calm.
  ``crowd`` different devices locked within a ``lock`` of each other mean somebody who makes up MACs. Then that address
  is closed for ``lock`` to devices that have made a mistake themselves and to those that turned up after the first of
  these lock-outs. A phone that was there before and made no mistake goes on: nobody's mistakes lock a neighbour.
* **The site** (``site``): every wrong code counts. ``site_tries`` within a day close the site, in the same sense, until
  that day is over or an administrator lifts it. This is what bounds the guesses of somebody with many addresses.

Wrong is what is no code, a code that is not good any more, and a wrong PIN. A code that is good but does not fit (its
line is taken, the device is full or somebody else's) is nobody's guess and does not count.
"""

from __future__ import annotations

from dataclasses import replace

from provd.base.dataclass import dataclass
from provd.domain.records import Lock

CALM = 86400.0
"""Seconds without a mistake after which a device that was locked has all its tries again."""
DAY = 86400.0
_LONGEST_DELAY = 20
"""Doublings after which a delay grows no more; the lock comes long before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """``delay`` and ``lock`` are in seconds, the rest are counts."""

    tries: int = 5
    delay: float = 2.0
    lock: float = 3600.0
    source_tries: int = 10
    crowd: int = 10
    site_tries: int = 240


def waits(lock: Lock | None, now: float) -> float:
    """Seconds for which nothing is looked at because of this record."""
    return 0.0 if lock is None else max(0.0, lock.until - now)


def remembered(lock: Lock | None, now: float, rules: Rules) -> bool:
    """Whether the record still says something."""
    if lock is None:
        return False
    if waits(lock, now):
        return True
    if lock.kind == "site":
        return now - lock.first < DAY
    calm = CALM if lock.kind == "device" and lock.wrong >= rules.tries else rules.lock
    return now - lock.last < calm


def device_missed(lock: Lock | None, mac: str, tenant: str, now: float, rules: Rules) -> Lock:
    """The device's record after one more wrong code."""
    known = _known(lock, Lock(id=f"device:{mac}", kind="device", subject=mac), now, rules)
    wrong = known.wrong + 1
    pause = rules.lock if wrong >= rules.tries else rules.delay * 2.0 ** min(wrong - 1, _LONGEST_DELAY)
    return replace(_counted(known, now), tenant=tenant, until=now + pause)


def just_locked(lock: Lock, rules: Rules) -> bool:
    """Whether the last wrong code was the one that locked the device."""
    return lock.wrong == rules.tries


def source_missed(lock: Lock | None, address: str, now: float, rules: Rules) -> Lock:
    """The record of an address after one more dial of nobody knows whom."""
    known = _known(lock, Lock(id=f"source:{address}", kind="source", subject=address), now, rules)
    return _closed_at(_counted(known, now), rules.source_tries, now + rules.lock)


def crowd_locked(lock: Lock | None, address: str, now: float, rules: Rules) -> Lock:
    """The record of an address after one more device behind it was locked."""
    known = _known(lock, Lock(id=f"crowd:{address}", kind="crowd", subject=address), now, rules)
    return _closed_at(_counted(known, now), rules.crowd, now + rules.lock)


def site_missed(lock: Lock | None, now: float, rules: Rules) -> Lock:
    """The record of the site after one more wrong code."""
    counted = _counted(_known(lock, Lock(id="site", kind="site"), now, rules), now)
    return _closed_at(counted, rules.site_tries, counted.first + DAY)


def shut_for(lock: Lock | None, now: float, *, clean: bool, since: float) -> float:
    """Seconds for which a closed crowd or site is closed to a device.

    ``clean`` says that the device has made no mistake itself, ``since`` is when it was first seen.
    """
    if lock is None or (clean and since < lock.first):
        return 0.0
    return waits(lock, now)


def moved(lock: Lock, seconds: float) -> Lock:
    """The record on a time line that was moved by so much."""
    return replace(lock, first=lock.first + seconds, last=lock.last + seconds, until=lock.until + seconds)


def _known(lock: Lock | None, fresh: Lock, now: float, rules: Rules) -> Lock:
    return lock if lock is not None and remembered(lock, now, rules) else fresh


def _counted(lock: Lock, now: float) -> Lock:
    return replace(lock, wrong=lock.wrong + 1, first=lock.first if lock.wrong else now, last=now)


def _closed_at(lock: Lock, limit: int, until: float) -> Lock:
    return replace(lock, until=until) if lock.wrong >= limit else lock
